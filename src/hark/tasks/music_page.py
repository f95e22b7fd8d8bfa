"""Music as one page that holds everything: player, picture, facts, sections; it loads nothing from anywhere."""

from __future__ import annotations

import base64
import re
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from hark.tasks.music import clock
from hark.tasks.picture import COLUMNS, LEVELS, NOTES, colours, rows, ticks

if TYPE_CHECKING:
    from hark.tasks.music import Music
    from hark.tasks.picture import Rows

_WAVE = 100  # units of height


def page(music: Music, *, with_audio: bool = True) -> str:
    """The page as text. All that was heard or written is escaped; the page's policy forbids any other source.

    Raises:
        MissingExtraError: it takes the extra `music`.
        AudioError: there is no recording, or it cannot be read any more.
    """
    heard = rows(music)
    sound = base64.b64encode(heard.mp3).decode()
    filled = {
        "title": escape(music.audio.name if music.audio else "Music"),
        "facts": "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in music.facts()),
        "reasons": "".join(f"<p>{escape(reason)}</p>" for reason in music.reasons),
        "player": f'<audio controls preload="metadata" src="data:audio/mpeg;base64,{sound}"></audio>' * with_audio,
        "duration": f"{music.duration:.3f}",
        "names": "".join(f"<span>{name}</span>" for name in reversed(NOTES)),
        "sections": _bands(music),
        "wave": _wave(heard),
        "beats": _beats(music),
        "notes": _notes(heard, music),
        "axis": _axis(music),
        "table": _table(music),
        "suggestions": _suggestions(music),
        "notices": "".join(f"<p>{escape(notice.text)}</p>" for notice in music.notices),
    }
    template = files("hark.tasks").joinpath("music_page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found[1]], template)


def _share(music: Music, seconds: float) -> float:
    """Where a time lies, in percent of the length."""
    return round(100 * min(1.0, max(0.0, seconds / max(music.duration, 1e-3))), 3)


def _bands(music: Music) -> str:
    of = colours(music)
    made = list[str]()
    for part in music.sections:
        left, label = _share(music, part.start), escape(part.label)
        made.append(
            f'<button class="b{of[part.label]}" data-start="{part.start:.3f}" title="{label}, {clock(part.start)} to '
            f'{clock(part.end)}" style="left:{left}%;width:{_share(music, part.end) - left:.3f}%">{label}</button>'
        )
    return "".join(made)


def _wave(heard: Rows) -> str:
    width = 1000 / len(heard.peaks)
    parts = []
    for number, peak in enumerate(heard.peaks):
        half = max(1.0, peak * _WAVE / 2)
        left, top = number * width, _WAVE / 2 - half
        parts.append(f"M{left:.1f} {top:.1f}h{width - 0.7:.1f}v{2 * half:.1f}h-{width - 0.7:.1f}z")
    return f'<path d="{"".join(parts)}"/>'


def _beats(music: Music) -> str:
    def lines(times: tuple[float, ...], top: int, kind: str) -> str:
        path = "".join(f"M{10 * _share(music, time):.1f} {top}V20" for time in times)
        return f'<path class="{kind}" d="{path}"/>' if path else ""

    return lines(music.beats, 9, "beat") + lines(music.bars, 0, "bar")


def _notes(heard: Rows, music: Music) -> str:
    """One path for each strength, of runs of cells, so that the page stays small."""
    width = 1000 / COLUMNS
    paths: dict[int, list[str]] = {level: [] for level in range(1, LEVELS + 1)}
    for row in range(12):
        begin = 0
        cells = [column[11 - row] for column in heard.notes]
        for number, level in enumerate(cells):
            if number + 1 == len(cells) or cells[number + 1] != level:
                if level:
                    run = (number + 1 - begin) * width
                    paths[level].append(f"M{begin * width:.1f} {row * 10 + 0.5:g}h{run:.1f}v9h-{run:.1f}z")
                begin = number + 1
    drawn = "".join(f'<path class="n" opacity="{n / LEVELS:.2f}" d="{"".join(p)}"/>' for n, p in paths.items() if p)
    bars = "".join(f"M{10 * _share(music, time):.1f} 0V120" for time in music.bars)
    return drawn + (f'<path class="grid" d="{bars}"/>' if bars else "")


def _axis(music: Music) -> str:
    return "".join(
        f'<span style="left:{_share(music, time)}%">{int(time) // 60}:{int(time) % 60:02}</span>'
        for time in ticks(music.duration)
        if _share(music, time) < 98
    )


def _table(music: Music) -> str:
    if not music.sections:
        return ""
    of = colours(music)
    chords = any(any(section.chords) for section in music.sections)
    lines = [f"<tr><th>Section<th>Time{'<th>Chords, one a bar' * chords}</tr>"]
    for part in music.sections:
        named = f'<td class="chords">{escape(" ".join(name or "-" for name in part.chords))}' * chords
        label = f'<span class="key b{of[part.label]}"></span>{escape(part.label)}'
        lines.append(f"<tr><td>{label}<td>{clock(part.start)} to {clock(part.end)}{named}</tr>")
    return f"<h2>Sections</h2><table>{''.join(lines)}</table>"


def _suggestions(music: Music) -> str:
    if not music.suggestions:
        return ""
    cards = ""
    for each in music.suggestions:
        bars = " ".join(f"<span>{escape(bar)}</span>" for bar in each.bars)
        cards += f'<div class="card"><b>{escape(each.technique)}</b><p class="chords">{bars}</p>'
        cards += f'<p class="soft">{escape(each.why)}</p></div>'
    return f"<h2>Suggestions</h2>{cards}"
