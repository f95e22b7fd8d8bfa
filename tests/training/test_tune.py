"""Fine-tuning through the command line, on tiny random models: what was learned is said, by whatever way it is loaded.

A model of random weights says what it was taught only if its answers were learned, and only they; overfitting shows
that everything is connected, not that anything generalises. Two families are in the default run; with
HARK_TUNE_FAMILIES=all (or names) the others are, too: minutes.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.cli import app
from tiny.families import make

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("peft")
from typer.testing import CliRunner

CHAT = [("order", "What?", "Turn on."), ("order", "Who?", "Ann did"), ("hesitant", "What?", "No!")]
SPOKEN = [("order", None, "turn"), ("hesitant", None, "no")]
QUICK = ("--steps", "36", "--learning-rate", "0.02")
FULL = ("--full", "--steps", "150", "--learning-rate", "0.01")  # where the few scores of a frozen head are too alike
# The families that can be tuned, and how their tiny models learn by heart; that of SpeechT5 does not reliably.
FAMILIES: dict[str, tuple[str, ...]] = {
    "qwen2_5_omni": QUICK,
    "ultravox": QUICK,
    "audioflamingo3": QUICK,
    "audiopalm": QUICK,
    "gemma3n": ("--full", "--steps", "100", "--learning-rate", "0.003"),
    "granite_speech": ("--steps", "150", "--learning-rate", "0.01", "--encoder"),
    "ichigo": QUICK,
    "moonshine": FULL,
    "musicflamingo": QUICK,
    "phi4_multimodal": QUICK,
    "qwen2_5_omni_thinker": QUICK,
    "qwen2_audio": QUICK,
    "qwen2_audio_base": QUICK,
    "qwen3_asr": ("--steps", "60", "--learning-rate", "0.02"),
    "seamless_m4t": FULL,
    "seamless_m4t_v2": FULL,
    "speech_to_text": ("--no-encoder", "--steps", "120", "--learning-rate", "0.02"),
    "speechgpt": QUICK,
    "voxtral": QUICK,
    "whisper": FULL,
}
DEFAULT = "qwen2_5_omni,ultravox"
CHOSEN = os.environ.get("HARK_TUNE_FAMILIES", DEFAULT)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def tuned(model: Path, data: Path, out: Path, *how: object) -> Path:
    result = run("tune", model, data, "--out", out, "--batch", 3, "--log-every", 6, *how)
    assert result.exit_code == 0, result.output
    return out


def learnable(folder: Path) -> Path:
    """Without dropout, which is all noise in a model of 16 numbers, and with a score for the token that fills up."""
    import torch
    from safetensors.torch import load_file, save_file

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"), object_hook=_calm)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(0)
    for name, value in weights.items():
        if name.rpartition(".")[0].endswith(("embed_tokens", "lm_head", "proj_out")):
            empty = value.norm(dim=-1) == 0
            value[empty] = torch.randn_like(value[empty]) * value.std()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _calm(values: dict[str, Any]) -> dict[str, Any]:
    return {key: 0.0 if "drop" in key and isinstance(value, float) else value for key, value in values.items()}


def data(folder: Path, listener: hark.Listener, examples: Path) -> Path:
    """A few samples: of a model that is asked, questions, of which two are about the same recording."""
    rows = [
        {"audio": str(examples / f"{name}.flac"), "text": text} | ({"prompt": prompt} if prompt else {"language": "en"})
        for name, prompt, text in (CHAT if listener.can.free_prompt else SPOKEN)
    ]
    path = folder / "samples.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def answers(listener: hark.Listener, examples: Path, **options: Any) -> list[str]:
    """What a model says to the questions of its samples."""
    options = {"temperature": 0.0, "max_new_tokens": 30, **options}
    if listener.can.free_prompt:
        return [listener.ask(examples / f"{name}.flac", prompt, **options).text for name, prompt, _ in CHAT]
    if listener.can.languages:
        options["language"] = "en"
    options = {key: value for key, value in options.items() if key in listener.can.options}
    return [listener.transcribe(examples / f"{name}.flac", **options).text for name, _, _ in SPOKEN]


@pytest.mark.parametrize("family", FAMILIES if CHOSEN == "all" else CHOSEN.split(","))
def test_a_few_samples_are_learned_by_heart_kept_and_merged(family: str, tmp_path: Path, examples: Path) -> None:
    model = learnable(make(family, tmp_path / "model"))
    with hark.load(str(model)) as plain:
        wanted = [text for *_, text in (CHAT if plain.can.free_prompt else SPOKEN)]
        before = answers(plain, examples)
        assert before != wanted
        made = tuned(model, data(tmp_path, plain, examples), tmp_path / "tuned", *FAMILIES[family])
        assert answers(plain, examples) == before
    if "--full" in FAMILIES[family]:
        with hark.load(str(made)) as whole:
            assert answers(whole, examples) == wanted
        return
    with hark.load(str(model), adapter=str(made)) as adapted:
        assert answers(adapted, examples) == wanted
    merged = run("tune", model, "--merge", made, "--out", tmp_path / "merged")
    assert merged.exit_code == 0, merged.output
    with hark.load(str(tmp_path / "merged")) as whole:
        assert answers(whole, examples) == wanted
