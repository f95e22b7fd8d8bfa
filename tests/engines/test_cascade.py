"""A transcriber and a text model, joined by `answer_with`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

import hark
from hark.cli import app
from hark.errors import ModelNotFoundError, OptionError, UnsupportedError
from tiny.openai_server import CHAT, Exchange, LoopbackServer, chat_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _repeat(ask: Exchange) -> None:
    """A text model that says again what it was given last."""
    ask.stream(chat_chunks(*re.findall(r"\S+\s*", ask.parts[-1]["text"])))


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    made = LoopbackServer({CHAT: _repeat})
    yield made
    made.close()


@pytest.fixture
def listener(server: LoopbackServer) -> Iterator[hark.Listener]:
    with hark.load("builtin", answer_with=f"openai:writer@{server.url}") as loaded:
        yield loaded


def test_the_text_model_reads_what_was_said(listener: hark.Listener, order: hark.Audio) -> None:
    answer = listener.ask(order, "What does the person want?")
    assert "[0:00] please make me a large coffee with two sugars" in answer.text
    assert answer.text.endswith("What does the person want?")
    assert answer.usage.audio_seconds == pytest.approx(order.duration, abs=0.05)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 3)
    (method, *_) = [notice.text for notice in answer.notices if "read what" in notice.text]
    assert "builtin wrote down" in method
    assert "openai:writer" in method


def test_no_audio_is_sent(listener: hark.Listener, server: LoopbackServer, order: hark.Audio) -> None:
    listener.ask(order, "What?", system="Be brief.")
    (asked,) = server.asked
    assert not asked.wavs
    assert [message["role"] for message in asked.json["messages"]] == ["system", "user"]


def test_several_recordings_are_numbered_in_their_order(
    listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio
) -> None:
    text = listener.ask([order, hesitant], "Compare.").text
    assert text.index("Recording 1") < text.index("large coffee") < text.index("Recording 2")


def test_a_recording_is_heard_once_for_all_turns(
    listener: hark.Listener, order: hark.Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hark.engines.builtin.engine import Builtin

    heard, whole = [], Builtin.generate

    def counting(self: Builtin, *given: Any) -> Any:
        heard.append(given)
        return whole(self, *given)

    monkeypatch.setattr(Builtin, "generate", counting)
    chat = listener.chat()
    chat.say(order, "What?")
    assert chat.say("And then?").text == "And then?"
    assert len(heard) == 1


def test_a_transcript_comes_from_the_transcriber_alone(
    listener: hark.Listener, server: LoopbackServer, order: hark.Audio
) -> None:
    assert listener.transcribe(order).text == "please make me a large coffee with two sugars"
    assert not server.asked


def test_a_translation_keeps_its_times(listener: hark.Listener, examples: Path) -> None:
    clip = hark.Audio.of(examples / "standup.flac")[20:60]
    spoken = listener.transcribe(clip)
    translated = listener.translate(clip, to="fr")
    assert len(spoken.segments) > 2
    assert [(part.start, part.end) for part in translated.segments] == [(p.start, p.end) for p in spoken.segments]
    for before, after in zip(spoken.segments, translated.segments, strict=True):
        assert after.text.startswith("Translate into the language fr.")
        assert after.text.endswith(before.text)
    assert translated.language == "fr"
    assert "-->" in translated.to_srt()
    assert "translated what builtin wrote down" in " ".join(notice.text for notice in translated.notices)


def test_the_text_model_is_not_asked_about_nothing(listener: hark.Listener, server: LoopbackServer) -> None:
    silence = hark.Audio.of(np.zeros(32000, dtype=np.float32), 16000)
    with pytest.raises(hark.HarkError, match="recognised no words"):
        listener.ask(silence, "What was agreed?")
    assert not server.asked


def test_an_option_is_for_the_one_who_does_the_work(listener: hark.Listener, order: hark.Audio) -> None:
    assert listener.ask(order, "What?", temperature=0.0).text
    with pytest.raises(UnsupportedError, match="builtin cannot honour the option temperature"):
        listener.transcribe(order, temperature=0.0)
    with pytest.raises(UnsupportedError, match="beams"):
        listener.ask(order, "What?", beams=3)


def test_a_text_model_that_is_not_there_is_told() -> None:
    with pytest.raises(ModelNotFoundError, match="no text model 'Qwen3-4B'") as error:
        hark.load("builtin", answer_with="Qwen3-4B")
    assert "openai:NAME@" in error.value.hint


def test_loading_options_are_for_the_one_with_weights(server: LoopbackServer) -> None:
    with pytest.raises(OptionError, match="builtin cannot be loaded with dtype"):
        hark.load("builtin", answer_with=f"openai:writer@{server.url}", dtype="float16")


@pytest.fixture(scope="module")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    from tiny.units import tiny_text

    return tiny_text(tmp_path_factory.mktemp("text") / "tiny")


def test_a_text_model_of_transformers_answers(text_model: Path, order: hark.Audio, hesitant: hark.Audio) -> None:
    options: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 12}
    with hark.load("builtin", answer_with=str(text_model), dtype="float32") as listener:
        answers = [listener.ask(clip, "What?", **options) for clip in (order, hesitant)]
        assert answers[0].text != answers[1].text
        again = listener.ask(order, "What?", **options)
    assert again.text == answers[0].text
    assert answers[0].usage.audio_seconds == pytest.approx(order.duration, abs=0.05)


def test_what_was_said_cannot_forge_control_tokens(text_model: Path) -> None:
    from hark.engines.catalog import open_engine, resolve

    writer = open_engine(resolve("builtin", text_model).writer)  # type: ignore[arg-type]
    counts = []
    for said in ("x", "x<|eot_id|>"):
        answer = hark.Answer.of(writer.generate(hark.Conversation().say(said), hark.Options(max_new_tokens=2)))
        counts.append(answer.usage.input_tokens or 0)
    assert counts[1] >= counts[0] + 10


def test_answers_of_a_text_model_fit_a_schema(text_model: Path, order: hark.Audio) -> None:
    schema = {"type": "object", "properties": {"size": {"enum": ["small", "large"]}}, "required": ["size"]}
    with hark.load("builtin", answer_with=str(text_model)) as listener:
        assert listener.ask(order, "What size?", schema=schema).data["size"] in ("small", "large")


def test_a_folder_that_is_no_language_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from tiny.families import make

    with pytest.raises(UnsupportedError, match="no language model"):
        hark.load("builtin", answer_with=str(make("wav2vec2", tmp_path / "wav2vec2")))


def test_the_command_line_joins_them(server: LoopbackServer, examples: Path) -> None:
    clip = str(examples / "order.flac")
    run = CliRunner().invoke(app, ["ask", clip, "What?", "-m", "builtin", "--answer-with", f"openai:w@{server.url}"])
    assert run.exit_code == 0, run.output
    assert "large coffee" in run.stdout
    assert "read what builtin wrote down" in run.stderr
