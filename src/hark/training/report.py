"""The curves of a training as one page of HTML that needs nothing else."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark.errors import DataError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PAGE, STATE = "report.html", "trainer_state.json"
_WIDE, _HIGH, _LEFT, _BELOW = 560, 220, 56, 28
_COLOURS = ("#1668c4", "#c4501b", "#2d8a4e", "#7a4fb5")
_NOT_SHOWN = ("runtime", "per_second", "total_flos", "step", "epoch")
# What is drawn together, and what it is called; all else gets a picture of its own.
_TOGETHER = {
    "Loss": ("loss", "eval_loss"),
    "Error rates, %": ("eval_wer", "eval_cer"),
    "Learning rate": ("learning_rate",),
    "Norm of the gradient": ("grad_norm",),
    "Processor time, s": ("cpu_seconds",),
}
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 1200px; margin: 2rem auto; padding: 0 1rem }
section { display: flex; flex-wrap: wrap; gap: 1.5rem } figure { margin: 0 }
svg { background: color-mix(in srgb, currentColor 4%, transparent); border-radius: 6px }
text { fill: currentColor; font-size: 11px } line { stroke: currentColor; opacity: .2 }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884 }
pre { overflow: auto; padding: 1rem; background: #8881; border-radius: 6px }
"""


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity by step."""

    name: str
    points: tuple[tuple[float, float], ...]


def report(folder: str | Path) -> Path:
    """Write `report.html` into the folder of a training, from its `trainer_state.json`, or that of its last checkpoint.

    What lies beside it is shown, too: `figures.json` and `recipe.yaml`. Returns the path of the page.

    Raises:
        DataError: there is no log of a training. OutputError: the page cannot be written.
    """
    folder = Path(folder)
    state = _state(folder)
    page = folder / PAGE
    parts = [
        _text(folder / "figures.json", "Figures"),
        f"<section>{''.join(map(_picture, pictures(state['log_history'])))}</section>",
    ]
    parts += [_judged(state["log_history"]), _text(folder / "recipe.yaml", "Recipe")]
    title = html.escape(f"Training of {folder.resolve().name}")
    told = f"<p>{state.get('global_step', 0)} steps, {state.get('epoch') or 0:.2f} epochs.</p>"
    try:
        page.write_text(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
            f"<h1>{title}</h1>{told}{''.join(parts)}</html>\n",
            encoding="utf-8",
        )
    except OSError as error:
        raise OutputError(f"The report cannot be written to {page}: {error.strerror}.") from error
    return page


def pictures(log: Iterable[dict[str, Any]]) -> list[tuple[str, list[Curve]]]:
    """The curves in a log of transformers' trainer, by picture."""
    points: dict[str, dict[float, float]] = {}
    for entry in log:
        for name, value in entry.items():
            plain = isinstance(value, int | float) and math.isfinite(value)
            if plain and not name.endswith(_NOT_SHOWN) and "step" in entry:
                points.setdefault(name, {})[entry["step"]] = float(value)
    curves = {name: Curve(name, tuple(sorted(some.items()))) for name, some in points.items() if len(some) > 1}
    found = [(title, [curves.pop(name) for name in names if name in curves]) for title, names in _TOGETHER.items()]
    return [each for each in found if each[1]] + [(name, [curve]) for name, curve in sorted(curves.items())]


def _state(folder: Path) -> dict[str, Any]:
    kept = sorted(folder.glob(f"checkpoint-*/{STATE}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    places = [folder / STATE, *kept]
    for place in places:
        if place.is_file():
            try:
                found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
                return found if isinstance(found.get("log_history"), list) else {"log_history": []}
            except (OSError, ValueError) as error:
                raise DataError(f"{place} cannot be read: {error}") from error
    raise DataError(f"There is no training in {folder}.", hint=f"It has a {STATE}, or checkpoints that do.")


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where steps and values are in a picture."""

    right: float
    low: float
    high: float

    def across(self, step: float) -> float:
        return _LEFT + (_WIDE - _LEFT - 12) * step / self.right

    def up(self, value: float) -> float:
        return 12 + (_HIGH - _BELOW - 12) * (self.high - value) / (self.high - self.low)


def _picture(titled: tuple[str, Sequence[Curve]]) -> str:
    title, curves = titled
    steps = [step for curve in curves for step, _ in curve.points]
    values = [value for curve in curves for _, value in curve.points]
    low, high = min(0.0, *values), max(values)
    axes = _Axes(max(steps) or 1, low, high if high > low else low + 1)
    coloured = list(zip(curves, _COLOURS, strict=False))
    drawn = _grid(axes) + [_line(curve, colour, axes) for curve, colour in coloured]
    names = ", ".join(
        f'<span style="color:{colour}">{html.escape(curve.name)}</span> (last {curve.points[-1][1]:.4g})'
        for curve, colour in coloured
    )
    svg = f'<svg viewBox="0 0 {_WIDE} {_HIGH}" width="{_WIDE}" height="{_HIGH}">{"".join(drawn)}</svg>'
    return f"<figure><figcaption><b>{html.escape(title)}</b>: {names}</figcaption>{svg}</figure>"


def _grid(axes: _Axes) -> list[str]:
    levels = [axes.low + (axes.high - axes.low) * part / 4 for part in range(5)]
    return [
        f'<line x1="{_LEFT}" x2="{_WIDE - 12}" y1="{axes.up(level):.1f}" y2="{axes.up(level):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{axes.up(level) + 4:.1f}" text-anchor="end">{level:.4g}</text>'
        for level in levels
    ] + [
        f'<text x="{axes.across(step):.1f}" y="{_HIGH - 8}" text-anchor="middle">{step:.0f}</text>'
        for step in (axes.right * part / 4 for part in range(5))
    ]


def _line(curve: Curve, colour: str, axes: _Axes) -> str:
    line = " ".join(f"{axes.across(step):.1f},{axes.up(value):.1f}" for step, value in curve.points)
    return f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>'


def _judged(log: Iterable[dict[str, Any]]) -> str:
    rows = [entry for entry in log if any(name.startswith("eval_") for name in entry)]
    names = sorted({name for row in rows for name in row if name.startswith("eval_") and not name.endswith(_NOT_SHOWN)})
    if not names:
        return ""
    head = "".join(f"<th>{html.escape(name)}" for name in ("step", *names))
    body = "".join(
        "<tr>" + "".join(f"<td>{row[name]:.5g}" if name in row else "<td>" for name in ("step", *names)) for row in rows
    )
    return f"<h2>Evaluations</h2><table><tr>{head}{body}</table>"


def _text(path: Path, title: str) -> str:
    if not path.is_file():
        return ""
    return f"<h2>{title}</h2><pre>{html.escape(path.read_text(encoding='utf-8'))}</pre>"
