"""Models of `hark train` hear what they learned from: whole recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import hark

pytest.importorskip("transformers")

from tiny.hark_speech2text import tiny_hark_conformer

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16000


def test_pauses_of_a_recording_are_heard_too(tmp_path: Path, order: hark.Audio, hesitant: hark.Audio) -> None:
    """A part by itself is normalised otherwise, and a quiet word at the end may not be found."""
    import torch
    from transformers import Speech2TextProcessor

    from hark.training.model import HarkSpeech2TextForConditionalGeneration

    folder = tiny_hark_conformer(tmp_path / "tiny")
    pause = np.zeros(RATE // 2, np.float32)
    samples = np.concatenate((pause, order.samples(RATE), pause, pause, hesitant.samples(RATE), pause))
    with hark.load(str(folder)) as listener:
        told = listener.transcribe(hark.Audio.of(samples, RATE)).text
    processor = Speech2TextProcessor.from_pretrained(folder)
    model = HarkSpeech2TextForConditionalGeneration.from_pretrained(folder).eval()
    with torch.inference_mode():
        features = processor.feature_extractor(samples, sampling_rate=RATE, return_tensors="pt")
        written = processor.tokenizer.batch_decode(model.generate(**features), skip_special_tokens=True)
    assert told.split() == written[0].split()
