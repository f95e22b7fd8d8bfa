"""What was said and when: words in segments, all times in seconds of the original recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from hark.answers.answer import Answer, Notice, Usage
    from hark.audio.audio import Audio


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its time in seconds; `confidence` in 0..1, None where the model gives none.

    `unsure` marks a word that the model itself does not trust.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None
    unsure: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in seconds, empty fields left out."""
        values = {"word": self.text, "start": self.start, "end": self.end, "confidence": self.confidence}
        return _without_none(values | {"unsure": self.unsure or None})


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech; its words are empty where the model gives no word times.

    `unsure` marks text that the model itself does not trust.
    """

    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    speaker: str | None = None
    language: str | None = None
    unsure: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in seconds, empty fields left out."""
        words = [word.to_dict() for word in self.words]
        return _without_none(
            {
                "start": self.start,
                "end": self.end,
                "text": self.text,
                "speaker": self.speaker,
                "language": self.language,
                "confidence": self.confidence,
                "unsure": self.unsure or None,
                "words": words or None,
            }
        )


@dataclass(frozen=True, slots=True)
class Transcript:
    """A recording in words: segments with times, the language, and what is to be known about them."""

    segments: tuple[Segment, ...]
    duration: float
    language: str | None = None
    notices: tuple[Notice, ...] = ()
    usage: Usage | None = None

    @classmethod
    def of(cls, answer: Answer, clip: Audio) -> Transcript:
        """Make it from a model's answer about a clip; text without times becomes one segment over all of it.

        Segments that repeat themselves, or hold more than can be said in their time, are marked unsure.
        """
        from hark.answers.doubt import judged

        duration = answer.usage.audio_seconds or clip.duration
        whole = Segment(answer.text.strip(), 0.0, duration)
        segments, doubts = judged(answer.evidence or ((whole,) if whole.text else ()))
        return cls(segments, duration, answer.language, (*answer.notices, *doubts), answer.usage)

    @property
    def text(self) -> str:
        """The whole text on one line."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words, in order."""
        return tuple(word for segment in self.segments for word in segment.words)

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: text, language, duration in seconds, segments, notices."""
        return _without_none(
            {
                "text": self.text,
                "language": self.language,
                "duration": self.duration,
                "segments": [segment.to_dict() for segment in self.segments],
                "notices": [notice.to_dict() for notice in self.notices],
                "usage": self.usage.to_dict() if self.usage else None,
            }
        )

    def to(self, form: str, **rules: Any) -> str:
        """The transcript as text: `txt`, `srt`, `vtt`, `tsv`, `json`, `verbose_json` or `diarized_json`.

        `rules` say how subtitles are cut (see `hark.answers.subtitles.SubtitleRules`): `max_line` (42 characters),
        `lines` (2), `min_seconds` (1), `max_seconds` (7), `pause_seconds` (0.8), `gap_seconds` (0).

        Raises:
            OptionError: no such format or rule, or `diarized_json` of a transcript without speakers.
        """
        from hark.answers import subtitles

        return subtitles.write(self, form, **rules)

    def to_srt(self, **rules: Any) -> str:
        """SubRip subtitles; `rules` as for `to`."""
        return self.to("srt", **rules)

    def to_vtt(self, **rules: Any) -> str:
        """WebVTT subtitles; `rules` as for `to`."""
        return self.to("vtt", **rules)

    def save(self, path: str | Path, form: str | None = None, **rules: Any) -> None:
        """Write it to a file, in the format named or told by the file's ending; `rules` as for `to`.

        Raises:
            OptionError: no such format or rule.
            OutputError: the file cannot be written.
        """
        from hark.answers import subtitles

        subtitles.save(self, path, form, **rules)


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
