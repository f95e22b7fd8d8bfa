"""`hark serve` as a process: how it begins, what it refuses, and how it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from typer.testing import CliRunner, Result

from hark.cli import app
from hark.cli.serve_options import _OPTIONS, config
from hark.server import keys
from hark.server.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is of Linux")

# An engine as slow as is wanted: the model `echo`, with empty steps before its own.
_SLOW = """
import sys, time
from hark.answers.answer import Delta
from hark.cli import main
from hark.engines.echo import Echo
quick = Echo.generate
def generate(self, conversation, options):
    for _ in range({steps}):
        time.sleep({pause})
        yield Delta()
    yield from quick(self, conversation, options)
Echo.generate = generate
sys.argv[0] = "hark"
main()
"""


def hark(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["serve", *map(str, arguments)])


@dataclasses.dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    said: list[str]


@contextlib.contextmanager
def serve(*arguments: str, steps: int = 0, pause: float = 0.0, **environment: str) -> Iterator[Served]:
    code = _SLOW.format(steps=steps, pause=pause)
    command = [sys.executable, "-c", code, "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    ) as process:
        try:
            assert process.stdout
            said = [process.stdout.readline()]
            assert said[0], process.communicate()[1]
            said.append(process.stdout.readline())
            yield Served(process, said[0].split()[-1], said)
        finally:
            process.kill()


def ended(served: Served, number: int = signal.SIGTERM) -> tuple[int, str]:
    """The exit status, and the log."""
    served.process.send_signal(number)
    errors = served.process.communicate(timeout=20)[1]
    return served.process.returncode, errors


def options(**changed: Any) -> Config:
    values = dict.fromkeys(("model", *_OPTIONS)) | {"port": 0, "host": "127.0.0.1"}
    return config(values | changed)


def test_every_field_of_a_configuration_has_an_option() -> None:
    fields = {one.name for one in dataclasses.fields(Config)}
    assert fields - set(_OPTIONS) == {"models", "keys"}
    text = hark("--help").output
    for option, *_ in _OPTIONS.values():
        assert option[:18] in text


def test_options_become_the_configuration() -> None:
    made = options(
        model=["builtin", "fast=echo"], origins=["https://a.example,https://b.example:8443"], deadline_seconds=9.0,
        url_hosts=["*.example.org"], trusted_proxies=["10.0.0.0/8"], api_key=[keys.new()], no_auth=False,
    )  # fmt: skip
    assert [(one.name, one.model) for one in made.models] == [("builtin", "builtin"), ("fast", "echo")]
    assert made.origins == ("https://a.example", "https://b.example:8443")
    assert (made.deadline_seconds, made.url_hosts, made.trusted_proxies) == (9.0, ("*.example.org",), ("10.0.0.0/8",))
    assert made.max_clips == Config().max_clips


def test_the_model_is_that_of_all_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert options().models[0].name == "builtin"
    monkeypatch.setenv("HARK_MODEL", "echo")
    assert options().models[0].name == "echo"
    (tmp_path / "a=b").mkdir()
    of_folder, of_server = options(model=[f"mine={tmp_path / 'a=b'}", "openai:gpt@http://10.0.0.1:8000/v1?a=b"]).models
    assert (of_folder.name, of_folder.model) == ("mine", str(tmp_path / "a=b"))
    assert (of_server.name, of_server.model) == ("gpt", "openai:gpt@http://10.0.0.1:8000/v1?a=b")
    (folder,) = options(model=[str(tmp_path)]).models
    assert folder.name == tmp_path.name, "clients are not told where it lies"


def test_keys_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second, third = keys.new(), keys.new(), keys.new()
    keys.add(tmp_path / "keys", "laptop", third)
    monkeypatch.setenv("HARK_API_KEYS", f" {first}, {second},")
    made = options(api_keys_file=tmp_path / "keys")
    assert [keys.find(made.keys, [key]) is not None for key in (first, second, third, keys.new())] == [True] * 3 + [
        False
    ]
    assert made.keys[-1].name == "laptop"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-m", "nope"], "no model 'nope'"),
        (["-m", "echo", "-m", "echo"], "Two models"),
        (["-m", "dummy=echo"], "cannot call"),
        (["-m", "=echo"], "cannot call"),
        (["-m", "a b=echo"], "cannot call"),
        (["-m", "echo", "--device", "cuda"], "cannot be loaded with device"),
        (["-m", "echo", "--dtype", "int2"], "dtype cannot be"),
        (["-m", "echo", "--cache-mb", "-1"], "cache_mb cannot be"),
        (["-m", "faster-whisper:small"], "not on this machine"),
        (["-m", "echo", "--host", "0.0.0.0"], "everybody who reaches"),
        (["-m", "echo", "--host", "::"], "everybody who reaches"),
        (["-m", "echo", "--host", "example.invalid"], "everybody who reaches"),
        (["-m", "echo", "--host", "192.0.2.1", "--no-auth"], "cannot listen at 192.0.2.1"),
        (["-m", "echo", "--port", "65536"], "no port"),
        (["-m", "echo", "--api-key", "short"], "at least 16"),
        (["-m", "echo", "--api-key", "x" * 20, "--no-auth"], "--no-auth"),
        (["-m", "echo", "--api-keys-file", "none"], "cannot be read"),
        (["-m", "echo", "--cors-origin", "https://example.org/"], "no origin"),
        (["-m", "echo", "--cors-origin", "example.org"], "no origin"),
        (["-m", "echo", "--forwarded-allow-ips", "nginx"], "no address of a proxy"),
        (["-m", "echo", "--max-seconds", "nan"], "max_seconds cannot be"),
        (["-m", "echo", "--max-clips", "0"], "max_clips cannot be"),
        (["-m", "echo", "--deadline", "-1"], "deadline_seconds cannot be"),
        (["-m", "echo", "--rate-limit", "0"], "requests_per_minute cannot be"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_listens(arguments: list[str], why: str) -> None:
    result = hark(*arguments, "--port", 0) if "--port" not in arguments else hark(*arguments)
    assert result.exit_code == 1
    assert why in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = hark("-m", "echo", "--port", taken.getsockname()[1])
    assert result.exit_code == 1
    assert "Address already in use" in result.stderr


def test_a_key_is_made_and_opens(tmp_path: Path) -> None:
    shown = hark("key", "laptop").stdout
    key, line = (text.split(":", 1)[1].strip() for text in shown.splitlines())
    (tmp_path / "keys").write_text(line)
    assert keys.find(keys.read(tmp_path / "keys"), [key])
    made = hark("key", "phone", "--add-to", tmp_path / "keys").stdout.strip()
    assert [one.name for one in keys.read(tmp_path / "keys")] == ["laptop", "phone"]
    assert hark("key", "no name").exit_code == 1
    assert hark("key", "x", "--add-to", tmp_path / "none" / "keys").exit_code == 1
    with serve("-m", "echo", "--api-keys-file", str(tmp_path / "keys"), "--log-json") as served:
        assert "Bearer $KEY" in served.said[1]
        assert httpx2.get(f"{served.url}/v1/models").status_code == 401
        response = httpx2.get(f"{served.url}/v1/models", headers={"x-api-key": made})
        assert response.status_code == 200
        assert "server" not in response.headers
        status, log = ended(served)
    assert status == 0
    assert '"key": "phone"' in log
    assert made not in log


def test_it_names_its_address_and_something_to_try(examples: Path) -> None:
    key = keys.new()
    with serve("-m", "echo", "--warm", "--host", "0.0.0.0", HARK_API_KEYS=key) as served:
        assert served.said[0].startswith("hark serves echo at http://127.0.0.1:")
        command = served.said[1].removeprefix("Try: ").replace("recording.wav", str(examples / "order.flac"))
        shell = ["bash", "-c", f"KEY={key}; {command.strip()} -sS"]
        answer = subprocess.run(shell, capture_output=True, text=True, check=True)
        assert '"text":' in answer.stdout
        assert ended(served, signal.SIGINT)[0] == 0


def _folder(parent: Path) -> Path:
    """A folder for temporary files in which nothing else lies."""
    folder = parent / "temporary"
    folder.mkdir()
    return folder


def _gone(children: list[str]) -> bool:
    """Have all ended, within a moment? One that nobody collected has ended too."""

    def runs(child: str) -> bool:
        try:
            return ") Z " not in Path(f"/proc/{child}/stat").read_text(encoding="ascii")
        except OSError:
            return False

    until = time.monotonic() + 5
    while any(map(runs, children)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(runs, children))


def _children(process: subprocess.Popen[str]) -> list[str]:
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text(encoding="ascii").split()]


@linux
def test_what_runs_is_finished_and_nothing_is_left(tone: Path, tmp_path: Path) -> None:
    own, answers = _folder(tmp_path), dict[str, httpx2.Response]()
    upload = tone.read_bytes() * 40  # over 1 MiB: it lies on disk

    def ask(stream: str) -> None:
        data = {"model": "echo", "stream": stream}
        url = f"{served.url}/v1/audio/transcriptions"
        answers[stream] = httpx2.post(url, files={"file": upload}, data=data, timeout=20)

    with serve("-m", "echo", "--drain-seconds", "0.7", steps=25, pause=0.1, TMPDIR=str(own)) as served:
        asking = [threading.Thread(target=ask, args=(stream,)) for stream in ("true", "false")]
        for thread in asking:
            thread.start()
        time.sleep(0.7)
        children = _children(served.process)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert httpx2.get(f"{served.url}/ready").status_code == 503
        time.sleep(0.6)
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{served.url}/health")
        assert answers == {}, "they were to run still"
        for thread in asking:
            thread.join(20)
        errors = served.process.communicate(timeout=20)[1]
    assert served.process.returncode == 0, errors
    assert {answer.status_code for answer in answers.values()} == {200}
    assert "transcript.text.done" in answers["true"].text
    assert answers["false"].json()["text"]
    assert "Traceback" not in errors
    assert children
    assert _gone(children)
    assert list(own.iterdir()) == []


@linux
def test_what_does_not_end_in_time_is_ended(tone: Path, tmp_path: Path) -> None:
    own = _folder(tmp_path)
    with serve("-m", "echo", "--shutdown-seconds", "1", steps=1000, pause=0.1, TMPDIR=str(own)) as served:
        asking = _asking(served.url, tone)
        begun = time.monotonic()
        status, errors = ended(served)
        asking.join(5)
    assert time.monotonic() - begun < 6
    assert status == 0, errors
    assert list(own.iterdir()) == []


@linux
def test_a_second_signal_ends_at_once(tone: Path) -> None:
    with serve("-m", "echo", steps=1, pause=60.0) as served:  # in the middle of a step nothing else stops it
        asking = _asking(served.url, tone)
        children = _children(served.process)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert served.process.poll() is None
        begun = time.monotonic()
        status, _ = ended(served)
        asking.join(5)
    assert time.monotonic() - begun < 3
    assert status == 128 + signal.SIGTERM
    assert _gone(children)


def _asking(url: str, tone: Path) -> threading.Thread:
    """Ask something that takes long; return when it has begun."""

    def ask() -> None:
        with contextlib.suppress(httpx2.HTTPError):
            httpx2.post(f"{url}/v1/audio/transcriptions", files={"file": tone.read_bytes()}, data={"model": "echo"})

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    time.sleep(0.7)
    return thread


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['fastapi'] = None; sys.argv = ['hark', 'serve']; import hark.cli; hark.cli.main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "hark-audio[serve]" in result.stderr


def test_help_loads_no_server() -> None:
    code = "import sys, hark.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"fastapi", "starlette", "uvicorn", "numpy", "torch"} & set(loaded) == set()
