"""Diarisers with weights of their own, from folders on this machine; nothing is downloaded.

A folder of pyannote.audio (`config.yaml`), one of NVIDIA's Nemotron 3 Diarization (a streaming Sortformer that is part
of transformers: `config.json`), or one with a Sortformer of NeMo (`*.nemo`).
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark.errors import MissingExtraError, ModelBrokenError, ModelNotFoundError, OptionError
from hark.speakers.turns import Turn, named

if TYPE_CHECKING:
    from collections.abc import Callable

    from hark.audio.audio import Audio

    Diariser = Callable[[Path, Audio, int | None], tuple[Turn, ...]]

_RATE = 16000
_KINDS = (
    "a folder of pyannote.audio (config.yaml), of Nemotron 3 Diarization (config.json), or a .nemo file of Sortformer"
)


def diarize_with(folder: str | Path, audio: Audio, speakers: int | None = None) -> tuple[Turn, ...]:
    """Who speaks when, by the diariser in a folder; turns may overlap.

    Raises:
        ModelNotFoundError: there is no such folder, or no diariser in it.
        ModelBrokenError: its weights cannot be loaded.
        MissingExtraError: its package is not installed.
        OptionError: it cannot be told how many speakers there are, or wants to load parts from the network.
        AudioError: the audio cannot be used.
    """
    path = Path(folder).expanduser()
    return _kind(path)(path, audio, speakers)


def refuse(folder: str | Path, speakers: int | None) -> None:
    """Refuse, before any work, what cannot be done with a diariser.

    Raises:
        ModelNotFoundError: there is no such folder, or no diariser in it.
        OptionError: it cannot be told how many speakers there are.
    """
    path = Path(folder).expanduser()
    kind = _kind(path)
    if speakers is not None and kind is not _pyannote:
        raise OptionError(
            f"The diariser in {path} finds out itself how many speakers there are.", hint="Give no number of speakers."
        )


def _kind(path: Path) -> Diariser:
    """What kind of diariser a folder holds."""
    if (path.is_file() and path.suffix == ".nemo") or (path.is_dir() and any(path.glob("*.nemo"))):
        return _nemo
    if (path.is_file() and path.name == "config.yaml") or (path / "config.yaml").is_file():
        return _pyannote
    try:
        if json.loads((path / "config.json").read_text("utf-8")).get("model_type") == "nemotron3_diarization":
            return _nemotron
    except (OSError, ValueError, AttributeError):
        pass
    raise ModelNotFoundError(f"There is no diariser in {path}.", hint=f"It is {_KINDS}.")


def _pyannote(path: Path, audio: Audio, speakers: int | None) -> tuple[Turn, ...]:
    config = path if path.is_file() else path / "config.yaml"
    try:
        import torch
        from pyannote.audio import Pipeline
    except ImportError as error:
        raise _missing("pyannote.audio") from error
    _refuse_remote(config)
    try:
        pipeline = Pipeline.from_pretrained(str(config))
    except Exception as error:  # its libraries raise many kinds
        raise _broken(config, error) from error
    if pipeline is None:
        raise ModelBrokenError(f"{config} gave no pipeline.", hint="See what pyannote.audio printed.")
    sound = {"waveform": torch.from_numpy(audio.samples(_RATE)).unsqueeze(0), "sample_rate": _RATE}
    found = pipeline(sound, num_speakers=speakers) if speakers else pipeline(sound)
    found = getattr(found, "speaker_diarization", found)  # since pyannote.audio 4
    return named((turn.start, turn.end, label) for turn, _, label in found.itertracks(yield_label=True))


def _refuse_remote(config: Path) -> None:
    """Names of Hugging Face's hub in a pipeline's file would be downloaded."""
    for line in config.read_text("utf-8").splitlines():
        value = line.split("#")[0].partition(":")[2].strip().strip("'\"")
        if re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w.-]+)?", value) and not Path(value).exists():
            raise OptionError(
                f"{config} names {value}, which would be downloaded.",
                hint="Download that model yourself, and write its path there.",
            )


def _nemotron(path: Path, audio: Audio, speakers: int | None) -> tuple[Turn, ...]:
    del speakers
    try:
        import torch
        from transformers import AutoModelForAudioFrameClassification, AutoProcessor
    except ImportError as error:
        raise MissingExtraError.of("The diariser", "transformers") from error
    try:
        processor: Any = AutoProcessor.from_pretrained(path, local_files_only=True)
        model: Any = AutoModelForAudioFrameClassification.from_pretrained(path, local_files_only=True).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _broken(path, error) from error
    inputs = processor(audio.samples(_RATE), sampling_rate=_RATE)
    with torch.inference_mode():
        logits = model(**inputs).logits
    spoken = processor.extract_speaker_dict(logits, inputs.get("attention_mask"))[0]
    return named((turn["Start"], turn["End"], turn["Speaker"]) for turn in spoken)


def _nemo(path: Path, audio: Audio, speakers: int | None) -> tuple[Turn, ...]:
    del speakers
    weights = path if path.is_file() else min(path.glob("*.nemo"))
    try:
        from nemo.collections.asr.models import SortformerEncLabelModel
    except ImportError as error:
        raise _missing("nemo_toolkit[asr]") from error
    try:
        model = SortformerEncLabelModel.restore_from(str(weights), map_location="cpu").eval()
    except Exception as error:  # its libraries raise many kinds
        raise _broken(weights, error) from error
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        sound.write_bytes(audio.to_wav())
        lines = model.diarize(audio=[str(sound)], batch_size=1)[0]
    stretches = (line.split() for line in lines)  # "0.32 4.56 speaker_0"
    return named((float(start), float(end), who) for start, end, who in stretches)


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError("The diariser needs a package that is not installed.", hint=f"pip install '{package}'")


def _broken(path: Path, error: Exception) -> ModelBrokenError:
    return ModelBrokenError(f"The diariser in {path} cannot be loaded: {error}.", hint="Is the folder complete?")
