"""Speech written down while it goes on: the seam for models that hear it as it comes (`Engine.live`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hark.answers.transcript import Segment


@dataclass(frozen=True, slots=True)
class Partial:
    """What is known of a turn by now.

    Attributes:
        settled: only grows, and is how the text at the end begins.
        open: what follows it for now, with the white space between the two; it may change.
        segments: the settled text with times, in seconds of the turn; only when the turn is over.
    """

    settled: str = ""
    open: str = ""
    segments: tuple[Segment, ...] = ()

    @property
    def text(self) -> str:
        """All of it."""
        return self.settled + self.open


class Live(ABC):
    """Writes down one turn; called by one thread at a time, though not always by the same."""

    @abstractmethod
    def due(self, waiting: float) -> bool:
        """Is it worth hearing more now, where `waiting` seconds were not heard yet?"""

    @abstractmethod
    def hear(self, samples: NDArray[np.float32]) -> Partial:
        """Hear the next samples (n,) float32 of the turn, mono at 16 kHz.

        Where this raises, the samples were taken all the same: it may be gone on with.

        Raises:
            HarkError: the model failed.
        """

    @abstractmethod
    def finish(self, samples: NDArray[np.float32]) -> Partial:
        """Hear the last samples (n,), of which there may be none, and settle all of the text.

        Raises:
            HarkError: the model failed.
        """

    def close(self) -> None:  # noqa: B027 - most hold nothing that must be let go
        """Nobody wants it any more; called once, at the end, whatever has happened."""
