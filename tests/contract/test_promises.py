"""What hark promises, held by every engine."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import TYPE_CHECKING

import jsonschema
import numpy as np
import pytest

import hark
from hark.engines.engine import Options
from hark.errors import ModelError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE = 16000
EXAMPLE_VALUES = {
    "language": "xx",
    "to": "en",
    "temperature": 0.5,
    "top_p": 0.5,
    "max_new_tokens": 3,
    "beams": 2,
    "seed": 1,
    "stop": ("a",),
    "schema": {"type": "object"},
    "top": 3,
    "grammar": "context: {expressions: {stop: [stop]}}",
    "adapter": "french",
}

SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["a", "b"]},
        "numbers": {
            "type": "array", "minItems": 4, "maxItems": 4,
            "items": {
                "type": "array", "minItems": 3, "maxItems": 4,
                "items": {"type": "integer", "minimum": 0, "maximum": 999},
            },
        },
    },
    "required": ["mood", "numbers"],
}  # fmt: skip


@pytest.fixture(scope="session")
def long(order: hark.Audio, hesitant: hark.Audio) -> hark.Audio:
    """65 s with an order at the start, a long pause, and a sentence at the end."""
    parts: list[NDArray[np.float32]] = [order.samples(), hesitant.samples()]
    pause = np.zeros(65 * RATE - sum(map(len, parts)), dtype=np.float32)
    return hark.Audio.of(np.concatenate([parts[0], pause, parts[1]]), RATE)


def greedy(listener: hark.Listener) -> dict[str, float]:
    """Options under which a model that samples does not: Whisper else tries other temperatures where it is unsure."""
    return {"temperature": 0.0} if "temperature" in listener.can.options else {}


@pytest.fixture(scope="session")
def transcript(listener: hark.Listener, long: hark.Audio) -> hark.Transcript:
    return listener.transcribe(long, **greedy(listener))


def test_hears_the_audio(listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio) -> None:
    first, second = listener.transcribe(order), listener.transcribe(hesitant)
    assert first.text
    assert second.text
    assert first.text != second.text


def test_nothing_is_cut_silently(listener: hark.Listener, transcript: hark.Transcript) -> None:
    assert transcript.duration == pytest.approx(65, abs=0.05)
    assert transcript.usage is not None
    assert transcript.usage.audio_seconds == pytest.approx(65, abs=0.05)
    if listener.can.timestamps != "none":
        assert transcript.segments[-1].end > 58


def test_batch_equals_single(
    listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio, long: hark.Audio
) -> None:
    conversations = [hark.Conversation.ask((clip,)) for clip in (order, long, hesitant)]
    options = Options(task="transcribe", **greedy(listener))
    together = listener.engine.generate_batch(conversations, options)
    alone = [hark.Answer.of(listener.engine.generate(conversation, options)) for conversation in conversations]
    assert [answer.text for answer in together] == [answer.text for answer in alone]


def test_stream_equals_whole(
    listener: hark.Listener, long: hark.Audio, order: hark.Audio, transcript: hark.Transcript
) -> None:
    options = {"task": "transcribe", **greedy(listener)}
    streamed = "".join(delta.text for delta in listener.stream(long, **options))
    assert streamed.split() == transcript.text.split()
    assert "".join(delta.text for delta in listener.stream(order, **options)) == listener.ask(order, **options).text


def test_times_are_true(listener: hark.Listener, transcript: hark.Transcript) -> None:
    if listener.can.timestamps == "none":
        pytest.skip("this engine gives no times")
    edges = [edge for segment in transcript.segments for edge in (segment.start, segment.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= transcript.duration + 1e-6
    for segment in transcript.segments:
        words = [edge for word in segment.words for edge in (word.start, word.end)]
        assert words == sorted(words)
        assert all(segment.start - 1e-6 <= edge <= segment.end + 1e-6 for edge in words)


def test_options_are_honoured_or_refused(listener: hark.Listener, order: hark.Audio) -> None:
    assert set(EXAMPLE_VALUES) == {field.name for field in fields(Options)} - {"task", "timestamps"}
    for name, value in EXAMPLE_VALUES.items():
        if name not in listener.can.options:
            with pytest.raises(hark.HarkError, match=r"cannot"):
                listener.ask(order, task="transcribe", **{name: value})


def test_an_unknown_option_and_a_wrong_value_are_refused(listener: hark.Listener, order: hark.Audio) -> None:
    with pytest.raises(ValueError, match="no option 'temprature'"):
        listener.ask(order, temprature=1)
    with pytest.raises(ValueError, match="temperature"):
        listener.ask(order, temperature=-1)
    with pytest.raises(ValueError, match="seed"):
        listener.ask(order, seed=2**63)
    with pytest.raises(ValueError, match="temperature"):
        listener.ask(order, temperature="warm")


def test_a_question_is_answered_or_refused_with_what_else_there_is(listener: hark.Listener, order: hark.Audio) -> None:
    if listener.can.free_prompt:
        assert listener.ask(order, "What does the person want?").text
    else:
        with pytest.raises(hark.HarkError, match="transcribe") as refusal:
            listener.ask(order, "What does the person want?")
        assert "hark models" in refusal.value.hint


def test_json_fits_the_schema_and_depends_on_the_audio_or_is_refused(
    listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio
) -> None:
    """A model of random weights would say anything: what it says fits because nothing else can be written."""
    if "schema" not in listener.can.options:
        with pytest.raises(UnsupportedError, match=r"schema|questions"):
            listener.ask(order, "Which numbers?", schema=SCHEMA)
        return
    options = greedy(listener) | {"max_new_tokens": 150}
    answers = [listener.ask(clip, schema=SCHEMA, **options) for clip in (order, hesitant)]
    for answer in answers:
        jsonschema.validate(answer.data, SCHEMA)
        assert json.loads(answer.text) == answer.data
        assert "limit" not in {notice.kind for notice in answer.notices}
    assert answers[0].data["numbers"] != answers[1].data["numbers"]


def test_json_that_breaks_off_is_an_error(listener: hark.Listener, order: hark.Audio) -> None:
    if "schema" not in listener.can.options or listener.engine.name.startswith("openai:"):
        pytest.skip("this engine writes no JSON by itself")
    with pytest.raises(ModelError, match="broke off at the limit of 2 tokens") as error:
        listener.ask(order, schema=SCHEMA, max_new_tokens=2)
    assert "max_new_tokens" in error.value.hint


def test_asked_twice_it_answers_the_same(listener: hark.Listener, model: str, order: hark.Audio) -> None:
    options = greedy(listener)
    first = listener.transcribe(order, **options)
    assert listener.transcribe(order, **options).to_dict() == first.to_dict()
    with hark.load(model) as fresh:
        assert fresh.transcribe(order, **options).to_dict() == first.to_dict()


def test_closing_early_stops_and_leaves_the_model_usable(
    listener: hark.Listener, long: hark.Audio, order: hark.Audio
) -> None:
    deltas = listener.stream(long, task="transcribe")
    next(deltas)
    deltas.close()  # type: ignore[attr-defined]
    assert listener.transcribe(order).text


def test_a_stream_that_is_not_read_on_does_not_block_the_next(
    listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio
) -> None:
    waiting = listener.stream(order, task="transcribe")
    next(waiting)
    assert listener.transcribe(hesitant).text
    assert "".join(delta.text for delta in waiting)


def test_two_threads_may_ask_at_once(listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio) -> None:
    options = greedy(listener)
    alone = [listener.transcribe(clip, **options).text for clip in (order, hesitant)]
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda clip: listener.transcribe(clip, **options).text, (order, hesitant)))
    assert together == alone


def test_silence_gives_no_words(listener: hark.Listener) -> None:
    transcript = listener.transcribe(hark.Audio.of(np.zeros(3 * RATE, dtype=np.float32), RATE))
    assert transcript.text == ""
    assert "silence" in {notice.kind for notice in transcript.notices}


def test_a_hundredth_of_a_second_is_heard_or_refused(listener: hark.Listener) -> None:
    click = hark.Audio.of(np.full(RATE // 100, 0.1, dtype=np.float32), RATE)
    assert listener.transcribe(click).duration == pytest.approx(0.01, abs=0.002)


def test_bad_audio_is_an_error_of_hark(listener: hark.Listener, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("This is no sound at all. " * 50)
    for name in ("empty.wav", "text.wav", "missing.wav", "."):
        with pytest.raises(hark.HarkError, match=r"\S") as error:
            listener.transcribe(tmp_path / name)
        assert isinstance(error.value, ValueError)


def test_a_truncated_file_is_used_and_told(listener: hark.Listener, examples: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.flac"
    whole = (examples / "standup.flac").read_bytes()
    broken.write_bytes(whole[: len(whole) // 8])
    transcript = listener.transcribe(broken)
    assert 3 < transcript.duration < 30
    assert "truncated" in {notice.kind for notice in transcript.notices}


def test_no_socket_unless_asked(model: str, order: hark.Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    if model.startswith(("openai:", "realtime:")):
        pytest.skip("a server was asked for by its name")

    def refuse(*_args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with hark.load(model) as fresh:
        assert fresh.transcribe(order).text
