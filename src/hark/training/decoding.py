"""Search: CTC prefix beam with a hook for language models, and joint CTC and attention scores.

Log-probabilities are natural logarithms; those of a CTC model are (frames, vocabulary).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hark.training.fusion import Ids, Scorer

BEAMS = 16
LEAST = math.log(1e-4)  # a token less likely than this in a frame begins nothing there
_NEVER = -math.inf
_NONE = (_NEVER, _NEVER)  # log-probabilities of the paths that end with a blank, and with the last token


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text that a search found.

    Attributes:
        tokens: its ids, without blanks or special ones.
        ctc: log-probability of all its CTC paths; attention: that of the decoder, with the end.
        lm: what a language model added, weighted.
        score: what it is ranked by.
    """

    tokens: Ids
    ctc: float = 0.0
    attention: float = 0.0
    lm: float = 0.0
    score: float = 0.0


def ctc_prefix_beam(
    likely: NDArray[np.floating],
    blank: int,
    *,
    beams: int = BEAMS,
    scorer: Scorer | None = None,
    least: float = LEAST,
) -> list[Hypothesis]:
    """The best texts of a CTC output, best first; a text is as likely as all paths that read it together.

    Source: Hannun, Maas, Jurafsky, Ng 2014, "First-pass large vocabulary continuous speech recognition using
    bi-directional recurrent DNNs" (arXiv:1408.2873), algorithm 1; the language model's score is kept beside the
    acoustic one, and both rank a text.

    Args:
        likely: log-probabilities (frames, vocabulary).
        blank: the column of the blank.
        beams: how many texts are kept after each frame.
        scorer: adds the scores of a language model.
        least: tokens less likely than this in a frame are left out there, but for the likeliest.

    Raises:
        OptionError: fewer beams than one.
    """
    if beams < 1:
        raise OptionError(f"A search cannot keep {beams} texts.", hint="One beam or more.", param="beams")
    rows = _Rows(scorer)
    kept: dict[Ids, tuple[float, float]] = {(): (0.0, _NEVER)}
    for frame in np.asarray(likely, np.float64):
        kept = _best(_grown(kept, frame, blank, least), rows, beams)
    found = []
    ends = scorer.ends(list(kept)) if scorer else np.zeros(len(kept))
    for (tokens, paths), end in zip(kept.items(), ends.tolist(), strict=True):
        ctc, lm = _sum(*paths), rows.total(tokens) + end
        found.append(Hypothesis(tokens, ctc=ctc, lm=lm, score=ctc + lm))
    return sorted(found, key=lambda one: -one.score)


def _grown(
    kept: dict[Ids, tuple[float, float]], frame: NDArray[np.float64], blank: int, least: float
) -> dict[Ids, tuple[float, float]]:
    """All texts after one more frame."""
    grown: dict[Ids, tuple[float, float]] = {}
    said = [
        (token, float(frame[token]))
        for token in np.flatnonzero(frame >= min(least, frame.max())).tolist()
        if token != blank
    ]

    def add(tokens: Ids, blanked: float, spoken: float) -> None:
        if blanked == spoken == _NEVER:  # a letter twice, and no blank yet between
            return
        old = grown.get(tokens, _NONE)
        grown[tokens] = (_sum(old[0], blanked), _sum(old[1], spoken))

    for tokens, (blanked, spoken) in kept.items():
        both, last = _sum(blanked, spoken), tokens[-1] if tokens else None
        repeated = spoken + float(frame[last]) if last is not None else _NEVER
        add(tokens, both + float(frame[blank]), repeated)
        for token, likely in said:
            add((*tokens, token), _NEVER, (blanked if token == last else both) + likely)
    return grown


def _best(grown: dict[Ids, tuple[float, float]], rows: _Rows, beams: int) -> dict[Ids, tuple[float, float]]:
    """The best of them: all by their acoustic score and their language model's, which comes a batch at a time."""
    acoustic = {tokens: _sum(*paths) for tokens, paths in grown.items()}
    rows.ask(acoustic)
    ranked = sorted(acoustic, key=lambda tokens: -(acoustic[tokens] + rows.total(tokens)))
    kept = {tokens: grown[tokens] for tokens in ranked[:beams]}
    rows.keep(kept)
    return kept


class _Rows:
    """What a language model says of the texts of a search: the sum for each, and one row for the tokens after it."""

    def __init__(self, scorer: Scorer | None) -> None:
        self._scorer = scorer
        self._totals: dict[Ids, float] = {(): 0.0}
        self._rows: dict[Ids, NDArray[np.float64]] = {}

    def ask(self, texts: Any) -> None:
        """Score texts, each a token longer than one that was kept."""
        if self._scorer is None:
            return
        new = [text for text in texts if text not in self._totals]
        lacking = list(dict.fromkeys(text[:-1] for text in new if text[:-1] not in self._rows))
        if lacking:
            self._rows |= zip(lacking, self._scorer.tokens(lacking), strict=True)
        for text in new:
            self._totals[text] = self._totals[text[:-1]] + float(self._rows[text[:-1]][text[-1]])

    def keep(self, texts: Any) -> None:
        """Forget all others: no text grows of them."""
        self._totals = {text: total for text, total in self._totals.items() if text in texts}
        self._rows = {text: row for text, row in self._rows.items() if text in texts}

    def total(self, text: Ids) -> float:
        return self._totals[text] if self._scorer else 0.0


def _sum(one: float, other: float) -> float:
    """The logarithm of the sum of two probabilities given as logarithms."""
    high, low = (one, other) if one > other else (other, one)
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))


def ctc_scores(likely: NDArray[np.floating], texts: Sequence[Ids], blank: int) -> NDArray[np.float64]:
    """The log-probability (texts,) of each text, over all of its paths; minus infinity where it does not fit in."""
    import torch
    from torch.nn.functional import ctc_loss

    if not texts:
        return np.zeros(0)
    count, longest = len(texts), max(1, *map(len, texts))
    targets = torch.full((count, longest), blank)
    for row, tokens in enumerate(texts):
        targets[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
    given = torch.from_numpy(np.array(likely, np.float64))[:, None].expand(-1, count, -1)
    frames, lengths = torch.full((count,), len(likely)), torch.tensor([len(tokens) for tokens in texts])
    found: NDArray[np.float64] = -ctc_loss(given, targets, frames, lengths, blank=blank, reduction="none").numpy()
    return found


def frame_path(likely: NDArray[np.floating], tokens: Ids, blank: int) -> NDArray[np.int64]:
    """The likeliest path of a text: the id (frames,) of each frame, the blank where nothing is said."""
    from hark.alignment.trellis import align

    path = np.full(len(likely), blank, np.int64)
    for token, span in zip(tokens, align(likely, tokens, blank) or (), strict=True):
        path[span.first : span.after] = token
    return path


def attention_scores(model: Any, heard: Any, texts: Sequence[Ids], begin: Sequence[int]) -> NDArray[np.float64]:
    """The log-probability (texts,) of each text with its end, of the decoder of an encoder-decoder.

    Args:
        model: any encoder-decoder of transformers that takes `encoder_outputs`.
        heard: what its encoder gave for one recording, and the mask of its inputs, as keywords of `forward`; tensors
            have one row.
        texts: ids without special tokens.
        begin: the ids that the decoder begins with.
    """
    import torch

    end = _first(model.generation_config.eos_token_id)
    longest = max(map(len, texts)) + len(begin)
    ids = torch.full((len(texts), longest), end, device=model.device)
    wanted = torch.full((len(texts), longest), -100, device=model.device)
    for row, tokens in enumerate(texts):
        said = torch.tensor([*begin, *tokens, end], device=model.device)
        ids[row, : len(said) - 1] = said[:-1]
        wanted[row, len(begin) - 1 : len(said) - 1] = said[len(begin) :]
    with torch.inference_mode():
        logits = model(**_rows(heard, len(texts)), decoder_input_ids=ids, use_cache=False).logits.double()
    likely = logits.log_softmax(-1).gather(2, wanted.clamp(min=0)[..., None])[..., 0]
    found: NDArray[np.float64] = (likely * (wanted >= 0)).sum(1).cpu().numpy()
    return found


def joint(
    found: Sequence[Hypothesis],
    likely: NDArray[np.floating],
    attention: NDArray[np.float64],
    blank: int,
    *,
    ctc_weight: float = 0.3,
    scorer: Scorer | None = None,
    length_bonus: float = 0.0,
) -> list[Hypothesis]:
    """Rank texts by CTC and attention together, best first.

    score = w log P_ctc + (1 - w) log P_attention + lm + bonus * tokens (Watanabe et al. 2017, "Hybrid CTC/attention
    architecture for end-to-end speech recognition", section on rescoring). The texts may come from either search, or
    both: each is scored by all parts here. One that CTC has no room for is out, unless its weight is 0.

    Raises:
        OptionError: the weight is not from 0 to 1.
    """
    if not 0 <= ctc_weight <= 1:
        raise OptionError(f"A weight of CTC cannot be {ctc_weight!r}.", hint="It is from 0, attention alone, to 1.")
    ctc = ctc_scores(likely, [one.tokens for one in found], blank)
    ranked = []
    for one, by_ctc, by_attention in zip(found, ctc.tolist(), attention.tolist(), strict=True):
        lm = scorer.whole(one.tokens) if scorer else 0.0
        score = (ctc_weight * by_ctc if ctc_weight else 0.0) + (1 - ctc_weight) * by_attention + lm
        score += length_bonus * len(one.tokens)
        ranked.append(replace(one, ctc=by_ctc, attention=by_attention, lm=lm, score=score))
    return sorted(ranked, key=lambda one: -one.score)


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, list) else value)


def _rows(heard: dict[str, Any], count: int) -> dict[str, Any]:
    """The same recording for each of some texts."""
    from transformers.modeling_outputs import BaseModelOutput

    made: dict[str, Any] = {}
    for name, value in heard.items():
        if name == "encoder_outputs":
            made[name] = BaseModelOutput(last_hidden_state=value[0].expand(count, -1, -1))
        else:
            made[name] = value.expand(count, *value.shape[1:]) if hasattr(value, "expand") else value
    return made
