from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr

from hark.answers.answer import Delta
from hark.engines.builtin.confidence import trust, verdict
from hark.engines.builtin.recognise import Recogniser
from hark.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hark.answers.transcript import Segment

RATE = 16000
SPEECH = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country"


@pytest.fixture(scope="module")
def recogniser() -> Iterator[Recogniser]:
    one = Recogniser(workers=2)
    yield one
    one.close()


@pytest.fixture(scope="module")
def jfk(shared_data: Path) -> np.ndarray:
    samples, rate = soundfile.read(shared_data / "clips" / "jfk.flac", dtype="float32")
    return soxr.resample(samples.mean(1), rate, RATE).astype(np.float32)


@pytest.fixture(scope="module")
def meeting(examples: Path) -> np.ndarray:
    return soundfile.read(examples / "standup.flac", dtype="float32")[0]


@pytest.fixture(scope="module")
def piece(meeting: np.ndarray) -> np.ndarray:
    return meeting[: 12 * RATE]


@pytest.fixture(scope="module")
def deltas(recogniser: Recogniser, piece: np.ndarray) -> list[Delta]:
    """What is told of the piece: several tests look at it, as hearing it takes seconds."""
    return list(recogniser.recognise([piece]))


def heard(recogniser: Recogniser, samples: np.ndarray) -> list[Segment]:
    blocks = (samples[start : start + 50000] for start in range(0, len(samples), 50000))
    return found(recogniser.recognise(blocks))


def found(deltas: Iterable[Delta]) -> list[Segment]:
    return [segment for delta in deltas for segment in delta.segments]


def text(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments).lower()


def errors(reference: str, said: str) -> int:
    """Word errors, by Levenshtein's distance."""
    row = list(range(len(said.split()) + 1))
    for i, word in enumerate(reference.lower().split(), 1):
        before, row[0] = row[0], i
        for j, other in enumerate(said.split(), 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def test_real_speech_is_recognised_with_true_times(recogniser: Recogniser, jfk: np.ndarray) -> None:
    segments = heard(recogniser, jfk)
    assert errors(SPEECH, text(segments)) <= 0.5 * len(SPEECH.split())
    words = [word for segment in segments for word in segment.words]
    assert all(0 <= word.start < word.end <= 11.0 for word in words)
    assert all(left.end <= right.start + 1e-6 for left, right in pairwise(words))
    assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in words)
    # "country" ends the sentence at 10.4 s and is also said at 6.4 s.
    assert any(word.text == "country" and abs(word.end - 10.4) < 0.3 for word in words)
    for segment in segments:
        assert segment.text == " ".join(word.text for word in segment.words)
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)


def test_times_move_with_the_recording(recogniser: Recogniser, piece: np.ndarray, deltas: list[Delta]) -> None:
    at_once = [word for segment in found(deltas) for word in segment.words]
    # A whole number of the detector's batches, so that both runs cut at the same samples.
    silence = np.zeros(64 * 512 * 4, np.float32)
    later = [word for segment in heard(recogniser, np.concatenate((silence, piece))) for word in segment.words]
    assert len(at_once) > 10
    moved = len(silence) / RATE
    matches = sum(
        any(word.text == other.text and abs(other.start - word.start - moved) < 0.1 for other in later)
        for word in at_once
    )
    assert matches >= 0.8 * len(at_once)


def test_segments_come_in_order_with_progress(deltas: list[Delta]) -> None:
    segments = found(deltas)
    progress = [delta.heard for delta in deltas if delta != Delta()]  # empty ones are places to stop
    assert [s.start for s in segments] == sorted(s.start for s in segments)
    assert None not in progress
    assert progress == sorted(progress)  # type: ignore[type-var]
    assert progress[-1] == 12.0


@pytest.mark.parametrize("kind", ["silence", "noise", "tone"])
def test_what_is_not_speech_gives_no_words(recogniser: Recogniser, kind: str) -> None:
    time_axis = np.arange(5 * RATE) / RATE
    samples = {
        "silence": np.zeros(5 * RATE),
        "noise": 0.1 * np.random.default_rng(0).standard_normal(5 * RATE),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * time_axis),
    }[kind]
    (only,) = recogniser.recognise([samples.astype(np.float32)])
    assert only.segments == ()
    assert only.heard == 5.0


def test_clear_speech_is_trusted_and_drowned_speech_is_said_to_be_unsure(
    recogniser: Recogniser, piece: np.ndarray, deltas: list[Delta]
) -> None:
    noise = np.random.default_rng(0).standard_normal(len(piece)).astype(np.float32)
    drowned = piece + noise * np.float32(0.2 * np.sqrt(np.mean(piece**2)))
    good, bad = found(deltas), heard(recogniser, drowned)
    assert good
    assert bad
    assert verdict(good) is None
    warning = verdict(bad)
    assert warning is not None
    assert warning.kind == "unsure"
    assert "faster-whisper" in warning.text
    assert trust(good) > trust(bad) + 0.2
    assert any(word.unsure for segment in bad for word in segment.words)
    assert verdict([]) is None


def test_a_short_clip_starts_one_worker(meeting: np.ndarray) -> None:
    recogniser = Recogniser(workers=4)
    try:
        list(recogniser.recognise([meeting[: 2 * RATE]]))
        assert len(recogniser.workers) == 1
    finally:
        recogniser.close()
    assert recogniser.workers == []


def test_a_killed_worker_is_replaced_and_nothing_is_lost(
    recogniser: Recogniser, piece: np.ndarray, deltas: list[Delta]
) -> None:
    expected = text(found(deltas))
    again = recogniser.recognise([piece])
    said = list(next(again).segments)
    for pid in recogniser.workers:
        os.kill(pid, signal.SIGKILL)
    said += found(again)
    assert text(said) == expected
    os.kill(recogniser.workers[0], signal.SIGKILL)  # and one that was idle
    assert text(heard(recogniser, piece[: 4 * RATE]))


def test_a_recogniser_that_cannot_run_is_an_error(meeting: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser = Recogniser(workers=1)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ModelError, match="cannot be started"):
        heard(recogniser, meeting[: 4 * RATE])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ModelError, match="stopped unexpectedly") as caught:
        heard(recogniser, meeting[: 4 * RATE])
    assert "hark doctor" in caught.value.hint
    assert recogniser.workers == []


def test_closing_the_iterator_stops_the_work_at_once(recogniser: Recogniser, meeting: np.ndarray) -> None:
    given = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal given
        while True:
            given += 1
            yield meeting

    deltas = recogniser.recognise(endless())
    next(deltas)
    began = time.monotonic()
    deltas.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 0.5
    assert given <= 2  # what is in flight is bounded
    assert text(heard(recogniser, meeting[: 4 * RATE]))  # and it works again


def test_two_calls_at_once_get_their_own_words(recogniser: Recogniser, meeting: np.ndarray) -> None:
    pieces = [meeting[: 5 * RATE], meeting[20 * RATE : 25 * RATE]]
    alone = [text(heard(recogniser, piece)) for piece in pieces]
    together = ["", ""]

    def run(number: int) -> None:
        together[number] = text(heard(recogniser, pieces[number]))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
    assert alone[0] != alone[1]


SCRIPT = """
import os, sys
{before}
import soundfile
from hark.engines.builtin.confidence import trust, verdict
from hark.engines.builtin.recognise import Recogniser
samples = soundfile.read(sys.argv[1], dtype="float32", frames=64000)[0]
recogniser = Recogniser(workers=1)
said = [segment.text for delta in recogniser.recognise([samples]) for segment in delta.segments]
with open(sys.argv[2], "w") as file:
    print(recogniser.workers[0], *said, file=file)
{after}
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("os.close(0); os.close(1); os.close(2)", ""), ("", "os._exit(0)"), ("", "os.kill(os.getpid(), 9)")],
    ids=["normal", "closed streams", "no clean-up", "killed"],
)
def test_no_worker_outlives_its_parent(examples: Path, tmp_path: Path, before: str, after: str) -> None:
    # No `if __name__ == "__main__"` guard: workers must not run the user's script again.
    script, out = tmp_path / "script.py", tmp_path / "out.txt"
    script.write_text(SCRIPT.format(before=before, after=after))
    command = [sys.executable, "-W", "error", "-X", "dev", script, examples / "standup.flac", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
    pid, *said = out.read_text().split()
    assert len(said) > 3
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the worker is still there")
