"""Write a result, a comparison or a suite into its folder, as JSON, Markdown and a page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hark.evaluation import compare, page, report
from hark.evaluation.chosen import keyed
from hark.evaluation.result import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hark.audio.audio import Audio
    from hark.data.sample import Sample
    from hark.evaluation.compare import Comparison
    from hark.evaluation.result import Result, Row


@dataclass(frozen=True, slots=True)
class Room:
    """How large pages may be: so many mistakes, so many bytes of sound in the page."""

    mistakes: int = 500
    sound: int = 20 * 2**20


def publish(result: Result, folder: Path, data: Iterable[Sample], room: Room | None = None) -> Mapping[str, Any]:
    """Write `results.md` and `results.html` beside `results.json`; returns what that says.

    Raises:
        OutputError: they cannot be written.
    """
    room, told = room or Room(), result.to_dict()
    write(folder / "results.md", report.markdown(result, told))
    wrong = result.wrong[: room.mistakes]
    sound = page.Sound(_clips(result.task.samples(data), wrong), folder, room.sound)
    write(folder / "results.html", page.page(result, told, sound, room.mistakes))
    return told


def publish_comparison(
    comparison: Comparison, folder: Path, data: Iterable[Sample], room: Room | None = None, name: str = "against"
) -> Mapping[str, Any]:
    """Write `against.json`, `against.md` and `against.html`; returns what the first says.

    Raises:
        OutputError: they cannot be written.
    """
    room, told = room or Room(), comparison.to_dict()
    write(folder / f"{name}.json", json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    write(folder / f"{name}.md", compare.markdown(comparison))
    shown = [pair.ours for pair in comparison.pairs if pair.gap]
    sound = page.Sound(_clips(comparison.ours.task.samples(data), shown), folder, room.sound)
    write(folder / f"{name}.html", compare.page(comparison, sound, room.mistakes))
    return told


def _clips(samples: Iterable[Sample], rows: Sequence[Row]) -> dict[str, tuple[Audio, ...]]:
    wanted = {row.key for row in rows}
    if not wanted:
        return {}
    return {key: sample.clips for key, sample in keyed(samples) if key in wanted}


def summary(name: str, parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the parts of a suite come to: the mean of each figure that all have, of parts and not of samples.

    That is how leaderboards do it. `rtfx` is seconds of audio by seconds of work, on this machine.
    """
    told = [{figure["name"]: figure for figure in part["figures"]} for part in parts.values()]
    shared = [figure for figure in told[0].values() if all(each.get(figure["name"]) for each in told)]
    means = []
    for figure in shared:
        values = [each[figure["name"]]["value"] for each in told]
        if all(value is not None for value in values):
            means.append({**figure, "value": sum(values) / len(values), "low": None, "high": None})
    heard, worked = (sum(part[key] for part in parts.values()) for key in ("seconds_heard", "seconds"))
    return {"suite": name, "figures": means, "rtfx": heard / worked if worked else None, "parts": dict(parts)}


def suite_markdown(told: Mapping[str, Any]) -> str:
    """A suite as Markdown."""
    lines = [f"# {_model(told)}: {told['suite']}\n", *report.table(*_suite(told))]
    return "\n".join([*lines, f"\n{_below(told)}\n"])


def suite_text(told: Mapping[str, Any]) -> Iterator[str]:
    """A suite for a terminal."""
    yield f"{_model(told)}: {told['suite']}"
    head, rows = _suite(told)
    for row in rows:
        yield f"  {row[0]}: " + ", ".join(f"{n} {v}" for n, v in zip(head[1:], row[1:], strict=True) if v)
    yield f"  {_below(told)}"


def publish_suite(told: Mapping[str, Any], folder: Path, folders: Mapping[str, str]) -> None:
    """Write `suite.json`, `suite.md` and `index.html`; `folders` are those of the parts, within `folder`.

    Raises:
        OutputError: they cannot be written.
    """
    write(folder / "suite.json", json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    write(folder / "suite.md", suite_markdown(told))
    head, rows = _suite(told)
    cells = ([_linked(row[0], folders), *(page.cell(each, "still") for each in row[1:])] for row in rows)
    body = [page.table(head, cells), f'<p class="soft">{escape(_below(told))}</p>']
    text = page.filled(f"{_model(told)}: {told['suite']}", "", body, "<p>Made by hark.</p>")
    write(folder / "index.html", text)


def _below(told: Mapping[str, Any]) -> str:
    speed = (
        f" RTFx {report.shown(told['rtfx'], 'ratio')}: seconds of audio in a second of work." if told["rtfx"] else ""
    )
    return f"The last row is the mean of the parts.{speed}"


def _linked(name: str, folders: Mapping[str, str]) -> str:
    if name not in folders:
        return page.cell(name, "main")
    return f'<td><a href="{quote(folders[name])}/results.html">{escape(name)}</a></td>'


def _model(told: Mapping[str, Any]) -> str:
    name: str = next(iter(told["parts"].values()))["model"]["name"]
    return name


def _suite(told: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    names = [figure["name"] for figure in told["figures"]]
    rows = []
    for name, part in told["parts"].items():
        found = {figure["name"]: figure for figure in part["figures"]}
        values = [report.shown(found[each]["value"], found[each]["unit"]) for each in names]
        rows.append([name, *values, report.within(found[names[0]]) if names else "", f"{part['samples']:,}"])
    means = [report.shown(figure["value"], figure["unit"]) for figure in told["figures"]]
    return ["part", *names, "interval", "samples"], [*rows, ["mean", *means, "", ""]]
