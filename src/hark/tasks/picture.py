"""Music as a picture: waveform, bars and beats, pitch classes over time, sections; as PNG, drawn with Pillow."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.errors import AudioError, MissingExtraError

if TYPE_CHECKING:
    from hark.tasks.music import Music

NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
PEAKS, COLUMNS, LEVELS = 280, 280, 6
_WIDTH, _HEIGHT, _LEFT, _RIGHT = 1200, 620, 56, 24
_INK, _SOFT, _LINE, _BACK = "#1d2126", "#606a75", "#e2e0d9", "#fbfaf7"
_NOTE = (11, 107, 203)
SECTION_COLOURS = ("#0b6bcb", "#b4450f", "#0d7a5f", "#8a3ea8", "#946200", "#b3245e", "#4a6472", "#4d7a0c")


@dataclass(frozen=True, slots=True)
class Rows:
    """What is drawn: peaks in 0..1, and for each of the columns the 12 pitch classes from C in 0..LEVELS."""

    peaks: tuple[float, ...]
    notes: tuple[tuple[int, ...], ...]
    mp3: bytes


def rows(music: Music) -> Rows:
    """Hear the recording again for what a picture takes.

    Raises:
        MissingExtraError: it takes the extra `music`.
        AudioError: there is no recording, or it cannot be read any more.
    """
    if music.audio is None:
        raise AudioError("There is no recording to draw.", hint="Draw what listener.music(audio) gave.")
    try:
        import librosa
    except ImportError as error:
        raise MissingExtraError.of("A picture of music", "music") from error
    import numpy as np

    from hark.engines.builtin.music import LIMIT_SECONDS, listen
    from hark.engines.builtin.music_features import RATE
    from hark.tasks.notes.sound import compact

    mp3, peaks, _ = compact(music.audio, PEAKS)
    sound = music.audio[:LIMIT_SECONDS].samples(RATE)
    clean = np.nan_to_num(sound, posinf=0.0, neginf=0.0)
    columns = max(1, round(COLUMNS * min(1.0, len(clean) / RATE / max(music.duration, 1e-3))))
    amounts = np.zeros((columns, 12))
    if len(clean) >= RATE // 2 and np.abs(clean).max() > 0:
        chroma = np.sqrt(listen(librosa, clean, RATE).chroma)
        edges = np.linspace(0, len(chroma), columns + 1).astype(int)
        amounts = np.array([chroma[a : max(b, a + 1)].mean(axis=0) for a, b in itertools.pairwise(edges)])
    shares = amounts / (np.percentile(amounts.max(axis=1), 90) + 1e-9)
    levels = np.clip(np.round(shares**1.3 * LEVELS), 0, LEVELS).astype(int)
    silent = amounts.max() < 1e-6
    return Rows(tuple(peaks), () if silent else tuple(tuple(column) for column in levels.tolist()), mp3)


def colours(music: Music) -> dict[str, int]:
    """A number for each label of a section, the same for the same label."""
    return {label: number % 8 for number, label in enumerate(dict.fromkeys(s.label for s in music.sections))}


def ticks(duration: float) -> list[float]:
    """Times for an axis: at most eight, at round seconds."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)
    step = next((step for step in steps if duration / step <= 8), 7200)
    return [float(time) for time in range(0, int(duration) + 1, step)]


def png(music: Music) -> bytes:
    """The picture as PNG, 1200 x 620 pixels, on a light ground.

    Raises:
        MissingExtraError: it takes the extra `music`.
        AudioError: there is no recording, or it cannot be read any more.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise MissingExtraError.of("A picture as PNG", "music") from error
    heard = rows(music)
    image = Image.new("RGB", (_WIDTH, _HEIGHT), _BACK)
    _Canvas(ImageDraw.Draw(image), music).draw(heard)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


class _Canvas:
    """Draws one picture."""

    def __init__(self, draw: Any, music: Music) -> None:
        from PIL import ImageFont

        self.to, self.music = draw, music
        self.font, self.small = ImageFont.load_default(17), ImageFont.load_default(14)
        self.large = ImageFont.load_default(24)

    def draw(self, heard: Rows) -> None:
        name = self.music.audio.name if self.music.audio else ""
        facts = "   ".join(value for what, value in self.music.facts() if what != "Instruments")
        self._text(_LEFT, 18, _short(name, 80), self.large, _INK)
        self._text(_LEFT, 54, _short(facts, 130), self.font, _SOFT)
        self._sections(92, 28)
        self._waveform(heard.peaks, 132, 110)
        self._beats(252, 22)
        self._notes(heard.notes, 288, 22)
        self._axis(562)

    def _x(self, seconds: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(1.0, max(0.0, seconds / max(self.music.duration, 1e-3)))

    def _sections(self, top: int, height: int) -> None:
        of = colours(self.music)
        for section in self.music.sections:
            left, right = self._x(section.start), self._x(section.end)
            self.to.rounded_rectangle((left + 1, top, right - 1, top + height), 5, SECTION_COLOURS[of[section.label]])
            room = int((right - left - 12) / 10)
            if room > 0:
                self._text(left + 8, top + 4, _short(section.label, room), self.font, "white")

    def _waveform(self, peaks: tuple[float, ...], top: int, height: int) -> None:
        width = (_WIDTH - _LEFT - _RIGHT) / len(peaks)
        for number, peak in enumerate(peaks):
            half = max(1.0, peak * height / 2)
            left, middle = _LEFT + number * width, top + height / 2
            self.to.rectangle((left, middle - half, left + max(1.0, width - 1.2), middle + half), "#9aa5af")

    def _beats(self, top: int, height: int) -> None:
        for beat in self.music.beats:
            self.to.line((self._x(beat), top + height / 2, self._x(beat), top + height), _SOFT, 1)
        for bar in self.music.bars:
            self.to.line((self._x(bar), top, self._x(bar), top + height), _INK, 2)
        if self.music.beats:
            self._text(8, top + 4, "beats", self.small, _SOFT)

    def _notes(self, notes: tuple[tuple[int, ...], ...], top: int, height: int) -> None:
        width = (_WIDTH - _LEFT - _RIGHT) / COLUMNS
        for row, name in enumerate(reversed(NOTES)):
            self._text(22, top + row * height + 3, name, self.small, _SOFT)
        for number, column in enumerate(notes):
            for row, level in enumerate(reversed(column)):
                if level:
                    left, upper = _LEFT + number * width, top + row * height
                    self.to.rectangle((left, upper + 1, left + width - 0.3, upper + height - 2), _faded(level / LEVELS))
        for bar in self.music.bars:
            self.to.line((self._x(bar), top, self._x(bar), top + 12 * height), _LINE, 1)

    def _axis(self, top: int) -> None:
        self.to.line((_LEFT, top, _WIDTH - _RIGHT, top), _LINE, 1)
        for time in ticks(self.music.duration):
            label = f"{int(time) // 60}:{int(time) % 60:02}"
            self.to.line((self._x(time), top, self._x(time), top + 6), _SOFT, 1)
            width = self.to.textlength(label, font=self.small)
            self._text(min(self._x(time) - width / 2, _WIDTH - width - 4), top + 10, label, self.small, _SOFT)

    def _text(self, x: float, y: float, text: str, font: Any, colour: str) -> None:
        known = "".join(letter if letter.isprintable() else "?" for letter in text)
        self.to.text((x, y), known, font=font, fill=colour)


def _faded(share: float) -> tuple[int, int, int]:
    """The colour of notes, mixed with the ground."""
    ground = (251, 250, 247)
    red, green, blue = (round(back + share * (note - back)) for back, note in zip(ground, _NOTE, strict=True))
    return red, green, blue


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(1, most - 1)]}…"
