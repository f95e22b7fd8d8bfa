from __future__ import annotations

import hashlib

import numpy as np
import pytest

from hark.answers.answer import Answer, Delta
from hark.audio.audio import Audio
from hark.conversation.conversation import Conversation
from hark.engines.echo import Echo
from hark.engines.engine import Options, check


def tone(frequency: float, seconds: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(int(16000 * seconds)) / 16000)).astype(np.float32)


def clip(frequency: float, seconds: float = 1.0) -> Audio:
    return Audio.of(tone(frequency, seconds), 16000)


def steps(conversation: Conversation, **options: object) -> list[Delta]:
    made = Options.of(**options)
    check("echo", Echo.can, conversation, made)
    return list(Echo().generate(conversation, made))


def answer(conversation: Conversation, **options: object) -> Answer:
    return Answer.of(steps(conversation, **options))


def test_transcribing_says_the_length_and_a_hash_of_the_samples() -> None:
    said = answer(Conversation.ask((clip(440, 2.0),)), task="transcribe")
    digest = hashlib.sha256(tone(440, 2.0).tobytes()).hexdigest()[:8]
    assert said.text == f"echo heard 2.0 s, 16000 Hz, sha256 {digest}"
    assert [(segment.text, segment.start, segment.end) for segment in said.evidence] == [(said.text, 0.0, 2.0)]
    assert said.usage.audio_seconds == 2.0
    assert said.usage.output_tokens == len(said.text.split())


def test_two_clips_give_two_answers() -> None:
    texts = [answer(Conversation.ask((clip(frequency),)), task="transcribe").text for frequency in (440, 441)]
    assert texts[0] != texts[1]


def test_several_clips_give_a_segment_each_and_their_text_is_the_transcript() -> None:
    said = answer(Conversation.ask((clip(440), clip(880, 3.0))), task="transcribe")
    assert [segment.end for segment in said.evidence] == [1.0, 3.0]
    assert said.text == " ".join(segment.text for segment in said.evidence)


def test_a_free_prompt_is_answered_with_all_that_was_said_in_order() -> None:
    conversation = Conversation.ask((clip(440),), "What is that?", system="Be brief.").reply("A tone.").say("And then?")
    text = answer(conversation, temperature=0.5).text
    places = [
        text.index(part) for part in ("Be brief.", "1.0 s", "What is that?", "A tone.", "And then?", "temperature 0.5")
    ]
    assert places == sorted(places)


def test_the_words_streamed_are_the_answer() -> None:
    conversation = Conversation.ask((clip(440),), "Say it slowly, please.")
    deltas = [delta.text for delta in steps(conversation) if delta.text]
    assert len(deltas) == len(answer(conversation).text.split())
    assert "".join(deltas) == answer(conversation).text


@pytest.mark.parametrize("task", [None, "transcribe"])
def test_max_new_tokens_counts_words_and_says_so(task: str | None) -> None:
    conversation = Conversation.ask((clip(440),), None if task else "Speak.")
    whole = answer(conversation, task=task)
    short = answer(conversation, task=task, max_new_tokens=3)
    assert short.text == " ".join(f"{whole.text}".split()[:3])
    assert short.usage.output_tokens == 3
    assert [notice.kind for notice in short.notices] == ["limit"]
    assert whole.notices == ()


def test_stop_ends_the_answer_before_it() -> None:
    text = answer(Conversation.ask((clip(440),)), task="transcribe", stop=("16000",)).text
    assert text == "echo heard 1.0 s,"


@pytest.mark.parametrize(
    ("name", "value"),
    [("language", "de"), ("temperature", 0.7), ("top_p", 0.9), ("beams", 4), ("seed", 7), ("to", "fr")],
)
def test_every_option_is_said(name: str, value: object) -> None:
    assert f"{name} {value}" in answer(Conversation.ask((clip(440),)), task="transcribe", **{name: value}).text


def test_silence_gives_no_words() -> None:
    said = answer(Conversation.ask((Audio.of(np.zeros(16000, np.float32), 16000),)), task="transcribe")
    assert said.text == ""
    assert said.evidence == ()
    assert [notice.kind for notice in said.notices] == ["silence"]


def test_what_decoding_noticed_is_passed_on() -> None:
    broken = tone(440)
    broken[100] = np.nan
    said = answer(Conversation.ask((Audio.of(broken, 16000),)), task="transcribe")
    assert [notice.kind for notice in said.notices] == ["cleaned"]


def test_a_clip_given_twice_is_said_twice() -> None:
    one = clip(440)
    said = answer(Conversation.ask((one, one)), task="transcribe")
    assert len(said.evidence) == 2
    assert said.usage.audio_seconds == 2.0
