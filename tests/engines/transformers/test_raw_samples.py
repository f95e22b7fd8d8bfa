"""SpeechT5 and Moonshine: encoder-decoders on raw samples."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.audio.windows import windows
from hark.errors import UnsupportedError
from tiny.families import make

if TYPE_CHECKING:
    from pathlib import Path

transformers = pytest.importorskip("transformers")
RATE = 16000
CLASSES = {"moonshine": "MoonshineForConditionalGeneration", "speecht5": "SpeechT5ForSpeechToText"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("raw")
    return {name: make(name, base / name) for name in CLASSES}


@pytest.mark.parametrize("name", CLASSES)
def test_the_text_is_that_of_the_documented_code(folders: dict[str, Path], name: str, order: hark.Audio) -> None:
    (window,) = windows(order.stream(RATE))
    processor = transformers.AutoProcessor.from_pretrained(folders[name])
    model = getattr(transformers, CLASSES[name]).from_pretrained(folders[name])
    inputs = processor(audio=window.samples, sampling_rate=RATE, return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=15)
    with hark.load(str(folders[name])) as listener:
        said = listener.transcribe(order, temperature=0.0, max_new_tokens=15).text
    assert len(said) > 3
    assert said == processor.batch_decode(ids, skip_special_tokens=True)[0].strip()


def test_moonshine_stops_after_six_and_a_half_tokens_a_second(folders: dict[str, Path], order: hark.Audio) -> None:
    """A random model repeats itself to the end; the text is cut where its authors cut it, and that is told."""
    with hark.load(str(folders["moonshine"])) as listener:
        answer = listener.ask(order, task="transcribe", temperature=0.0)
        wished = listener.ask(order, task="transcribe", temperature=0.0, max_new_tokens=60)
    (window,) = windows(order.stream(RATE))
    tokens = answer.usage.output_tokens or 0
    assert tokens == pytest.approx((window.end - window.start) * 6.5, abs=2)
    assert "limit" in {notice.kind for notice in answer.notices}
    assert (wished.usage.output_tokens or 0) > tokens


def test_speecht5_hears_twenty_seconds_at_once(folders: dict[str, Path], order: hark.Audio) -> None:
    """Its decoder has positions for 450 letters, which half a minute of speech exceeds."""
    seconds: list[float] = []
    clip = np.concatenate([order.samples(RATE)[RATE // 4 : 3 * RATE]] * 10)
    with hark.load(str(folders["speecht5"])) as listener:
        transcript = listener.transcribe(hark.Audio.of(clip, RATE), temperature=0.0, max_new_tokens=3)
        seconds = [part.end - part.start for part in transcript.segments]
    assert listener.can.max_seconds == 20
    assert max(seconds) <= 20
    assert transcript.segments[-1].end > 26


@pytest.mark.parametrize("head", ["SpeechT5ForTextToSpeech", "SpeechT5ForSpeechToSpeech"])
def test_a_speecht5_that_speaks_is_refused(folders: dict[str, Path], tmp_path: Path, head: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(folders["speecht5"], other)
    config: dict[str, Any] = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"architectures": [head]}))
    with pytest.raises(UnsupportedError, match=f"holds a {head}"):
        hark.load(str(other))
