"""A result as one page: figures, groups, every mistake to be heard, word by word; nothing comes from elsewhere."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from html import escape
from importlib.resources import files
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hark.errors import HarkError
from hark.evaluation.report import drawn, facts, sentence, shown, title, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hark.audio.audio import Audio
    from hark.evaluation.result import Result, Row
    from hark.evaluation.task import Score

_ADDRESS = re.compile(r"[a-z]+://", re.IGNORECASE)
_ENOUGH = 0.5  # share of words that two texts have in common, to be shown side by side
_NAMED = {False: ("Mistakes", "worst first"), True: ("How long each took", "slowest first")}
_BESIDE = ("alignment",)  # details that are shown in a way of their own


@dataclass(slots=True)
class Sound:
    """Recordings for a page: put into it while there is room, else linked to where they are.

    Attributes:
        clips: of samples, by key, where they are at hand; the others are opened where their rows say they are.
        folder: where the page will be; links are relative to it.
        room: bytes of sound that may be put into the page.
        embedded, linked, silent: how many were put in, are linked, and cannot be heard.
    """

    clips: Mapping[str, Sequence[Audio]]
    folder: Path
    room: int
    embedded: int = 0
    linked: int = 0
    silent: int = 0
    _done: dict[str, str] = field(default_factory=dict)

    def players(self, row: Row) -> str:
        """The players of a sample."""
        if row.key not in self._done:
            clips = self.clips.get(row.key, ())
            pairs = [(place, clips[n] if n < len(clips) else None) for n, place in enumerate(row.audio)]
            self._done[row.key] = "".join(self._player(place, clip) for place, clip in pairs)
        return self._done[row.key]

    def _player(self, place: str, clip: Audio | None) -> str:
        sound = self._sound(place, clip) if self.room > 0 else None
        if sound is not None and len(sound) <= self.room:
            self.room -= len(sound)
            self.embedded += 1
            source = f"data:audio/mpeg;base64,{base64.b64encode(sound).decode()}"
        else:
            path, _, stretch = place.partition("#t=")
            if _ADDRESS.match(path) or not os.path.isfile(path):
                self.silent += 1
                return f'<p class="who">{escape(place)} cannot be played here</p>'
            self.linked += 1
            near = quote(Path(os.path.relpath(path, self.folder)).as_posix())
            source = f"{near}#t={stretch}" if stretch else near
        return f'<audio controls preload="none" title="{escape(place)}" src="{escape(source)}"></audio>'

    def _sound(self, place: str, clip: Audio | None) -> bytes | None:
        from hark.tasks.notes.sound import compact

        try:
            return compact(clip or _opened(place), 1)[0]
        except (HarkError, OSError, ValueError):  # its failure is told where it was asked about
            return None


def _opened(place: str) -> Audio:
    """The recording at a place as `hark.evaluation.chosen.place` writes it; nothing is fetched."""
    from hark.audio.audio import Audio

    path, _, stretch = place.partition("#t=")
    whole = Audio.of(Path(path))
    if not stretch:
        return whole
    start, _, end = stretch.partition(",")
    return whole[float(start) : float(end) if end else None]


def page(result: Result, told: Mapping[str, Any], sound: Sound, most: int) -> str:
    """The page as text, with at most so many mistakes; `told` is `result.to_dict()`.

    All that was read, heard or written is escaped; the page's policy forbids any other source.
    """
    wrong = result.wrong
    settled = {row.key: score for row, score in zip(result.rows, result.scores, strict=True)}
    places = {row.key: number for number, row in enumerate(result.rows)}
    found = [
        mistake(row, settled[row.key], (number, places[row.key]), sound) for number, row in enumerate(wrong[:most])
    ]
    body = [
        *_figures(told),
        *_groups(told["groups"]),
        *_tables(told["tables"]),
        *cards(*_NAMED[told["task"]["timed"]], found, len(wrong)),
        *_failures(told["failures"]),
        *_made(told),
    ]
    return filled(title(told), sentence(told), body, foot(sound))


def filled(heading: str, about: str, body: Iterable[str], end: str) -> str:
    """The template with its parts; `body` and `end` are HTML, the others text."""
    parts = {"title": escape(heading), "about": escape(about), "body": "\n".join(body), "foot": end}
    template = files("hark.evaluation").joinpath("page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def foot(sound: Sound) -> str:
    """What is to be known about the sound of the page."""
    parts = [f"{sound.embedded} recordings are in this page"]
    if sound.linked:
        parts.append(f"{sound.linked} are played from where they are")
    if sound.silent:
        parts.append(f"{sound.silent} cannot be played")
    return f"<p>{', '.join(parts)}. Made by hark.</p>"


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; the cells are HTML."""
    named = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="scroll"><table>\n<tr>{named}</tr>\n{lines}\n</table></div>'


def cell(value: object, kind: str = "") -> str:
    """A cell of a table."""
    return f"<td{f' class={kind}' if kind else ''}>{escape(str(value))}</td>"


def _figures(told: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Figures</h2>"
    yield table(
        ("figure", "value", "interval", "how"),
        (
            (
                cell(each["name"]),
                cell(shown(each["value"], each["unit"]), "main"),
                cell(within(each), "still"),
                cell(each["by"], "by"),
            )
            for each in told["figures"]
        ),
    )
    yield f'<p class="soft">{escape(drawn(told))}</p>'


def _groups(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, parts in groups.items():
        names = [figure["name"] for figure in next(iter(parts.values()))["figures"][:3]]
        most = max((group["figures"][0]["value"] or 0 for group in parts.values()), default=0)
        yield f"<h2>By {escape(name)}</h2>"
        yield table((name, "samples", *names, "interval", ""), (_group(v, g, most) for v, g in parts.items()))


def _group(value: str, group: Mapping[str, Any], most: float) -> Iterator[str]:
    figures = group["figures"]
    yield cell(value)
    yield cell(f"{group['samples']:,}", "number")
    for figure in figures[:3]:
        yield cell(shown(figure["value"], figure["unit"]), "number")
    yield cell(within(figures[0]), "still")
    part = 100 * (figures[0]["value"] or 0) / most if most > 0 else 0
    yield f'<td><span class="bar"><i style="width: {max(0.0, part):.1f}%"></i></span></td>'


def _tables(tables: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for each in tables:
        yield f"<h2>{escape(each['name'])}</h2>"
        rows = (
            [cell("" if v is None else v if isinstance(v, str) else f"{v:g}", "" if n == 0 else "number")
             for n, v in enumerate(row)]
            for row in each["rows"]
        )  # fmt: skip
        yield table(each["head"], rows)


def cards(heading: str, first: str, found: Sequence[str], count: int) -> Iterator[str]:
    """Cards that can be searched and put in order; there are `count` in all."""
    if not found:
        return
    number = f"{len(found):,} of {count:,}, {first}" if len(found) < count else f"{count:,}"
    yield f"<h2>{escape(heading)}: {number}</h2>"
    yield (
        '<div class="tools"><input id="filter" type="search" placeholder="Find words, ids, speakers" '
        'aria-label="Find words, ids, speakers"><select id="order" aria-label="Order">'
        f'<option value="worst">{first}</option><option value="place">as in the data</option></select>'
        '<span id="left" class="soft" role="status"></span></div>'
    )
    if any('class="aligned"' in card for card in found):
        yield (
            '<p class="soft legend">Above is what is right, below what was answered: '
            '<span class="gone">left out or replaced</span> <span class="new">put in</span></p>'
        )
    yield '<ol class="mistakes">\n' + "\n".join(found) + "\n</ol>"


def mistake(row: Row, score: Score, order: tuple[int, int], sound: Sound, more: str = "", who: str = "") -> str:
    """One sample as a card; `order` are its places among the worst and in the data.

    `who` answered, where another did, too; `more` is HTML at its end.
    """
    groups = "".join(f'<span class="tag">{escape(f"{name} {value}")}</span>' for name, value in row.by.items())
    named = f"{who}, " if who else ""
    wrong = f'<span class="tag bad">{escape(named)}{"failed" if score.failed else f"error {score.error:.2f}"}</span>'
    words = " ".join([row.key, *row.by.values(), row.asked, score.reference, score.prediction, row.said]).lower()
    return (
        f'<li class="card" data-worst="{order[0]}" data-place="{order[1]}" data-text="{escape(words)}">'
        f"<h3>{escape(row.key)}</h3>{wrong}{groups}{sound.players(row)}{_asked(row)}{compared(score)}"
        f"{_written(row, score)}{_details(score)}{more}</li>"
    )


def compared(score: Score) -> str:
    """What is right and what was answered, word by word where there is an alignment."""
    if score.failed:
        return f'<p class="gone">{escape(score.failed)}</p>' + _said("expected", score.reference)
    if alignment := score.details.get("alignment") or _alike(score.reference, score.prediction):
        return f'<div class="aligned">{"".join(_aligned(*row) for row in alignment)}</div>'
    return _said("expected", score.reference) + _said("answered", score.prediction)


def _alike(reference: str, said: str) -> list[tuple[str, str, str]]:
    """An alignment of two texts that have at least half of their words in common; none of others."""
    words, others = reference.split(), said.split()
    matched = SequenceMatcher(None, words, others, autojunk=False)
    if matched.ratio() < _ENOUGH:
        return []
    return [(operation, " ".join(words[a:b]), " ".join(others[c:d])) for operation, a, b, c, d in matched.get_opcodes()]


def _aligned(operation: str, reference: str, said: str) -> str:
    """A stretch of an alignment, word by word where its words stand for each other."""
    above, below = reference.split(), said.split()
    if not (len(above) == len(below) or not above or not below):
        above, below = [reference], [said]
    return "".join(_pair(operation, *pair) for pair in zip_longest(above, below, fillvalue=""))


def _pair(operation: str, reference: str, said: str) -> str:
    if operation == "equal":
        return f"<ruby><span>{escape(reference)}</span><span>{escape(said)}</span></ruby>"
    none = '<span class="none">-</span>'
    above = f'<span class="gone">{escape(reference)}</span>' if reference else none
    below = f'<span class="new">{escape(said)}</span>' if said else none
    return f"<ruby>{above}{below}</ruby>"


def _asked(row: Row) -> str:
    return _said("asked", row.asked) if row.asked.strip() else ""


def _written(row: Row, score: Score) -> str:
    if not row.said or row.said == score.prediction:
        return ""
    return f'<p class="soft"><span class="who">as written</span> {escape(row.said)}</p>'


def _said(name: str, text: str) -> str:
    return f'<p><span class="who">{name}</span> {escape(text) or "<i>nothing</i>"}</p>'


def _details(score: Score) -> str:
    shown_here = {name: value for name, value in score.details.items() if name not in _BESIDE and value not in ("", [])}
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(_value(value))}</dd>" for name, value in shown_here.items())
    return f'<dl class="soft">{pairs}</dl>' if pairs else ""


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(map(_value, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_value(one)}" for name, one in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _failures(failures: Mapping[str, int]) -> Iterator[str]:
    if failures:
        yield "<h2>Failures</h2>"
        yield table(("why", "times"), ((cell(why), cell(count, "number")) for why, count in failures.items()))


def _made(told: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>How it was made</h2>"
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts(told) if value)
    yield f"<dl>{pairs}</dl>"
