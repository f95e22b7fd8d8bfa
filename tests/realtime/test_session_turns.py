"""Turns as a client hears of them: where they begin and end, in the clock of the stream, to the sample."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from talking import RATE, coded, heard, kinds, quiet, talking

from serving import Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talking import Talk

    import hark

MANUAL = {"input": {"turn_detection": None}}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo", "builtin") as running:
        yield running


def said(text: str) -> str:
    """The hash of the last recording that an echo tells of."""
    return re.findall(r"sha256 (\w{8})", text)[-1]


def of(samples: np.ndarray) -> str:
    return hashlib.sha256(samples.astype("<f4").tobytes()).hexdigest()[:8]


def turn(talk: Talk) -> tuple[int, int, str]:
    """The next turn that is over: start and end in ms, and the hash of what was heard of it."""
    events = talk.until("response.done")
    start = next(e.audio_start_ms for e in events if e.type == "input_audio_buffer.speech_started")
    end = next(e.audio_end_ms for e in events if e.type == "input_audio_buffer.speech_stopped")
    return start, end, said(events[-1].response.output[0].content[0].text)


def exact(told: str, stream: np.ndarray, start: int, end: int) -> bool:
    """Is what was heard this stretch of the stream, to the sample? Times are told in whole ms, of 16 samples."""
    around = range(-8, 9)
    return any(told == of(stream[start * 16 + one : end * 16 + other]) for one in around for other in around)


def test_no_word_is_cut_off_at_any_of_twenty_offsets(server: Running, order: hark.Audio) -> None:
    """The turn that was heard is, to the sample, the stretch of the stream that its events tell."""
    spoken = order.samples(RATE)
    loud = np.flatnonzero(np.abs(spoken) > 0.02)
    for phase in range(20):
        with talking(server) as talk:
            talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 300}}})
            before = quiet(0.5 + phase * 0.013)
            stream = heard(talk.say(before, spoken, quiet(0.8)))
            start, end, told = turn(talk)
            onset, last = (len(before) + loud[0]) / 16, (len(before) + loud[-1]) / 16
            assert onset - 700 <= start <= onset - 100
            assert last <= end <= last + 700
            assert told == of(stream[start * 16 : end * 16])


def test_the_clock_goes_on_whatever_is_changed(server: Running, order: hark.Audio) -> None:
    spoken = order.samples(RATE)
    with talking(server) as talk:
        sent = talk.say(quiet(1.0), spoken, quiet(1.0))
        first = turn(talk)
        talk.update(audio={"input": {"turn_detection": {"threshold": 0.4, "prefix_padding_ms": 200}}})
        talk.send("input_audio_buffer.clear")
        talk.until("input_audio_buffer.cleared")
        sent += talk.say(quiet(1.0), spoken, quiet(1.0))
        second = turn(talk)
        stream = heard(sent)
        for start, end, told in (first, second):
            assert exact(told, stream, start, end)
        assert second[0] == pytest.approx(first[0] + 2000 + len(spoken) / 16, abs=250)


def test_turns_by_hand(server: Running, order: hark.Audio) -> None:
    spoken = order.samples(RATE)
    with talking(server) as talk:
        assert talk.update(audio=MANUAL).audio.input.turn_detection is None
        assert talk.refused("input_audio_buffer.commit").code == "input_audio_buffer_commit_empty"
        talk.say(np.ones(RATE // 20, np.float32) / 2)
        assert talk.refused("input_audio_buffer.commit").code == "input_audio_buffer_commit_empty"
        talk.send("input_audio_buffer.clear")
        talk.until("input_audio_buffer.cleared")
        sent = talk.say(spoken)
        talk.send("input_audio_buffer.commit")
        assert kinds(talk.until("conversation.item.done")) == [
            "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
        ]  # fmt: skip
        talk.send("response.create")
        assert said(talk.answer()) == of(heard(sent))


def test_what_was_appended_before_pauses_are_waited_for_is_heard(server: Running, order: hark.Audio) -> None:
    with talking(server) as talk:
        talk.update(audio=MANUAL)
        sent = talk.say(quiet(0.5), order.samples(RATE))
        talk.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})
        sent += talk.say(quiet(1.0))
        talk.until("response.done")
        starts = [e.audio_start_ms for e in talk.events if e.type == "input_audio_buffer.speech_started"]
        ends = [e.audio_end_ms for e in talk.events if e.type == "input_audio_buffer.speech_stopped"]
        assert exact(said(talk.events[-1].response.output[0].content[0].text), heard(sent), starts[0], ends[0])


def test_a_commit_ends_a_turn_that_goes_on(server: Running, order: hark.Audio) -> None:
    with talking(server) as talk:
        sent = talk.say(quiet(0.5), order.samples(RATE)[: 2 * RATE])
        started = talk.until("input_audio_buffer.speech_started")[-1]
        talk.send("input_audio_buffer.commit")
        stopped = talk.until("input_audio_buffer.speech_stopped")[-1]
        talk.until("conversation.item.done")
        assert stopped.audio_end_ms == 2500
        talk.send("response.create")
        assert exact(said(talk.answer()), heard(sent), started.audio_start_ms, 2500)


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_telephones_are_understood(server: Running, order: hark.Audio, kind: str) -> None:
    with talking(server) as talk:
        assert talk.update(audio={"input": {"format": {"type": kind}}}).audio.input.format.type == kind
        sent = talk.say(quiet(0.5), order.samples(RATE), quiet(1.0), kind=kind)
        start, end, told = turn(talk)
        assert exact(told, heard(sent, kind), start, end)
    with talking(server, "builtin", intent="transcription") as talk:
        talk.send("session.update", session={"type": "transcription", "audio": {"input": {"format": {"type": kind}}}})
        talk.say(quiet(0.5), order.samples(RATE), quiet(1.0), kind=kind)
        assert "coffee" in talk.until("conversation.item.input_audio_transcription.completed")[-1].transcript


def test_g711_is_the_standards() -> None:
    """Values of ITU-T G.711: the loudest, the faintest, and the code of silence."""
    mu, a = (heard_levels(kind) for kind in ("audio/pcmu", "audio/pcma"))
    assert (mu[0x00], mu[0x80], mu[0xFF], mu[0x7F]) == (-32124, 32124, 0, 0)
    assert (a[0x2A], a[0xAA], a[0xD5], a[0x55]) == (-32256, 32256, 8, -8)


def heard_levels(kind: str) -> Any:
    from hark.realtime.formats import Decoder

    return (Decoder(kind)._decoded(bytes(range(256))) * 32768).astype(int)


def test_who_says_nothing_is_spoken_to(server: Running, order: hark.Audio) -> None:
    with talking(server) as talk:
        talk.update(audio={"input": {"turn_detection": {"idle_timeout_ms": 1000}}})
        sent = talk.say(quiet(3.0))  # nothing was answered yet: nobody waits for anything
        sent += talk.say(order.samples(RATE), quiet(1.0))
        talk.answer()
        sent += talk.say(quiet(1.5))
        events = talk.until("response.done")
        assert kinds(events)[:4] == [
            "input_audio_buffer.timeout_triggered", "input_audio_buffer.committed", "conversation.item.added",
            "conversation.item.done",
        ]  # fmt: skip
        idle = events[0]
        assert 1000 <= idle.audio_end_ms - idle.audio_start_ms <= 1100
        told = said(events[-1].response.output[0].content[0].text)
        assert exact(told, heard(sent), idle.audio_start_ms, idle.audio_end_ms)


@pytest.mark.parametrize(("eagerness", "silence"), [("high", 400), ("auto", 800), ("low", 1500)])
def test_the_less_eager_the_longer_is_waited(server: Running, order: hark.Audio, eagerness: str, silence: int) -> None:
    spoken = order.samples(RATE)
    last = 500 + np.flatnonzero(np.abs(spoken) > 0.02)[-1] / 16
    with talking(server) as talk:
        talk.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}})
        talk.say(quiet(0.5), spoken, quiet(2.0))
        _, end, _ = turn(talk)
        assert end == pytest.approx(last + silence, abs=200)


def test_turns_that_are_only_told_are_answered_when_asked(server: Running, order: hark.Audio) -> None:
    with talking(server) as talk:
        talk.update(audio={"input": {"turn_detection": {"create_response": False}}})
        talk.say(quiet(0.5), order.samples(RATE), quiet(1.0), order.samples(RATE), quiet(1.0))
        talk.until("conversation.item.done")
        talk.until("conversation.item.done")
        talk.send("response.create")
        answer = talk.answer()
        assert answer.count("user:") == 1
        assert len(re.findall("sha256", answer)) == 2


def test_pieces_of_any_size_are_one_stream(server: Running, order: hark.Audio) -> None:
    import base64

    data = coded(np.concatenate((quiet(0.5), order.samples(RATE), quiet(1.0))))
    found = []
    for size in (len(data), 7, 4801):
        with talking(server) as talk:
            for at in range(0, len(data) if size > 7 else 7000, size):
                talk.send("input_audio_buffer.append", audio=base64.b64encode(data[at : at + size]).decode())
            if size == 7:
                talk.send("input_audio_buffer.append", audio=base64.b64encode(data[7000:]).decode())
            found.append(turn(talk))
    assert found[0] == found[1] == found[2]
