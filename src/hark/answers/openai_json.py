"""A transcript as OpenAI's API shapes it: `verbose_json` and `diarized_json`.

Shapes: https://platform.openai.com/docs/api-reference/audio (the objects for verbose and diarized transcriptions).
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from hark.answers.doubt import compression
from hark.errors import OptionError

if TYPE_CHECKING:
    from hark.answers.transcript import Segment, Transcript


def verbose(transcript: Transcript) -> dict[str, Any]:
    """Segments as Whisper gives them, and all words apart from them; times in seconds.

    What only Whisper's decoder has is empty or 0: `tokens`, `seek`, `temperature`, `no_speech_prob`. The mean
    log-probability is the logarithm of the confidence, and 0 where the model gives none. `language` is a code.
    """
    values: dict[str, Any] = {
        "task": "transcribe",
        "language": transcript.language or "",
        "duration": transcript.duration,
        "text": transcript.text,
        "segments": [_segment(number, segment) for number, segment in enumerate(transcript.segments)],
    }
    if transcript.words:
        values["words"] = [{"word": w.text, "start": w.start, "end": w.end} for w in transcript.words]
    return values | _usage(transcript)


def diarized(transcript: Transcript) -> dict[str, Any]:
    """Segments with who speaks; times in seconds.

    Raises:
        OptionError: nobody told the speakers apart.
    """
    if transcript.segments and not any(segment.speaker for segment in transcript.segments):
        raise OptionError("The transcript does not say who speaks.", hint="Ask for it: --speakers (speakers=True).")
    segments = [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number:03}",
            "start": segment.start,
            "end": segment.end,
            "text": segment.text,
            "speaker": segment.speaker or "unknown",
        }
        for number, segment in enumerate(transcript.segments)
    ]
    values = {"task": "transcribe", "duration": transcript.duration, "text": transcript.text, "segments": segments}
    return values | _usage(transcript)


def verbose_json(transcript: Transcript, _rules: object = None) -> str:
    """`verbose` as text."""
    return _text(verbose(transcript))


def diarized_json(transcript: Transcript, _rules: object = None) -> str:
    """`diarized` as text.

    Raises:
        OptionError: nobody told the speakers apart.
    """
    return _text(diarized(transcript))


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    return {
        "id": number,
        "seek": 0,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(math.log(max(segment.confidence, 1e-5)), 4) if segment.confidence is not None else 0.0,
        "compression_ratio": round(compression(segment.text), 4),
        "no_speech_prob": 0.0,
    }


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"usage": {"type": "duration", "seconds": math.ceil(transcript.duration)}}


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"
