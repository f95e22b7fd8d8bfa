"""Conversations are immutable values, and are read from the shapes people have."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.conversation.huggingface_wire import read_request
from hark.conversation.messages import read_messages, write_openai, write_transformers
from hark.errors import ConversationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def encoded(tone: Path) -> str:
    return base64.b64encode(tone.read_bytes()).decode()


def test_say_returns_a_longer_conversation_and_leaves_the_first_alone(tone: Path) -> None:
    first = hark.Conversation.ask((hark.Audio.of(tone),), "What is it?", system="Be brief.")
    second = first.reply("A tone.").say("And then?")
    assert [m.role for m in first.messages] == ["system", "user"]
    assert [m.role for m in second.messages] == ["system", "user", "assistant", "user"]
    assert (second.system, second.prompt, second.turns, len(second.clips)) == ("Be brief.", "And then?", 2, 1)
    assert hash(first) == hash(hark.Conversation.ask((hark.Audio.of(tone),), "What is it?", system="Be brief."))


def test_a_prompt_joins_the_turn_that_waits(tone: Path) -> None:
    clip = hark.Audio.of(tone)
    waiting = hark.Conversation.ask((clip,))
    assert waiting.with_prompt("Why?") == hark.Conversation.ask((clip,), "Why?")
    assert waiting.reply("So.").with_prompt("Why?").turns == 2


def test_nothing_said_and_audio_from_the_wrong_side_are_refused(tone: Path) -> None:
    with pytest.raises(ConversationError, match="nothing to say"):
        hark.Conversation().say("  ")
    with pytest.raises(ConversationError, match="assistant message cannot hold audio"):
        hark.Message("assistant", (hark.Clip(hark.Audio.of(tone)),))
    with pytest.raises(ConversationError, match="'robot'"):
        hark.Message("robot", ())  # type: ignore[arg-type]


def test_text_that_is_no_utf_8_is_refused(tone: Path) -> None:
    prompt = b"caf\xe9?".decode(errors="surrogateescape")  # as Python reads it from a terminal
    with pytest.raises(ConversationError, match=r"'caf\\udce9\?' is not text in UTF-8") as caught:
        hark.load("echo").ask(tone, prompt)
    assert "UTF-8" in caught.value.hint


@pytest.mark.parametrize("key", ["audio", "url", "path", "audio_url"])
def test_transformers_messages(key: str, tone: Path) -> None:
    content = [{"type": "audio", key: str(tone)}, {"type": "text", "text": "What's that sound?"}]
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": content},
        {"role": "assistant", "content": [{"type": "text", "text": "A tone."}]},
        {"role": "user", "content": "And then?"},
    ]
    conversation = read_messages(messages)
    assert conversation.clips == (hark.Audio.of(tone),)
    assert conversation.prompt == "And then?"
    assert read_messages(write_transformers(conversation)) == conversation


def test_openai_and_vllm_messages(encoded: str, tone: Path) -> None:
    parts = [
        {"type": "input_audio", "input_audio": {"data": encoded, "format": "wav"}},
        {"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{encoded}"}},
        {"type": "text", "text": "Compare these."},
    ]
    conversation = read_messages([{"role": "user", "content": parts}])
    assert [clip.id for clip in conversation.clips] == [hark.Audio.of(tone).id] * 2
    again = read_messages(write_openai(conversation))
    assert [len(clip.samples()) for clip in again.clips] == [16000, 16000]
    assert again.prompt == "Compare these."


def test_arrays_in_messages_carry_their_rate(tone: Path) -> None:
    samples = hark.Audio.of(tone).samples(8000)
    part = {"type": "audio", "audio": samples, "sampling_rate": 8000}
    assert read_messages([{"role": "user", "content": [part]}]).clips[0].duration == pytest.approx(1)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda path: {"audio": path, "text": "What?"},
        lambda path: {"audio": [path], "text": "What?"},
        lambda path: {"inputs": {"audio": path, "text": "What?"}, "parameters": {}},
        lambda path: {"inputs": [{"role": "user", "content": [{"type": "audio", "path": path}, "What?"]}]},
        lambda path: {"messages": [{"role": "user", "content": [{"type": "audio", "path": path}, "What?"]}]},
    ],
)
def test_requests_of_the_task(request_of: Any, tone: Path) -> None:
    conversation, parameters = read_request(request_of(str(tone)))
    assert conversation == hark.Conversation.ask((hark.Audio.of(tone),), "What?")
    assert parameters == {}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ("text", "is an object"),
        ({}, "no audio"),
        ({"text": "What?"}, "no audio"),
        ({"audio": []}, "no audio"),
        ({"audio": "a.wav", "text": 5}, "text is no text"),
        ({"audio": "a.wav", "prompt": "What?"}, "'prompt'"),
        ({"inputs": {"audio": "a.wav"}, "stream": True}, "'stream'"),
        ({"inputs": {"audio": "a.wav"}, "parameters": [1]}, "parameters"),
        ({"messages": []}, "no messages"),
        ({"messages": [{"role": "user"}]}, "Message 1 needs"),
        ({"messages": [{"role": "user", "content": 3}]}, "content of message 1"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}]}, "'image'"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "it has none"),
        ({"messages": [{"role": "user", "content": [{"type": "audio", "path": "a", "url": "b"}]}]}, "url and path"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "no data"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "§"}}]}]},
            "not base64",
        ),
    ],
)
def test_malformed_requests_name_what_is_wrong(request_: Any, said: str) -> None:
    with pytest.raises(ConversationError, match=said) as error:
        read_request(request_)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("prompt", [5, b"What?", 1.5, ["What?"]])
def test_a_prompt_that_is_no_text_is_refused(prompt: object, tone: Path) -> None:
    with pytest.raises(ConversationError, match="no text"):
        hark.Conversation.ask((hark.Audio.of(tone),), prompt)  # type: ignore[arg-type]
    with pytest.raises(ConversationError, match="no text"):
        hark.Conversation.ask((hark.Audio.of(tone),), "What?", system=prompt)  # type: ignore[arg-type]
