"""Which family a model belongs to, by the `model_type` of its `config.json`: one literal dict."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hark.engines.transformers.families.family import Family

FAMILIES = {
    "audioflamingo3": ("flamingo", "AudioFlamingo3"),
    "gemma3n": ("gemma3n", "Gemma3n"),
    "granite_speech": ("granite_speech", "GraniteSpeech"),
    "hark_speech2text": ("hark_speech2text", "HarkSpeech2Text"),
    "hubert": ("ctc", "Hubert"),
    "moonshine": ("moonshine", "Moonshine"),
    "musicflamingo": ("flamingo", "MusicFlamingo"),
    "parakeet_ctc": ("ctc", "ParakeetCTC"),
    "parakeet_tdt": ("ctc", "ParakeetTDT"),
    "phi4_multimodal": ("phi4_multimodal", "Phi4Multimodal"),
    "qwen2_5_omni": ("qwen2_5_omni", "Qwen25Omni"),
    "qwen2_5_omni_thinker": ("qwen2_5_omni", "Qwen25Omni"),
    "qwen2_audio": ("qwen2_audio", "Qwen2Audio"),
    "qwen3_asr": ("qwen3_asr", "Qwen3ASR"),
    "seamless_m4t": ("seamless", "Seamless"),
    "seamless_m4t_v2": ("seamless", "SeamlessV2"),
    "speech-encoder-decoder": ("speech_encoder_decoder", "SpeechEncoderDecoder"),
    "speech_to_text": ("speech_to_text", "SpeechToText"),
    "speecht5": ("speecht5", "SpeechT5"),
    "ultravox": ("ultravox", "Ultravox"),
    "voxtral": ("voxtral", "Voxtral"),
    "voxtral_realtime": ("voxtral_realtime", "VoxtralRealtime"),
    "wav2vec2": ("ctc", "Wav2Vec2"),
    "whisper": ("whisper", "Whisper"),
}


# The same encoders with a classification head; which head a folder has is told by the `architectures` of its config.
CLASSIFIERS = {
    "audio-spectrogram-transformer": ("classify", "AST"),
    "data2vec-audio": ("classify", "Classifier"),
    "hubert": ("classify", "Classifier"),
    "sew": ("classify", "Classifier"),
    "sew-d": ("classify", "Classifier"),
    "unispeech": ("classify", "Classifier"),
    "unispeech-sat": ("classify", "Classifier"),
    "wav2vec2": ("classify", "Classifier"),
    "wav2vec2-bert": ("classify", "Classifier"),
    "wav2vec2-conformer": ("classify", "Classifier"),
    "wavlm": ("classify", "Classifier"),
    "whisper": ("classify", "WhisperEncoder"),
}
# Language models beside a quantizer; which kind a folder holds is told by its `quantizer/units.json`.
UNITS = {
    "audiopalm": ("units", "AudioPaLM"),
    "ichigo": ("units", "Ichigo"),
    "speechgpt": ("units", "SpeechGPT"),
}
HEADS = ("ForSequenceClassification", "ForAudioClassification")


def family_of(model_type: str, architectures: Sequence[str] | None = None, folder: Path | None = None) -> Family | None:
    """The family of a model type, and of the head its config names; None where there is none.

    Raises:
        ModelBrokenError: there is a quantizer in the folder, and what is said of it cannot be read.
    """
    kind = _units(folder) if folder else None
    table = CLASSIFIERS if any(name.endswith(HEADS) for name in architectures or ()) else FAMILIES
    if kind is None and model_type not in table:
        return None
    module, name = UNITS[kind] if kind else table[model_type]
    made: type[Family] = getattr(importlib.import_module(f"hark.engines.transformers.families.{module}"), name)
    return made()


def _units(folder: Path) -> str | None:
    """The kind of unit model that a folder holds; None where there is no quantizer in it."""
    if not (folder / "quantizer" / "units.json").is_file():
        return None
    from hark.engines.transformers.native.layout import read_layout

    return read_layout(folder).kind
