"""How late a simultaneous recogniser or translator writes: average lagging and its relatives.

Formulas as SimulEval 1.1 computes them (`latency_scorer.py`), in whatever unit the delays and the length of the source
have. A delay is how much of the source had been read when a word was written; all count the same unit of text, words
here, for which tokens have to be put together before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence


def average_lagging(delays: Sequence[float], source: float, target: int) -> float:
    """AL: how far the output is behind one that keeps pace with the speaker (Ma et al. 2019, arXiv:1810.08398).

    1/tau * sum over i <= tau of d_i - (i - 1) |X| / |Y|, where tau is the first word written when all was read.

    Args:
        delays: of each word.
        source: the length of the source, |X|.
        target: words of the reference, or of the output where there is none, |Y|.

    Raises:
        DataError: nothing was written, or a length is not above 0.
    """
    return _lagging(delays, source, target)


def length_adaptive_average_lagging(delays: Sequence[float], source: float, target: int) -> float:
    """LAAL: AL whose |Y| is the longer of output and reference, so that writing more is no gain.

    Papi et al. 2022, arXiv:2206.05807; Polak et al. 2022, arXiv:2204.06028. Arguments and errors are those of AL.
    """
    return _lagging(delays, source, max(target, len(delays)))


def average_proportion(delays: Sequence[float], source: float, target: int) -> float:
    """AP: the mean share of the source that was read (Cho and Esipova 2016, arXiv:1606.02012); else as AL."""
    _check(delays, source, target)
    return sum(delays) / (source * target)


def differentiable_average_lagging(delays: Sequence[float], source: float) -> float:
    """DAL: AL over all words, none of which takes less than its share of the source (arXiv:1906.05218); else as AL."""
    _check(delays, source, 1)
    pace = source / len(delays)
    total = last = 0.0
    for number, delay in enumerate(delays):
        last = delay if number == 0 else max(delay, last + pace)
        total += last - number * pace
    return total / len(delays)


def _lagging(delays: Sequence[float], source: float, target: int) -> float:
    _check(delays, source, target)
    if delays[0] > source:
        return delays[0]
    tau = next((number for number, delay in enumerate(delays, 1) if delay >= source), len(delays))
    return sum(delay - number * source / target for number, delay in enumerate(delays[:tau])) / tau


def _check(delays: Sequence[float], source: float, target: int) -> None:
    if not delays or source <= 0 or target <= 0:
        raise DataError("Where nothing is said or written, nothing is late.", hint="Leave the sample out, and say so.")
