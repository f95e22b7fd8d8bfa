"""N-gram language models: estimated from text, written and read as ARPA, asked for the probability of a word.

Modified Kneser-Ney, interpolated: Chen and Goodman, "An empirical study of smoothing techniques for language
modeling" (1999), with the conventions of KenLM's lmplz (Heafield et al., ACL 2013): counts of lower orders are
numbers of left neighbours but for n-grams that begin a sentence, and the lowest order is interpolated with a uniform
distribution over all words, the unknown one and the end of a sentence included. Witten-Bell: Bell, Cleary and Witten
(1990), interpolated; it needs no counts of counts, and so suits a few hundred sentences.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hark.errors import DataError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Smoothing = Literal["kneser-ney", "witten-bell"]
SMOOTHINGS: tuple[Smoothing, ...] = ("kneser-ney", "witten-bell")
BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
FALLBACK = (0.5, 1.0, 1.5)  # discounts where the text is too small to estimate them, as of `lmplz --discount_fallback`
NEVER = -99.0  # how ARPA files write the logarithm of 0
_LN10 = math.log(10)

Gram = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NGram:
    """A back-off model.

    Attributes:
        order: the most words of an n-gram.
        table: for each n-gram, log10 of its probability and of its back-off weight.
        fallen: orders whose discounts could not be estimated, and are `FALLBACK`.
    """

    order: int
    table: Mapping[Gram, tuple[float, float]]
    fallen: tuple[int, ...] = ()

    def score(self, word: str, before: Sequence[str] = ()) -> float:
        """Natural logarithm of the probability of a word after others; `<s>` first where a sentence begins."""
        context = tuple(self.known(one) for one in before[max(0, len(before) - self.order + 1) :])
        gram, weight = (*context, self.known(word)), 0.0
        while len(gram) > 1 and gram not in self.table:
            weight += self.table.get(gram[:-1], (0.0, 0.0))[1]
            gram = gram[1:]
        return (weight + self.table.get(gram, (NEVER, 0.0))[0]) * _LN10

    def known(self, word: str) -> str:
        """The word, or the unknown one."""
        return word if (word,) in self.table else UNKNOWN

    def sentence(self, words: Sequence[str]) -> float:
        """Natural logarithm of the probability of a sentence with its end."""
        said = [BEGIN, *words, END]
        return sum(self.score(said[n], said[:n]) for n in range(1, len(said)))

    def perplexity(self, sentences: Iterable[Sequence[str]]) -> float:
        """Perplexity by word, ends of sentences counted as words; unknown words count with the unknown probability.

        Raises:
            DataError: there is no sentence.
        """
        total, count = 0.0, 0
        for words in sentences:
            total += self.sentence(words)
            count += len(words) + 1
        if not count:
            raise DataError("There is no text to measure a language model with.", hint="One sentence on each line.")
        return math.exp(-total / count)


def estimate(sentences: Iterable[Sequence[str]], order: int = 3, smoothing: Smoothing = "kneser-ney") -> NGram:
    """Estimate a model from sentences of words (or of pieces); all of their n-grams are held in memory.

    Raises:
        DataError: there is no word in them, or one of them is a mark of ARPA files.
        OptionError: the order is below 1, or there is no such smoothing.
    """
    if order < 1 or smoothing not in SMOOTHINGS:
        raise OptionError(
            f"There is no {smoothing} model of order {order}.", hint=f"Order 1 or more; {' or '.join(SMOOTHINGS)}."
        )
    counts = _counts(sentences, order)
    fallen: list[int] = []
    table: dict[Gram, tuple[float, float]] = {(BEGIN,): (NEVER, 0.0)}
    probabilities: dict[Gram, float] = {}
    uniform = 1 / (len(counts[0]) + 1)  # with the unknown word; `<s>` is never said, and not counted here
    for length, count in enumerate(_adjusted(counts) if smoothing == "kneser-ney" else counts, 1):
        shares, left = _kneser_ney(count, length, fallen) if smoothing == "kneser-ney" else _witten_bell(count)
        lower = probabilities
        probabilities = {
            gram: share + left[gram[:-1]] * (lower[gram[1:]] if length > 1 else uniform)
            for gram, share in shares.items()
        }
        if length == 1:
            probabilities[UNKNOWN,] = left[()] * uniform
        for context, weight in left.items():
            if context:
                table[context] = (table[context][0], _log10(weight))
        table |= {gram: (_log10(probability), 0.0) for gram, probability in probabilities.items()}
    return NGram(order, table, tuple(fallen))


def _counts(sentences: Iterable[Sequence[str]], order: int) -> list[Counter[Gram]]:
    """How often each n-gram is said, by its length; `<s>` alone is none."""
    counts: list[Counter[Gram]] = [Counter() for _ in range(order)]
    for words in sentences:
        if not {BEGIN, END, UNKNOWN}.isdisjoint(words):
            raise DataError("The text holds <s>, </s> or <unk>, which are marks in language models.", hint="Remove it.")
        said = (BEGIN, *words, END) if words else ()
        for length in range(1, order + 1):
            counts[length - 1].update(zip(*(said[n:] for n in range(length)), strict=False))
    del counts[0][BEGIN,]
    if not counts[0]:
        raise DataError("There is no word in the text.", hint="One sentence on each line.")
    odd = next((word for (word,) in counts[0] if word.split() != [word]), None)
    if odd is not None:
        raise DataError(f"{odd!r} is no word: there is white space in it.", hint="ARPA files cannot hold it.")
    return counts


def _adjusted(counts: list[Counter[Gram]]) -> list[Counter[Gram]]:
    """Counts of the longest n-grams; of shorter ones, how many words stand before them anywhere."""
    adjusted = [*counts]
    for n in range(len(counts) - 1):
        neighbours = Counter(gram[1:] for gram in counts[n + 1])
        begin = {gram: count for gram, count in counts[n].items() if gram[0] == BEGIN}
        adjusted[n] = Counter({gram: neighbours[gram] for gram in counts[n] if gram[0] != BEGIN} | begin)
    return adjusted


def _kneser_ney(count: Counter[Gram], length: int, fallen: list[int]) -> tuple[dict[Gram, float], dict[Gram, float]]:
    """The discounted share of each n-gram in its context, and what is left over in each context."""
    discounts = _discounts(count)
    if discounts is None:
        fallen.append(length)
    cut = discounts or FALLBACK
    totals: Counter[Gram] = Counter()
    saved: defaultdict[Gram, float] = defaultdict(float)
    for gram, number in count.items():
        totals[gram[:-1]] += number
        saved[gram[:-1]] += cut[min(number, 3) - 1]
    shares = {gram: (number - cut[min(number, 3) - 1]) / totals[gram[:-1]] for gram, number in count.items()}
    return shares, {context: saved[context] / total for context, total in totals.items()}


def _discounts(count: Counter[Gram]) -> tuple[float, float, float] | None:
    """D1, D2 and D3+ of equation 26 of Chen and Goodman; None where counts of counts do not give them."""
    seen = Counter(number for number in count.values() if number <= 4)
    if not all(seen[number] for number in (1, 2, 3, 4)):
        return None
    share = seen[1] / (seen[1] + 2 * seen[2])
    found = [number - (number + 1) * share * seen[number + 1] / seen[number] for number in (1, 2, 3)]
    return (found[0], found[1], found[2]) if all(0 <= cut <= n for n, cut in enumerate(found, 1)) else None


def _witten_bell(count: Counter[Gram]) -> tuple[dict[Gram, float], dict[Gram, float]]:
    """As `_kneser_ney`: a context keeps for other words a count for each kind of word seen in it."""
    totals: Counter[Gram] = Counter()
    for gram, number in count.items():
        totals[gram[:-1]] += number
    kinds = Counter(gram[:-1] for gram in count)
    shares = {gram: number / (totals[gram[:-1]] + kinds[gram[:-1]]) for gram, number in count.items()}
    return shares, {context: kinds[context] / (totals[context] + kinds[context]) for context in totals}


def _log10(value: float) -> float:
    return math.log10(value) if value > 0 else NEVER
