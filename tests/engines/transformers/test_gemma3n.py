"""Gemma 3n, against the library's own processor and class, and its known traps."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.answers.answer import Answer
from hark.engines.engine import Options
from hark.errors import ModelBrokenError, UnsupportedError
from tiny.gemma3n import tiny_gemma3n, without_timm

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

transformers = pytest.importorskip("transformers")
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 12}
FAMILY = "gemma3n"


def noise(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def by_hand(folder: Path, prompt: str, *clips: NDArray[np.float32]) -> str:
    """The library's extractor, tokenizer and class; a clip in a prompt is written as its processor writes it."""
    extractor = transformers.Gemma3nAudioFeatureExtractor.from_pretrained(folder)
    words = transformers.AutoTokenizer.from_pretrained(folder)
    with without_timm():
        model = transformers.Gemma3nForConditionalGeneration.from_pretrained(folder).eval()
    heard = extractor(list(clips), sampling_rate=RATE, return_tensors="pt")
    clip = f"\n\n<start_of_audio>{'<audio_soft_token>' * 188}<end_of_audio>\n\n"
    asked = words(prompt.replace("CLIP", clip), return_tensors="pt", add_special_tokens=False)
    outputs = model.generate(**asked, **heard, max_new_tokens=12, do_sample=False)
    text: str = words.decode(outputs[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    return text


def test_a_question_is_answered_as_with_inputs_made_by_hand(
    folder: Path, listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio
) -> None:
    prompt = "<bos><start_of_turn>user\nCLIPWhat is it?<end_of_turn>\n<start_of_turn>model\n"
    expected = by_hand(folder, prompt, order.samples(RATE))
    assert expected
    assert listener.ask(order, "What is it?", **GREEDY).text == expected
    both = prompt.replace("CLIP", "CLIPCLIP")
    expected = by_hand(folder, both, order.samples(RATE), hesitant.samples(RATE))
    assert listener.ask([order, hesitant], "What is it?", **GREEDY).text == expected


def test_the_inputs_are_those_of_the_librarys_processor(folder: Path, listener: hark.Listener) -> None:
    """Its own one also wants an image processor, which makes nothing of a clip."""
    pytest.importorskip("PIL")
    import torch

    content = [{"type": "audio", "audio": noise(2)}, {"type": "text", "text": "What?"}]
    said: dict[str, Any] = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
    theirs = transformers.AutoProcessor.from_pretrained(folder).apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, **said
    )
    ours = listener.engine.loaded().processor.apply_chat_template(  # type: ignore[attr-defined]
        [{"role": "user", "content": content}], add_generation_prompt=True, **said
    )
    assert set(theirs) == set(ours)
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


def test_a_system_prompt_is_put_before_the_first_question_and_that_is_told(
    folder: Path, listener: hark.Listener, order: hark.Audio
) -> None:
    prompt = "<bos><start_of_turn>user\nBe brief.\n\nCLIPWhat is it?<end_of_turn>\n<start_of_turn>model\n"
    answer = listener.ask(order, "What is it?", system="Be brief.", **GREEDY)
    assert answer.text == by_hand(folder, prompt, order.samples(RATE))
    assert any("before the first question" in notice.text for notice in answer.notices)
    told = [notice.kind for notice in listener.ask(order, "What is it?", **GREEDY).notices]
    assert "method" not in told


def test_its_eyes_are_left_in_the_folder(folder: Path, order: hark.Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder holds weights of a vision tower; neither they nor the libraries they need are touched."""
    from safetensors.torch import load_file

    assert any(".vision_tower." in name for name in load_file(folder / "model.safetensors"))
    for library in ("timm", "torchvision", "PIL"):
        monkeypatch.setitem(sys.modules, library, None)
    with hark.load(str(folder)) as listener:
        assert listener.ask(order, "What?", **GREEDY).text
        model = listener.engine.loaded().model  # type: ignore[attr-defined]
    assert not any("vision_tower" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize("part", ["audio_tower.conformer.0", "embed_audio.embedding_projection", "language_model.norm"])
def test_a_missing_weight_of_ears_or_language_is_an_error(order: hark.Audio, tmp_path: Path, part: str) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_gemma3n(tmp_path / "tiny")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if part in name)
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match=name):
        listener.ask(order, "What?")


def test_clips_take_188_tokens_whatever_their_length_and_the_end_is_heard(listener: hark.Listener) -> None:
    long, short = noise(29.9), noise(1)
    answers = [listener.ask(hark.Audio.of(clip, RATE), "What?", **GREEDY) for clip in (long, short)]
    assert answers[0].usage.input_tokens == answers[1].usage.input_tokens
    other = np.concatenate([long[: 29 * RATE], -3 * np.flip(long[29 * RATE :])])
    assert listener.ask(hark.Audio.of(other, RATE), "What?", **GREEDY).text != answers[0].text


def test_what_its_extractor_would_cut_is_refused(listener: hark.Listener) -> None:
    with pytest.raises(UnsupportedError, match="hears 30 s"):
        listener.ask(hark.Audio.of(noise(31), RATE), "What?", **GREEDY)


def test_an_order_of_turns_that_its_template_does_not_know_is_refused(
    listener: hark.Listener, order: hark.Audio
) -> None:
    twice = hark.Conversation.ask((order,), "What?").say("And?")
    with pytest.raises(UnsupportedError, match="must alternate"):
        Answer.of(listener.engine.generate(twice, Options(max_new_tokens=2)))


def test_a_base_model_is_asked_without_a_template(order: hark.Audio, tmp_path: Path) -> None:
    """As its card does: the clip, and the text that the model goes on with; it knows no roles."""
    folder = tiny_gemma3n(tmp_path / "base", chats=False)
    with hark.load(str(folder)) as listener:
        text = listener.ask(order, "The sound is", **GREEDY).text
        assert text == by_hand(folder, "<bos>CLIPThe sound is", order.samples(RATE))
        with pytest.raises(UnsupportedError, match="system prompt"):
            listener.ask(order, "What?", system="Be brief.")
        chat = listener.chat()
        chat.say(order, "The sound is", **GREEDY)
        with pytest.raises(UnsupportedError, match="several turns"):
            chat.say("And then?")


@pytest.mark.parametrize("file", ["chat_template.json", "tokenizer_config.json", "processor_config.json"])
def test_a_chat_template_is_found_in_all_files_that_may_hold_it(tmp_path: Path, order: hark.Audio, file: str) -> None:
    folder = tiny_gemma3n(tmp_path / "tiny")
    template = folder / "chat_template.jinja"
    held = json.loads((folder / file).read_text()) if (folder / file).is_file() else {}
    (folder / file).write_text(json.dumps({**held, "chat_template": template.read_text()}))
    template.unlink()
    with hark.load(str(folder)) as listener:
        assert listener.can.system_prompt
        answer = listener.ask(order, "What?", system="Be brief.", **GREEDY)
    assert (answer.usage.input_tokens or 0) > 188 + len("Be brief.What?")
