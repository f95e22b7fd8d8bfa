"""The diarisation error rate: the share of speech that is missed, made up, or given to the wrong speaker.

Definition: NIST Rich Transcription evaluation (md-eval). Speech of two people at once counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hark.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hark.speakers.turns import Turn


@dataclass(frozen=True, slots=True)
class Errors:
    """Seconds of speech scored, missed, made up where nobody spoke, and given to the wrong speaker."""

    speech: float = 0.0
    missed: float = 0.0
    false_alarm: float = 0.0
    confused: float = 0.0

    @property
    def rate(self) -> float:
        """The diarisation error rate; 0 where there is nothing to be wrong about, above 1 where much was made up."""
        wrong = self.missed + self.false_alarm + self.confused
        return wrong / self.speech if self.speech else float(wrong > 0)

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.speech + other.speech,
            self.missed + other.missed,
            self.false_alarm + other.false_alarm,
            self.confused + other.confused,
        )


def errors(reference: Sequence[Turn], found: Sequence[Turn], *, collar: float = 0.25, overlaps: bool = True) -> Errors:
    """Compare turns; the names are mapped to each other so that most time agrees (Hungarian algorithm, scipy).

    Within `collar` seconds of the start and end of each reference turn nothing is scored, as is usual, because people
    mark the same turn differently. With 0 everything is. Without `overlaps`, nor is where several people speak at once
    in the reference.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise MissingExtraError.of("The diarisation error rate", "evaluate") from error
    edges = {time for turn in (*reference, *found) for time in (turn.start, turn.end)}
    marks = {time for turn in reference for time in (turn.start, turn.end)}
    edges |= {edge for mark in marks for edge in (mark - collar, mark + collar)}
    bounds = np.array(sorted(edges))
    if len(bounds) < 2:
        return Errors()
    lengths, middles = np.diff(bounds), (bounds[:-1] + bounds[1:]) / 2
    unsure = [np.abs(middles - mark) < collar for mark in marks]
    lengths = np.where(np.any(unsure, axis=0), 0.0, lengths) if unsure else lengths
    said, heard = _active(reference, middles), _active(found, middles)
    actual, claimed = said.sum(0), heard.sum(0)
    lengths = lengths if overlaps else np.where(actual > 1, 0.0, lengths)
    together = (said * lengths) @ heard.T
    right = float(together[linear_sum_assignment(-together)].sum())
    return Errors(
        speech=float(lengths @ actual),
        missed=float(lengths @ np.maximum(0, actual - claimed)),
        false_alarm=float(lengths @ np.maximum(0, claimed - actual)),
        confused=max(0.0, float(lengths @ np.minimum(actual, claimed)) - right),
    )


def _active(turns: Sequence[Turn], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each speaker and time 1.0 where that speaker speaks: (speakers, times)."""
    names = sorted({turn.speaker for turn in turns})
    active = np.zeros((len(names), len(times)))
    for turn in turns:
        active[names.index(turn.speaker), (times > turn.start) & (times < turn.end)] = 1.0
    return active
