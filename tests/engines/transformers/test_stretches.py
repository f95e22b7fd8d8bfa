"""Speech is written down in stretches: long ones where a family takes as long for a word as for 30 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import hark
from hark.audio.windows import windows
from hark.engines.transformers.engine import Transformers
from tiny.families import make

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("transformers")


@pytest.mark.parametrize(("family", "fills_up"), [("whisper", True), ("wav2vec2", False)])
def test_stretches_are_as_long_as_the_family_likes(family: str, fills_up: bool, tmp_path: Path, examples: Path) -> None:
    meeting = hark.Audio.of(examples / "standup.flac")
    short = list(windows(meeting.stream(16000)))
    with hark.load(str(make(family, tmp_path / family))) as listener:
        assert isinstance(listener.engine, Transformers)
        made = listener.engine.family.write_down
        heard: list[float] = []

        def noting(loaded: object, conversation: object, samples: list[float], options: object) -> object:
            heard.append(len(samples) / 16000)
            return made(loaded, conversation, samples, options)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(listener.engine.family, "write_down", noting)
            segments = listener.transcribe(meeting).segments
    assert max(heard) <= 30
    assert (len(heard) < len(short) / 3) is fills_up
    assert segments[0].start == pytest.approx(short[0].start, abs=0.05)
    assert segments[-1].end == pytest.approx(short[-1].end, abs=0.05)
    assert sum(heard) >= sum(window.end - window.start for window in short) - 0.01  # all speech is heard
