"""How sure figures are: bootstrap intervals, and tests of whether two models differ.

Counts are resampled, not answers: figures are made of counts added up, so a resample is one weighted sum. Units that
belong together (all samples of a speaker) are drawn together: Bisani and Ney, ICASSP 2004; Liu and Peng 2020,
arXiv:1912.09508 (blockwise bootstrap). Two models are compared on the same draws, and by approximate randomisation:
Noreen 1989; Riezler and Maxwell 2005.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hark.evaluation.task import Figure, Score

    Figures = Callable[[Mapping[str, float]], Sequence[Figure]]

_CELLS = 2_000_000  # weights that are drawn at a time


@dataclass(frozen=True, slots=True)
class Drawing:
    """How resamples are drawn.

    Attributes:
        resamples: how many; 0 draws none.
        level: the share of resamples within an interval.
        seed: of the draws; the same seed gives the same figures.
    """

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """The percentile interval of a figure."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How a figure of one model differs from that of another on the same samples.

    Attributes:
        ours, theirs: the figure of each; None where nothing can be said.
        difference: ours less theirs, with its interval from the paired bootstrap.
        p: how often models that do not differ would differ so much (approximate randomisation, two-sided).
    """

    name: str
    ours: float | None
    theirs: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def intervals(
    scores: Sequence[Score], units: Sequence[Hashable], figures: Figures, drawing: Drawing
) -> dict[str, Interval]:
    """The interval of each figure, by name; none where there are fewer than two units, or nothing to draw.

    Args:
        scores: of all samples.
        units: for each score, what it belongs to; what belongs together is drawn together.
        figures: makes figures of added counts.
        drawing: how resamples are drawn.
    """
    import numpy as np

    table = _Table.of((scores,), units)
    count = table.counts[0].shape[0]
    if count < 2 or not drawing.resamples:
        return {}
    drawn: dict[str, list[float]] = {}
    for weights in _weights(count, drawing, np.random.default_rng(drawing.seed)):
        for sums in weights @ table.counts[0]:
            for name, value in table.figured(figures, sums).items():
                drawn.setdefault(name, []).append(value)
    found = {name: _interval(values, drawing) for name, values in drawn.items()}
    return {name: interval for name, interval in found.items() if interval}


def differences(
    ours: Sequence[Score], theirs: Sequence[Score], units: Sequence[Hashable], figures: Figures, drawing: Drawing
) -> list[Difference]:
    """How each figure differs; the scores of both are those of the same samples, in the same order."""
    import numpy as np

    table = _Table.of((ours, theirs), units)
    a, b = table.counts
    here, there = (table.figured(figures, counts.sum(axis=0)) for counts in (a, b))
    names = list(dict.fromkeys([*here, *there]))
    found = {name: Difference(name, here.get(name), there.get(name)) for name in names}
    both = {name: here[name] - there[name] for name in names if name in here and name in there}
    if len(a) < 2 or not drawing.resamples:
        return [_with(found[name], both.get(name)) for name in names]
    rng = np.random.default_rng(drawing.seed)
    drawn: dict[str, list[float]] = {}
    for weights in _weights(len(a), drawing, rng):
        _gather(drawn, table, figures, weights @ a, weights @ b)
    swapped: dict[str, list[float]] = {}
    for swaps in _swaps(len(a), drawing, rng):
        change = swaps @ (b - a)
        _gather(swapped, table, figures, a.sum(axis=0) + change, b.sum(axis=0) - change)
    return [
        _with(found[name], both.get(name), _interval(drawn.get(name, []), drawing), swapped.get(name)) for name in names
    ]


@dataclass(frozen=True, slots=True)
class _Table:
    """Counts by unit, as arrays (units, names of counts), one for each model."""

    names: tuple[str, ...]
    counts: tuple[NDArray[Any], ...]

    @classmethod
    def of(cls, models: Sequence[Sequence[Score]], units: Sequence[Hashable]) -> _Table:
        import numpy as np

        names = tuple(dict.fromkeys(name for scores in models for score in scores for name in score.counts))
        columns = {name: number for number, name in enumerate(names)}
        rows = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
        counts = tuple(np.zeros((len(rows), len(names))) for _ in models)
        for scores, table in zip(models, counts, strict=True):
            for score, unit in zip(scores, units, strict=True):
                for name, value in score.counts.items():
                    table[rows[unit], columns[name]] += value
        return cls(names, counts)

    def figured(self, figures: Figures, sums: NDArray[Any]) -> dict[str, float]:
        made = figures(dict(zip(self.names, sums.tolist(), strict=True)))
        return {figure.name: figure.value for figure in made if figure.value is not None}


def _weights(count: int, drawing: Drawing, rng: Any) -> Iterator[NDArray[Any]]:
    """How often each unit is in each resample: (resamples, units), a part of them at a time."""
    for size in _parts(count, drawing.resamples):
        yield rng.multinomial(count, [1 / count] * count, size=size).astype(float)


def _swaps(count: int, drawing: Drawing, rng: Any) -> Iterator[NDArray[Any]]:
    for size in _parts(count, drawing.resamples):
        yield rng.integers(0, 2, size=(size, count)).astype(float)


def _parts(count: int, resamples: int) -> Iterator[int]:
    size = max(1, _CELLS // count)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _gather(
    drawn: dict[str, list[float]], table: _Table, figures: Figures, ours: NDArray[Any], theirs: NDArray[Any]
) -> None:
    for one, other in zip(ours, theirs, strict=True):
        here, there = table.figured(figures, one), table.figured(figures, other)
        for name in here.keys() & there.keys():
            drawn.setdefault(name, []).append(here[name] - there[name])


def _interval(values: list[float], drawing: Drawing) -> Interval | None:
    """None where most resamples say nothing."""
    import numpy as np

    if 2 * len(values) < drawing.resamples:
        return None
    tail = 50 * (1 - drawing.level)
    low, high = np.percentile(values, [tail, 100 - tail])
    return Interval(float(low), float(high))


def _with(
    found: Difference, difference: float | None, interval: Interval | None = None, swapped: list[float] | None = None
) -> Difference:
    p = None
    if swapped and difference is not None:
        as_far = sum(abs(value) >= abs(difference) - 1e-12 for value in swapped)
        p = (as_far + 1) / (len(swapped) + 1)
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Difference(found.name, found.ours, found.theirs, difference, low, high, p)
