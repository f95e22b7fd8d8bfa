"""Ultravox in the folders it is published in: what they hold, where the rest lies, and what is wrong with some."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.engines.engine import Options
from hark.engines.transformers.families.ultravox import Ultravox
from hark.errors import ModelBrokenError, ModelNotFoundError, UnsupportedError
from tiny.ultravox import ALPHA, AUDIO, RANK, TEXT, older_ultravox, tiny_ultravox

if TYPE_CHECKING:
    from pathlib import Path

transformers = pytest.importorskip("transformers")
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 12}


@pytest.mark.parametrize("where", ["beside", "models", "cache", "absolute", "tilde"])
def test_the_language_model_is_found_on_this_machine(
    where: str, order: hark.Audio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases = {
        "beside": tmp_path / "here",
        "models": tmp_path / "models",
        "cache": tmp_path / "hub" / "models--example--tiny-llama" / "snapshots" / "abc",
    }
    base = bases.get(where, tmp_path / "elsewhere")
    folder = tiny_ultravox(tmp_path / "here" / "tiny", base=base)
    monkeypatch.setenv("HARK_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HOME", str(tmp_path))
    if where == "cache":
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        (base / TEXT).rename(base.with_name("def"))
        (base.parents[1] / "refs").mkdir()
        (base.parents[1] / "refs" / "main").write_text("def")
    elif where in ("absolute", "tilde"):
        path = folder / "config.json"
        named = str(base / TEXT) if where == "absolute" else f"~/elsewhere/{TEXT}"
        path.write_text(json.dumps({**json.loads(path.read_text()), "text_model_id": named}))
    with hark.load(str(folder)) as listener:
        assert listener.ask(order, "What?", **GREEDY).text


@pytest.mark.parametrize("kind", [TEXT, AUDIO])
def test_a_base_model_that_is_not_here_is_named(kind: str, tmp_path: Path) -> None:
    folder = older_ultravox(tmp_path / "tiny", tmp_path)
    shutil.rmtree(tmp_path / kind)
    with pytest.raises(ModelNotFoundError, match=f"built on example/{kind}") as refusal:
        hark.load(str(folder))
    assert f"hf download example/{kind}" in refusal.value.hint


@pytest.mark.parametrize("kind", [TEXT, AUDIO])
def test_a_base_model_without_its_weights_is_broken(kind: str, order: hark.Audio, tmp_path: Path) -> None:
    folder = older_ultravox(tmp_path / "tiny", tmp_path)
    (tmp_path / kind / "model.safetensors").write_bytes(b"nonsense")
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match=f"{kind} cannot be read"):
        listener.ask(order, "What?")
    (tmp_path / kind / "model.safetensors").unlink()
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match=f"{kind} cannot be read"):
        listener.ask(order, "What?")


def test_a_base_model_that_lacks_a_weight_is_broken(order: hark.Audio, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = older_ultravox(tmp_path / "tiny", tmp_path)
    path = tmp_path / TEXT / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match=r"lacks weights: .*up_proj"):
        listener.ask(order, "What?")


def test_a_base_model_of_another_size_is_broken(order: hark.Audio, tmp_path: Path) -> None:
    folder = tiny_ultravox(tmp_path / "tiny")
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "hidden_size": 64}))
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match=r"lacks weights: .*projector"):
        listener.ask(order, "What?")


@pytest.mark.parametrize("part", ["language_model", "audio_tower"])
def test_an_adapter_is_added_to_its_model(part: str, order: hark.Audio, tmp_path: Path) -> None:
    """As it is defined: W x + alpha / rank * B (A x), beside each layer it is for."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = older_ultravox(tmp_path / "tiny", tmp_path, adapter=part)
    adapted = Ultravox().load(folder)
    pieces = load_file(folder / "model.safetensors")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    plain = older_ultravox(tmp_path / "plain", tmp_path)
    save_file({name: w for name, w in pieces.items() if "lora" not in name}, plain / "model.safetensors")
    bare = Ultravox().load(plain)
    asked = hark.Conversation.ask((order,), "What is it?")
    tensors = Ultravox().ask(bare, asked, [order.samples(RATE)], Options()).tensors
    with torch.inference_mode():
        found, unadapted = adapted.model(**tensors).logits, bare.model(**tensors).logits
        for name in [name for name in pieces if ".lora_A." in name]:
            down, up = pieces[name], pieces[name.replace("lora_A", "lora_B")]
            module = name.replace("base_model.model.", "").partition(".lora_A")[0]
            bare.model.get_submodule(module).register_forward_hook(
                lambda _module, given, out, down=down, up=up: out + ALPHA / RANK * given[0] @ down.T @ up.T
            )
        expected = bare.model(**tensors).logits
    assert (found - unadapted).abs().max() > 0.1
    assert (found - expected).abs().max() < 1e-3
    kind = "text" if part == "language_model" else "audio"
    path.write_text(json.dumps({**config, f"{kind}_model_lora_config": {"r": RANK, "use_dora": True}}))
    with pytest.raises(ModelBrokenError, match="of a kind that hark cannot add"):
        Ultravox().load(folder)


def test_an_adapter_that_fits_nothing_is_an_error(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = older_ultravox(tmp_path / "tiny", tmp_path, adapter="language_model")
    pieces = load_file(folder / "model.safetensors")
    name = min(name for name in pieces if ".lora_A." in name)
    for changed in ({**pieces, name: pieces[name][:, :5].clone()}, {k: w for k, w in pieces.items() if k != name}):
        save_file(changed, folder / "model.safetensors")
        with pytest.raises(ModelBrokenError, match="does not fit"):
            Ultravox().load(folder)


def test_a_trained_layer_in_the_folder_takes_the_place_of_the_base(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = older_ultravox(tmp_path / "tiny", tmp_path)
    pieces = load_file(folder / "model.safetensors")
    trained = torch.ones(64, 32)
    name = "language_model.model.layers.0.mlp.up_proj.weight"
    save_file({**pieces, name: trained}, folder / "model.safetensors")
    assert torch.equal(Ultravox().load(folder).model.get_parameter(name), trained)


def test_a_folder_saved_again_is_complete_in_itself(order: hark.Audio, tmp_path: Path) -> None:
    folder = older_ultravox(tmp_path / "tiny", tmp_path, adapter="audio_tower")
    loaded = Ultravox().load(folder)
    loaded.model.save_pretrained(tmp_path / "whole")
    loaded.processor.tokenizer.save_pretrained(tmp_path / "whole")
    with hark.load(str(folder)) as listener:
        expected = listener.ask(order, "What?", **GREEDY).text
    for name in (TEXT, AUDIO):
        shutil.rmtree(tmp_path / name)
    with hark.load(str(tmp_path / "whole")) as again:
        assert again.ask(order, "What?", **GREEDY).text == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_projector_layers": 2}, "layers of attention"),
        ({"audio_config": {"model_type": "wav2vec2"}}, "is a wav2vec2"),
        ({"audio_config": None}, "neither audio_model_id nor audio_config"),
        ({"text_model_id": 5}, "neither text_model_id nor text_config"),
        ({"text_model_id": "."}, r"built on \., which is not on this machine"),
    ],
)
def test_another_make_is_refused_before_it_is_loaded(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    folder = tiny_ultravox(tmp_path / "tiny")
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    with pytest.raises(hark.HarkError, match=message):
        hark.load(str(folder))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"stack_factor": 0}, "describes no projector"),
        ({"stack_factor": "8"}, "describes no projector"),
        ({"audio_latency_block_size": -100}, "describes no projector"),
        ({"projector_act": "magic"}, "describes no projector"),
        ({"text_model_id": None, "text_config": {"model_type": "magic"}}, "is a magic"),
    ],
)
def test_a_config_that_makes_no_sense_is_told(
    order: hark.Audio, tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    folder = tiny_ultravox(tmp_path / "tiny")
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    with hark.load(str(folder)) as listener, pytest.raises(hark.HarkError, match=message):
        listener.ask(order, "What?")


def test_weights_in_several_files_are_one_model(order: hark.Audio, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_ultravox(tmp_path / "tiny")
    with hark.load(str(folder)) as listener:
        expected = listener.ask(order, "What?", **GREEDY).text
    pieces = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {name: f"model-{1 + number % 2}.safetensors" for number, name in enumerate(sorted(pieces))}
    for file in set(places.values()):
        save_file({name: pieces[name] for name in pieces if places[name] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    with hark.load(str(folder)) as listener:
        assert listener.ask(order, "What?", **GREEDY).text == expected
    (folder / "model-2.safetensors").unlink()
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match=r"model-2.safetensors .* be read"):
        listener.ask(order, "What?")
    index.write_text("[1]")
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match=r"index.json cannot be read"):
        listener.ask(order, "What?")


@pytest.mark.parametrize("name", ["multi_modal_projector.ln_post.weight", "adapter.weight"])
def test_weights_that_are_not_known_are_an_error(order: hark.Audio, tmp_path: Path, name: str) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = tiny_ultravox(tmp_path / "tiny")
    pieces = load_file(folder / "model.safetensors")
    save_file({**pieces, name: torch.ones(32)}, folder / "model.safetensors")
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match=name):
        listener.ask(order, "What?")


def test_the_code_in_a_folder_is_never_run(order: hark.Audio, tmp_path: Path) -> None:
    folder = tiny_ultravox(tmp_path / "tiny")
    for name in ("ultravox_model.py", "ultravox_config.py", "ultravox_processing.py"):
        (folder / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with hark.load(str(folder), trust_remote_code=True) as listener:
        assert listener.ask(order, "What?", **GREEDY).text
    assert not (tmp_path / "ran").exists()


def test_a_template_that_refuses_is_told(order: hark.Audio, tmp_path: Path) -> None:
    folder = tiny_ultravox(tmp_path / "tiny")
    template = folder / "chat_template.jinja"
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role.') }}{% endif %}"
    template.write_text(refusing + template.read_text())
    with hark.load(str(folder)) as listener:
        assert listener.ask(order, "What?", **GREEDY).text
        with pytest.raises(UnsupportedError, match="No system role"):
            listener.ask(order, "What?", system="Be brief.")


def test_the_tokenizer_and_its_template_may_be_those_of_the_language_model(order: hark.Audio, tmp_path: Path) -> None:
    folder = tiny_ultravox(tmp_path / "tiny")
    with hark.load(str(folder)) as listener:
        expected = listener.ask(order, "What?", **GREEDY).text
    (folder / "chat_template.jinja").unlink()
    with hark.load(str(folder)) as listener:
        assert listener.ask(order, "What?", **GREEDY).text == expected
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with hark.load(str(folder)) as listener:
        assert listener.ask(order, "What?", **GREEDY).text == expected
    (folder / TEXT / "chat_template.jinja").unlink()
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match="no chat template"):
        listener.ask(order, "What?")
