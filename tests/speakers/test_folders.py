"""Diarisers from folders: a tiny Nemotron with random weights, and stand-ins for packages that are not here."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from hark.errors import MissingExtraError, ModelBrokenError, ModelNotFoundError, OptionError
from hark.speakers.folders import diarize_with, refuse
from hark.speakers.turns import Turn

if TYPE_CHECKING:
    from pathlib import Path

    import hark

PIPELINE = "pipeline:\n  name: pyannote.audio.pipelines.SpeakerDiarization\n  params:\n    segmentation: {}\n"
FOUND = [(0.5, 1.0, "SPEAKER_01"), (1.0, 2.5, "SPEAKER_00"), (2.0, 3.0, "SPEAKER_01")]
NAMED = (Turn(0.5, 1.0, "Speaker 1"), Turn(1.0, 2.5, "Speaker 2"), Turn(2.0, 3.0, "Speaker 1"))


def _packages(monkeypatch: pytest.MonkeyPatch, path: str, **names: Any) -> None:
    """Put a stand-in for a package, and those it lies in, where `import` finds it."""
    parts = path.split(".")
    for count in range(1, len(parts) + 1):
        module = ModuleType(".".join(parts[:count]))
        monkeypatch.setitem(sys.modules, module.__name__, module)
    vars(module).update(names)


@pytest.mark.parametrize("wrapped", [False, True])  # pyannote.audio 3 gives the turns, 4 an object that holds them
def test_pyannote_is_given_the_sound_and_the_number(
    tmp_path: Path, order: hark.Audio, monkeypatch: pytest.MonkeyPatch, wrapped: bool
) -> None:
    torch = pytest.importorskip("torch")
    (tmp_path / "config.yaml").write_text(PIPELINE.format(tmp_path / "segmentation.bin"))
    given: dict[str, Any] = {}

    def pipeline(sound: dict[str, Any], **options: Any) -> Any:
        given.update(sound=sound, options=options)
        turns = [(SimpleNamespace(start=start, end=end), "_", who) for start, end, who in FOUND]
        annotation = SimpleNamespace(itertracks=lambda yield_label: turns)
        return SimpleNamespace(speaker_diarization=annotation) if wrapped else annotation

    loaded = []
    loader = SimpleNamespace(from_pretrained=lambda path: loaded.append(path) or pipeline)
    _packages(monkeypatch, "pyannote.audio", Pipeline=loader)
    assert diarize_with(tmp_path, order, 2) == NAMED
    assert loaded == [str(tmp_path / "config.yaml")]
    assert given["options"] == {"num_speakers": 2}
    assert given["sound"]["sample_rate"] == 16000
    assert torch.equal(given["sound"]["waveform"][0], torch.from_numpy(order.samples()))


def test_a_pipeline_that_would_download_is_refused(
    tmp_path: Path, order: hark.Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    _packages(monkeypatch, "pyannote.audio", Pipeline=None)
    (tmp_path / "config.yaml").write_text(PIPELINE.format("pyannote/segmentation-3.0"))
    with pytest.raises(OptionError, match=r"pyannote/segmentation-3\.0"):
        diarize_with(tmp_path, order)


def test_sortformer_of_nemo_reads_a_file_and_gives_lines(
    tmp_path: Path, order: hark.Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sortformer.nemo").touch()
    heard = []

    class Model:
        @classmethod
        def restore_from(cls, path: str, map_location: str) -> Model:
            assert (path, map_location) == (str(tmp_path / "sortformer.nemo"), "cpu")
            return cls()

        def eval(self) -> Model:
            return self

        def diarize(self, audio: list[str], batch_size: int) -> list[list[str]]:
            import soundfile

            heard.append(soundfile.info(audio[0]))
            return [[f"{start} {end} {who}" for start, end, who in FOUND]]

    _packages(monkeypatch, "nemo.collections.asr.models", SortformerEncLabelModel=Model)
    assert diarize_with(tmp_path, order) == NAMED
    assert heard[0].samplerate == 16000
    assert heard[0].duration == pytest.approx(order.duration, abs=1e-3)
    with pytest.raises(OptionError, match="itself"):
        refuse(tmp_path, 2)


@pytest.mark.parametrize(
    ("file", "package"), [("config.yaml", "pyannote.audio"), ("sortformer.nemo", "nemo_toolkit[asr]")]
)
def test_a_missing_package_is_named(
    tmp_path: Path, order: hark.Audio, monkeypatch: pytest.MonkeyPatch, file: str, package: str
) -> None:
    for name in ("pyannote", "nemo"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / file).touch()
    with pytest.raises(MissingExtraError) as caught:
        diarize_with(tmp_path, order)
    assert caught.value.hint == f"pip install '{package}'"


def test_nemotron_of_transformers_runs(tmp_path: Path, order: hark.Audio) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, "Nemotron3DiarizationConfig"):
        pytest.skip("this version of transformers has no Nemotron 3 Diarization")
    torch.manual_seed(0)
    audio = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Nemotron3DiarizationConfig(
        audio_config=audio, head_config={"hidden_size": 8, "audio_hidden_size": 16}, initializer_range=0.3
    )
    transformers.AutoModelForAudioFrameClassification.from_config(config).save_pretrained(tmp_path)
    extractor = transformers.ParakeetFeatureExtractor(feature_size=128)
    transformers.Nemotron3DiarizationProcessor(extractor).save_pretrained(tmp_path)
    turns = diarize_with(tmp_path, order)
    assert turns
    assert all(0 <= turn.start < turn.end <= order.duration + 0.02 for turn in turns)
    assert turns[0].speaker == "Speaker 1"
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelBrokenError, match="cannot be loaded"):
        diarize_with(tmp_path, order)


@pytest.mark.parametrize("content", ["{}", "[1]", "not json"])
def test_what_is_no_diariser_is_refused(tmp_path: Path, order: hark.Audio, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ModelNotFoundError, match="no diariser"):
            diarize_with(folder, order)
