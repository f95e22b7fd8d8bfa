"""Training from scratch: what is learned, what comes of it, and that a run that was killed goes on unharmed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import yaml

import hark
from hark.data.prepare.prepare import Wishes, alone, prepare
from hark.errors import DataError, ModelBrokenError, OptionError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytest.importorskip("jiwer")

from hark.training.averaging import average, checkpoints  # noqa: E402
from hark.training.recipe import Recipe, checked, read  # noqa: E402
from hark.training.train import Trained, train  # noqa: E402

RATE = 16000
WORDS = {"low": 300, "middle": 1100, "high": 3300}  # each is a tone
SMALL: dict[str, Any] = {
    "model": {
        "architecture": "rnn", "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "heads": 2,
        "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "conv_channels": 32, "init_std": 0.2, "ctc_weight": 0.5,
        "dropout": 0.0,
    },
    "training": {
        "steps": 100, "batch_size": 6, "learning_rate": 0.01, "warmup_steps": 5, "evaluate_every": 50, "log_every": 20,
        "average": 2,
    },
    "decoding": {"method": "ctc", "max_tokens": 8, "compare": ["ctc", "attention"]},
}  # fmt: skip


def tone(word: str, rng: np.random.Generator) -> np.ndarray:
    time_ = np.arange(round(RATE * rng.uniform(0.15, 0.25))) / RATE
    return 0.3 * np.sin(2 * np.pi * WORDS[word] * rng.uniform(0.97, 1.03) * time_) + rng.normal(0, 0.003, len(time_))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared: `singles` of two speakers, and `sequences` of a third."""
    folder, rng = tmp_path_factory.mktemp("tones"), np.random.default_rng(0)
    rows: dict[str, list[dict[str, str]]] = {"singles": [], "sequences": []}
    for number in range(18):
        words = [[*WORDS][number % 3]] if number < 12 else [str(word) for word in rng.choice([*WORDS], 3)]
        use = "singles" if number < 12 else "sequences"
        gap = rng.normal(0, 0.003, RATE // 50 if number < 12 else RATE // 10)
        samples = np.concatenate([part for word in words for part in (gap, tone(word, rng))] + [gap])
        soundfile.write(folder / f"{number}.flac", samples, RATE)
        speaker = ("a", "b")[number // 3 % 2] if number < 12 else "c"
        rows[use].append({"id": f"{number}", "audio": f"{number}.flac", "text": " ".join(words), "speaker": speaker})
    for use, some in rows.items():
        (folder / f"{use}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    prepare(folder / "singles.jsonl", folder / "singles", Wishes("words", 40), jobs=1)
    prepare(folder / "sequences.jsonl", folder / "sequences", Wishes(str(folder / "singles"), 40), jobs=1)
    return folder


def recipe(data: Path, **changes: Any) -> Recipe:
    values = json.loads(json.dumps(SMALL))
    for name, value in changes.items():
        part, _, setting = name.partition("__")
        values.setdefault(part, {})[setting] = value
    whole = {
        "train": [{"path": str(data / "singles")}],
        "dev": [{"path": str(data / "sequences")}],
        "bins": 40,
    }
    joined = {"count": [1, 3], "gap_seconds": [0.05, 0.15], "edge_seconds": [0.05, 0.1], "each_epoch": 60}
    joined |= values.pop("sequences", {})
    return checked({"data": {**whole, **values.pop("data", {})}, "sequences": joined, **values})


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    wanted = recipe(data, data__test=[{"path": str(data / "sequences")}], augment__noise={"snr_db": [20, 40]})
    return train(wanted, tmp_path_factory.mktemp("runs") / "tones")


def test_it_learns_words_in_a_row_from_words_alone(trained: Trained) -> None:
    assert trained.figures["dev"]["wer"] <= 25
    assert set(trained.figures["test"]) == {"ctc", "attention"}
    assert trained.figures["test"]["ctc"]["wer"] <= trained.figures["dev"]["wer"]
    history = json.loads((trained.folder / "trainer_state.json").read_text())["log_history"]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert losses[-1] < losses[0] / 3
    assert all(entry["cpu_seconds"] > 0 for entry in history)


def test_transformers_and_hark_take_the_folder(trained: Trained, data: Path) -> None:
    from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor, pipeline

    paths = [str(data / f"{number}.flac") for number in range(12, 18)]
    clips = [soundfile.read(path, dtype="float32")[0] for path in paths]
    wanted = [json.loads(line)["text"] for line in (data / "sequences.jsonl").read_text().splitlines()]
    told = [one["text"] for one in pipeline("automatic-speech-recognition", str(trained.folder))(clips, batch_size=3)]
    assert sum(one == other for one, other in zip(told, wanted, strict=True)) >= 4
    model = AutoModelForSpeechSeq2Seq.from_pretrained(trained.folder)
    processor = AutoProcessor.from_pretrained(trained.folder)
    given = processor(audio=clips[0], sampling_rate=RATE, return_tensors="pt")
    ids = model.generate(**given, decoding="attention", num_beams=3)
    (said,) = processor.batch_decode(ids, skip_special_tokens=True)
    assert said
    assert set(said.split()) <= set(WORDS)
    assert processor.batch_decode(model.generate(**given), skip_special_tokens=True) == [told[0]]
    with pytest.raises(ValueError, match="num_beams"):
        model.generate(**given, num_beams=3)
    with hark.load(str(trained.folder)) as listener:
        segment = listener.engine.family.timed(  # tones are no speech: nothing would be written down
            listener.engine.loaded(),
            listener.engine.family.transcribe(listener.engine.loaded(), clips[0], hark.Options()),
        )
        assert segment.text == told[0]
        assert [word.text for word in segment.words] == told[0].split()
        assert 0 < segment.words[0].start < segment.words[-1].end <= len(clips[0]) / RATE + 0.05
        assert listener.can.timestamps == "word"


def test_there_is_a_page_of_curves(trained: Trained) -> None:
    page = (trained.folder / "report.html").read_text()
    assert page.count("<polyline") >= 4
    assert "eval_wer" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_run_that_was_killed_goes_on_as_if_it_was_not(data: Path, tmp_path: Path) -> None:
    wanted = recipe(
        data,
        training__steps=9,
        training__evaluate_every=3,
        training__log_every=1,
        sequences__each_epoch=24,
        model__dropout=0.1,
    )
    file, out = tmp_path / "recipe.yaml", tmp_path / "killed"
    file.write_text(wanted.text())
    command = [sys.executable, "-m", "hark", "train", str(file), "--out", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    until = time.monotonic() + 120
    while not checkpoints(out) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert checkpoints(out)
    shutil.copytree(checkpoints(out)[-1], out / "checkpoint-99")  # one that was not written to its end
    (out / "checkpoint-99" / "optimizer.pt").unlink()
    with pytest.raises(OutputError, match="There is a training"):
        train(wanted, out)
    with alone(out / "recipe.yaml"), pytest.raises(OutputError, match="Another process"):
        train(wanted, out, resume=True)
    with pytest.raises(OutputError, match="another recipe"):
        train(recipe(data, training__steps=13), out, resume=True)
    train(wanted, out, resume=True)
    train(wanted, tmp_path / "whole")
    curves = []
    for folder in (out, tmp_path / "whole"):
        history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
        curves.append(
            [{name: entry[name] for name in ("step", "loss", "eval_loss") if name in entry} for entry in history]
        )
    assert curves[0] == curves[1]
    assert len([entry for entry in curves[0] if "loss" in entry]) == 9


def test_it_ends_when_its_time_is_spent_or_it_gets_no_better(data: Path, tmp_path: Path) -> None:
    spent = train(recipe(data, training__cpu_minutes=1e-6, training__average=1, data__dev=[]), tmp_path / "spent")
    assert spent.figures["steps"] == 1
    assert checkpoints(tmp_path / "spent")
    odd = train(recipe(data, training__steps=3), tmp_path / "odd")  # no multiple of `evaluate_every`
    assert odd.figures["dev"]["step"] == 3
    idle = recipe(
        data, training__learning_rate=1e-9, training__evaluate_every=2, training__patience=2, training__steps=20
    )
    assert train(idle, tmp_path / "idle").figures["steps"] == 6


def test_an_encoder_can_be_begun_with(trained: Trained, data: Path, tmp_path: Path) -> None:
    from hark.training import build
    from hark.training.model import HarkSpeech2TextForConditionalGeneration

    begun = recipe(data, model__encoder_from=str(trained.folder))
    sources = build.folders(begun, tmp_path)
    made = build.model(begun, 9, sources["train"][0])
    kept = HarkSpeech2TextForConditionalGeneration.from_pretrained(trained.folder)
    for name, value in kept.model.encoder.state_dict().items():
        assert torch.equal(made.model.encoder.state_dict()[name], value)
    with pytest.raises(ModelBrokenError, match="cannot be begun with"):
        build.model(recipe(data, model__encoder_from=str(trained.folder), model__d_model=16), 9, sources["train"][0])


def test_checkpoints_are_averaged(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for number in (1, 2):
        (tmp_path / f"checkpoint-{number}").mkdir()
        values = {"weight": torch.tensor([1.0, 4.0]) * number, "count": torch.tensor(number)}
        save_file(values, tmp_path / f"checkpoint-{number}" / "model.safetensors")
    mean = average([tmp_path / "checkpoint-1", tmp_path / "checkpoint-2"])
    assert mean["weight"].tolist() == [1.5, 6.0]
    assert mean["count"].item() == 2
    assert checkpoints(tmp_path) == []  # none has all its files


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model__size": 3}, "model.size"),
        ({"model__architecture": "mamba"}, "model.architecture"),
        ({"training__epochs": 2}, "steps or epochs"),
        ({"augment__speed": [1.1, 0.9]}, "speed"),
        ({"model__ctc_weight": 0}, "decoding.method"),
        ({"model__used_bins": 41}, "used_bins"),
        ({"data__train": []}, "data.train"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named(data: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        recipe(data, **changes)


def test_settings_are_changed_by_name(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe(data).text())
    assert read(file) == recipe(data)
    found = read(file, ["model.d_model=64", "data.train.0.speakers=[a]", "augment.noise.snr_db=[5, 6]"])
    assert (found.model.d_model, found.data.train[0].speakers) == (64, ("a",))
    assert found.augment.noise is not None
    assert found.augment.noise.snr_db == (5, 6)
    for wrong in ("model.d_model", "model.d_model.x=1", "data.train.7.path=x"):
        with pytest.raises(OptionError):
            read(file, [wrong])
    file.write_text("[1, 2]")
    with pytest.raises(DataError, match="no recipe"):
        read(file)


def test_data_that_does_not_fit_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sample of nobody"):
        train(recipe(data, data__dev=[{"path": str(data / "sequences"), "speakers": ["nobody"]}]), tmp_path / "a")
    with pytest.raises(DataError, match="40 bands"):
        train(recipe(data, data__bins=80), tmp_path / "b")
    prepare(data / "sequences.jsonl", tmp_path / "letters", Wishes(bins=40), jobs=1)
    with pytest.raises(DataError, match="vocabularies"):
        train(recipe(data, data__dev=[{"path": str(tmp_path / "letters")}]), tmp_path / "c")


def test_recipes_in_the_project_are_right() -> None:
    folder = __import__("pathlib").Path(__file__).resolve().parents[2] / "recipes"
    found = sorted(folder.glob("*.yaml"))
    assert found
    for path in found:
        assert yaml.safe_load(read(path).text())
