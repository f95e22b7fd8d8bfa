"""`hark models convert`: published files become the folder of a unit model, or it is said why not."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import hark
from hark.cli import app
from tiny.units import CODES, tiny_audiopalm, tiny_ichigo, tiny_speechgpt

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 24}


def convert(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["models", "convert", *(str(argument) for argument in arguments)])


def taken_apart(folder: Path, to: Path) -> Path:
    """A folder with the language model in `model`, the encoder in `encoder`, and the codebook as it is published."""
    from safetensors.torch import load_file

    shutil.copytree(folder, to / "model", ignore=shutil.ignore_patterns("quantizer"))
    shutil.copytree(folder / "quantizer" / "encoder", to / "encoder")
    tensors = load_file(folder / "quantizer" / "codebook.safetensors")
    if "norm.weight" not in tensors:
        np.save(to / "tiny_L2_km64.npy", tensors["codebook"].numpy())
        return to
    states = {name: tensor for name, tensor in tensors.items() if name.startswith("mlp.")}
    states |= {f"mlp_ln.{name}": tensors[f"norm.{name}"] for name in ("weight", "bias")}
    states |= {f"rq.layers.0.project_in.{name}": tensors[f"project.{name}"] for name in ("weight", "bias")}
    states["rq.layers.0._codebook.embed"] = tensors["codebook"][None]
    told = {
        "config": {"downsample": 2, "use_cosine_sim": True},
        "tunables": {"mask_embs": True, "downsample_mean": True},
    }
    torch.save({**told, "state_dict": states}, to / "whisper-vq-tiny.model")
    return to


@pytest.fixture
def ichigo(tmp_path: Path) -> Path:
    return taken_apart(tiny_ichigo(tmp_path / "made"), tmp_path / "apart")


def same(one: Path, other: Path, clip: hark.Audio) -> None:
    texts = [hark.load(str(folder)).transcribe(clip, **GREEDY).text for folder in (one, other)]
    assert texts[0]
    assert texts[0] == texts[1]


def test_ichigo_is_put_together(ichigo: Path, tmp_path: Path, order: hark.Audio) -> None:
    done = convert(
        ichigo / "model", "--to", tmp_path / "out", "--quantizer", ichigo / "whisper-vq-tiny.model",
        "--encoder", ichigo / "encoder",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "out")
    told = json.loads((tmp_path / "out" / "quantizer" / "units.json").read_text())
    assert told["kind"] == "ichigo"
    assert (told["quantizer"], told["downsample"], told["cosine"]) == ("whisper_vq", 2, True)
    same(tmp_path / "out", tmp_path / "made", order)


def test_speechgpt_is_put_together_in_its_own_folder(tmp_path: Path, order: hark.Audio) -> None:
    """The layer is told by the name of the codebook, which lies beside the language model, as does the encoder."""
    parts = taken_apart(tiny_speechgpt(tmp_path / "made"), tmp_path / "apart")
    (parts / "tiny_L2_km64.npy").rename(parts / "model" / "tiny_L2_km64.npy")
    (parts / "encoder").rename(parts / "model" / "encoder")
    done = convert(parts / "model", "--to", parts / "model")
    assert done.exit_code == 0, done.stderr
    told = json.loads((parts / "model" / "quantizer" / "units.json").read_text())
    assert (told["kind"], told["quantizer"], told["layer"]) == ("speechgpt", "kmeans", 2)
    same(parts / "model", tmp_path / "made", order)


def test_audiopalm_has_its_units_at_the_end_of_the_vocabulary(tmp_path: Path, order: hark.Audio) -> None:
    parts = taken_apart(tiny_audiopalm(tmp_path / "made"), tmp_path / "apart")
    centres = parts / "centres.npy"
    (parts / "tiny_L2_km64.npy").rename(centres)
    arguments = (parts / "model", "--to", tmp_path / "out", "--quantizer", centres, "--encoder", parts / "encoder")
    assert "--kind" in convert(*arguments).stderr
    assert "--layer" in convert(*arguments, "--kind", "audiopalm").stderr
    done = convert(*arguments, "--kind", "audiopalm", "--layer", 2)
    assert done.exit_code == 0, done.stderr
    made, told = (
        json.loads((folder / "quantizer" / "units.json").read_text())
        for folder in (tmp_path / "made", tmp_path / "out")
    )
    assert (told["offset"], told["count"]) == (made["offset"], CODES)
    same(tmp_path / "out", tmp_path / "made", order)


def test_a_whole_whisper_gives_its_encoder(ichigo: Path, tmp_path: Path, order: hark.Audio) -> None:
    from transformers import WhisperConfig, WhisperForConditionalGeneration
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig.from_pretrained(ichigo / "encoder")
    config.update({"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16, "vocab_size": 64})
    config.update({"pad_token_id": 1, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1})
    whole = WhisperForConditionalGeneration(config)
    whole.model.encoder.load_state_dict(WhisperEncoder.from_pretrained(ichigo / "encoder").state_dict())
    whole.save_pretrained(ichigo / "whole")
    shutil.copy(ichigo / "encoder" / "preprocessor_config.json", ichigo / "whole")
    done = convert(
        ichigo / "model", "--to", tmp_path / "out", "--quantizer", ichigo / "whisper-vq-tiny.model",
        "--encoder", ichigo / "whole",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    same(tmp_path / "out", tmp_path / "made", order)


def test_what_is_missing_is_told_and_nothing_is_written(ichigo: Path, tmp_path: Path) -> None:
    to = ("--to", tmp_path / "out")
    quantizer, encoder = ("--quantizer", ichigo / "whisper-vq-tiny.model"), ("--encoder", ichigo / "encoder")
    (ichigo / "text.model").write_text("This is no checkpoint.")
    wrong = {
        "There is no codebook": (ichigo / "model", *to),
        "There is no encoder": (ichigo / "model", *to, *quantizer),
        "There is no ": (ichigo / "none", *to, *quantizer, *encoder),
        "config.json": (ichigo, *to, *quantizer, *encoder),
        "lacks": (ichigo / "model", *to, "--quantizer", ichigo / "model" / "model.safetensors", *encoder, "--layer", 1),
        "is not loaded, as that could run code": (
            ichigo / "model",
            *to,
            "--quantizer",
            ichigo / "text.model",
            *encoder,
        ),
        "no token <sosp>": (ichigo / "model", *to, *quantizer, *encoder, "--kind", "speechgpt"),
        "in a vocabulary of": (ichigo / "model", *to, *quantizer, *encoder, "--kind", "audiopalm", "--offset", 9999),
        "something in": (ichigo / "model", "--to", ichigo, *quantizer, *encoder),
    }
    for what, arguments in wrong.items():
        done = convert(*arguments)
        assert done.exit_code == 1, what
        assert what.replace("lacks", "several arrays") in " ".join(done.stderr.split()), done.stderr
        assert not (tmp_path / "out").exists()


def test_parts_that_do_not_fit_are_told(ichigo: Path, tmp_path: Path) -> None:
    other = taken_apart(tiny_speechgpt(tmp_path / "other"), tmp_path / "other-apart")
    done = convert(
        ichigo / "model", "--to", tmp_path / "out", "--quantizer", other / "tiny_L2_km64.npy", "--encoder",
        ichigo / "encoder",
    )  # fmt: skip
    assert done.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_an_encoder_given_as_the_language_model_is_told(tmp_path: Path) -> None:
    apart = taken_apart(tiny_speechgpt(tmp_path / "made"), tmp_path / "apart")
    parts = ("--quantizer", apart / "tiny_L2_km64.npy", "--encoder", apart / "encoder")
    result = convert(apart / "encoder", "--to", tmp_path / "new", *parts)
    said = " ".join(result.output.split())
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert re.search(r"The tokenizer in \S+ cannot be loaded.* holds tokenizer\.json", said)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_told(ichigo: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "file").write_text("")
        to = tmp_path / "file" / "out"
    else:
        to = tmp_path / "locked" / "out"
        to.parent.mkdir(mode=0o500)
    done = convert(
        ichigo / "model", "--to", to, "--quantizer", ichigo / "whisper-vq-tiny.model", "--encoder", ichigo / "encoder"
    )
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr


def test_the_example_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: hark.Audio) -> None:
    page = (Path(__file__).parents[2] / "docs" / "unit-models.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], {})  # type: ignore[index]
    command = next(line for line in page.splitlines() if line.startswith("$ hark models convert language-model"))
    done = convert(*command.split()[4:])
    assert done.stdout == "random-units\n", done.stderr
    with hark.load("./random-units") as listener:
        assert listener.ask(order, "What does the person want?", **GREEDY).usage.output_tokens
