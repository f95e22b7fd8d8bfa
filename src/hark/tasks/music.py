"""What is to be known of a piece of music: measured by the offline default, told by a model that can be asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Notice
from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from hark.audio.audio import Audio
    from hark.listener import Listener
    from hark.tasks.harmony import Suggestion

STANDARD = "ITU-R BS.1770-5"
MODES = ("major", "minor")
METERS = ("4/4", "3/4", "2/4", "6/8", "12/8", "5/4", "7/8")
PROMPT = (
    "This is a recording of music. Give its key (tonic and mode), its tempo in beats per minute, its meter, its "
    "sections with their times in seconds, and the instruments and voices that can be heard. Answer null, or an empty "
    "list, where it cannot be told."
)
SUGGEST_PROMPT = (
    "This is a recording of music. {known}Suggest, for this wish: {request}\nGive one to four suggestions. Each has "
    "the name of its technique, the chords of each bar as text (such as Gmaj7, or Am7 D7 for two in a bar), and one "
    "sentence on why it fits."
)


def _or_null(kind: str, **more: Any) -> dict[str, Any]:
    return {"anyOf": [{"type": kind, **more}, {"type": "null"}]}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


_TONICS = ("C", "C#", "Db", "D", "D#", "Eb", "E", "F", "F#", "Gb", "G", "G#", "Ab", "A", "A#", "Bb", "B")
SCHEMA = _object(
    key=_or_null("string", enum=[*_TONICS]),
    mode=_or_null("string", enum=[*MODES]),
    tempo=_or_null("number", minimum=20, maximum=400),
    meter=_or_null("string", enum=[*METERS]),
    sections={
        "type": "array",
        "maxItems": 40,
        "items": _object(
            label={"type": "string", "maxLength": 30}, start={"type": "number", "minimum": 0},
            end={"type": "number", "minimum": 0},
        ),
    },
    instruments={"type": "array", "maxItems": 20, "items": {"type": "string", "maxLength": 40}},
)  # fmt: skip
SUGGEST_SCHEMA = _object(
    suggestions={
        "type": "array",
        "minItems": 1,
        "maxItems": 4,
        "items": _object(
            technique={"type": "string", "maxLength": 60},
            bars={"type": "array", "minItems": 1, "maxItems": 16, "items": {"type": "string", "maxLength": 40}},
            why={"type": "string", "maxLength": 300},
        ),
    }
)


@dataclass(frozen=True, slots=True)
class MusicSection:
    """A section from start to end in seconds; sections that sound alike have one label. Chords: one a bar."""

    label: str
    start: float
    end: float
    chords: tuple[str | None, ...] = ()
    loudness_dbfs: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, what is not known left out."""
        values: dict[str, Any] = {"label": self.label, "start": self.start, "end": self.end}
        more = {"chords": list(self.chords) or None, "loudness_dbfs": self.loudness_dbfs}
        return values | {name: value for name, value in more.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Music:
    """What is known of a piece of music.

    Attributes:
        duration: in seconds.
        key, mode: the tonic (`G`) and `major` or `minor`; None where there is none to tell, as of all that follows.
        other_key: the next likeliest, as `E minor`, where it is close.
        tempo: beats per minute. meter: such as `4/4`; `6/8` has two beats in a bar.
        beats, bars: their times in seconds, where they were measured.
        sections: in order of time.
        instruments: where a model heard them; the offline default cannot.
        loudness_lufs: integrated loudness after ITU-R BS.1770-5. loudness_dbfs: mean power of the mono mix.
        tuning_cents: how far it lies above (below: negative) A = 440 Hz.
        measured: by signal analysis; else a model said so (loudness is always measured).
        reasons: why something is not known. suggestions: where they were asked for.
        audio: the recording, for pictures.
    """

    duration: float
    key: str | None = None
    mode: str | None = None
    other_key: str | None = None
    tempo: float | None = None
    meter: str | None = None
    beats: tuple[float, ...] = ()
    bars: tuple[float, ...] = ()
    sections: tuple[MusicSection, ...] = ()
    instruments: tuple[str, ...] = ()
    loudness_lufs: float | None = None
    loudness_dbfs: float | None = None
    tuning_cents: float | None = None
    measured: bool = True
    reasons: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    notices: tuple[Notice, ...] = ()
    audio: Audio | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in seconds, what is not known is null or empty."""
        return {
            "duration": self.duration,
            "key": self.key,
            "mode": self.mode,
            "other_key": self.other_key,
            "tempo": self.tempo,
            "meter": self.meter,
            "loudness": {"lufs": self.loudness_lufs, "standard": STANDARD, "dbfs": self.loudness_dbfs},
            "tuning_cents": self.tuning_cents,
            "sections": [section.to_dict() for section in self.sections],
            "instruments": list(self.instruments),
            "beats": list(self.beats),
            "bars": list(self.bars),
            "measured": self.measured,
            "reasons": list(self.reasons),
            "suggestions": [suggestion.to_dict() for suggestion in self.suggestions],
            "notices": [notice.to_dict() for notice in self.notices],
        }

    def to_markdown(self) -> str:
        """A short page: facts, sections with their chords, suggestions."""
        lines = [f"- **{name}**: {value}" for name, value in self.facts()]
        lines += [f"- {reason}" for reason in self.reasons]
        if self.sections:
            lines += ["", *self._table()]
        for suggestion in self.suggestions:
            lines += ["", f"**{suggestion.technique}**: `{suggestion.text}`  ", suggestion.why]
        return "\n".join(lines) + "\n"

    def _table(self) -> list[str]:
        chords = any(any(part.chords) for part in self.sections)
        width = 4 if chords else 3
        lines = [f"| {' | '.join(('section', 'from', 'to', 'chords')[:width])} |", "|---" * width + "|"]
        for part in self.sections:
            cells = (part.label, clock(part.start), clock(part.end), " ".join(name or "-" for name in part.chords))
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells[:width])} |")
        return lines

    def facts(self) -> list[tuple[str, str]]:
        """Names and values for people, of what is known."""
        found = list[tuple[str, str]]()
        if self.key:
            found.append(("Key", f"{self.key} {self.mode or ''}".strip()))
            if self.other_key:
                found[-1] = ("Key", f"{found[-1][1]} (or {self.other_key})")
        if self.tempo:
            found.append(("Tempo", f"{self.tempo:g} beats per minute"))
        if self.meter:
            found.append(("Meter", self.meter))
        if self.loudness_lufs is not None:
            found.append(("Loudness", f"{self.loudness_lufs:.1f} LUFS ({STANDARD})"))
        elif self.loudness_dbfs is not None:
            found.append(("Loudness", f"{self.loudness_dbfs:.1f} dBFS (mean power)"))
        if self.tuning_cents is not None and abs(self.tuning_cents) >= 5:
            found.append(("Tuning", f"{self.tuning_cents:+.0f} cents from A = 440 Hz"))
        if self.instruments:
            found.append(("Instruments", ", ".join(self.instruments)))
        return [*found, ("Length", clock(self.duration))]

    def to_html(self, *, audio: bool = True) -> str:
        """One page that holds everything: picture, facts, sections, and the recording (MP3) unless `audio=False`.

        Raises:
            MissingExtraError: pitch classes cannot be drawn without the extra `music`.
            AudioError: the recording cannot be read any more.
        """
        from hark.tasks.music_page import page

        return page(self, with_audio=audio)

    def to_png(self) -> bytes:
        """The picture as PNG: waveform, beats, pitch classes, sections.

        Raises:
            MissingExtraError: it takes the extra `music`.
            AudioError: the recording cannot be read any more.
        """
        from hark.tasks.picture import png

        return png(self)


def music(listener: Listener, clip: Audio, suggest: str | None, options: dict[str, Any]) -> Music:
    """See `Listener.music`."""
    refuse(listener, suggest)
    if "music" in listener.can.tasks:
        found = _measured(listener, clip, options)
        return _with_rules(found, suggest) if suggest else found
    found = _asked(listener, clip, options)
    return _with_ideas(listener, found, clip, suggest, options) if suggest else found


def refuse(listener: Listener, suggest: str | None) -> None:
    """Refuse what the model cannot do, before anything is loaded.

    Raises:
        UnsupportedError: it hears no music, or the rules have nothing to say to the wish.
    """
    name, can = listener.engine.name, listener.can
    if "music" in can.tasks:
        if suggest:
            from hark.tasks.harmony import techniques

            techniques(suggest)
    elif not can.free_prompt or "schema" not in can.options:
        why = "cannot be asked" if not can.free_prompt else "takes no schema"
        raise UnsupportedError(
            f"{name} {why}, so it tells nothing of music.",
            hint="Use the offline default (--model builtin), or an audio-language model that takes a schema.",
        )


def _measured(listener: Listener, clip: Audio, options: dict[str, Any]) -> Music:
    """From an engine with its own way, whose data are those of `hark.engines.builtin.music.Analysis`."""
    answer = listener.ask(clip, task="music", **options)
    known: dict[str, Any] = answer.data["music"][0]
    key, mode = known["key"].split() if known.get("key") else (None, None)
    close = known.get("key_strength", 0.0) - known.get("other_key_strength", 0.0) < 0.1
    limits = tuple(Notice("partly", text) for text in known.get("notices", ()))
    copied: dict[str, Any] = {
        name: known.get(name) for name in ("tempo", "meter", "loudness_lufs", "loudness_dbfs", "tuning_cents")
    }
    copied |= {name: tuple(known.get(name, ())) for name in ("beats", "bars", "reasons")}
    return Music(
        duration=round(clip.duration, 3),
        key=key,
        mode=mode,
        other_key=known.get("other_key") if key and close else None,
        **copied,
        sections=tuple(MusicSection(**{**each, "chords": tuple(each["chords"])}) for each in known.get("sections", ())),
        notices=(*answer.notices, *limits),
        audio=clip,
    )


def _asked(listener: Listener, clip: Audio, options: dict[str, Any]) -> Music:
    answer = listener.ask(clip, PROMPT, schema=SCHEMA, **options)
    told, duration = answer.data, round(clip.duration, 3)
    sections = [
        MusicSection(each["label"], round(each["start"], 3), round(min(each["end"], duration), 3))
        for each in sorted(told["sections"], key=lambda each: each["start"])
        if each["start"] < min(each["end"], duration)
    ]
    dropped = len(told["sections"]) - len(sections)
    notices = [*answer.notices, Notice("method", f"{listener.engine.name} said so; only the loudness is measured.")]
    if dropped:
        notices.append(Notice("unsure", f"Sections with times outside the recording were left out: {dropped}."))
    return Music(
        duration=duration,
        **{name: told[name] for name in ("key", "mode", "tempo", "meter")},
        sections=tuple(sections),
        instruments=tuple(dict.fromkeys(name.strip() for name in told["instruments"] if name.strip())),
        **_loudness(clip),
        measured=False,
        notices=tuple(notices),
        audio=clip,
    )


def _loudness(clip: Audio) -> dict[str, Any]:
    """LUFS where scipy is installed (the extra `music` brings it), else the mean power."""
    import math

    try:
        from hark.engines.builtin.music_loudness import integrated_loudness

        return {"loudness_lufs": integrated_loudness(clip)}
    except ImportError:
        energy, count = 0.0, 0
        for block in clip.stream():
            energy += float((block.astype("f8") ** 2).sum())
            count += len(block)
        return {"loudness_dbfs": round(max(-120.0, 10 * math.log10(energy / max(1, count) + 1e-12)), 1)}


def _with_rules(found: Music, request: str) -> Music:
    from hark.tasks.harmony import suggest

    suggestions, told = suggest(found, request)
    method = Notice("method", f"Suggested by rule, from the chords and the key alone. {told}".strip())
    return replace(found, suggestions=suggestions, notices=(*found.notices, method))


def _with_ideas(listener: Listener, found: Music, clip: Audio, request: str, options: dict[str, Any]) -> Music:
    from hark.tasks.harmony import Suggestion

    facts = ", ".join(f"{name.lower()} {value}" for name, value in found.facts() if name in ("Key", "Tempo", "Meter"))
    prompt = SUGGEST_PROMPT.format(known=f"It seems to have {facts}. " if facts else "", request=request)
    answer = listener.ask(clip, prompt, schema=SUGGEST_SCHEMA, **options)
    made = tuple(Suggestion(each["technique"], tuple(each["bars"]), each["why"]) for each in answer.data["suggestions"])
    notices = dict.fromkeys((*found.notices, *answer.notices))
    return replace(found, suggestions=made, notices=tuple(notices))


def clock(seconds: float) -> str:
    """Minutes and seconds, `1:02.5`."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    return f"{minutes}:{tenths / 10:04.1f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
