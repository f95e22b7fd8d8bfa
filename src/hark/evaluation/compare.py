"""Compare two results on the samples they share: differences with intervals, and how likely chance makes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from hark.errors import DataError, OptionError
from hark.evaluation import page as pages
from hark.evaluation.report import bare, shown, table
from hark.evaluation.statistics import Drawing, differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hark.evaluation.result import Result, Row
    from hark.evaluation.statistics import Difference
    from hark.evaluation.task import Figure, Score

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """One sample as both models answered it; scores are settled on the samples that both have."""

    ours: Row
    theirs: Row
    score: Score
    other: Score

    @property
    def gap(self) -> float:
        """How much more wrong ours is than theirs."""
        return self.score.error - self.other.error


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two results, on the samples they share.

    Attributes:
        pairs: the shared samples, in the order of our data.
        found: the difference of each figure.
        figures: ours, by name: what they are numbers of, and which direction is better.
        drawing: how resamples are drawn; `units` are what is drawn.
    """

    ours: Result
    theirs: Result
    pairs: tuple[Pair, ...]
    found: tuple[Difference, ...]
    figures: Mapping[str, Figure]
    drawing: Drawing
    units: int

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called."""
        ours, theirs = self.ours.about["model"]["name"], self.theirs.about["model"]["name"]
        return (ours, theirs) if ours != theirs else (f"{ours} (ours)", f"{theirs} (theirs)")

    def verdict(self, difference: Difference) -> str:
        """In words: better, worse, or not told apart."""
        better = self.figures[difference.name].better if difference.name in self.figures else None
        if difference.p is None or difference.difference is None:
            return "not tested"
        if difference.p >= 1 - self.drawing.level:
            return "not told apart"
        if better is None:
            return "differs"
        return "better" if (difference.difference < 0) == (better == "lower") else "worse"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        left = {"ours": len(self.ours.rows) - len(self.pairs), "theirs": len(self.theirs.rows) - len(self.pairs)}
        return {
            "ours": dict(self.ours.about),
            "theirs": dict(self.theirs.about),
            "samples": len(self.pairs),
            "left_out": left,
            "less_wrong": sum(pair.gap < 0 for pair in self.pairs),
            "more_wrong": sum(pair.gap > 0 for pair in self.pairs),
            "differences": [{**each.to_dict(), "verdict": self.verdict(each)} for each in self.found],
            "test": {
                "resamples": self.drawing.resamples,
                "level": self.drawing.level,
                "seed": self.drawing.seed,
                "units": self.units,
                "drawn_by": self.ours.about["drawn_by"],
            },
        }

    def rows(self) -> Iterator[tuple[str, ...]]:
        """A row for each figure: name, both values, difference, interval, p, verdict."""
        for each in self.found:
            unit = self.figures[each.name].unit if each.name in self.figures else "ratio"
            gap = "" if each.difference is None else _signed(each.difference, unit)
            inside = "" if each.low is None or each.high is None else _inside(each.low, each.high, unit)
            p = "" if each.p is None else _chance(each.p)
            yield each.name, shown(each.ours, unit), shown(each.theirs, unit), gap, inside, p, self.verdict(each)


HEAD = ("figure", "{0}", "{1}", "difference", "interval", "p", "")


def compare(ours: Result, theirs: Result, drawing: Drawing | None = None) -> Comparison:
    """Compare two results of one task on the samples that both have: of the same id, and equal in all they say.

    Raises:
        OptionError: they are of different tasks, or of one with different options.
        DataError: they share no sample.
    """
    alike(ours.about["task"], theirs.about["task"])
    there = {row.key: row for row in theirs.rows}
    shared = [(row, there[row.key]) for row in ours.rows if row.key in there and row.digest == there[row.key].digest]
    if not shared:
        raise DataError("The results share no sample.", hint="Samples are the same where their id and content are.")
    drawing = drawing or ours.drawing
    scores, others = (ours.task.settled([pair[n].score for pair in shared]) for n in (0, 1))
    units = [row.unit for row, _ in shared]
    found = differences(scores, others, units, ours.task.figures, drawing)
    pairs = tuple(Pair(a, b, s, o) for (a, b), s, o in zip(shared, scores, others, strict=True))
    figures = ours.task.total(scores)
    return Comparison(ours, theirs, pairs, tuple(found), figures, drawing, len(set(units)))


def alike(mine: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Refuse to compare two measures; each is what a result says of its task.

    Raises:
        OptionError: they are of different tasks, or of one with different options.
    """
    one, two = ((task["name"], json.loads(json.dumps(task["options"]))) for task in (mine, other))
    if one != two:
        raise OptionError(
            f"The results are of different measures: {one[0]} {one[1]}, {two[0]} {two[1]}.",
            hint="Compare those of the same task, with the same options.",
        )


def text(comparison: Comparison) -> Iterator[str]:
    """Lines for a terminal."""
    yield f"{comparison.names[0]} against {comparison.names[1]}, {len(comparison.pairs):,} samples that both have"
    for name, ours, theirs, gap, inside, p, verdict in comparison.rows():
        yield f"  {name}: {ours} against {theirs}, difference {gap or 'not known'} ({inside}), p {p or '-'}: {verdict}"
    yield f"  {_wins(comparison)}"


def markdown(comparison: Comparison) -> str:
    """The comparison as Markdown."""
    return "\n".join(_markdown(comparison)) + "\n"


def _markdown(comparison: Comparison) -> Iterator[str]:
    ours, theirs = comparison.names
    yield f"# {ours} against {theirs}: {comparison.ours.about['task']['name']}\n"
    yield from table([part.format(ours, theirs) for part in HEAD], comparison.rows())
    yield f"\n{how(comparison)}\n\n{_wins(comparison)}"
    yield f"\n## The {min(_SHOWN, len(comparison.pairs))} samples that differ most\n"
    rows = (
        (p.ours.key, p.score.reference, p.score.prediction, p.other.prediction) for p in _apart(comparison)[:_SHOWN]
    )
    yield from table(("id", "expected", ours, theirs), rows)


def page(comparison: Comparison, sound: pages.Sound, most: int) -> str:
    """The comparison as one page, with the samples that differ most to be heard."""
    ours, theirs = comparison.names
    heads = [part.format(ours, theirs) for part in HEAD]
    cells = ([pages.cell(each) for each in row] for row in comparison.rows())
    apart = _apart(comparison)
    places = {pair.ours.key: number for number, pair in enumerate(comparison.pairs)}
    cards = [_card(comparison, pair, (n, places[pair.ours.key]), sound) for n, pair in enumerate(apart[:most])]
    body = ["<h2>Figures</h2>", pages.table(heads, cells), f'<p class="soft">{escape(how(comparison))}</p>']
    body += pages.cards("Samples that differ", "the widest apart first", cards, len(apart))
    heading = f"{ours} against {theirs}: {comparison.ours.about['task']['name']}"
    return pages.filled(heading, _wins(comparison), body, pages.foot(sound))


def how(comparison: Comparison) -> str:
    """How it was tested, and what that does not say."""
    drawn = comparison.ours.about["drawn_by"]
    drawing = comparison.drawing
    return (
        f"Only the {len(comparison.pairs):,} samples that both have. Interval: {100 * drawing.level:g} %, paired "
        f"bootstrap by {drawn} ({comparison.units:,}); p: approximate randomisation, two-sided; {drawing.resamples:,} "
        f"of each, seed {drawing.seed}. p is not corrected for the number of figures."
    )


def _wins(comparison: Comparison) -> str:
    less, more = (sum(sign * pair.gap > 0 for pair in comparison.pairs) for sign in (-1, 1))
    alike = len(comparison.pairs) - less - more
    return f"{comparison.names[0]} is less wrong on {less:,} samples, more wrong on {more:,}, as wrong on {alike:,}."


def _apart(comparison: Comparison) -> list[Pair]:
    """Samples on which the two differ, those on which ours is most behind first."""
    return sorted((pair for pair in comparison.pairs if pair.gap), key=lambda pair: (-abs(pair.gap), -pair.gap))


def _card(comparison: Comparison, pair: Pair, order: tuple[int, int], sound: pages.Sound) -> str:
    ours, theirs = comparison.names
    who = f'<p class="who">{escape(theirs)}, error {pair.other.error:.2f}</p>{pages.compared(pair.other)}'
    return pages.mistake(pair.ours, pair.score, order, sound, more=who, who=ours)


def _signed(value: float, unit: str) -> str:
    return f"{'-' if value < 0 else '+'}{shown(abs(value), unit)}"


def _inside(low: float, high: float, unit: str) -> str:
    return f"{bare(_signed(low, unit))} to {_signed(high, unit)}"


def _chance(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "< 0.0001"
