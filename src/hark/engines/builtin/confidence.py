"""How far the offline recogniser may be trusted: a probability for each word, and a warning for the whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hark.answers.answer import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hark.answers.transcript import Segment
    from hark.engines.builtin.pool import Found

UNSURE = 0.5  # a word below this is more likely wrong than right; so are most words of a stretch, or of a whole

# Logistic regression of "this word is right" on the features below, first the constant; by
# `python benchmarks/confidence.py --fit`, on half the speakers of read_english and digits, half of the sentences of
# three flite voices (clean, and in kitchen noise at 20, 10 and 5 dB) and one of two clips of clear English.
_WEIGHTS = np.array([-0.949, 0.278, 0.222, 0.217, -0.767, 0.331, -0.218, 1.034])

_FILLER = re.compile(r"<.*>|\[.*\]|\+\+.*\+\+")


def spoken(found: Sequence[Found]) -> list[Found]:
    """The words among what was found: no silence, no noise."""
    return [word for word in found if not _FILLER.fullmatch(word.text)]


def features(found: Sequence[Found]) -> list[list[float]]:
    """What tells right words from wrong ones, for each spoken word of a window.

    Log-odds of its posterior; its acoustic score (log10 a frame); the length of the n-gram the language model knew;
    the logarithm of frames a letter; and for the whole window the means of the first three.
    """
    words = spoken(found)
    if not words:
        return []
    own = np.array([_own(word) for word in words])
    around = np.tile(own[:, :3].mean(axis=0), (len(words), 1))
    lines: list[list[float]] = np.hstack((own, around)).tolist()
    return lines


def confidences(found: Sequence[Found]) -> list[float]:
    """How likely each spoken word of a window is right, 0 to 1."""
    lines = features(found)
    return [float(likely) for likely in probability(np.array(lines))] if lines else []


def probability(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features (words, 7) to probabilities (words,)."""
    return np.asarray(1 / (1 + np.exp(-(_WEIGHTS[0] + lines @ _WEIGHTS[1:]))))


def trust(segments: Sequence[Segment]) -> float:
    """The share of words expected to be right, 0 to 1; 0 where nothing was recognised."""
    known = [word.confidence for segment in segments for word in segment.words if word.confidence is not None]
    return float(np.mean(known)) if known else 0.0


def verdict(segments: Sequence[Segment]) -> Notice | None:
    """A warning where recognition is not to be relied on; None where it is, or where there are no words."""
    count = sum(len(segment.words) for segment in segments)
    share = trust(segments)
    if not count or share >= UNSURE:
        return None
    wrong = "most words" if share < 0.3 else f"about {max(1, round(10 * (1 - share)))} of 10 words"
    return Notice(
        "unsure",
        f"Recognition is unsure here: {wrong} may be wrong. A Whisper model would do better: "
        "hark transcribe --download --model faster-whisper:small",
    )


def _own(word: Found) -> list[float]:
    posterior = min(max(word.posterior, 1e-3), 1 - 1e-3)
    frames = word.last - word.first + 1
    letters = len(word.text.partition("(")[0])
    acoustic = np.log10(max(word.acoustic, 1e-300)) / frames
    return [
        float(np.log(posterior / (1 - posterior))),
        float(acoustic),
        float(word.order),
        float(np.log(frames / letters)),
    ]
