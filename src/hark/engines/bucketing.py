"""Which of several questions to answer at once: padding costs, and so does each pass through the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
# What one more pass through the weights for each token of an answer costs, in tokens of a prompt.
PASS = 256


def buckets(rows: Iterable[T], length: Callable[[T], int], most: int) -> list[list[T]]:
    """Rows of like length together, at most `most`: the least padding and the fewest passes (dynamic programming).

    `length` is of a prompt, in tokens.
    """
    ordered = sorted(rows, key=length)
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost of the first n rows, and where their last bucket begins
    for end in range(1, len(ordered) + 1):
        longest = length(ordered[end - 1])
        best.append(min((best[at][0] + (end - at) * longest + PASS, at) for at in range(max(0, end - most), end)))
    found, end = [], len(ordered)
    while end:
        at = best[end][1]
        found.append(ordered[at:end])
        end = at
    return found


def around(first: T, rows: Iterable[T], length: Callable[[T], int], most: int) -> list[T]:
    """The batch to begin with, which holds `first`: rows of like length, at most `most`, with the least waste for each.

    Unlike the buckets of all rows it is never small for the sake of those left over, whom others may still join.
    """
    ordered = sorted(rows, key=length)
    at = ordered.index(first)
    found = [
        ordered[start:end]
        for start in range(max(0, at - most + 1), at + 1)
        for end in range(at + 1, min(len(ordered), start + most) + 1)
    ]
    return min(found, key=lambda some: _waste([length(row) for row in some]))


def _waste(lengths: list[int]) -> float:
    """Tokens of padding, and of the pass through the weights, for each row of a batch."""
    return (len(lengths) * max(lengths) - sum(lengths) + PASS) / len(lengths)
