"""Pretrained parts made one model: it learns transcripts and translations by heart, told apart by their tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import hark
from hark.cli import app
from hark.conversation.conversation import Clip, Conversation, Message, Text
from hark.data import Sample
from hark.errors import DataError, ModelBrokenError, OutputError, UnsupportedError
from hark.training.online import Policy, stream
from hark.training.tagged import IGNORED, Fitting
from hark.training.transfer import compose, row, train
from tiny.chat import tokenizer
from tiny.ctc import tiny_hubert, tiny_wav2vec2
from tiny.whisper_transformers import tiny_whisper

EXAMPLES = Path(__file__).parents[2] / "examples"
ONE, OTHER = hark.Audio.of(EXAMPLES / "order.flac")[0.2:0.8], hark.Audio.of(EXAMPLES / "hesitant.flac")[0.4:1.0]
NAMES = {"en": "English", "fr": "French"}


def sample(clip: hark.Audio | None, answer: str, to: str | None = None) -> Sample:
    parts = (Clip(clip),) if clip else (Text("a word"),)
    said = (Message("user", parts), Message("assistant", (Text(answer),)))
    return Sample(answer, Conversation(said), language="en", to=to)


SAMPLES = [sample(ONE, "one"), sample(OTHER, "other"), sample(ONE, "un", "fr"), sample(OTHER, "autre", "fr")]


def bart(folder: Path) -> Path:
    from transformers import BartConfig, BartForConditionalGeneration

    torch.manual_seed(0)
    words = tokenizer(["<s>", "<pad>", "</s>"], eos="</s>", pad="<pad>", bos_token="<s>")
    start, pad, end = (words.convert_tokens_to_ids(token) for token in ("<s>", "<pad>", "</s>"))
    config = BartConfig(
        vocab_size=len(words), d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=64, max_position_embeddings=64,
        bos_token_id=start, pad_token_id=pad, eos_token_id=end, decoder_start_token_id=end, forced_eos_token_id=end,
        dropout=0.0,
    )  # fmt: skip
    BartForConditionalGeneration(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("transfer")
    return {
        "wav2vec2": tiny_wav2vec2(folder / "wav2vec2"),
        "hubert": tiny_hubert(folder / "hubert"),
        "whisper": tiny_whisper(folder / "whisper"),
        "bart": bart(folder / "bart"),
    }


@pytest.fixture(scope="module")
def composed(parts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compose(parts["wav2vec2"], parts["bart"], tmp_path_factory.mktemp("composed") / "model", names=NAMES)


def test_the_parts_keep_what_they_had_learned(parts: dict[str, Path], composed: Path) -> None:
    from transformers import BartForConditionalGeneration, Wav2Vec2ForCTC

    with hark.load(str(composed)) as listener:
        engine: Any = listener.engine
        model = engine.loaded().model
    before = Wav2Vec2ForCTC.from_pretrained(parts["wav2vec2"]).wav2vec2.encoder.layers[0].attention.k_proj.weight
    assert torch.equal(model.encoder.encoder.layers[0].attention.k_proj.weight, before)
    whole = BartForConditionalGeneration.from_pretrained(parts["bart"])
    assert torch.equal(model.decoder.model.decoder.layers[1].fc1.weight, whole.model.decoder.layers[1].fc1.weight)
    assert torch.equal(model.decoder.get_input_embeddings().weight, whole.get_input_embeddings().weight)
    assert torch.equal(model.decoder.get_output_embeddings().weight, whole.get_output_embeddings().weight)


def test_the_answer_after_the_tag_is_learned(composed: Path) -> None:
    with hark.load(str(composed)) as listener:
        engine: Any = listener.engine
        loaded = engine.loaded()
        words, config = loaded.processor.tokenizer, loaded.model.config
    made = row(words, config, SAMPLES[2])
    assert words.decode(made["given"]) == "</s>[S2TT English French]un"
    assert words.decode([token for token in made["labels"] if token != IGNORED]) == "un</s>"
    assert len(made["given"]) == len(made["labels"])
    assert made["given"][-2:] == made["labels"][-3:-1]
    with pytest.raises(DataError, match="no recording"):
        row(words, config, sample(None, "x"))
    with pytest.raises(DataError, match="'de' has no name"):
        row(words, config, sample(ONE, "x", "de"))


def test_transcripts_and_translations_are_learned_by_heart(composed: Path) -> None:
    train(composed, SAMPLES, Fitting(steps=60, batch_size=4, learning_rate=1e-2, log_every=30, save_every=60))
    with hark.load(str(composed)) as listener:
        said = [
            listener.transcribe(ONE, language="en").text, listener.transcribe(OTHER, language="en").text,
            listener.translate(ONE, "fr", language="en").text, listener.translate(OTHER, "fr", language="en").text,
        ]  # fmt: skip
        beams = listener.transcribe(OTHER, language="en", beams=3).text
        streamed = stream(listener, ONE, Policy("local-agreement", 60.0), task="translate", language="en", to="fr")
        with pytest.raises(UnsupportedError, match="'de'"):
            listener.translate(ONE, "de")
    assert said == ["one", "other", "un", "autre"]
    assert beams == "other"
    assert streamed.text == "un"
    assert json.loads((composed / "trainer_state.json").read_text())["global_step"] == 60


def test_an_encoder_of_whisper_hears_too(parts: dict[str, Path], tmp_path: Path) -> None:
    folder = compose(parts["whisper"], parts["bart"], tmp_path / "model")
    train(folder, SAMPLES[:2], Fitting(steps=2, batch_size=2, learning_rate=1e-3, save_every=2))
    with hark.load(str(folder)) as listener:
        assert listener.can.tasks == {"transcribe"}
        assert listener.can.max_seconds == 30
        first = listener.transcribe(ONE, max_new_tokens=8).text
    again = compose(folder, parts["bart"], tmp_path / "again", names=NAMES)  # the encoder of a composed model
    with hark.load(str(folder)) as one, hark.load(str(again)) as other:
        engines: list[Any] = [one.engine, other.engine]
        left, right = (engine.loaded().model for engine in engines)
        assert one.transcribe(ONE, max_new_tokens=8).text == first
    assert torch.equal(left.encoder.layers[0].fc1.weight, right.encoder.layers[0].fc1.weight)


def test_parts_that_do_not_fit_are_told(parts: dict[str, Path], tmp_path: Path) -> None:
    for encoder, decoder in (("bart", "bart"), ("wav2vec2", "wav2vec2"), ("wav2vec2", "none"), ("none", "bart")):
        with pytest.raises(ModelBrokenError):
            compose(parts.get(encoder, tmp_path / "none"), parts.get(decoder, tmp_path / "none"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "there").write_text("")
    with pytest.raises(OutputError, match="something"):
        compose(parts["wav2vec2"], parts["bart"], tmp_path)


def test_the_command_line_makes_and_trains_a_model(parts: dict[str, Path], tmp_path: Path) -> None:
    data, out = tmp_path / "data.jsonl", tmp_path / "out"
    data.write_text(json.dumps({"audio": str(EXAMPLES / "order.flac"), "text": "one", "language": "en"}) + "\n")
    given = ["train", "transfer", str(data), "-o", str(out), "--set", "steps=2", "--set", "batch_size=1", "-q"]
    made = ["--encoder", str(parts["hubert"]), "--decoder", str(parts["bart"])]

    def hark_says(*more: str) -> str:
        done = CliRunner().invoke(app, [*given, *more])
        return done.stdout if done.exit_code == 0 else done.stderr

    assert "no model yet" in hark_says()
    assert "'en' has no name" in hark_says(*made, "--language", "fr=French")
    assert "no_such" in hark_says(*made, "--set", "no_such=1")
    assert not out.exists()
    assert json.loads(hark_says(*made, "--language", "en=English", "--json")) == {"folder": str(out), "steps": 2}
    assert "There is a training" in hark_says()
    assert "would change nothing" in hark_says(*made, "--resume")
    assert "trained for 4 steps" in hark_says("--resume", "--set", "steps=4")
