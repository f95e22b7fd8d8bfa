"""The command line, through its own door: with the echo engine, which says what it heard."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from hark.cli import app

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_MODEL", "echo")


def hark(*arguments: object, typed: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)


def lines(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_ask_takes_files_then_the_prompt(tone: Path) -> None:
    result = hark("ask", tone, tone, "Compare these.")
    assert result.exit_code == 0
    assert result.stdout.count("1.0 s") == 2
    assert "Compare these." in result.stdout


def test_ask_without_a_prompt_transcribes(tone: Path) -> None:
    assert hark("ask", tone).stdout == hark("transcribe", tone).stdout


def test_ask_json_is_the_tasks_schema_and_more(tone: Path) -> None:
    (answer,) = lines(hark("ask", "--json", tone, "What does the person say?"))
    assert "What does the person say?" in answer["generated_text"]
    assert answer["usage"]["audio_seconds"] == pytest.approx(1)
    assert answer["notices"] == []


def test_options_reach_the_model(tone: Path) -> None:
    result = hark(
        "ask", tone, "Why?", "--temperature", 0.5, "--seed", 7, "--system", "Be brief.", "--max-new-tokens", 90
    )
    assert all(part in result.stdout for part in ("temperature 0.5", "seed 7", "Be brief.", "max_new_tokens 90"))


@pytest.mark.parametrize("inline", [True, False])
def test_ask_with_a_schema_prints_json_that_fits_it(tone: Path, tmp_path: Path, *, inline: bool) -> None:
    schema = '{"type": "object", "properties": {"bars": {"type": "integer"}}, "required": ["bars"]}'
    (tmp_path / "schema.json").write_text(schema)
    result = hark("ask", tone, "How many bars?", "--schema", schema if inline else tmp_path / "schema.json")
    (values,) = lines(result)
    assert isinstance(values["bars"], int)
    (answer,) = lines(hark("ask", tone, "How many bars?", "--schema", schema, "--json"))
    assert answer["data"] == json.loads(answer["generated_text"]) == values


@pytest.mark.parametrize(
    ("schema", "why"),
    [("none.json", "cannot be read"), ('{"type": "x"}', "wrong at $.type"), ("{oops", "not JSON")],
)
def test_a_schema_that_is_none_is_refused(tone: Path, schema: str, why: str) -> None:
    result = hark("ask", tone, "What?", "--schema", schema)
    assert (result.stdout, result.exit_code) == ("", 1)
    assert why in result.stderr


def test_json_that_broke_off_is_not_printed(tone: Path) -> None:
    result = hark("ask", tone, "What?", "--schema", '{"type": "string"}', "--max-new-tokens", 2)
    assert (result.stdout, result.exit_code) == ("", 1)
    assert "limit of 2 tokens" in result.stderr


def test_audio_may_come_from_stdin(tone: Path) -> None:
    assert "1.0 s" in hark("ask", "-", "What?", typed=tone.read_bytes()).stdout


def test_a_prompt_alone_and_a_mistyped_file_are_told_apart(tone: Path) -> None:
    alone = hark("ask", "What is it?")
    assert alone.exit_code == 1
    assert "no audio" in alone.stderr
    mistyped = hark("ask", tone, tone.with_name("tnoe.wav"))
    assert mistyped.exit_code == 1
    assert "tnoe.wav" in mistyped.stderr
    assert hark("ask", tone, "--prompt", "tnoe.wav").exit_code == 0


def test_errors_are_json_where_json_was_wanted(tmp_path: Path) -> None:
    result = hark("ask", "--json", tmp_path / "missing.flac", "What?")
    assert result.exit_code == 1
    assert lines(result)[0]["error_type"] == "AudioNotFoundError"
    assert "missing.flac" in result.stderr


@pytest.mark.parametrize("arguments", [("--model", "nosuchmodel"), ("--temperature", "9"), ("--task", "dance")])
def test_wrong_options_are_told_with_a_hint(arguments: tuple[str, ...], tone: Path) -> None:
    result = hark("ask", tone, *arguments)
    assert result.exit_code == 1
    assert result.stderr.count("\n") >= 2
    assert "Traceback" not in result.stderr


def test_run_answers_json_lines_and_goes_on_after_a_bad_one(tone: Path) -> None:
    requests = [
        {"audio": str(tone), "text": "What does the person say?"},
        {"audio": "missing.flac"},
        {"inputs": {"audio": str(tone), "text": "Why?"}, "parameters": {"max_new_tokens": 2}},
        {"inputs": {"audio": str(tone)}, "parameters": {"max_tokns": 2}},
    ]
    typed = "\n".join([json.dumps(request) for request in requests] + ["not json", ""])
    result = hark("run", "-", typed=typed)
    assert result.exit_code == 1
    first, missing, third, option, broken = lines(result)
    assert "What does the person say?" in first["generated_text"]
    assert missing["error_type"] == "AudioNotFoundError"
    assert len(third["generated_text"].split()) == 2
    assert "max_tokns" in option["error"]
    assert "not JSON" in broken["error"]


def test_run_goes_on_after_lines_that_are_no_text_or_cannot_be_read(tone: Path, tmp_path: Path) -> None:
    good = json.dumps({"audio": str(tone), "text": "a\u2028b"}, ensure_ascii=False).encode()
    bad = [b"\xff\xfe", b"[" * 100_000, b'{"audio": ' + b"9" * 5000 + b"}"]
    typed = b"\xef\xbb\xbf" + b"\r\n".join([good, b"", *bad, good])
    requests = tmp_path / "requests.jsonl"
    requests.write_bytes(typed)
    for result in (hark("run", "-", typed=typed), hark("run", requests)):
        assert result.exit_code == 1
        answers = [json.loads(line) for line in result.stdout.split("\n")[:-1]]
        assert ["error" in answer for answer in answers] == [False, True, True, True, False]
        assert all("not JSON" in answer["error"] for answer in answers[1:4])


def test_run_reads_a_file(tone: Path, tmp_path: Path) -> None:
    requests = tmp_path / "requests.jsonl"
    requests.write_text(json.dumps({"audio": str(tone)}) + "\n")
    assert lines(hark("run", requests))[0]["generated_text"]
    assert hark("run", tmp_path / "missing.jsonl").exit_code == 1


@pytest.mark.parametrize("form", ["txt", "srt", "vtt", "tsv", "json"])
def test_transcribe_writes_every_format_to_stdout_and_to_a_file(form: str, tone: Path, tmp_path: Path) -> None:
    shown = hark("transcribe", tone, "--format", form).stdout
    assert "echo heard" in shown
    target = tmp_path / f"out.{form}"
    assert hark("transcribe", tone, "-o", target).exit_code == 0
    assert "echo heard" in target.read_text(encoding="utf-8")


def test_several_recordings_go_into_a_folder_and_a_bad_one_loses_none(tone: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / tone.name
    other.parent.mkdir()
    other.write_bytes(tone.read_bytes())
    result = hark("transcribe", tone, tmp_path / "missing.wav", other, "-f", "srt", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "missing.wav" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tone-2.srt", "tone.srt"]


def test_a_wrong_format_or_a_missing_folder_is_found_before_the_work(tone: Path, tmp_path: Path) -> None:
    assert "Formats are" in hark("transcribe", tone, "-f", "doc").stderr
    assert "mkdir" in hark("transcribe", tone, "-o", tmp_path / "no" / "a.srt").stderr
    (tmp_path / "file").touch()
    assert "no folder" in hark("transcribe", tone, tone, "-o", tmp_path / "file").stderr


def test_several_recordings_into_one_file_are_refused(tone: Path, tmp_path: Path) -> None:
    result = hark("transcribe", tone, tone, "-o", tmp_path / "both.txt")
    assert result.exit_code == 1
    assert "Name a folder" in result.stderr
    assert not (tmp_path / "both.txt").exists()


def test_a_prompt_without_quotes_or_in_front_is_told(tone: Path) -> None:
    for arguments in ((tone, "What", "does", "she", "want"), ("What does she want?", tone)):
        result = hark("ask", *arguments)
        assert result.exit_code == 1
        assert "The prompt comes last, in quotes" in result.stderr


def test_a_misspelt_task_is_put_right(tone: Path) -> None:
    assert "Did you mean summary?" in hark("ask", "--task", "sumary", tone).stderr


def test_what_there_is_to_know_is_said_once(tone: Path, monkeypatch: pytest.MonkeyPatch, examples: Path) -> None:
    monkeypatch.setenv("HARK_MODEL", "builtin")
    result = hark("transcribe", examples / "order.flac", examples / "hesitant.flac")
    assert result.stderr.count("pocketsphinx") == 1


def test_translate_says_into_which_language(tone: Path) -> None:
    assert "to fr" in hark("translate", tone, "--to", "fr").stdout


def test_chat_remembers_takes_audio_and_survives_errors(tone: Path, tmp_path: Path) -> None:
    typed = ["What is it?", f"/add {tmp_path / 'missing.wav'}", f"/add {tone}", "/clips", "And this?"]
    result = hark("chat", tone, typed="\n".join([*typed, "/nonsense", "/reset", "And now?", "/quit", ""]))
    assert result.exit_code == 0
    assert "user: [1.0 s, 16000 Hz" in result.stdout
    assert "And this?" in result.stdout
    assert result.stdout.count("tone.wav: 1.0 s") == 3
    assert "missing.wav" in result.stderr
    assert "/add FILE" in result.stdout
    assert "no audio" in result.stderr


def test_models_lists_what_is_here_and_what_it_needs() -> None:
    shown = hark("models").stdout
    assert all(name in shown for name in ("builtin", "echo", "faster-whisper:small", "hark models download"))
    listed = {model["name"]: model for model in lines(hark("models", "--json"))[0]}
    assert listed["builtin"]["ready"]
    assert not listed["faster-whisper:small"]["ready"]
    assert listed["faster-whisper:small"]["can"]["free_prompt"] is False


def test_models_download_without_a_network_says_so() -> None:
    result = hark("models", "download", "faster-whisper:tiny")
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert hark("models", "download", "builtin").exit_code == 1


def test_what_is_beyond_a_model_is_refused_before_anything_is_fetched(tone: Path) -> None:
    asked = hark("ask", "--model", "faster-whisper:small", "--download", tone, "Why?")
    assert asked.exit_code == 1
    assert "only transcribe, translate" in asked.stderr
    assert "Use builtin" in asked.stderr
    translated = hark("translate", "--model", "faster-whisper:small.en", "--download", tone)
    assert "cannot do the task 'translate'" in translated.stderr
    missing = hark("transcribe", "--model", "faster-whisper:small", tone)
    assert "hark models download faster-whisper:small" in missing.stderr


def test_doctor_plays_known_clips_through_the_model() -> None:
    result = hark("doctor")
    assert result.exit_code == 0, result.stdout
    assert "decode" in result.stdout
    broken = hark("doctor", "--model", "nosuchmodel", "--json")
    assert broken.exit_code == 1
    assert [check["name"] for check in lines(broken)[0]["checks"] if check["ok"] is False] == ["model"]


def test_version_and_help() -> None:
    assert hark("--version").stdout.startswith("hark ")
    for command in ("ask", "transcribe", "translate", "run", "chat", "models", "doctor"):
        assert command in hark("--help").stdout
        assert hark(command, "--help").exit_code == 0


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)


def test_a_reader_that_leaves_ends_it_quietly(tone: Path) -> None:
    result = shell(f"yes '{json.dumps({'audio': str(tone)})}' | head -n 9 | {sys.executable} -m hark run - | head -n 1")
    assert "generated_text" in result.stdout
    assert result.stderr == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is of Linux")
def test_a_full_disk_is_told(tone: Path) -> None:
    result = shell(f"{sys.executable} -m hark transcribe {tone} > /dev/full")
    assert result.returncode == 1
    assert "could not be written" in result.stderr
    assert "Traceback" not in result.stderr


def test_text_the_terminal_cannot_show_is_shown_as_escapes(tone: Path) -> None:
    command = f"PYTHONIOENCODING=ascii {sys.executable} -m hark ask {tone}"
    assert shell(f"{command} --prompt caf\u00e9").stdout.endswith("caf\\xe9\n")
    assert json.loads(shell(f"{command} --json --prompt caf\u00e9").stdout)["generated_text"].endswith("caf\u00e9")
    stray = json.loads(shell(f"{sys.executable} -m hark ask {tone} --json --prompt $'a\\xff'").stdout)
    assert "UTF-8" in stray["error"]
    talk = shell(f"printf 'a\\xff\\nb\\n' | PYTHONIOENCODING=ascii {sys.executable} -m hark chat {tone}")
    assert talk.returncode == 0
    assert "b\n" in talk.stdout


def test_names_of_files_cannot_steer_the_terminal(tmp_path: Path) -> None:
    named = tmp_path / "a\x1b[31m\u202egpj.wav"
    named.write_text("hello, this is text")
    result = hark("ask", named, "--prompt", "What?")
    assert "a\\x1b[31m\\u202egpj.wav is text" in result.stderr
    assert "\x1b" not in result.stderr
