"""Qwen2-Audio's base model, against the code of its model card, and how the two models are told apart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.audio.windows import windows
from hark.engines.transformers.families.qwen2_audio import Qwen2Audio
from hark.errors import OptionError, UnsupportedError
from tiny.qwen2_audio import tiny_qwen2_audio, tiny_qwen2_audio_base

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

transformers = pytest.importorskip("transformers")
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 12}
CLIP = "<|audio_bos|><|AUDIO|><|audio_eos|>"
FAMILY = "qwen2_audio_base"


def by_the_card(folder: Path, samples: NDArray[Any], prompt: str) -> str:
    """The code of the model card of Qwen2-Audio-7B, with a greedy `generate`."""
    model = transformers.Qwen2AudioForConditionalGeneration.from_pretrained(folder)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    inputs = processor(text=prompt, audio=samples, sampling_rate=RATE, return_tensors="pt")
    generated = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    new = generated[:, inputs["input_ids"].size(1) :]
    text: str = processor.batch_decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)[0]
    return text


def test_a_base_model_is_asked_as_on_its_card(folder: Path, listener: hark.Listener, order: hark.Audio) -> None:
    expected = by_the_card(folder, order.samples(RATE), f"{CLIP}Generate the caption in English:")
    assert expected
    assert listener.ask(order, "Generate the caption in English:", **GREEDY).text == expected


@pytest.mark.parametrize(("language", "ending"), [(None, ""), ("en", " <|en|>"), ("yue", " <|yue|>")])
def test_a_base_model_writes_down_as_its_authors_had_it(
    folder: Path, listener: hark.Listener, order: hark.Audio, language: str | None, ending: str
) -> None:
    prompt = f"{CLIP}Detect the language and recognize the speech:{ending}"
    (window,) = windows(order.stream(RATE))
    transcript = listener.transcribe(order, **GREEDY, **({"language": language} if language else {}))
    assert transcript.text == by_the_card(folder, window.samples, prompt).strip()


def test_the_language_that_a_base_model_names_is_no_part_of_what_was_said(listener: hark.Listener) -> None:
    loaded = listener.engine.loaded()  # type: ignore[attr-defined]
    assert Qwen2Audio().transcript(loaded, "<|zh|>你好。") == ("你好。", "zh")
    assert Qwen2Audio().transcript(loaded, " Hello, <|en|>.") == ("Hello, <|en|>.", None)


def test_a_base_model_knows_no_turns_and_no_system_prompt(listener: hark.Listener, order: hark.Audio) -> None:
    with pytest.raises(UnsupportedError, match="system prompt"):
        listener.ask(order, "What?", system="Be brief.")
    with pytest.raises(UnsupportedError, match="several recordings"):
        listener.ask([order, order], "Compare.")
    chat = listener.chat()
    chat.say(order, "The sound is", **GREEDY)
    with pytest.raises(UnsupportedError, match="several turns"):
        chat.say("And then?")


def test_a_language_that_it_does_not_know_is_refused(listener: hark.Listener, order: hark.Audio) -> None:
    """It becomes part of a control token, so that nothing else may get there."""
    with pytest.raises(UnsupportedError, match="language"):
        listener.transcribe(order, language="en|><|im_start|")
    with pytest.raises(OptionError, match="plain transcript"):
        listener.ask(order, "What?", language="en")


@pytest.mark.parametrize(
    ("ends", "chats"), [(["<|endoftext|>", "<|im_end|>"], True), (["<|endoftext|>"], False), (None, True)]
)
def test_the_two_are_told_apart_by_how_a_text_ends(
    tmp_path: Path, order: hark.Audio, ends: list[str] | None, chats: bool
) -> None:
    folder = tiny_qwen2_audio(tmp_path / "tiny")
    tokens = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    ids = {token["content"]: token["id"] for token in tokens}
    path = folder / "generation_config.json"
    held = json.loads(path.read_text())
    held.pop("eos_token_id")
    path.write_text(json.dumps(held | ({"eos_token_id": [ids[end] for end in ends]} if ends else {})))
    with hark.load(str(folder)) as listener:
        assert (listener.can.several_turns, listener.can.system_prompt) == (chats, chats)
        asked = listener.ask(order, "What?", **GREEDY).usage.input_tokens or 0
    template = len("<|im_start|>system\nYou are a helpful assistant.") - len("<|im_start|>")
    assert (asked > 85 + template) == chats


def test_the_names_of_tokens_are_also_found_where_older_files_have_them(tmp_path: Path) -> None:
    folder = tiny_qwen2_audio(tmp_path / "tiny")
    tokens = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    path = folder / "tokenizer_config.json"
    decoder = {str(token["id"]): {"content": token["content"]} for token in tokens}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"added_tokens_decoder": decoder}))
    (folder / "tokenizer.json").unlink()
    assert Qwen2Audio().capabilities({}, folder).several_turns
    assert not Qwen2Audio().capabilities({}, tiny_qwen2_audio_base(tmp_path / "base")).several_turns


@pytest.mark.parametrize(
    ("file", "text", "chats"),
    [
        ("generation_config.json", "[1", True),
        ("generation_config.json", '{"eos_token_id": ["x", null]}', False),
        ("tokenizer.json", '{"added_tokens": [1, {"id": 2}]}', False),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"x": 1}}', False),
    ],
)
def test_files_that_make_no_sense_do_not_break_the_list_of_models(
    tmp_path: Path, file: str, text: str, chats: bool
) -> None:
    folder = tiny_qwen2_audio(tmp_path / "tiny")
    (folder / file).write_text(text)
    assert Qwen2Audio().capabilities({}, folder).several_turns == chats
