"""SeamlessM4T, both versions: the language wanted is named to the model, and what is assumed is told."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

import hark
from hark.audio.windows import windows
from hark.errors import ModelBrokenError, UnsupportedError
from tiny.families import make

if TYPE_CHECKING:
    from pathlib import Path

transformers = pytest.importorskip("transformers")
RATE = 16000
GREEDY = {"temperature": 0.0, "max_new_tokens": 12}
CLASSES = {"seamless_m4t": "SeamlessM4TForSpeechToText", "seamless_m4t_v2": "SeamlessM4Tv2ForSpeechToText"}


@pytest.fixture(scope="module", params=CLASSES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(request.param, tmp_path_factory.mktemp("seamless") / request.param)


def test_languages_are_those_of_the_generation_config(listener: hark.Listener) -> None:
    assert listener.can.languages == {"en", "eng", "fr", "fra", "de", "deu"}


def test_the_translation_is_that_of_the_documented_code(
    folder: Path, listener: hark.Listener, order: hark.Audio
) -> None:
    (window,) = windows(order.stream(RATE))
    model = getattr(transformers, CLASSES[folder.name]).from_pretrained(folder)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    inputs = processor(audio=window.samples, sampling_rate=RATE, return_tensors="pt")
    said = {}
    for to, code in (("en", "eng"), ("fr", "fra"), ("deu", "deu")):
        ids = model.generate(**inputs, tgt_lang=code, max_new_tokens=12)
        transcript = listener.translate(order, to=to, **GREEDY)
        assert transcript.text == processor.batch_decode(ids, skip_special_tokens=True)[0].strip()
        assert transcript.segments[0].language == transcript.language == to
        said[to] = transcript.text
    assert len(set(said.values())) == 3


def test_a_transcript_is_written_in_the_language_spoken(listener: hark.Listener, order: hark.Audio) -> None:
    french = listener.transcribe(order, language="fr", **GREEDY)
    assert french.text == listener.translate(order, to="fr", **GREEDY).text
    assert not french.notices or {notice.kind for notice in french.notices} == {"limit"}


def test_a_language_that_had_to_be_assumed_is_told(listener: hark.Listener, order: hark.Audio) -> None:
    assumed = listener.transcribe(order, **GREEDY)
    assert assumed.text == listener.transcribe(order, language="en", **GREEDY).text
    assert "English" in next(notice.text for notice in assumed.notices if notice.kind == "unsure")


def test_a_language_it_does_not_know_is_refused(listener: hark.Listener, order: hark.Audio) -> None:
    with pytest.raises(UnsupportedError, match="cannot translate to 'ja'") as refusal:
        listener.translate(order, to="ja")
    assert "deu" in refusal.value.hint
    with pytest.raises(UnsupportedError, match="language 'ja'"):
        listener.transcribe(order, language="ja")
    with pytest.raises(UnsupportedError, match="language spoken"):
        listener.transcribe(order, to="fr")


def test_a_generation_config_without_languages_is_an_error(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    settings = json.loads((broken / "generation_config.json").read_text())
    del settings["text_decoder_lang_to_code_id"]
    (broken / "generation_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelBrokenError, match="names no languages"):
        hark.load(str(broken))


def test_a_folder_of_the_full_model_is_taken(folder: Path, tmp_path: Path, order: hark.Audio) -> None:
    """Published folders name the class of the full model, and hold weights that are not needed to write text."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    full = tmp_path / "full"
    shutil.copytree(folder, full)
    config = json.loads((full / "config.json").read_text())
    (full / "config.json").write_text(json.dumps(config | {"architectures": ["SeamlessM4TModel"]}))
    weights = load_file(full / "model.safetensors") | {"vocoder.more.weight": np.zeros((2, 2), np.float32)}
    save_file(weights, full / "model.safetensors", metadata={"format": "pt"})
    with hark.load(str(full)) as one, hark.load(str(folder)) as other:
        assert one.translate(order, to="fr", **GREEDY).text == other.translate(order, to="fr", **GREEDY).text
