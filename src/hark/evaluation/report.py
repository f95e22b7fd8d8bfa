"""Results for people: as text for a terminal, and as Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hark.evaluation.result import Result, Row

_SHOWN = 20  # mistakes in Markdown; the page has more of them
_GROUPS = 30
_MARKS = {"substitute": "~~{0}~~ **{1}**", "delete": "~~{0}~~", "insert": "**{1}**"}


def shown(value: float | None, unit: str) -> str:
    """A number as people read it, with its unit."""
    if value is None:
        return "not known"
    if unit == "share":
        return f"{100 * value:.2f} %"
    if unit == "bytes":
        return f"{value / 2**20:,.0f} MiB"
    if unit == "count":
        return f"{value:,.0f}"
    number = f"{value:.3g}" if abs(value) < 1 else f"{value:,.2f}"
    return f"{number} {_UNITS[unit]}".rstrip()


_UNITS = {"points": "", "seconds": "s", "ratio": "", "per minute": "a minute"}


def within(figure: Mapping[str, Any]) -> str:
    """The interval of a figure; empty where there is none."""
    if figure.get("low") is None:
        return ""
    low, high = shown(figure["low"], figure["unit"]), shown(figure["high"], figure["unit"])
    return f"{bare(low)} to {high}"


def bare(number: str) -> str:
    """A number without its unit."""
    return number.partition(" ")[0]


def title(told: Mapping[str, Any]) -> str:
    """What was evaluated on what, in one line."""
    return f"{told['model']['name']}: {told['task']['name']}{_on(told)}"


def _on(told: Mapping[str, Any]) -> str:
    path = told["data"].get("path")
    return f" on {'/'.join(Path(path).parts[-2:])}" if path else ""


def sentence(told: Mapping[str, Any]) -> str:
    """What was measured, and of how many samples."""
    about: str = told["task"]["about"]
    return f"{about[:1].upper()}{about[1:]}. {counts(told)}."


def text(told: Mapping[str, Any]) -> Iterator[str]:
    """Lines for a terminal."""
    yield title(told)
    width = max(len(figure["name"]) for figure in told["figures"])
    for figure in told["figures"]:
        interval = within(figure)
        yield f"  {figure['name']:{width}}  {shown(figure['value'], figure['unit'])}" + (
            f"  ({interval})" if interval else ""
        )
    yield f"  {counts(told)}"
    for name, groups in told["groups"].items():
        yield f"  by {name}:"
        for value, group in [*groups.items()][:_GROUPS]:
            first = group["figures"][0]
            yield f"    {value}: {first['name']} {shown(first['value'], first['unit'])}, {group['samples']:,} samples"
        if len(groups) > _GROUPS:
            yield f"    ... and {len(groups) - _GROUPS} more"


def counts(told: Mapping[str, Any]) -> str:
    """How many samples there were, and what became of them."""
    parts = [f"{told['samples']:,} samples"]
    if not told["task"]["timed"]:
        parts.append(f"{told['wrong']:,} not right")
    if told["failed"]:
        parts.append(f"{told['failed']:,} failed and are counted as wrong")
    parts += [f"{count:,} left out: they lack {what}" for what, count in told["data"].get("unscored", {}).items()]
    if unreadable := told["data"].get("unreadable"):
        parts.append(f"{unreadable:,} entries of the data could not be read")
    return ", ".join(parts)


def mistakes(told: Mapping[str, Any]) -> str:
    """What the samples are called that are listed."""
    return "The slowest" if told["task"]["timed"] else "Mistakes, the worst first"


def drawn(told: Mapping[str, Any]) -> str:
    """How the intervals are made, and what they do not say."""
    by, how = told["drawn_by"], told["intervals"]
    if not how["resamples"] or how["units"] < 2:
        return "No intervals."
    rest = "" if by != "sample" else " They say nothing about other speakers than these."
    if any(figure["low"] is not None and figure["low"] == figure["high"] for figure in told["figures"]):
        rest += " One of a single point says that all samples are alike, and not that the figure is sure."
    each = f"{by}s" if by in ("sample", "speaker") else f"groups of {by}"
    return (
        f"Intervals: {100 * how['level']:g} %, bootstrap percentile, {how['resamples']:,} resamples of "
        f"{how['units']:,} {each}, seed {how['seed']}.{rest}"
    )


def facts(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """How a result was made, as pairs of a name and what is to be said."""
    model, data, machine = told["model"], told["data"], told["machine"]
    yield "model", f"{model['name']} ({model['engine']})"
    if files := model.get("files"):
        yield "files of the model", "sha256 " + ", ".join(file[:16] for file in files)
    loading = {name: value for name, value in model.get("loading", {}).items() if value not in (None, "auto", "False")}
    yield "loaded with", _pairs(loading)
    yield "options of the task", _pairs(told["task"]["options"])
    yield "options of the model", _pairs(told["options"])
    if "limit" in data:
        yield "drawn", f"at most {data['limit']} samples, seed {data['seed']}"
    yield "data", f"{data.get('path', '')} sha256 {data['sha256'][:16]}, {told['seconds_heard'] / 3600:.2f} hours heard"
    made = f"{told['began']}, {told['seconds']:.0f} s in {told['runs']} run{'s' if told['runs'] > 1 else ''}"
    yield "made", made
    memory = f", {machine['memory'] / 2**30:.0f} GiB" if "memory" in machine else ""
    gpus = f", {', '.join(machine['gpus'])}" if machine.get("gpus") else ""
    yield "machine", f"{machine['processor']}, {machine['cores']} cores{memory}{gpus}, {machine['system']}"
    yield "versions", _pairs(told["versions"])


def markdown(result: Result, told: Mapping[str, Any]) -> str:
    """The result as Markdown; `told` is `result.to_dict()`."""
    return "\n".join(_markdown(result, told)) + "\n"


def _markdown(result: Result, told: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {title(told)}\n"
    yield f"{sentence(told)}\n"
    yield from table(
        ("figure", "value", "interval", "how"),
        ((f["name"], shown(f["value"], f["unit"]), within(f), f["by"]) for f in told["figures"]),
    )
    yield f"\n{drawn(told)}"
    for name, groups in told["groups"].items():
        names = [figure["name"] for figure in next(iter(groups.values()))["figures"][:3]]
        yield f"\n## By {name}\n"
        yield from table((name, "samples", *names, "interval"), (_group(v, g) for v, g in groups.items()))
    for each in told["tables"]:
        yield f"\n## {each['name']}\n"
        yield from table(each["head"], ([_cell(cell) for cell in row] for row in each["rows"]))
    if wrong := result.wrong:
        yield f"\n## {mistakes(told)}: {min(len(wrong), _SHOWN)} of {len(wrong)}\n"
        yield from (line for row in wrong[:_SHOWN] for line in _mistake(row))
    if told["failures"]:
        yield "\n## Failures\n"
        yield from (f"* {count} times: {_plain(why)}" for why, count in told["failures"].items())
    yield "\n## How it was made\n"
    yield from (f"* {name}: {_plain(value)}" for name, value in facts(told) if value)


def _group(value: str, group: Mapping[str, Any]) -> list[str]:
    figures = group["figures"]
    some = [shown(figure["value"], figure["unit"]) for figure in figures[:3]]
    return [value, f"{group['samples']:,}", *some, within(figures[0])]


def _mistake(row: Row) -> Iterator[str]:
    where = _plain(", ".join(row.audio))
    yield f"* **{_plain(row.key)}**" + (f" ({where})" if where else "")
    if row.score.failed:
        yield f"  * failed: {_plain(row.score.failed)}"
    elif alignment := row.score.details.get("alignment"):
        yield "  * " + " ".join(
            _MARKS.get(operation, "{0}").format(_plain(reference), _plain(said))
            for operation, reference, said in alignment
        )
    else:
        yield f"  * expected: {_plain(row.score.reference)}"
        yield f"  * answered: {_plain(row.score.prediction)}"


def table(head: Sequence[str], rows: Any) -> Iterator[str]:
    """A table in Markdown."""
    yield "| " + " | ".join(map(_plain, head)) + " |"
    yield "|" + "---|" * len(head)
    yield from ("| " + " | ".join(_plain(str(cell)) for cell in row) + " |" for row in rows)


def _cell(value: str | float | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:g}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", " ".join(text.split()))
