"""What a model is given to learn, runs that are stopped, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.cli import app
from hark.errors import DataError, ModelError, OptionError, OutputError, UnsupportedError
from tiny.families import make

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("peft")
from typer.testing import CliRunner

from hark.training.tune import Data, plan, tune
from hark.training.tune_batch import Alike, Collate
from hark.training.tune_folder import Folder
from hark.training.tune_inputs import Maker
from hark.training.tune_memory import lowering
from hark.training.tune_parts import part_of
from hark.training.tune_settings import Tuning


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make("qwen2_5_omni", tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def rows(examples: Path) -> list[dict[str, Any]]:
    """A question, a transcript, a conversation of which one answer is learned, and one without a recording."""
    sound = {"type": "audio", "audio": str(examples / "order.flac")}
    return [
        {"messages": [{"role": "user", "content": [sound, said("What?")]}, answer("A <|im_end|> b")]},
        {"messages": [{"role": "user", "content": [sound]}, answer("Turn on.")], "task": "transcribe"},
        {
            "messages": [
                {"role": "user", "content": [sound, said("Who?")]},
                answer("Ann", loss=False),
                {"role": "user", "content": [said("And then?")]},
                answer("Nobody"),
            ]
        },
        {"messages": [{"role": "user", "content": [said("Say yes.")]}, answer("yes")]},
    ]


def said(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def answer(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [said(text)], **more}


def written(folder: Path, rows: list[dict[str, Any]]) -> Data:
    path = folder / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return Data(path)


def test_only_answers_are_learned_after_exactly_what_the_model_is_asked(
    model: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    planned = plan(model, written(tmp_path, rows))
    make = Maker(planned.engine)
    words = planned.engine.family.tokenizer(planned.engine.loaded())
    learned = []
    for example in planned.learned:
        tensors = make(example)
        kept = tensors["labels"][0] != -100
        learned.append(words.decode(tensors["input_ids"][0][kept]))
        assert tensors["labels"][0][kept].tolist() == tensors["input_ids"][0][kept].tolist()
        if example.asked.clips:
            before = tensors["input_ids"][0][~kept].tolist()
            assert before == asked(planned.engine, example)
    ends = [f"{text}<|im_end|>" for text in ("A <|im_end|> b", "Turn on.", "Nobody", "yes")]
    assert learned == ends
    first = make(planned.learned[0])["labels"][0].tolist()
    assert first.count(words.eos_token_id) == 1  # the answer's own is the text that it looks like


def asked(engine: Any, example: Any) -> list[int]:
    """The tokens that the engine gives the model when it is asked the same."""
    seen: list[list[int]] = []
    family, run = engine.family, type(engine.family).run

    def look(self: Any, loaded: Any, inputs: Any, **keywords: Any) -> Any:
        seen.append(inputs.tensors["input_ids"][0].tolist())
        return run(self, loaded, inputs, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(family), "run", look)
        prompt = example.asked if example.options.task is None else example.asked.clips[0]
        listener = hark.Listener(engine)
        if example.options.task is None:
            listener.ask(prompt, max_new_tokens=1)
        else:
            listener.transcribe(prompt, max_new_tokens=1)
    return seen[0]


def test_audio_and_text_are_one_batch_which_changes_no_example(
    model: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    import torch

    planned = plan(model, written(tmp_path, rows))
    make, loaded = Maker(planned.engine), planned.engine.loaded()
    made = [make(example) for example in planned.learned]
    batch = Collate(0, torch.float32)(made)
    assert batch["input_features"].shape[0] == 3  # of four examples, one has no recording
    with torch.inference_mode():
        together = loaded.model(**{key: value for key, value in batch.items() if key != "labels"}).logits
        for number, row in enumerate(made):
            alone = loaded.model(**{key: value for key, value in row.items() if key != "labels"}).logits[0]
            assert torch.allclose(together[number, : len(alone)], alone, atol=1e-3)


def test_examples_of_like_length_are_together_in_an_order_that_the_epoch_decides() -> None:
    lengths = [number % 40 + 1 for number in range(160)]
    order = Alike(lengths, 4, seed=1)
    first = list(order)
    assert sorted(first) == list(range(160))
    batches = [[lengths[place] for place in first[at : at + 4]] for at in range(0, 160, 4)]
    padded = sum(4 * max(batch) - sum(batch) for batch in batches)
    assert padded < 0.1 * sum(lengths)
    order.set_epoch(1)
    assert list(order) != first
    order.set_epoch(0)
    assert list(order) == first


def test_the_first_batch_is_shown_with_what_is_learned_and_where_audio_stands(
    model: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = written(tmp_path, rows[:1]).path
    result = CliRunner().invoke(app, ["tune", model, str(path), "--show"])
    assert result.exit_code == 0, result.output
    assert "x audio>" in result.stdout
    assert "learned, 15 tokens:\n    A <|im_end|> b<|im_end|>" in result.stdout
    assert "about" in result.stderr
    assert "MiB" in result.stderr


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(
    model: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    how = Tuning(steps=4, batch=2, learning_rate=0.01, save_every=1, log_every=1, dropout=0.1)
    data = written(tmp_path, rows)

    def stop(figures: dict[str, float], done: int, count: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    told = tune(plan(model, data, how), tmp_path / "whole")
    assert told["steps"] == 4
    with pytest.raises(KeyboardInterrupt):
        tune(plan(model, data, how), tmp_path / "cut", stop)
    (tmp_path / "cut" / "checkpoint-9").mkdir()
    (tmp_path / "cut" / "checkpoint-9" / "trainer_state.json").write_text("{", encoding="utf-8")  # broke off
    with pytest.raises(OutputError, match="begun with other settings"):
        tune(plan(model, data, Tuning(steps=7)), tmp_path / "cut")
    other = Folder(tmp_path / "cut", plan(model, data, how).about)
    other.claim()
    with pytest.raises(OutputError, match="Another run is at work"):
        tune(plan(model, data, how), tmp_path / "cut")
    other.release()
    tune(plan(model, data, how), tmp_path / "cut")
    whole, cut = (tmp_path / name / "adapter_model.safetensors" for name in ("whole", "cut"))
    assert whole.read_bytes() == cut.read_bytes()
    assert losses(tmp_path / "whole") == losses(tmp_path / "cut")
    assert "<svg" in (tmp_path / "cut" / "report.html").read_text(encoding="utf-8")
    assert list((tmp_path / "cut" / "tensorboard").rglob("events.*"))
    with pytest.raises(OutputError, match="is finished"):
        tune(plan(model, data, how), tmp_path / "cut")
    with pytest.raises(OutputError, match="holds something else"):
        tune(plan(model, data, how), tmp_path)


def losses(folder: Path) -> list[float | None]:
    history = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    return [entry.get("loss") for entry in history]


def test_what_cannot_be_learned_is_refused_with_its_name(
    model: str, rows: list[dict[str, Any]], tmp_path: Path, examples: Path
) -> None:
    with pytest.raises(DataError, match="no answer to learn"):
        plan(model, written(tmp_path, [{**rows[0], "messages": rows[0]["messages"][:1]}]))
    with pytest.raises(DataError, match="is empty"):
        plan(model, written(tmp_path, [{"audio": str(examples / "order.flac"), "prompt": "What?", "text": " "}]))
    with pytest.raises(DataError, match="nothing to learn"):
        plan(model, written(tmp_path, [{"messages": [*rows[0]["messages"][:1], answer("x", loss=False)]}]))
    lost = [{"audio": str(name), "prompt": "What?", "text": "x"} for name in ("nowhere.wav", examples / "order.flac")]
    with pytest.raises(DataError, match=r"no file .*nowhere\.wav"):
        plan(model, written(tmp_path, lost))
    bad: list[Any] = []
    assert len(plan(model, replace(written(tmp_path, lost), bad=bad.append)).learned) == 1
    assert "nowhere.wav" in bad[0].why
    noise = hark.Audio.of(np.ones(40 * 16000, np.float32) * 0.1, 16000)
    (tmp_path / "long.wav").write_bytes(noise.to_wav())
    with pytest.raises(DataError, match="lasts 40 s"):
        plan(model, written(tmp_path, [{"audio": "long.wav", "prompt": "What?", "text": "x"}]))
    long = plan(model, written(tmp_path, [{"messages": [rows[0]["messages"][0], answer("x" * 140_000)]}]))
    with pytest.raises(DataError, match="tokens with its answer, and the model holds"):
        Maker(long.engine)(long.learned[0])
    with pytest.raises(UnsupportedError, match="builtin cannot be tuned"):
        plan("builtin", written(tmp_path, rows))
    with pytest.raises(UnsupportedError, match="writes by CTC"):
        plan(str(make("wav2vec2", tmp_path / "ctc")), written(tmp_path, rows))
    with pytest.raises(OptionError, match="Quantized weights cannot be trained"):
        plan(model, written(tmp_path, rows), Tuning(method="full"), quantize="int4")
    for wrong in ({"rank": 0}, {"method": "half"}, {"rnak": 4}, {"method": "full", "targets": "x"}):
        with pytest.raises(OptionError, match=r"rank|method|rnak|adapters"):
            Tuning.of(**wrong)


def test_memory_that_runs_out_says_what_to_lower(model: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    planned = plan(model, written(tmp_path, rows))
    with pytest.raises(ModelError, match="not enough memory to tune") as caught, lowering(Tuning(), planned.engine):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    assert "--batch 2 --accumulate 2" in caught.value.hint
    assert "--checkpointing" in caught.value.hint
    with pytest.raises(RuntimeError, match="something else"), lowering(Tuning(), planned.engine):
        raise RuntimeError("something else")
    small, large = (plan(model, planned_data, Tuning(rank=rank, batch=rank)).memory for planned_data, rank in
                    ((written(tmp_path, rows), 2), (written(tmp_path, rows), 8)))  # fmt: skip
    assert large.trained == 4 * small.trained
    assert large.activations == pytest.approx(4 * small.activations)
    assert small.weights == large.weights > 0


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model.language_model.layers.3.self_attn.q_proj", "language"),
        ("model.audio_tower.layers.0.fc1", "encoder"),
        ("model.audio_tower.proj", "projector"),
        ("model.multi_modal_projector.linear_1", "projector"),
        ("model.projector.qformer.encoder.layer.0.attention.attention.query", "projector"),
        ("model.embed_tokens_extend.audio_embed.up_proj_for_speech", "projector"),
        ("model.embed_tokens_extend.audio_embed.up_proj_for_vision_speech", None),
        ("model.decoder.layers.0.encoder_attn.k_proj", "language"),
        ("model.visual.blocks.0.attn.q", None),
        ("lm_head", None),
    ],
)
def test_parts_of_models_are_told_by_the_names_of_their_modules(name: str, part: str | None) -> None:
    assert part_of(name) == part
