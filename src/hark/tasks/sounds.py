"""What is heard when, as captions with times: measured, labelled by a classifier, or told by a model that is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Notice
from hark.answers.transcript import Segment, Transcript
from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hark.audio.audio import Audio
    from hark.listener import Listener

PROMPT = (
    "List the sounds in this recording in the order in which they are heard: what each is in a few words (such as dog "
    "barking, door closing, woman speaking, piano), and from when to when it is heard, in seconds from the beginning. "
    "The recording lasts {seconds:.1f} seconds. List nothing that is not heard."
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "sounds": {
            "type": "array",
            "maxItems": 30,
            "items": {
                "type": "object",
                "properties": {
                    "sound": {"type": "string", "minLength": 1, "maxLength": 80},
                    "start": {"type": "number", "minimum": 0},
                    "end": {"type": "number", "minimum": 0},
                },
                "required": ["sound", "start", "end"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["sounds"],
    "additionalProperties": False,
}
_WINDOW = 30.0  # seconds that a model is asked about at once; times within them are easier to tell
_GAP = 0.5  # seconds between two of the same that are one
_MEASURED = Notice("model", "Sounds are measured; to name what made one takes a classifier or an audio-language model.")


@dataclass(frozen=True, slots=True)
class Sounds:
    """What is heard when; `confidence` of an event is a classifier's score, None where there is none."""

    events: tuple[Segment, ...]
    duration: float
    notices: tuple[Notice, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in seconds."""
        return {
            "duration": self.duration,
            "sounds": [event.to_dict() for event in self.events],
            "notices": [notice.to_dict() for notice in self.notices],
        }

    def to_markdown(self) -> str:
        """A list, one line for each."""
        if not self.events:
            return "Nothing is heard.\n"
        return "".join(f"- **{line[0]} to {line[1]}** {line[2]}\n" for line in self._lines())

    def to(self, form: str) -> str:
        """Captions as `txt`, `srt`, `vtt`, `tsv` or `json`.

        Raises:
            OptionError: no such format.
        """
        if form == "txt":
            return "".join(f"[{start} to {end}] {text}\n" for start, end, text in self._lines())
        if form == "json":
            import json

            return json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n"
        return Transcript(tuple(replace(each, text=f"[{each.text}]") for each in self.events), self.duration).to(form)

    def save(self, path: str | Path, form: str | None = None) -> None:
        """Write it to a file, in the format named or told by the file's ending.

        Raises:
            OptionError: no such format.
            OutputError: the file cannot be written.
        """
        from pathlib import Path

        from hark.answers.subtitles import FORMATS
        from hark.errors import OptionError, OutputError

        path = Path(path)
        form = form or path.suffix.lower().removeprefix(".")
        if form not in FORMATS:
            raise OptionError(f"There is no format {form!r}.", hint=f"Formats are {', '.join(FORMATS)}.")
        text = self.to(form)
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error

    def _lines(self) -> Iterator[tuple[str, str, str]]:
        from hark.tasks.music import clock

        for event in self.events:
            score = "" if event.confidence is None else f" ({event.confidence:.2f})"
            yield clock(event.start), clock(event.end), " ".join(event.text.split()) + score


def sounds(listener: Listener, clip: Audio, options: dict[str, Any]) -> Sounds:
    """See `Listener.sounds`."""
    refuse(listener)
    tasks = listener.can.tasks
    notices: tuple[Notice, ...]
    if "classify" in tasks:
        events, notices = _labelled(listener, clip)
    elif "sound" in tasks:
        from hark.engines.builtin.sound_events import hear

        events, notices = hear(clip), (_MEASURED,)
    else:
        events, notices = _asked(listener, clip, options)
    if not events:
        notices = (*notices, Notice("silence", f"Nothing was heard in {clip.name}."))
    return Sounds(events, round(clip.duration, 3), (*clip.notices, *notices))


def refuse(listener: Listener) -> None:
    """Refuse what the model cannot do, before anything is loaded.

    Raises:
        UnsupportedError: it neither measures sounds, nor labels them, nor can be asked about them.
    """
    name, can = listener.engine.name, listener.can
    if can.tasks & {"classify", "sound"} or (can.free_prompt and "schema" in can.options):
        return
    why = "cannot be asked" if not can.free_prompt else "takes no schema"
    raise UnsupportedError(
        f"{name} {why}, so it tells nothing of sounds.",
        hint="Use the offline default (--model builtin), a classifier's folder, or an audio-language model.",
    )


def _labelled(listener: Listener, clip: Audio) -> tuple[tuple[Segment, ...], tuple[Notice, ...]]:
    """The best label of each stretch that the classifier hears."""
    answer = listener.classify(clip, top=1)
    stretches = groupby(answer.evidence, lambda segment: (segment.start, segment.end))
    best = [max(found, key=lambda segment: segment.confidence or 0.0) for _, found in stretches]
    return _joined(best), answer.notices


def _asked(listener: Listener, clip: Audio, options: dict[str, Any]) -> tuple[tuple[Segment, ...], tuple[Notice, ...]]:
    """Ask window by window; times that lie outside a window are left out, and said to be."""
    size, duration = min(_WINDOW, listener.can.max_seconds or _WINDOW), clip.duration
    found: list[Segment] = []
    notices: dict[Notice, None] = {}
    dropped, start = 0, 0.0
    while start < duration - 0.05 or not start:
        end = min(start + size, duration)
        answer = listener.ask(clip[start:end], PROMPT.format(seconds=end - start), schema=SCHEMA, **options)
        notices.update(dict.fromkeys(answer.notices))
        for each in answer.data["sounds"]:
            first, last = start + each["start"], min(start + each["end"], end)
            if first < last:
                found.append(Segment(each["sound"].strip(), round(first, 2), round(last, 2)))
            else:
                dropped += 1
        start += size
    notices[Notice("method", f"{listener.engine.name} said so, about {size:g} s at a time.")] = None
    if dropped:
        notices[Notice("unsure", f"Sounds with times outside the recording were left out: {dropped}.")] = None
    return _joined(sorted(found, key=lambda each: (each.start, each.end))), tuple(notices)


def _joined(found: list[Segment]) -> tuple[Segment, ...]:
    """The same sound that goes on is one, with its best score."""
    joined: list[Segment] = []
    for each in found:
        places = [n for n, one in enumerate(joined) if one.text.lower() == each.text.lower()]
        same = next((n for n in reversed(places) if each.start - joined[n].end < _GAP), None)
        if same is None:
            joined.append(each)
        else:
            one = joined[same]
            scores = [score for score in (one.confidence, each.confidence) if score is not None]
            joined[same] = Segment(one.text, one.start, max(one.end, each.end), confidence=max(scores, default=None))
    return tuple(joined)
