"""What must hold for every family of transformers models, on tiny random checkpoints."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

import hark
from hark.engines.transformers.engine import Transformers
from hark.errors import ModelBrokenError, UnsupportedError
from tiny.families import MAKERS, make

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("transformers")
RATE = 16000
GREEDY = {"temperature": 0.0, "max_new_tokens": 12}


@pytest.fixture(scope="module", params=MAKERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(request.param, tmp_path_factory.mktemp("models") / request.param)


@pytest.fixture(scope="module")
def listener(folder: Path) -> Iterator[hark.Listener]:
    with hark.load(str(folder)) as loaded:
        yield loaded


def honoured(listener: hark.Listener, **options: object) -> dict[str, object]:
    """Of some options, those the family takes."""
    return {name: value for name, value in options.items() if name in listener.can.options}


def text(listener: hark.Listener, clip: hark.Audio, **options: object) -> str:
    return listener.transcribe(clip, **honoured(listener, **{**GREEDY, **options})).text


def ask(listener: hark.Listener, *parts: object, system: str | None = None, **options: object) -> hark.Answer:
    *clips, prompt = parts
    return listener.ask(list(clips), prompt, system=system, **honoured(listener, **{**GREEDY, **options}))


def chats(listener: hark.Listener) -> None:
    if not listener.can.free_prompt:
        pytest.skip("this family is not asked questions")


def test_the_family_is_told_from_the_config(listener: hark.Listener) -> None:
    assert isinstance(listener.engine, Transformers)


def test_the_limit_on_tokens_is_kept_and_told(listener: hark.Listener, order: hark.Audio) -> None:
    if "max_new_tokens" not in listener.can.options:
        pytest.skip("this family writes no tokens one by one")
    answer = listener.ask(order, task="transcribe", max_new_tokens=2)
    assert answer.usage.output_tokens is not None
    assert answer.usage.output_tokens <= 4  # with the tokens that begin and end a text
    assert "limit" in {notice.kind for notice in answer.notices}


def test_stop_cuts_the_text(listener: hark.Listener, order: hark.Audio) -> None:
    if "stop" not in listener.can.options:
        pytest.skip("this family takes no stop")
    whole = text(listener, order)
    stop = whole[len(whole) // 2]
    assert text(listener, order, stop=stop) == whole[: whole.index(stop)].strip()


def test_a_seed_makes_sampling_repeatable(listener: hark.Listener, order: hark.Audio) -> None:
    if not {"seed", "temperature"} <= listener.can.options:
        pytest.skip("this family does not sample")
    sampled = [text(listener, order, temperature=1.5, seed=seed) for seed in (1, 1, 2, 3, 4)]
    assert sampled[0] == sampled[1]
    assert len(set(sampled)) > 1


def test_beams_reach_the_model(listener: hark.Listener, order: hark.Audio) -> None:
    if "beams" not in listener.can.options:
        pytest.skip("this family searches no beams")
    assert text(listener, order, beams=3)


def test_a_model_in_bfloat16_hears(folder: Path, order: hark.Audio, tmp_path: Path) -> None:
    import torch
    import transformers

    half = tmp_path / "half"
    shutil.copytree(folder, half)
    family = Transformers("half", half).family
    model = family.load(folder).model.to(torch.bfloat16)
    (half / "model.safetensors").unlink()
    model.save_pretrained(half)
    assert isinstance(model, transformers.PreTrainedModel)
    with hark.load(str(half)) as listener:
        assert isinstance(listener.transcribe(order, **honoured(listener, **GREEDY)), hark.Transcript)
        assert isinstance(listener.engine, Transformers)
        assert listener.engine.loaded().model.dtype == torch.bfloat16


def test_a_missing_weight_is_an_error_and_never_random(folder: Path, order: hark.Audio, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    weights = load_file(broken / "model.safetensors")
    name = next(name for name, value in weights.items() if "layers.0" in name and value.ndim == 2)
    del weights[name]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with hark.load(str(broken)) as listener, pytest.raises(ModelBrokenError, match="lacks weights"):
        listener.transcribe(order)


def test_a_folder_without_weights_is_an_error(folder: Path, order: hark.Audio, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    shutil.copytree(folder, empty)
    (empty / "model.safetensors").unlink()
    with hark.load(str(empty)) as listener, pytest.raises(hark.HarkError):
        listener.transcribe(order)


def test_weights_that_broke_off_are_an_error(folder: Path, order: hark.Audio, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (weights,) = copy.glob("model.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    with hark.load(str(copy)) as loaded, pytest.raises(ModelBrokenError, match=r"\bcopy\b") as caught:
        loaded.transcribe(order, **honoured(loaded, max_new_tokens=1))
    assert "download" in caught.value.hint


def test_a_question_too_long_for_the_model_is_refused(listener: hark.Listener) -> None:
    chats(listener)
    most = listener.can.max_seconds
    if most is None or most > 60:
        pytest.skip("it hears more than a minute")
    noise = np.random.default_rng(0).normal(0, 0.1, int((most + 2) * RATE)).astype(np.float32)
    with pytest.raises(UnsupportedError, match=r"hears \d+ s"):
        ask(listener, hark.Audio.of(noise, RATE), "What is it?")


def test_a_question_that_leaves_no_room_for_an_answer_is_refused(listener: hark.Listener, order: hark.Audio) -> None:
    if not listener.can.free_prompt:
        return
    with pytest.raises(UnsupportedError, match="tokens, and the model holds") as caught:
        ask(listener, order, "x" * 140_000)  # a token each; the longest context of these models is 131072
    assert "fewer words" in caught.value.hint


def test_answers_depend_on_the_clip_and_on_the_question(
    listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio
) -> None:
    chats(listener)
    answers = {ask(listener, clip, prompt).text for clip in (order, hesitant) for prompt in ("What?", "Who is it now?")}
    assert len(answers) > 2


def test_several_clips_are_all_heard_or_refused(
    listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio
) -> None:
    chats(listener)
    if not listener.can.several_clips:
        with pytest.raises(UnsupportedError, match="several recordings"):
            ask(listener, order, hesitant, "Compare.")
        return
    both, one = ask(listener, order, hesitant, "Compare."), ask(listener, order, order, "Compare.")
    assert both.text != one.text
    assert both.usage.audio_seconds == pytest.approx(order.duration + hesitant.duration, abs=0.01)


def test_a_second_turn_is_answered_or_refused(listener: hark.Listener, order: hark.Audio) -> None:
    chats(listener)
    chat = listener.chat()
    first = chat.say(order, "What?", **honoured(listener, **GREEDY))
    if not listener.can.several_turns:
        with pytest.raises(UnsupportedError, match="several turns"):
            chat.say("And then?")
        return
    assert chat.say("And then?", **honoured(listener, **GREEDY)).usage.input_tokens > (first.usage.input_tokens or 0)


def test_a_system_prompt_reaches_the_model_or_is_refused(listener: hark.Listener, order: hark.Audio) -> None:
    chats(listener)
    if not listener.can.system_prompt:
        with pytest.raises(UnsupportedError, match="system prompt"):
            ask(listener, order, "What?", system="Be brief.")
        return
    short, long = (ask(listener, order, "What?", system=system) for system in ("Sing.", "Be very brief, please, do."))
    assert (long.usage.input_tokens or 0) > (short.usage.input_tokens or 0)
    assert long.text != short.text


def test_a_prompt_cannot_forge_control_tokens(listener: hark.Listener, folder: Path, order: hark.Audio) -> None:
    """Special tokens in a person's text count as the text they are: many tokens more, and no error."""
    chats(listener)
    specials = _specials(folder)
    plain = ask(listener, order, "x")
    for special in specials:
        forged = ask(listener, order, f"x{special}")
        assert (forged.usage.input_tokens or 0) >= (plain.usage.input_tokens or 0) + len(special) // 2, special


def test_closing_stops_within_a_token(listener: hark.Listener, order: hark.Audio) -> None:
    if "max_new_tokens" not in listener.can.options:
        pytest.skip("this family writes no tokens one by one")
    deltas = listener.stream(order, task="transcribe", max_new_tokens=12)
    next(deltas)
    deltas.close()  # type: ignore[attr-defined]
    assert text(listener, order) == text(listener, order)


def _specials(folder: Path) -> list[str]:
    try:
        found = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    except OSError:
        return ["[INST]", "[/INST]", "</s>", "[AUDIO]"]
    return [token["content"] for token in found if token["special"] and len(token["content"]) > 3]
