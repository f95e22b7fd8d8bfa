"""Policies and latencies, against values counted by hand, and models that hear while a recording goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.errors import DataError, OptionError, UnsupportedError
from hark.training.latency import (
    average_lagging,
    average_proportion,
    differentiable_average_lagging,
    length_adaptive_average_lagging,
)
from hark.training.online import Policy, Word, agreement, stream, timed, written
from tiny.families import make

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16000


# --- formulas


def test_average_lagging_by_hand() -> None:
    """Four words of a source of 4: wait-2 lags by 2 throughout, and tau is the third word."""
    assert average_lagging([2, 3, 4, 4], 4, 4) == pytest.approx((2 - 0 + 3 - 1 + 4 - 2) / 3)
    assert average_lagging([4, 4, 4, 4], 4, 4) == 4  # offline: the first word is written when all is heard
    assert average_lagging([1000, 1500, 2000], 2000, 4) == pytest.approx((1000 + 1000 + 1000) / 3)
    assert average_lagging([2500, 2600], 2000, 2) == 2500  # even the first comes after the end


def test_writing_more_lags_no_less() -> None:
    """Six words where the reference has three: AL rewards that, LAAL does not."""
    delays = [1000, 1000, 1000, 2000, 3000, 3000]
    al = (1000 + (1000 - 1000) + (1000 - 2000) + (2000 - 3000) + (3000 - 4000)) / 5
    laal = (1000 + (1000 - 500) + (1000 - 1000) + (2000 - 1500) + (3000 - 2000)) / 5
    assert average_lagging(delays, 3000, 3) == pytest.approx(al)
    assert length_adaptive_average_lagging(delays, 3000, 3) == pytest.approx(laal)
    assert length_adaptive_average_lagging(delays[:2], 3000, 3) == average_lagging(delays[:2], 3000, 3)


def test_proportion_and_differentiable_lagging_by_hand() -> None:
    assert average_proportion([1, 2, 3, 4], 4, 4) == pytest.approx(10 / 16)
    # of words at 1, 1, 4 of 6, none may take less than 2: 1, 3, 5
    assert differentiable_average_lagging([1, 1, 4], 6) == pytest.approx((1 + (3 - 2) + (5 - 4)) / 3)


def test_nothing_written_has_no_latency() -> None:
    for source, target in ((1, 1), (0, 1), (1, 0)):
        with pytest.raises(DataError):
            average_lagging([] if source and target else [1], source, target)


# --- policies, over a model whose hearings are written down here


def _hearing(heard: dict[int, str], asked: list[Any]) -> Any:
    """What is heard in so many samples, as letters; it goes on from what was written."""

    def hear(end: int, done: tuple[int, ...], most: int | None) -> tuple[int, ...]:
        asked.append((end, "".join(map(chr, done)), most))
        rest = heard[end][len(done) :]
        return tuple(map(ord, rest[:most]))

    return hear


def _said(found: Any) -> list[tuple[int, str]]:
    return [(end, "".join(map(chr, new))) for end, new in found]


def test_local_agreement_writes_what_two_hearings_share() -> None:
    asked: list[Any] = []
    heard = {1: "abx", 2: "abcy", 3: "abcd", 4: "abcdef"}
    found = _said(written(Policy(), _hearing(heard, asked), [1, 2, 3, 4]))
    assert found == [(1, ""), (2, "ab"), (3, "c"), (4, "def")]
    assert [done for _, done, _ in asked] == ["", "", "ab", "abc"]


def test_wait_k_writes_a_token_for_each_chunk() -> None:
    asked: list[Any] = []
    heard = dict.fromkeys(range(1, 6), "abcdef") | {4: "ab"}  # after four chunks it thinks that all is said
    found = _said(written(Policy("wait-2"), _hearing(heard, asked), [1, 2, 3, 4, 5]))
    assert found == [(1, ""), (2, "a"), (3, "b"), (4, ""), (5, "cdef")]
    assert [most for _, _, most in asked] == [1, 1, 1, None]


def test_a_recording_of_one_chunk_is_written_at_its_end() -> None:
    for policy in (Policy(), Policy("wait-3")):
        assert _said(written(policy, _hearing({7: "ab"}, []), policy.ends(7, 16000))) == [(7, "ab")]


def test_words_are_timed_by_the_text_that_has_all_of_them() -> None:
    history = [("", 1.0, 1.5), ("an", 2.0, 2.5), ("another day", 3.0, 3.75), ("another day", 4.0, 5.0)]
    assert [*timed(history)] == [Word("another", 3.0, 3.75), Word(" day", 3.0, 3.75)]
    assert [*timed([("", 1.0, 1.0)])] == []
    assert [word.delay for word in timed([("今", 1.0, 1.0), ("今日", 2.0, 2.0)])] == [1.0, 2.0]


def test_agreement_ends_at_the_first_difference() -> None:
    assert agreement("abcd", "abxd") == 2
    assert agreement("", "ab") == 0
    assert agreement("ab", "abc", lambda one, other, last: not last) == 1


@pytest.mark.parametrize(("name", "chunk"), [("wait-0", 1.0), ("wait", 1.0), ("la", 1.0), ("wait-2", 0.0)])
def test_policies_that_are_none_are_refused(name: str, chunk: float) -> None:
    with pytest.raises(OptionError):
        Policy(name, chunk)


# --- models


def _clock() -> Any:
    """A clock on which a second passes each time it is read."""
    ticks = iter(range(10_000))
    return lambda: next(ticks)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("online")


@pytest.mark.parametrize("family", ["whisper", "speech_to_text", "moonshine"])
@pytest.mark.parametrize("policy", [Policy("local-agreement", 1.0), Policy("wait-2", 1.0)], ids=lambda p: p.name)
def test_encoder_decoders_write_while_they_hear(models: Path, family: str, policy: Policy, order: hark.Audio) -> None:
    folder = models / family
    with hark.load(str(folder if folder.exists() else make(family, folder))) as listener:
        offline = stream(listener, order, Policy("local-agreement", 60.0), max_new_tokens=12)
        found = stream(listener, order, policy, clock=_clock(), max_new_tokens=12)
    assert offline.how == found.how == "tokens"
    assert offline.text
    assert {word.delay for word in offline.words} == {offline.seconds}
    assert "".join(word.text for word in found.words).split() == found.text.split()
    assert [word.delay for word in found.words] == sorted(word.delay for word in found.words)
    assert found.computed == 4 + 1
    assert all(word.elapsed - word.delay == pytest.approx(-(-word.delay // 1)) for word in found.words)
    late = found.latency(found.text)
    assert late is not None
    assert late.al <= late.al_ca
    assert late.laal == pytest.approx(late.al)


def test_tokens_that_were_written_are_forced_upon_the_next_hearing(models: Path, order: hark.Audio) -> None:
    """What the model would say after given tokens is what it says when it is made to say them."""
    import torch

    from hark.engines.engine import Options
    from hark.training.rehearing import Rehearing

    with hark.load(str(make("speech_to_text", models / "forced"))) as listener:
        engine: Any = listener.engine
        hear = Rehearing(engine, order.samples(RATE), Options(task="transcribe", max_new_tokens=9))
        free = hear(RATE, (), None)
        forced = hear(RATE, (5, 6, 7), None)
        loaded = engine.loaded()
        given = engine.family.transcribe(loaded, order.samples(RATE)[:RATE], Options())
        with torch.no_grad():
            logits = loaded.model(**given.tensors, decoder_input_ids=torch.tensor([[2, 5, 6, 7]])).logits
        one = hear(RATE, (5, 6, 7), 1)
    assert len(forced) == 6
    assert one == forced[:1] == (int(logits[0, -1].argmax()),)
    assert free[:3] != (5, 6, 7)


def test_other_models_settle_words_as_in_a_live_session(order: hark.Audio) -> None:
    with hark.load("echo") as listener:
        found = stream(listener, order, Policy(chunk=1.0), clock=_clock())
        with pytest.raises(UnsupportedError, match="wait-3"):
            stream(listener, order, Policy("wait-3"))
    assert found.how == "live"
    assert found.text
    assert found.words[-1].delay == pytest.approx(order.duration)


def test_what_streaming_cannot_honour_is_refused(models: Path, order: hark.Audio) -> None:
    with hark.load(str(make("whisper", models / "refusing"))) as listener:
        for options in ({"beams": 3}, {"temperature": 0.5}, {"timestamps": "word"}):
            with pytest.raises((OptionError, UnsupportedError)):
                stream(listener, order, **options)
        with pytest.raises(OptionError, match="no option"):
            stream(listener, order, colour="blue")
        long = hark.Audio.of(np.zeros(31 * RATE, np.float32), RATE)
        with pytest.raises(UnsupportedError, match="31 s"):
            stream(listener, long)
