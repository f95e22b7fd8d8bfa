"""Long audio through engines: speech that never pauses is joined, and stretches are cut where nobody speaks."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

import hark
from hark.answers.answer import Delta
from hark.answers.transcript import Segment, Word
from hark.audio.speech import FRAME, RATE, SpeechDetector
from hark.audio.windows import windows
from hark.engines.builtin.pool import Found
from hark.engines.builtin.recognise import Recogniser
from hark.engines.faster_whisper import cut
from tiny.openai_server import TRANSCRIBE, LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

LENGTH = 0.4  # seconds of a word


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """A speech detector that holds all that is loud for speech."""

    def by_level(_self: SpeechDetector, samples: np.ndarray) -> np.ndarray:
        return (np.abs(samples.reshape(-1, FRAME)).max(axis=1, initial=0.0) > 0.001).astype(np.float32)

    monkeypatch.setattr(SpeechDetector, "_run", by_level)


def monologue(count: int) -> np.ndarray:
    """Words without a pause between them, each a level of its own."""
    return np.repeat(0.1 + np.arange(count) * 1e-3, int(LENGTH * RATE)).astype(np.float32)


def understood(levels: np.ndarray) -> list[tuple[str, int, int]]:
    """Words and their samples; one that is not whole is misheard."""
    numbers = np.rint((levels - 0.1) * 1e3).astype(int)
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1), len(numbers)]
    whole = int(LENGTH * RATE)
    return [
        (f"w{numbers[first]}" if after - first == whole else "uh", int(first), int(after))
        for first, after in pairwise(edges)
    ]


@pytest.mark.usefixtures("detector")
def test_the_offline_default_joins_windows_of_a_monologue(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = monologue(250)
    recogniser, given = Recogniser(workers=1), list[float]()

    def run(pcm: bytes, _call: Any) -> list[Found]:
        heard = np.frombuffer(pcm, "<i2").astype(float)
        peak = given.pop(0)  # the recogniser is given samples at full scale
        scaled = heard / heard.max() * peak
        hundredths = RATE // 100
        return [
            Found(text, first // hundredths, after // hundredths - 1, 0.5, 0.5, 3, 0.9)
            for text, first, after in understood(scaled)
        ]

    given += [float(window.samples.max()) for window in windows([samples], min_silence=0.4, padding=0.2, overlap=2.0)]
    monkeypatch.setattr(recogniser._pool, "run", run)
    segments = [segment for delta in recogniser.recognise([samples]) for segment in delta.segments]
    assert len(segments) > 3
    assert " ".join(segment.text for segment in segments) == " ".join(f"w{number}" for number in range(250))
    words = [word for segment in segments for word in segment.words]
    for number, word in enumerate(words):
        assert word.start == pytest.approx(number * LENGTH, abs=0.011)


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("task", ["transcribe", "translate"])
def test_models_of_transformers_join_windows_of_a_monologue(
    timed: bool, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    from tiny.families import make

    samples = monologue(250)

    def heard(_self: Any, inputs: Any, window: Any, _options: Any, _counted: Any) -> Generator[Delta, None, Segment]:
        del inputs
        words = tuple(
            Word(text, window.start + first / RATE, window.start + after / RATE)
            for text, first, after in understood(window.samples)
        )
        yield Delta()
        return Segment(" ".join(w.text for w in words), window.start, window.end, words if timed else ())

    family = "seamless_m4t" if task == "translate" else "speech_to_text"
    with hark.load(str(make(family, tmp_path / "model"))) as listener:
        monkeypatch.setattr(type(listener.engine), "_segment", heard)
        found = listener.transcribe(
            hark.Audio.of(samples, RATE), task=task, **({"to": "fra"} if task == "translate" else {})
        )
    said = found.text.split()
    assert len(found.segments) > 3
    assert [word for word in said if word != "uh"] == [f"w{number}" for number in range(250) if f"w{number}" in said]
    if task == "transcribe":
        assert said == [f"w{number}" for number in range(250)]
    assert all(one.start <= other.start and one.end <= other.end for one, other in pairwise(found.segments))


@pytest.mark.usefixtures("detector")
def test_a_stretch_without_pauses_is_cut_where_speech_is_weakest() -> None:
    samples = monologue(400)
    samples[int(113.0 * RATE) : int(113.2 * RATE)] *= 0.2  # not a pause, only weaker
    first, *_ = cut([samples], 120.0)
    assert 113.0 <= first.end <= 113.2


def test_stretches_end_in_pauses(examples: Path) -> None:
    said, _ = soundfile.read(examples / "standup.flac", dtype="float32")

    def blocks() -> Iterator[np.ndarray]:
        for _ in range(4):
            yield said

    found = list(cut(blocks(), 60.0))
    assert sum(len(stretch.samples) for stretch in found) == 4 * len(said)
    spoken = [(window.start, window.end) for window in windows(blocks(), padding=0.0)]
    for stretch in found[:-1]:
        assert not any(start + 0.05 < stretch.end < end - 0.05 for start, end in spoken)


def test_text_that_a_server_invents_for_silence_is_marked(order: hark.Audio) -> None:
    samples = np.concatenate([order.samples(RATE), np.zeros(20 * RATE, np.float32)])
    texts = [("Please make me a coffee.", 0.3, 3.2), ("Thank you for watching.", 12.0, 14.0)]
    segments = [{"id": n, "start": s, "end": e, "text": text} for n, (text, s, e) in enumerate(texts)]
    reply = {"text": " ".join(text for text, *_ in texts), "language": "english", "segments": segments}
    server = LoopbackServer({TRANSCRIBE: lambda ask: ask.reply(reply)})
    try:
        with hark.load(f"openai:m@{server.url}") as listener:
            found = listener.transcribe(hark.Audio.of(samples, RATE))
    finally:
        server.close()
    assert [segment.unsure for segment in found.segments] == [False, True]
    assert [notice.text for notice in found.notices if notice.kind == "unsure"] == [
        "Text at 12.0 s lies where nobody speaks; marked unsure."
    ]
