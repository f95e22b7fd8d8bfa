"""Addresses and paths in requests: an attack list, sent to a running server through its doors.

Only servers that the tests started on loopback are connected to. All other addresses are tested as policy: a resolver
made up here answers, and a network that only records proves that no connection was made.
"""

from __future__ import annotations

import base64
import gc
import os
import socket
import tempfile
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from hark.server.urls import Urls
from serving import Running, serving
from tiny.disguises import DISGUISED, PRIVATE_NUMBERS
from tiny.website import PUBLIC, Network, Server, website

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DOORS: dict[str, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    "task": lambda audio: ("/", {"audio": audio, "text": "What is it?"}),
    "speech": lambda audio: ("/", {"inputs": audio}),
    "part": lambda audio: ("/", {"inputs": [{"role": "user", "content": [{"type": "audio", "audio": audio}]}]}),
    "chat": lambda audio: ("/v1/chat/completions", _chat({"type": "audio_url", "audio_url": {"url": audio}})),
    "chat part": lambda audio: ("/v1/chat/completions", _chat({"type": "audio", "url": audio})),
    "response": lambda audio: ("/v1/responses", _response({"type": "input_file", "file_url": audio})),
}
FEW = ["task", "chat"]


def _chat(part: dict[str, Any]) -> dict[str, Any]:
    content = [part, {"type": "text", "text": "What is it?"}]
    return {"model": "echo", "messages": [{"role": "user", "content": content}]}


def _response(part: dict[str, Any]) -> dict[str, Any]:
    content = [part, {"type": "input_text", "text": "What is it?"}]
    return {"model": "echo", "input": [{"role": "user", "content": content}]}


def ask(server: Running, audio: Any, door: str = "chat", **more: Any) -> httpx2.Response:
    path, body = DOORS[door](audio)
    return httpx2.post(server.url + path, json=body, timeout=20, **more)


def told(answer: httpx2.Response) -> str:
    error = answer.json()["error"]
    return str(error["message"] if isinstance(error, dict) else error)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, which is empty again after each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def site(tone: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with website(tone.read_bytes()) as running:
        monkeypatch.setenv("HARK_FETCH_PRIVATE", running.host)
        yield running


@pytest.fixture
def server(site: Server) -> Iterator[Running]:
    """A server that may fetch from the site."""
    with serving("echo", url_hosts=(site.host,)) as running:
        yield running


class World:
    """A server that may fetch from any public host, in a world made up here."""

    def __init__(self, server: Running) -> None:
        self.server, self.network, self.answers = server, Network(), dict[str, list[list[str]]]()
        server.service.media.urls = Urls(server.service.config, resolver=self.resolve, network=self.network)

    def resolve(self, host: str, _port: int) -> list[str]:
        if host not in self.answers:
            raise socket.gaierror(-2, "Name or service not known")
        turns = self.answers[host]
        return turns.pop(0) if len(turns) > 1 else turns[0]


@pytest.fixture(scope="module")
def anywhere() -> Iterator[Running]:
    with serving("echo", url_hosts=("*", "[::1]:1", "127.0.0.1:1")) as running:
        yield running


@pytest.fixture
def world(anywhere: Running) -> World:
    return World(anywhere)


@pytest.mark.parametrize("door", DOORS)
def test_a_recording_at_an_allowed_address_is_heard(door: str, site: Server, server: Running, temporary: Path) -> None:
    answer = ask(server, f"{site.url}/good?key=k", door, headers={"cookie": "a=b", "authorization": "Bearer s3cret"})
    assert answer.status_code == 200, answer.text
    assert "1.0 s, 16000 Hz" in answer.text
    assert site.hits == ["/good?key=k"]
    sent = {name.lower(): value for name, value in site.headers[0].items()}
    assert set(sent) <= {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert "s3cret" not in str(sent)
    gone(temporary)


def gone(folder: Path) -> None:
    """All temporary files went, within a moment."""
    for _ in range(40):
        gc.collect()
        if not (left := os.listdir(folder)):
            return
        time.sleep(0.05)
    pytest.fail(f"left: {left}")


@pytest.mark.parametrize("door", DOORS)
def test_addresses_are_closed_unless_hosts_are_allowed(door: str, site: Server) -> None:
    with serving("echo") as server:
        answer = ask(server, f"{site.url}/good", door)
    assert answer.status_code == 400
    assert "base64" in told(answer)
    assert "--allow-url-hosts" in told(answer)
    assert site.hits == []


def test_fetching_that_is_turned_off_stays_off(site: Server, server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_FETCH", "0")
    assert ask(server, f"{site.url}/good").status_code == 400
    assert site.hits == []


def test_disguises_are_refused_before_any_look_up(world: World) -> None:
    world.answers = {"audio.test": [[PUBLIC]], "a.test": [[PUBLIC]], "evil.test": [[PUBLIC]], "b.test": [[PUBLIC]]}
    with httpx2.Client(base_url=world.server.url) as client:
        for url in DISGUISED:
            if url.startswith("data:"):
                continue
            for door in FEW:
                path, body = DOORS[door](url)
                answer = client.post(path, json=body)
                assert (answer.status_code, world.network.connected) == (400, []), url
                assert "s3cret" not in answer.text


def test_private_numbers_are_never_connected_to(world: World) -> None:
    messages = set()
    with httpx2.Client(base_url=world.server.url) as client:
        for address in PRIVATE_NUMBERS:
            world.answers = {"audio.test": [[address]], "both.test": [[PUBLIC, address]]}
            literal = f"[{address}]" if ":" in address else address
            for url in ("http://audio.test/a", "https://both.test/a", f"http://{literal}/a"):
                path, body = DOORS["chat"](url)
                answer = client.post(path, json=body)
                assert (answer.status_code, world.network.connected) == (400, []), url
                if "test" in url:
                    messages.add(told(answer).replace("https://both", "http://audio"))
    world.answers = {}
    messages.add(told(ask(world.server, "http://audio.test/a")))  # there is no such host
    assert len(messages) == 1


def test_a_name_cannot_rebind(world: World) -> None:
    world.answers = {"audio.test": [[PUBLIC], ["127.0.0.1"]]}
    world.network.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsound"] * 2
    ask(world.server, "http://audio.test/a")
    assert world.network.connected == [(PUBLIC, 80)]
    ask(world.server, "http://audio.test/a")
    assert world.network.connected == [(PUBLIC, 80)]


def test_redirects_lead_nowhere_else(world: World) -> None:
    world.answers = {"audio.test": [[PUBLIC]], "inner.test": [["10.0.0.5"]]}
    messages = set()
    for to in ("http://127.0.0.1/", "http://[::1]/", "http://inner.test/", "file:///etc/passwd", "http://0x7f.1/",
               "gopher://audio.test/", "http://u:p@audio.test/", "//localhost/", "http://audio.test:22/",
               "data:audio/wav;base64,AAAA", "http://169.254.169.254/latest/meta-data/"):  # fmt: skip
        world.network = Network(f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode())
        world.server.service.media.urls = Urls(
            world.server.service.config, resolver=world.resolve, network=world.network
        )
        messages.add(told(ask(world.server, "http://audio.test/a")))
        assert world.network.connected == [(PUBLIC, 80)], to
    assert len(messages) == 1


def test_an_allow_list_holds_for_each_hop(site: Server, server: Running) -> None:
    with website(b"SECRET of an inner server") as inner:
        os.environ["HARK_FETCH_PRIVATE"] = f"{site.host} {inner.host}"  # set by the fixture, which puts it back
        assert ask(server, f"{inner.url}/good").status_code == 400
        answer = ask(server, f"{site.url}/away?{inner.url}/good")
        assert answer.status_code == 400
        assert "SECRET" not in answer.text
        assert inner.hits == []
    assert len(site.hits) == 1


def test_no_failure_tells_what_there_is(site: Server, server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed port, no such page, a crash, a drip, a flood, a loop, a way inwards: one status and one message."""
    monkeypatch.setenv("HARK_FETCH_SECONDS", "0.6")
    monkeypatch.setenv("HARK_FETCH_MAX_BYTES", "100000")
    paths = "none broken zip huge endless drip driphead hang short noise inward loop".split()
    paths += ["away?http://10.0.0.5/", "away?file:///etc/passwd", f"away?http://localhost:{site.server_port}/good"]
    answers = {path: ask(server, f"{site.url}/{path}") for path in paths}
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{bound.getsockname()[1]}"
    monkeypatch.setenv("HARK_FETCH_PRIVATE", closed)
    with serving("echo", url_hosts=(closed,)) as other:
        answers["closed"] = ask(other, f"http://{closed}/a")
    said = {(answer.status_code, told(answer).split(" ", 1)[1]) for answer in answers.values()}
    assert len(said) == 1, said
    assert not any("SECRET" in answer.text for answer in answers.values())
    assert not any(str(status) in text for status in (404, 500, 302) for _, text in said)


def test_proxies_of_the_environment_do_not_matter(
    site: Server, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with website(b"") as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        with httpx2.Client(trust_env=False) as client:
            path, body = DOORS["chat"](f"{site.url}/good")
            assert client.post(server.url + path, json=body).status_code == 200
        assert (proxy.hits, site.hits) == ([], ["/good"])


def test_more_addresses_than_recordings_are_allowed(site: Server) -> None:
    with serving("echo", url_hosts=(site.host,), max_clips=2) as server:
        answer = ask(server, [f"{site.url}/good"] * 3, "task")
    assert answer.status_code == 413
    assert site.hits == []


def test_downloads_are_no_larger_than_uploads(site: Server, temporary: Path) -> None:
    with serving("echo", url_hosts=(site.host,), max_upload_mb=0.01) as server:
        for path in ("good", "endless"):
            assert "0.01 MB" in told(ask(server, f"{site.url}/{path}"))
            gone(temporary)


@pytest.mark.parametrize("door", FEW)
def test_a_download_ends_when_its_client_leaves(door: str, site: Server, server: Running, temporary: Path) -> None:
    path, body = DOORS[door](f"{site.url}/hang")
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(server.url + path, json=body, timeout=0.5)
    begin = time.monotonic()
    while not site.left:
        assert time.monotonic() - begin < 2
        time.sleep(0.02)
    gone(temporary)
    assert ask(server, f"{site.url}/good").status_code == 200


@pytest.mark.parametrize("path", ["hang", "drip"])
def test_a_download_ends_with_the_time_of_its_request(path: str, site: Server, temporary: Path) -> None:
    with serving("echo", url_hosts=(site.host,), deadline_seconds=0.5) as server:
        server.service.media.warm()  # the first recording would wait for its process
        begin = time.monotonic()
        assert ask(server, f"{site.url}/{path}").status_code in (400, 408)
        assert time.monotonic() - begin < 2
        gone(temporary)
        assert ask(server, f"{site.url}/good").status_code == 200


def paths(folder: Path) -> list[str]:
    """Ways to name a recording that lies in a folder, and files of the system."""
    here = str(folder / "clip.flac")
    found = [
        here,
        "clip.flac",
        "./clip.flac",
        f"file://{here}",
        f"file://localhost{here}",
        f"FILE:{here}",
        f"file:{here}",
    ]
    found += [here.replace("/", "%2f"), f"{folder}/../{folder.name}/clip.flac", f" {here}", f"{here}\x00", f"//{here}"]
    found += ["~/clip.flac", "$HOME/clip.flac", "\\\\127.0.0.1\\share\\clip.flac", "\\\\?\\clip.flac"]
    return [*found, "clipflac", "clip", "concat:clip.flac", "pipe:0", "/proc/self/fd/0", f"zip://{here}", "/dev/stdin"]


@pytest.mark.parametrize("door", DOORS)
def test_paths_are_refused_and_tell_nothing(
    door: str, anywhere: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: Path
) -> None:
    """Answers are the same, to the letter, whether there is such a file or not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    files = [tmp_path / name for name in ("clip.flac", "clip", "clipflac")]  # the last two read as base64, too
    answers: dict[bool, list[tuple[int, str]]] = {}
    with httpx2.Client(base_url=anywhere.url) as client:
        for there in (False, True):
            for file in files:
                file.unlink(missing_ok=True)
                if there:
                    file.write_bytes((examples / "order.flac").read_bytes())
            found = [client.post(path, json=body) for path, body in map(DOORS[door], paths(tmp_path))]
            answers[there] = [(answer.status_code, told(answer)) for answer in found]
    assert answers[True] == answers[False]
    assert {status for status, _ in answers[True]} == {400}


def test_paths_in_parts_and_objects_are_refused(
    anywhere: Running, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(examples)
    for value in ({"path": "order.flac"}, {"path": "none.flac"}, {"bytes": "order.flac"}, {"url": "order.flac"},
                  {"array": [0.1] * 100, "sampling_rate": 16000}, {"raw": [0.1], "sampling_rate": 8000},
                  ["order.flac"], [16000, [0.1]], 5, 0, True):  # fmt: skip
        answer = ask(anywhere, value, "task")
        assert answer.status_code == 400, value
        assert "examples" not in answer.text
        part = {"type": "audio", **value} if isinstance(value, dict) else {"type": "audio", "path": value}
        answer = httpx2.post(anywhere.url + "/v1/chat/completions", json=_chat(part))
        assert answer.status_code == 400, value


@pytest.mark.parametrize(
    "name", ["../../x.wav", "/etc/passwd", "..\\..\\x.wav", "x.wav\x00.txt", "~root/x.wav", "a/b/c.wav"]
)
def test_names_of_uploads_lead_nowhere(name: str, anywhere: Running, tone: Path, temporary: Path) -> None:
    files = {"file": (name, tone.read_bytes(), "audio/wav")}
    answer = httpx2.post(anywhere.url + "/v1/audio/transcriptions", files=files, data={"model": "echo"})
    assert answer.status_code == 200, answer.text
    assert "1.0 s" in answer.text
    gone(temporary)
    assert not (temporary.parent / "x.wav").exists()


def test_a_data_uri_may_be_called_what_it_likes(anywhere: Running, tone: Path) -> None:
    text = base64.b64encode(tone.read_bytes()).decode()
    for head in ("data:audio/wav;base64,", "data:audio/wav;name=/etc/passwd;base64,", "data:;name=../../x;base64,"):
        for door in FEW:
            answer = ask(anywhere, head + text, door)
            assert answer.status_code == 200, answer.text
            assert "1.0 s" in answer.text
