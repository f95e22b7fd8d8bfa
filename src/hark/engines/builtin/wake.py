"""The wake word, spotted by pocketsphinx's keyword search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hark.engines.builtin.pronouncing import check
from hark.engines.builtin.worker import make_decoder
from hark.errors import OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FRESH = 16000 * 30  # samples after which the search begins anew, so that its memory stays flat
_THRESHOLDS = {1: 1e-5, 2: 1e-10, 3: 1e-20}  # by syllables: the longer a phrase, the lower pocketsphinx wants it


class WakeWord:
    """Finds a word or phrase in a stream of speech at 16 kHz.

    Args:
        phrase: such as `computer` or `hey coffee machine`; of three syllables and more, or it is heard everywhere.
        threshold: how easily it is heard, from 1 (seldom) down to 1e-50 (often); by the phrase's length if None.

    Raises:
        OptionError: no words, or one that is not in the dictionary.
    """

    def __init__(self, phrase: str, threshold: float | None = None) -> None:
        words = tuple(phrase.lower().split())
        if not words:
            raise OptionError("The wake word is empty.", hint='Such as --wake "computer".')
        check([words])
        self.phrase = " ".join(words)
        self._decoder = make_decoder(lm=None, keyphrase=self.phrase, kws_threshold=threshold or _threshold(words))
        self._heard = 0
        self._decoder.start_utt()

    def feed(self, samples: NDArray[np.float32]) -> bool:
        """Hear the next samples (n,); True as soon as the phrase is over."""
        self._decoder.process_raw((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        self._heard += len(samples)
        found = self._decoder.hyp() is not None
        if found or self._heard > _FRESH:
            self._decoder.end_utt()
            self._decoder.start_utt()
            self._heard = 0
        return found


def _threshold(words: tuple[str, ...]) -> float:
    from hark.engines.builtin.pronouncing import pronunciations

    syllables = sum(phone[-1] in "AEIOU" or phone[:1] in "AEIOU" for phone in pronunciations(words)[0].split())
    return _THRESHOLDS.get(syllables, 1e-30 if syllables > 3 else 1e-5)
