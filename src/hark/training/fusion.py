"""Shallow fusion: the score of a language model is added to that of each token while a recogniser searches.

log P(token | audio) + weight * log P_lm(token) + bonus for each word (Gulcehre et al. 2015, arXiv:1503.03535; Hannun
et al. 2014, arXiv:1408.2873, for CTC). A model of words is asked when a word is complete; one that shares the
recogniser's tokens is asked for every token. Both kinds are a `Scorer`, which CTC prefix beam search (`decoding.py`)
and the `generate` of transformers (`ShallowFusion`) take.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hark.training.ngram import BEGIN, END, NGram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hark.training.spelling import Spelling

Ids = tuple[int, ...]
_KEPT = 200_000  # scores of words remembered; then they are forgotten
_CELLS = 4_000_000  # as many of scores of all tokens: 32 MB


class WordModel(Protocol):
    """What gives the natural logarithm of the probability of a word after others; `<s>` is before the first."""

    def score(self, word: str, before: Sequence[str]) -> float:
        """The word may be `</s>`."""


class Scorer(ABC):
    """Scores to be added, weighted already, to those of a recogniser's tokens (natural logarithms)."""

    @abstractmethod
    def tokens(self, said: Sequence[Ids]) -> NDArray[np.float64]:
        """The scores (rows, vocabulary) of each token after each of some texts (rows), given as ids."""

    @abstractmethod
    def ends(self, said: Sequence[Ids]) -> NDArray[np.float64]:
        """The scores (rows,) of each text ending there."""

    def whole(self, said: Ids) -> float:
        """The score of a text from its beginning to its end."""
        total = sum(float(self.tokens([said[:n]])[0, token]) for n, token in enumerate(said))
        return total + float(self.ends([said])[0])


class Words(Scorer):
    """A model of words; each is scored when a token begins the next one, or the text ends.

    A word that the model does not know costs `unknown` as soon as no known word begins so: charged at its end alone,
    it would outlive all others in a search that keeps few.

    Attributes:
        bonus: added for each word, against the preference of a language model for few of them.
        unknown: added (before the weight) for each word that the model does not know; one that cannot tell, knows all.
        bounds: whether the model is asked how texts begin and end.
    """

    def __init__(
        self,
        model: WordModel,
        spelling: Spelling,
        weight: float,
        bonus: float = 0.0,
        *,
        unknown: float = 0.0,
        bounds: bool = True,
    ) -> None:
        self.model, self.spelling, self.weight, self.bonus = model, spelling, weight, bonus
        self.unknown, self.bounds = unknown, bounds
        self._known: dict[tuple[str, ...], float] = {}
        self._charges: dict[str, NDArray[np.float64]] = {}
        self._beginnings = frozenset[str]()
        if unknown and isinstance(model, NGram):
            words = (gram[0] for gram in model.table if len(gram) == 1)
            self._beginnings = frozenset(word[:n] for word in words for n in range(len(word) + 1))

    def tokens(self, said: Sequence[Ids]) -> NDArray[np.float64]:
        """The score of the last word goes to all tokens that begin another."""
        found = np.where(self.spelling.begins[None], np.array([self._last(ids) for ids in said])[:, None], 0.0)
        if self._beginnings:
            found += [self._charged(ids) for ids in said]
        return found

    def ends(self, said: Sequence[Ids]) -> NDArray[np.float64]:
        """The score of the last word, and of the end after it."""
        found = []
        for ids in said:
            words, _ = self.spelling.words(ids)
            found.append(self._last(ids) + (self.weight * self._asked((*words, END)) if self.bounds else 0.0))
        return np.array(found)

    def _last(self, ids: Ids) -> float:
        """The score of the last word, unless the text ends after it and it was scored there."""
        words, is_open = self.spelling.words(ids)
        return self.weight * self._asked(words) + self.bonus if is_open else 0.0

    def _asked(self, words: tuple[str, ...]) -> float:
        if words not in self._known:
            if len(self._known) > _KEPT:
                self._known.clear()
            begin, last = ((BEGIN,) if self.bounds else ()), words[-1]
            uncharged = last in self._beginnings and (last,) not in getattr(self.model, "table", ())
            score = self.model.score(last, (*begin, *words[:-1]))
            self._known[words] = score + (self.unknown if uncharged else 0.0)
        return self._known[words]

    def _charged(self, ids: Ids) -> NDArray[np.float64]:
        """What each token (vocabulary,) costs with which a word becomes one that is not known."""
        words, is_open = self.spelling.words(ids)
        last = words[-1] if is_open else ""
        if last not in self._charges:
            if len(self._charges) * len(self.spelling.texts) > _CELLS:
                self._charges.clear()
            self._charges[last] = np.where(self._leaves(last), self.weight * self.unknown, 0.0)
        return self._charges[last]

    def _leaves(self, last: str) -> NDArray[np.bool_]:
        """Whether each token (vocabulary,) makes the last word one that is not known, and was none before."""
        known, fold = last in self._beginnings, self.spelling.fold
        found = np.zeros(len(self.spelling.texts), bool)
        for token in np.flatnonzero(self.spelling.said):
            text = self.spelling.texts[token].decode("utf-8", "ignore")
            begins = self.spelling.begins[token]
            if begins or known:
                found[token] = fold(text[1:] if begins else last + text) not in self._beginnings
        return found


class Pieces(Scorer):
    """An n-gram of the recogniser's own tokens.

    Those that are no text (special ones) are no context, and cost as much as the least likely piece: were they free, a
    search would fill texts with them.

    Attributes:
        bonus: added for each token.
    """

    def __init__(self, model: NGram, spelling: Spelling, weight: float, bonus: float = 0.0) -> None:
        self.model, self.spelling, self.weight, self.bonus = model, spelling, weight, bonus
        self._rows: dict[tuple[str, ...], NDArray[np.float64]] = {}

    def tokens(self, said: Sequence[Ids]) -> NDArray[np.float64]:
        """One row for each context; contexts come again and again."""
        return np.stack([self._row(self._before(ids)) for ids in said])

    def ends(self, said: Sequence[Ids]) -> NDArray[np.float64]:
        """The score of the end."""
        return self.weight * np.array([self.model.score(END, self._before(ids)) for ids in said])

    def _before(self, ids: Ids) -> tuple[str, ...]:
        said = (BEGIN, *(self.spelling.names[token] for token in ids if self.spelling.said[token]))
        return said[max(0, len(said) - self.model.order + 1) :]

    def _row(self, before: tuple[str, ...]) -> NDArray[np.float64]:
        if before not in self._rows:
            if len(self._rows) * len(self.spelling.names) > _CELLS:
                self._rows.clear()
            row = np.zeros(len(self.spelling.names))
            for token in np.flatnonzero(self.spelling.said):
                row[token] = self.weight * self.model.score(self.spelling.names[token], before) + self.bonus
            row[~self.spelling.said] = row.min()
            self._rows[before] = row
        return self._rows[before]


class Shared(Scorer):
    """A causal language model whose vocabulary is that of the recogniser; all texts are put through it as one batch.

    It is worked through from the start at each step: a search reorders its texts without telling a scorer, so that a
    cache would be wrong. `begin` is the id before all text, `end` the one after it.
    """

    def __init__(self, model: Any, begin: int, end: int, weight: float, bonus: float = 0.0) -> None:
        self.model, self.begin, self.end, self.weight, self.bonus = model, begin, end, weight, bonus

    def tokens(self, said: Sequence[Ids]) -> NDArray[np.float64]:
        """All tokens but the end are text."""
        return self.weight * self._next(said) + self.bonus

    def ends(self, said: Sequence[Ids]) -> NDArray[np.float64]:
        """The score of the token that ends a text."""
        found: NDArray[np.float64] = self.weight * self._next(said)[:, self.end]
        return found

    def _next(self, said: Sequence[Ids]) -> NDArray[np.float64]:
        import torch

        longest = max(map(len, said)) + 1
        ids = torch.full((len(said), longest), self.end)
        for row, one in enumerate(said):  # filled up behind: a causal model does not see that
            ids[row, : len(one) + 1] = torch.tensor([self.begin, *one])
        with torch.inference_mode():
            logits = self.model(input_ids=ids.to(self.model.device)).logits
        last = logits[torch.arange(len(said)), torch.tensor([len(one) for one in said])]
        found: NDArray[np.float64] = last.double().log_softmax(-1).cpu().numpy()
        return found


class CausalWords:
    """Any causal language model as a model of words: what a word adds to the log-probability of the text before it.

    Its tokenizer may differ from the recogniser's.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        begin = tokenizer.bos_token_id
        self._begin: int | None = tokenizer.eos_token_id if begin is None else begin
        self._texts: dict[tuple[str, ...], float] = {}

    def score(self, word: str, before: Sequence[str]) -> float:
        """The natural logarithm of the probability of a word, or of the end."""
        said = tuple(one for one in before if one != BEGIN)
        return self._total((*said, word)) - self._total(said)

    def _total(self, words: tuple[str, ...]) -> float:
        if words not in self._texts:
            if len(self._texts) > _KEPT:
                self._texts.clear()
            self._texts[words] = self._heard(words)
        return self._texts[words]

    def _heard(self, words: tuple[str, ...]) -> float:
        import torch

        end = [self.tokenizer.eos_token_id] if words[-1:] == (END,) else []
        text = " ".join(words[:-1] if end else words)
        ids = [self._begin, *self.tokenizer(text, add_special_tokens=False).input_ids, *end]
        if len(ids) == 1:
            return 0.0
        given = torch.tensor([ids], device=self.model.device)
        with torch.inference_mode():
            likely = self.model(input_ids=given).logits[0, :-1].double().log_softmax(-1)
        return float(likely.gather(1, given[0, 1:, None]).sum())


class ShallowFusion:
    """A logits processor of transformers that adds a scorer's scores; made anew for each `generate`.

    Only tokens after those the search began with are text to the scorer.
    """

    def __init__(self, scorer: Scorer, ends: Sequence[int]) -> None:
        self.scorer, self.ends = scorer, list(ends)
        self._start: int | None = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores (rows, vocabulary) become log-probabilities with those of the language model added."""
        import torch

        if self._start is None:
            self._start = input_ids.shape[1]
        said = [tuple(row) for row in input_ids[:, self._start :].tolist()]
        added = self.scorer.tokens(said)
        wide = np.zeros((len(said), scores.shape[-1]))  # some models have rows of no token
        wide[:, : added.shape[1]] = added[:, : wide.shape[1]]
        wide[:, self.ends] = self.scorer.ends(said)[:, None]
        likely = scores.log_softmax(-1)
        return likely + torch.from_numpy(wide).to(likely.device, likely.dtype)
