"""Text that settles while speech goes on: by agreement for any model, natively where a model hears as it comes."""

from __future__ import annotations

import difflib
import itertools
import os
import random
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.answers.answer import Delta, Usage
from hark.answers.transcript import Segment, Word
from hark.engines.engine import Capabilities, Engine, Options
from hark.engines.live import Partial
from hark.errors import ModelError, OptionError, UnsupportedError
from hark.listener import Listener
from hark.realtime.partial import Agreement, aligned, live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.conversation.conversation import Conversation
    from hark.engines.live import Live

RATE = 16000
WORD = 0.4  # seconds
ENGLISH = "the quick brown fox jumps over one lazy dog while seven more animals look at it from far away".split()
CHINESE = list("床前明月光疑是地上霜举头望明月低头思故乡")


class Reader(Engine):
    """Reads words off sound in which each sample is its own place: what it is given is known exactly.

    The last word is misheard while it is spoken, and one in five hearings words some earlier ones otherwise.
    """

    name = "reader"

    def __init__(self, words: list[str], times: Any, *, joint: str = " ", moody: bool = False) -> None:
        self.words, self.joint, self.moody = words, joint, moody
        self.can = Capabilities(free_prompt=False, timestamps=times, languages=frozenset({"en"}))
        self.heard = 0.0
        self._dice = random.Random(1)

    def word(self, number: int) -> str:
        return self.words[number % len(self.words)]

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        samples = conversation.clips[0].samples(RATE)
        start, end = samples[0] * 2**24 / RATE, samples[-1] * 2**24 / RATE
        self.heard += end - start
        spoken = list(range(int(start / WORD + 0.9), int(end / WORD) + 1))
        found = [self.word(n) for n in spoken]
        if spoken and spoken[-1] * WORD + WORD > end:
            found[-1] = found[-1][:1] + "x"
        if self.moody and len(found) > 4 and self._dice.random() < 0.2:
            at = self._dice.randrange(len(found) - 3)
            found[at : at + 2] = self._dice.choice(([], ["uh", *found[at : at + 2]], ["what"]))
            spoken = list(range(spoken[0], spoken[0] + len(found)))
        yield from self._told(found, [n * WORD - start for n in spoken], end - start, options)

    def _told(self, found: list[str], starts: list[float], seconds: float, options: Options) -> Iterator[Delta]:
        if self.can.timestamps == "none":
            yield Delta(self.joint.join(found), usage=Usage(seconds))
            return
        size = 6 if self.can.timestamps == "segment" else 10**6
        for first in range(0, len(found), size):
            words, times = found[first : first + size], starts[first : first + size]
            text = self.joint.join(words)
            timed = tuple(Word(word, at, at + WORD - 0.1) for word, at in zip(words, times, strict=True))
            fine = timed if options.timestamps == "word" else ()
            yield Delta(text, (Segment(text, times[0], times[-1] + WORD - 0.1, fine),))
        yield Delta(usage=Usage(seconds))


def places(start: float, end: float) -> np.ndarray:
    return (np.arange(round(start * RATE), round(end * RATE)) / 2**24).astype(np.float32)


def followed(writer: Live, seconds: float, step: float = 0.5) -> list[Partial]:
    """All that is known of a turn, as it grows."""
    found, heard, now = [], 0.0, 0.0
    while now + step < seconds:
        now += step
        if writer.due(now - heard):
            found.append(writer.hear(places(heard, now)))
            heard = now
    found.append(writer.finish(places(heard, seconds)))
    writer.close()
    return found


def never_changed(found: list[Partial]) -> None:
    for one, other in itertools.pairwise(found):
        assert other.settled.startswith(one.settled)
    assert found[-1].open == ""


@pytest.mark.parametrize(("words", "joint"), [(ENGLISH, " "), (CHINESE, "")], ids=["english", "chinese"])
@pytest.mark.parametrize("times", ["word", "segment", "none"])
def test_text_settles_and_ends_as_what_was_said(words: list[str], joint: str, times: str) -> None:
    seconds = 40 * WORD + 0.05
    engine = Reader(words, times, joint=joint)
    found = followed(live(Listener(engine)), seconds)
    never_changed(found)
    said = [engine.word(n) for n in range(41)]
    said[-1] = said[-1][:1] + "x"
    assert found[-1].settled == joint.join(said)
    assert found[-1].text == found[-1].settled
    lags = [40 - len(one.settled.split(" ") if joint else one.settled) for one in found[:-1]]
    assert lags[-1] < 12  # words behind, at most, by the last step
    assert any(one.open for one in found)
    assert all((one.settled + one.open).startswith(said[0]) for one in found)


@pytest.mark.parametrize("times", ["word", "segment", "none"])
def test_a_long_turn_costs_a_multiple_of_its_length(times: str) -> None:
    """Times of words or segments let sound go whose text is settled; without them it is heard again more rarely."""
    ratios = []
    for seconds in (60, 240):
        engine = Reader(ENGLISH, times)
        found = followed(live(Listener(engine)), seconds)
        never_changed(found)
        assert len(found[-1].settled.split()) == pytest.approx(seconds / WORD, abs=1)
        ratios.append(engine.heard / seconds)
    assert ratios[1] < 1.3 * ratios[0]
    assert ratios[1] < (16 if times != "none" else 9.5)


@pytest.mark.parametrize("times", ["word", "segment", "none"])
def test_hearings_that_word_things_otherwise_neither_double_nor_lose_much(times: str) -> None:
    seconds = 150 * WORD
    found = followed(Agreement(Listener(Reader(ENGLISH, times, moody=True))), seconds)
    never_changed(found)
    said = found[-1].settled.split()
    wanted = [ENGLISH[n % len(ENGLISH)] for n in range(150)]
    assert difflib.SequenceMatcher(None, wanted, said, autojunk=False).ratio() > 0.96
    assert abs(len(said) - 150) <= 6


def test_times_are_those_of_the_turn() -> None:
    found = followed(live(Listener(Reader(ENGLISH, "segment"))), 30.0)
    last = found[-1]
    assert last.segments
    assert " ".join(segment.text for segment in last.segments) == last.settled
    for before, after in zip(last.segments, last.segments[1:], strict=False):
        assert before.end <= after.start
    count = 0
    for segment in last.segments:
        assert segment.start == pytest.approx(count * WORD, abs=WORD + 0.3)
        count += len(segment.text.split())


@pytest.mark.parametrize(
    ("settled", "found", "awaited", "count"),
    [
        ("a b c", "a b c d", "", 3),
        ("a b c", "a x c d", "", 3),
        ("a b c", "a c d e", "d e", 2),  # one was taken back
        ("a b", "a d e", "d e", 1),
        ("a b", "a x d e", "d e", 2),
        ("a b c", "uh a b c d", "d", 4),
        ("a b c", "b c d", "d", 2),  # the window begins later
        ("a b c", "", "", 0),
        ("", "d e", "", 0),
        ("a a a", "a a a a", "a", 3),
    ],
)
def test_settled_words_are_found_again(settled: str, found: str, awaited: str, count: int) -> None:
    assert aligned(settled.split(), found.split(), awaited.split()) == count


def test_a_failed_hearing_loses_nothing() -> None:
    class Failing(Reader):
        calls = 0

        def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
            self.calls += 1
            if self.calls == 2:
                raise ModelError("Out of memory.")
            yield from super().generate(conversation, options)

    writer = live(Listener(Failing(ENGLISH, "none")))
    writer.hear(places(0, 1))
    with pytest.raises(ModelError):
        writer.hear(places(1, 2))
    assert writer.finish(places(2, 4)).settled.split()[:9] == ENGLISH[:9]


def test_what_is_beyond_the_model_is_refused_before_it_hears() -> None:
    listener = Listener(Reader(ENGLISH, "none"))
    with pytest.raises(UnsupportedError):
        live(listener, language="de")
    with pytest.raises(OptionError):
        live(listener, no_such=True)


def spoken(writer: Live, samples: np.ndarray, block: int = 3200) -> list[Partial]:
    """All that is known while a recording is fed in blocks."""
    found, heard = [], 0
    for at in range(block, len(samples), block):
        if writer.due((at - heard) / RATE):
            found.append(writer.hear(samples[heard:at]))
            heard = at
    found.append(writer.finish(samples[heard:]))
    writer.close()
    return found


@pytest.fixture(scope="module")
def builtin() -> Iterator[Listener]:
    """The offline default, which guesses however slow the machine is."""
    with pytest.MonkeyPatch.context() as patch, hark.load("builtin") as listener:
        patch.setattr("hark.engines.builtin.live._SHARE", float("inf"))
        yield listener


def test_the_offline_default_guesses_and_ends_as_well_as_ever(builtin: Listener, order: hark.Audio) -> None:
    samples = order.samples(RATE)
    found = spoken(live(builtin, shows=True), samples)
    never_changed(found)
    assert any("coffee" in one.open for one in found)
    asked = builtin.transcribe(hark.Audio.of(samples, RATE))
    assert found[-1].segments == asked.segments
    assert found[-1].settled == asked.text


def test_the_offline_default_settles_each_phrase_at_its_pause(builtin: Listener, order: hark.Audio) -> None:
    pause = np.zeros(RATE, np.float32)
    samples = np.concatenate((order.samples(RATE), pause, order.samples(RATE), pause))
    found = spoken(live(builtin), samples)
    never_changed(found)
    assert not any(one.open for one in found)  # nobody wants to see it
    first, second = found[-1].segments
    assert "large coffee" in first.text
    assert "large coffee" in second.text
    assert second.start - first.start == pytest.approx(len(order.samples(RATE)) / RATE + 1, abs=0.1)
    assert first.text in {one.settled for one in found[:-1]}


def test_guesses_go_on_when_their_process_dies(builtin: Listener, order: hark.Audio) -> None:
    samples = order.samples(RATE)
    writer = live(builtin, shows=True)
    writer.hear(samples[: 2 * RATE])
    for pid in builtin.engine._guessers.pids:  # type: ignore[attr-defined]
        os.kill(pid, signal.SIGKILL)
    writer.hear(samples[2 * RATE : 3 * RATE])
    assert "coffee" in writer.finish(samples[3 * RATE :]).settled
    writer.close()
    assert any(one.open for one in spoken(live(builtin, shows=True), samples))


def test_turns_at_once_share_the_processes_that_guess(builtin: Listener, order: hark.Audio) -> None:
    samples = order.samples(RATE)
    writers = [live(builtin, shows=True) for _ in range(12)]
    for writer in writers:
        writer.hear(samples[: 2 * RATE])
    pool = builtin.engine._guessers  # type: ignore[attr-defined]
    assert len(pool.pids) <= pool.size
    for writer in writers:
        writer.close()
    leases = [pool.lease() for _ in range(pool.size)]
    assert all(leases)
    assert pool.lease() is None
    for lease in leases:
        lease.close()


def test_a_turn_written_down_live_is_not_heard_again(
    builtin: Listener, hesitant: hark.Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = hesitant.samples(RATE)
    text = spoken(live(builtin), samples)[-1].settled
    monkeypatch.setattr(builtin.engine._recogniser, "recognise", None)  # type: ignore[attr-defined]
    assert builtin.transcribe(hark.Audio.of(samples, RATE, name="turn 1")).text == text


@pytest.mark.parametrize("what", [np.zeros(0, np.float32), np.zeros(100, np.float32), np.zeros(RATE, np.float32)])
@pytest.mark.parametrize("model", ["builtin", "echo"])
def test_nothing_said_is_no_text(model: str, what: np.ndarray) -> None:
    with hark.load(model) as listener:
        assert live(listener).finish(what) == Partial()
