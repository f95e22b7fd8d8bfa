"""wav2vec 2.0, HuBERT and Parakeet: text of the documented code, words at their true times, and known traps."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.audio.windows import windows
from hark.engines.transformers.families.ctc import Piece, segment
from hark.errors import ModelBrokenError, UnsupportedError
from tiny.families import make

if TYPE_CHECKING:
    from pathlib import Path

    from hark.audio.windows import Window

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")
RATE = 16000


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("ctc")
    return {name: make(name, base / name) for name in ("wav2vec2", "hubert", "parakeet_ctc", "parakeet_tdt")}


@pytest.fixture(scope="module")
def window(order: hark.Audio) -> Window:
    (found,) = windows(order.stream(RATE))
    return found


def transcribe(folder: Path, clip: hark.Audio, **options: Any) -> hark.Transcript:
    with hark.load(str(folder)) as listener:
        return listener.transcribe(clip, **options)


@pytest.mark.parametrize("name", ["wav2vec2", "hubert"])
def test_text_and_times_are_those_of_the_documented_code(
    folders: dict[str, Path], name: str, order: hark.Audio, window: Window
) -> None:
    processor = transformers.Wav2Vec2Processor.from_pretrained(folders[name])
    model = transformers.AutoModelForCTC.from_pretrained(folders[name])
    with torch.no_grad():
        logits = model(**processor(window.samples, sampling_rate=RATE, return_tensors="pt")).logits
    plain = processor.tokenizer.decode(logits.argmax(-1)[0], output_word_offsets=True)
    frame = model.config.inputs_to_logits_ratio / RATE
    transcript = transcribe(folders[name], order, timestamps="word")
    assert transcript.text == " ".join(plain.text.split())
    assert len(transcript.words) > 1
    assert [word.text for word in transcript.words] == [word["word"] for word in plain.word_offsets]
    for word, other in zip(transcript.words, plain.word_offsets, strict=True):
        assert word.start == pytest.approx(window.start + other["start_offset"] * frame, abs=0.001)
        assert word.end == pytest.approx(window.start + other["end_offset"] * frame, abs=0.001)


@pytest.mark.filterwarnings("ignore:Using the model-agnostic default")
@pytest.mark.parametrize("name", ["parakeet_ctc", "parakeet_tdt"])
def test_text_of_parakeet_is_that_of_the_documented_code(
    folders: dict[str, Path], name: str, order: hark.Audio, window: Window
) -> None:
    made = transformers.ParakeetForCTC if name == "parakeet_ctc" else transformers.ParakeetForTDT
    processor, model = transformers.AutoProcessor.from_pretrained(folders[name]), made.from_pretrained(folders[name])
    found = model.generate(**processor(window.samples, sampling_rate=RATE), return_dict_in_generate=True)
    (plain,) = processor.batch_decode(found.sequences, skip_special_tokens=True)
    transcript = transcribe(folders[name], order)
    assert transcript.text == " ".join(plain.split())
    assert len(transcript.words) > 1


@pytest.mark.parametrize("name", ["wav2vec2", "hubert", "parakeet_ctc", "parakeet_tdt"])
def test_words_keep_their_times_in_the_clock_of_the_recording(
    folders: dict[str, Path], name: str, order: hark.Audio
) -> None:
    early = transcribe(folders[name], order)
    silence = np.zeros(512 * 125, dtype=np.float32)  # 4 s; a whole number of frames of the speech detector
    late = transcribe(folders[name], hark.Audio.of(np.concatenate([silence, order.samples(RATE)]), RATE))
    (window,) = windows([np.concatenate([silence, order.samples(RATE)])])
    assert late.words
    assert all(window.start <= word.start <= word.end <= window.end for word in late.words)
    assert all(word.start < 4 for word in early.words)
    assert late.words[0].start > 4


def test_confidences_are_probabilities(folders: dict[str, Path], order: hark.Audio) -> None:
    words = transcribe(folders["wav2vec2"], order).words
    assert len({word.confidence for word in words}) > 1
    assert all(word.confidence is not None and 0 < word.confidence < 1 for word in words)


@pytest.mark.parametrize("option", [{"temperature": 0.5}, {"max_new_tokens": 5}, {"language": "en"}])
def test_options_of_generation_are_refused(folders: dict[str, Path], order: hark.Audio, option: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match="cannot honour the option"):
        transcribe(folders["wav2vec2"], order, **option)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("wav2vec2", "Wav2Vec2ForXVector"),
        ("hubert", "HubertModel"),
        ("wav2vec2", "Wav2Vec2ForPreTraining"),
    ],
)
def test_a_folder_of_another_head_is_refused_by_its_config(
    folders: dict[str, Path], tmp_path: Path, name: str, head: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folders[name], other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"architectures": [head]}))
    with pytest.raises(UnsupportedError, match=f"holds a {head}") as refusal:
        hark.load(str(other))
    assert "ForCTC" in refusal.value.hint


def test_a_folder_that_names_a_language_model_is_read_without(
    folders: dict[str, Path], tmp_path: Path, order: hark.Audio
) -> None:
    """Its own processor needs a package of its own, and a file of many gigabytes."""
    other = tmp_path / "with_lm"
    shutil.copytree(folders["wav2vec2"], other)
    (path,) = other.glob("processor_config.json")
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"processor_class": "Wav2Vec2ProcessorWithLM"}))
    assert transcribe(other, order).text == transcribe(folders["wav2vec2"], order).text


@pytest.mark.parametrize("name", ["wav2vec2", "hubert", "parakeet_ctc"])
def test_a_missing_head_is_an_error_and_never_random(
    folders: dict[str, Path], tmp_path: Path, order: hark.Audio, name: str
) -> None:
    def without(weights: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in weights.items() if not key.startswith(("lm_head", "ctc_head"))}

    headless = changed(folders[name], tmp_path / "headless", without)
    with pytest.raises(ModelBrokenError, match="lacks weights"):
        transcribe(headless, order)


def test_a_weight_that_only_training_uses_may_be_missing(
    folders: dict[str, Path], tmp_path: Path, order: hark.Audio
) -> None:
    """Published wav2vec 2.0 checkpoints lack the embedding of masked frames."""

    def without(weights: dict[str, Any]) -> dict[str, Any]:
        assert "wav2vec2.masked_spec_embed" in weights
        return {key: value for key, value in weights.items() if key != "wav2vec2.masked_spec_embed"}

    folder = changed(folders["wav2vec2"], tmp_path / "published", without)
    assert transcribe(folder, order).text == transcribe(folders["wav2vec2"], order).text


def changed(folder: Path, copy: Path, change: Any) -> Path:
    from safetensors.numpy import load_file, save_file

    shutil.copytree(folder, copy)
    weights = load_file(copy / "model.safetensors")
    left = change(weights)
    assert len(left) < len(weights)
    save_file(left, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def test_pieces_become_words_at_spaces() -> None:
    said = [Piece("he", 0.0, 0.1, 0.5), Piece("llo", 0.2, 0.3, 1.0), Piece(" ", 0.3, 0.4), Piece("you", 0.5, 0.6, 0.4)]
    found = segment([*said, Piece(" there", 0.7, 0.8)])
    assert found.text == "hello you there"
    assert [(word.start, word.end, word.confidence) for word in found.words] == [
        (0.0, 0.3, 0.75),
        (0.5, 0.6, 0.4),
        (0.7, 0.8, None),
    ]
    assert segment([]).text == ""
