"""Other chords for those of a song, by the rules that textbooks of harmony give.

Sevenths, secondary dominants and borrowed chords: S. Kostka, D. Payne, Tonal Harmony (chapters on secondary functions
and mode mixture). ii-V progressions and tritone substitution: M. Levine, The Jazz Theory Book (Sher Music, 1995), part
on reharmonization. The rules know chords and a key, and no melody: what clashes with it is for ears to tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hark.tasks.music import Music, MusicSection

_NOTES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
# Sevenths that stand in the key, by semitones above the tonic; a triad outside the key gets a minor seventh.
_SEVENTHS = {
    "major": {0: "maj7", 2: "m7", 4: "m7", 5: "maj7", 7: "7", 9: "m7", 11: "m7b5"},
    "minor": {0: "m7", 2: "m7b5", 3: "maj7", 5: "m7", 7: "7", 8: "maj7", 10: "7"},
}
# Chords of the parallel key that take the place of those of the key, by semitones above the tonic.
_BORROWED = {
    "major": {5: (5, "m6"), 7: (10, "7"), 9: (8, "maj7"), 2: (2, "m7b5")},
    "minor": {5: (5, "7"), 8: (9, "m7b5"), 10: (11, "dim7"), 0: (0, "m6")},
}
_PLAIN = {"major": ((0, ""), (9, "m"), (2, "m"), (7, "")), "minor": ((0, "m"), (8, ""), (5, "m"), (7, ""))}
_LONGEST = 16  # bars of one suggestion


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Chords, one text a bar, for a stretch of the song from start to end in seconds, where that is known."""

    technique: str
    bars: tuple[str, ...]
    why: str
    start: float | None = None
    end: float | None = None

    @property
    def text(self) -> str:
        """`| Gmaj7 | Em7 A7 |`."""
        return f"| {' | '.join(self.bars)} |"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        times = {"start": self.start, "end": self.end}
        values: dict[str, Any] = {"technique": self.technique, "bars": list(self.bars), "why": self.why}
        return values | {name: value for name, value in times.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Chord:
    """A triad: semitones of the root above the tonic, and whether it is minor."""

    degree: int
    minor: bool


@dataclass(frozen=True, slots=True)
class _Home:
    """The key, and how its chords are spelt."""

    tonic: int
    mode: str

    def name(self, degree: int, kind: str, *, flat: bool = False) -> str:
        flats = flat or self._relative_major in (5, 10, 3, 8, 1)
        return (_FLATS if flats else _SHARPS)[(self.tonic + degree) % 12] + kind

    @property
    def _relative_major(self) -> int:
        return (self.tonic + 3) % 12 if self.mode == "minor" else self.tonic

    def chord(self, name: str | None) -> _Chord:
        found = re.fullmatch(r"([A-G])([b#]?)(m?)", name or "")
        if not found:
            return _Chord(0, self.mode == "minor")  # where nothing was heard, the tonic
        root = _NOTES[found[1]] + {"b": -1, "#": 1, "": 0}[found[2]]
        return _Chord((root - self.tonic) % 12, bool(found[3]))

    def seventh(self, chord: _Chord) -> str:
        kind = _SEVENTHS[self.mode].get(chord.degree, "")
        if kind in ("", "m7b5") or kind.startswith("m7") != chord.minor:
            kind = "m7" if chord.minor else "7"
        return self.name(chord.degree, kind)


def _sevenths(home: _Home, chords: Sequence[_Chord]) -> list[str]:
    return [home.seventh(chord) for chord in chords]


def _before(home: _Home, chords: Sequence[_Chord], approach: Callable[[_Chord], str]) -> list[str]:
    """Each bar's seventh chord, and in its second half what leads to the chord of the next, where that is another."""
    bars = list[str]()
    for chord, target in zip(chords, [*chords[1:], chords[0]], strict=True):
        own, leading = home.seventh(chord), approach(target)
        bars.append(own if target == chord or leading == own else f"{own} {leading}")
    return bars


def _secondary(home: _Home, chords: Sequence[_Chord]) -> list[str]:
    return _before(home, chords, lambda target: home.name(target.degree + 7, "7"))


def _tritone(home: _Home, chords: Sequence[_Chord]) -> list[str]:
    return _before(home, chords, lambda target: home.name(target.degree + 1, "7", flat=True))


def _two_five(home: _Home, chords: Sequence[_Chord]) -> list[str]:
    """Every second bar becomes the ii and V of the next chord; a minor one has them from its own scale."""
    bars = list[str]()
    for place, chord in enumerate(chords):
        target = chords[(place + 1) % len(chords)]
        if place % 2 and target != chord:
            two, five = ("m7b5", "7b9") if target.minor else ("m7", "7")
            bars.append(f"{home.name(target.degree + 2, two)} {home.name(target.degree + 7, five)}")
        else:
            bars.append(home.seventh(chord))
    return bars


def _borrowing(home: _Home, chords: Sequence[_Chord]) -> list[str]:
    """Every second chord that has a counterpart in the parallel key gives way to it, so that the key stays clear."""
    bars, taken = list[str](), 0
    for chord in chords:
        other = _BORROWED[home.mode].get(chord.degree)
        taken += other is not None
        bars.append(home.name(*other, flat=True) if other and taken % 2 else home.seventh(chord))
    return bars


# Each technique: what asks for it, how it is done, and why.
_TECHNIQUES: dict[str, tuple[str, Callable[[_Home, Sequence[_Chord]], list[str]], str]] = {
    "sevenths": (r"seven(th|7)", _sevenths, "Every chord gets its seventh from the key."),
    "ii-V progressions": (
        r"\bii\W?v\b|two.?five|2.?5.?1", _two_five, "Every second bar leads to the next with its ii and V."
    ),
    "secondary dominants": (
        r"secondary|dominant", _secondary, "The dominant seventh of the next chord comes in the second half of a bar."
    ),
    "tritone substitution": (
        r"tritone|substitut", _tritone,
        "The dominant that leads to the next chord gives way to the one a tritone away; the bass falls by a semitone.",
    ),
    "borrowed chords": (
        r"borrow|interchange|mixture|parallel", _borrowing, "Some chords come from the parallel key."
    ),
}  # fmt: skip
_ALL = re.compile(r"jazz|re-?harmoni[sz]|other chords|different chords|chord ideas|spice|variation", re.IGNORECASE)
_PARTS = re.compile(
    r"\b(chorus|refrain|hook|verse|bridge|middle eight|intro|beginning|outro|ending|(?:section|part) ([A-Z]))\b",
    re.IGNORECASE,
)


def techniques(request: str) -> tuple[str, ...]:
    """The techniques that a request names; all for one that asks for other chords at large.

    Raises:
        UnsupportedError: it asks for something that the rules do not know.
    """
    found = tuple(name for name, (words, _, _) in _TECHNIQUES.items() if re.search(words, request, re.IGNORECASE))
    if found or _ALL.search(request):
        return found or tuple(_TECHNIQUES)
    raise UnsupportedError(
        f"The rules have nothing to say to {request!r}.",
        hint=f"They reharmonize: ask for jazz chords, or {', '.join(_TECHNIQUES)}. A model that is asked writes more.",
    )


def suggest(music: Music, request: str) -> tuple[tuple[Suggestion, ...], str]:
    """Suggestions by rule, and a sentence on what they rest on.

    Raises:
        UnsupportedError: the rules do not know what is asked for, the music has no key, or no such section.
    """
    wanted = techniques(request)
    if music.key is None:
        raise UnsupportedError("No key was found, so there is nothing to reharmonize from.")
    home = _Home(_pitch_class(music.key), music.mode or "major")
    section, told = choose(music, request)
    heard = [home.chord(name) for name in _loop(section.chords)] if section and any(section.chords) else []
    if not heard:
        heard = [_Chord(degree, kind == "m") for degree, kind in _PLAIN[home.mode]]
        told += " No chords were heard there; these start from the plainest of the key."
    start, end = (section.start, section.end) if section else (None, None)
    made = tuple(
        Suggestion(name, tuple(_TECHNIQUES[name][1](home, heard)), _TECHNIQUES[name][2], start, end) for name in wanted
    )
    return made, told.strip()


def choose(music: Music, request: str) -> tuple[MusicSection | None, str]:
    """The section a request is about, and how it was chosen: what returns most is taken for the chorus.

    Raises:
        UnsupportedError: there is no such section.
    """
    sections, asked = music.sections, _PARTS.search(request)
    if not sections:
        return None, ""
    part = asked[1].lower() if asked else ""
    if asked and asked[2]:
        labelled = [each for each in sections if each.label == asked[2].upper()]
        if not labelled:
            labels = ", ".join(sorted({each.label for each in sections}))
            raise UnsupportedError(f"There is no section {asked[2].upper()}.", hint=f"Sections are {labels}.")
        return labelled[0], ""
    if part in ("intro", "beginning"):
        return sections[0], ""
    if part in ("outro", "ending"):
        return sections[-1], ""
    counts = {each.label: sum(other.label == each.label for other in sections) for each in sections}
    # Sorted by how often it returns, then by how loud it is.
    order = sorted(sections, key=lambda each: (-counts[each.label], -(each.loudness_dbfs or 0.0), each.start))
    if part in ("bridge", "middle eight"):
        once = [each for each in sections[1:-1] if counts[each.label] == 1]
        if not once:
            raise UnsupportedError("No section was found that comes once, between others.", hint="Name one: section B.")
        return once[0], f"Section {once[0].label}, which comes once, is taken for the bridge."
    if part == "verse":
        others = [each for each in sections if each.label != order[0].label]
        chosen = others[0] if others else sections[0]
        return chosen, f"Section {chosen.label} is taken for the verse; which it is cannot be measured."
    chosen = next(each for each in sections if each.label == order[0].label)
    named = part or "main section"
    why = "which returns most" if counts[chosen.label] > 1 else "the loudest" if len(sections) > 1 else "the only one"
    return chosen, f"Section {chosen.label}, {why}, is taken for the {named}."


def _pitch_class(note: str) -> int:
    return (_NOTES[note[0]] + {"b": -1, "#": 1}.get(note[1:], 0)) % 12


def _loop(chords: Sequence[str | None]) -> tuple[str | None, ...]:
    """The chords that repeat, where the section is a loop of four or eight bars; else as many as can be shown."""
    for length in (4, 8):
        pairs = list(zip(chords, chords[length:], strict=False))
        if len(chords) >= 2 * length and sum(one == other for one, other in pairs) >= 0.8 * len(pairs):
            return tuple(chords[:length])
    return tuple(chords[:_LONGEST])
