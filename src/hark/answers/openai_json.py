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
    from collections.abc import Collection

    from hark.answers.transcript import Segment, Transcript


def verbose(
    transcript: Transcript, *, task: str = "transcribe", times: Collection[str] = ("segment", "word")
) -> dict[str, Any]:
    """Segments as Whisper gives them, and all words apart from them; times in seconds.

    What only Whisper's decoder has is empty or 0: `tokens`, `seek`, `temperature`, `no_speech_prob`. The mean
    log-probability is the logarithm of the confidence, and 0 where the model gives none. `language` is a code. `times`
    are the kinds wanted, of `segment` and `word`.
    """
    values: dict[str, Any] = {
        "task": task,
        "language": transcript.language or "",
        "duration": transcript.duration,
        "text": transcript.text,
    }
    if "segment" in times:
        values["segments"] = [_segment(number, segment) for number, segment in enumerate(transcript.segments)]
    if "word" in times and transcript.words:
        values["words"] = [{"word": w.text, "start": w.start, "end": w.end} for w in transcript.words]
    return values | {"usage": _seconds(transcript)}


def diarized(transcript: Transcript, *, apart: bool = False) -> dict[str, Any]:
    """Segments with who speaks; times in seconds.

    Where speakers were told apart (`apart`) and none was found, it is `unknown` who speaks.

    Raises:
        OptionError: nobody told the speakers apart.
    """
    if transcript.segments and not apart and not any(segment.speaker for segment in transcript.segments):
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
    return values | {"usage": _seconds(transcript)}


def usage(transcript: Transcript) -> dict[str, Any]:
    """What it took: tokens where the model counts those in and out, else seconds."""
    used = transcript.usage
    if used is None or used.input_tokens is None or used.output_tokens is None:
        return _seconds(transcript)
    total = used.input_tokens + used.output_tokens
    return {
        "type": "tokens",
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "total_tokens": total,
    }


def languages(transcript: Transcript) -> dict[str, Any]:
    """The language by its code, where it is known."""
    return {"languages": [{"code": transcript.language}]} if transcript.language else {}


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


def _seconds(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(transcript.duration)}


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"
