"""A maker of a tiny random model for each family of transformers models."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# name of the family: module of this folder, function that writes the folder
MAKERS = {
    "audiopalm": ("units", "tiny_audiopalm"),
    "audioflamingo3": ("flamingo", "tiny_audioflamingo3"),
    "gemma3n": ("gemma3n", "tiny_gemma3n"),
    "granite_speech": ("granite_speech", "tiny_granite_speech"),
    "hark_conformer": ("hark_speech2text", "tiny_hark_conformer"),
    "hark_rnn": ("hark_speech2text", "tiny_hark_rnn"),
    "hubert": ("ctc", "tiny_hubert"),
    "ichigo": ("units", "tiny_ichigo"),
    "moonshine": ("moonshine", "tiny_moonshine"),
    "musicflamingo": ("flamingo", "tiny_musicflamingo"),
    "parakeet_ctc": ("ctc", "tiny_parakeet_ctc"),
    "parakeet_tdt": ("ctc", "tiny_parakeet_tdt"),
    "phi4_multimodal": ("phi4_multimodal", "tiny_phi4_multimodal"),
    "qwen2_5_omni": ("qwen2_5_omni", "tiny_qwen2_5_omni"),
    "qwen2_5_omni_thinker": ("qwen2_5_omni", "tiny_qwen2_5_omni_thinker"),
    "qwen2_audio": ("qwen2_audio", "tiny_qwen2_audio"),
    "qwen2_audio_base": ("qwen2_audio", "tiny_qwen2_audio_base"),
    "qwen3_asr": ("qwen3_asr", "tiny_qwen3_asr"),
    "seamless_m4t": ("seamless", "tiny_seamless_m4t"),
    "seamless_m4t_v2": ("seamless", "tiny_seamless_m4t_v2"),
    "speech_to_text": ("speech_to_text", "tiny_speech_to_text"),
    "speechgpt": ("units", "tiny_speechgpt"),
    "speecht5": ("speecht5", "tiny_speecht5"),
    "ultravox": ("ultravox", "tiny_ultravox"),
    "voxtral": ("voxtral", "tiny_voxtral"),
    "voxtral_realtime": ("voxtral_realtime", "tiny_voxtral_realtime"),
    "wav2vec2": ("ctc", "tiny_wav2vec2"),
    "whisper": ("whisper_transformers", "tiny_whisper"),
}


def make(family: str, folder: Path, seed: int = 0) -> Path:
    """Write the folder of a tiny model."""
    module, function = MAKERS[family]
    made: Path = getattr(importlib.import_module(f"tiny.{module}"), function)(folder, seed)
    return made
