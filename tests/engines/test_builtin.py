"""The offline default in a chat: which clips a turn is about, and what is said of silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from spoken import said

from hark.answers.answer import Delta
from hark.audio.audio import Audio
from hark.conversation.conversation import Conversation
from hark.engines.builtin.engine import Builtin
from hark.engines.builtin.recognise import Recogniser
from hark.engines.engine import Options

if TYPE_CHECKING:
    from collections.abc import Iterator

SPOKEN = {1.0: "we decided to sell the boat", 2.0: "anna will paint the fence", 3.0: ""}


@pytest.fixture
def builtin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Builtin]:
    """The engine with a recogniser that hears a text by the length of the clip."""

    def recognise(_self: Recogniser, clip: Audio) -> Iterator[Delta]:
        yield Delta(segments=said(SPOKEN[clip.duration]).segments, heard=clip.duration)

    monkeypatch.setattr(Recogniser, "recognise", recognise)
    engine = Builtin()
    yield engine
    engine.close()


def clip(seconds: float) -> Audio:
    return Audio.of(np.zeros(int(16_000 * seconds), np.float32), 16_000, name=f"{seconds:.0f}.wav")


def answer(engine: Builtin, conversation: Conversation) -> list[Delta]:
    return list(engine.generate(conversation, Options()))


def text(engine: Builtin, conversation: Conversation) -> str:
    return "".join(delta.text for delta in answer(engine, conversation))


def test_a_turn_is_about_its_own_clips(builtin: Builtin) -> None:
    chat = Conversation.ask((clip(1.0),), "Summarize").reply("boat")
    new = chat.say(clip(2.0), "Summarize")
    assert text(builtin, new) == '[0:00] "anna will paint the fence"'
    later = new.reply("fence").say("List the action items")
    assert "boat" not in text(builtin, later)
    assert "There is no earlier answer" in text(builtin, chat.say(clip(2.0), "And then?"))


@pytest.mark.parametrize(
    "prompt", ["Compare them", "Decisions and action items of both recordings", "Transcribe all clips"]
)
def test_all_clips_are_meant_where_they_are_spoken_of(builtin: Builtin, prompt: str) -> None:
    chat = Conversation.ask((clip(1.0),), "Summarize").reply("boat").say(clip(2.0), prompt)
    assert all(word in text(builtin, chat) for word in ("boat", "fence", "1.wav", "2.wav"))


def test_thanks_get_a_line_and_no_transcript(builtin: Builtin) -> None:
    chat = Conversation.ask((clip(1.0),), "Summarize").reply("boat").say("Thank you!")
    (only,) = answer(builtin, chat)
    assert only.text.startswith("Nothing was asked;")
    assert only.notices == ()


@pytest.mark.parametrize("prompt", ["Summarize", "Transcribe this", "What did they decide about the boat?"])
def test_one_notice_tells_of_silence(builtin: Builtin, prompt: str) -> None:
    deltas = answer(builtin, Conversation.ask((clip(3.0),), prompt))
    notices = [notice.text for delta in deltas for notice in delta.notices if notice.kind == "silence"]
    assert notices == ["No speech was found in 3.wav."]
