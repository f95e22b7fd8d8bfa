"""Joint CTC and attention decoding of a model that `hark train` made: the texts of both searches, ranked by both heads.

Source: Watanabe et al. 2017, "Hybrid CTC/attention architecture for end-to-end speech recognition", by rescoring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from hark.training.decoding import BEAMS, Hypothesis, attention_scores, ctc_prefix_beam, joint
from hark.training.fusion import ShallowFusion

if TYPE_CHECKING:
    from hark.training.fusion import Ids, Scorer


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is typed loosely
def search(
    model: Any,
    input_features: Any,
    attention_mask: Any = None,
    *,
    beams: int = BEAMS,
    scorer: Scorer | None = None,
    ctc_weight: float | None = None,
    max_new_tokens: int | None = None,
) -> list[list[Hypothesis]]:
    """The texts found for each recording, best first.

    Args:
        model: `HarkSpeech2TextForConditionalGeneration`.
        input_features: (batch, frames, bins).
        attention_mask: (batch, frames), 1 where there is sound.
        beams: how many texts each search keeps.
        scorer: a language model, which both searches ask, and the ranking.
        ctc_weight: the share of CTC in the ranking; by default as in training.
        max_new_tokens: the most that the decoder writes.
    """
    weight = model.config.ctc_weight if ctc_weight is None else ctc_weight
    if attention_mask is None:
        attention_mask = torch.ones(input_features.shape[:2], dtype=torch.long, device=input_features.device)
    fused = [ShallowFusion(scorer, [model.config.eos_token_id])] if scorer else []
    written = model.generate(
        input_features=input_features,
        attention_mask=attention_mask,
        decoding="attention",
        num_beams=beams,
        num_return_sequences=beams,
        do_sample=False,
        logits_processor=fused,
        **({"max_new_tokens": max_new_tokens} if max_new_tokens else {}),
    )
    heard = model.model.encoder(input_features, attention_mask=attention_mask)
    log_probs, lengths = model.ctc_log_probs(input_features, attention_mask)
    found = []
    for row, length in enumerate(lengths.tolist()):
        likely = log_probs[row, :length].cpu().numpy()
        texts = [one.tokens for one in ctc_prefix_beam(likely, model.config.pad_token_id, beams=beams, scorer=scorer)]
        texts += [_text(model, ids) for ids in written[row * beams : (row + 1) * beams].tolist()]
        texts = list(dict.fromkeys(texts))
        given = {"encoder_outputs": (heard[0][row : row + 1],), "attention_mask": attention_mask[row : row + 1]}
        attention = attention_scores(model, given, texts, [model.config.decoder_start_token_id])
        some = [Hypothesis(text) for text in texts]
        found.append(joint(some, likely, attention, model.config.pad_token_id, ctc_weight=weight, scorer=scorer))
    return found


def generate(
    model: Any,
    inputs: Any = None,
    *,
    input_features: Any = None,
    attention_mask: Any = None,
    num_beams: int | None = None,
    max_new_tokens: int | None = None,
    max_length: int | None = None,
    **others: Any,
) -> Any:
    """Ids (batch, n) of the best texts, in the shape of transformers' `generate`: the start, text, the end, padding.

    A text with more tokens than `max_new_tokens` (or `max_length`, which counts the start) is cut there.

    Raises:
        ValueError: an option is given that it does not know.
    """
    from hark.training.ctc_generate import refused

    others.pop("stopping_criteria", None)  # it is over before they could be asked
    wrong = refused(others)
    if wrong:
        raise ValueError(f"Joint decoding takes no {', '.join(wrong)}; decoding='attention' does.")
    features = inputs if input_features is None else input_features
    most = max_new_tokens or (max_length - 1 if max_length else None)
    found = search(model, features, attention_mask, beams=num_beams or BEAMS, max_new_tokens=most)
    start, end, pad = model.config.decoder_start_token_id, model.config.eos_token_id, model.config.pad_token_id
    texts = [list(some[0].tokens) for some in found]
    rows = [[start, *text, end] if most is None or len(text) < most else [start, *text[:most]] for text in texts]
    longest = max(map(len, rows))
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=features.device)


def _text(model: Any, ids: list[int]) -> Ids:
    """Ids without those that begin, end and fill up."""
    config = model.config
    marks = {config.decoder_start_token_id, config.eos_token_id, config.pad_token_id}
    return tuple(token for token in ids if token not in marks)
