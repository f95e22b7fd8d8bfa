"""Speech2Text as `hark train` makes it: a Transformer, a Conformer or LSTMs, with a CTC head."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.families.ctc import Piece, mean, searched, segment
from hark.engines.transformers.families.speech_to_text import SpeechToText

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from hark.answers.transcript import Segment
    from hark.engines.engine import Capabilities, Options
    from hark.engines.transformers.families.family import Inputs, Loaded

HOP_SECONDS = 0.01  # of Speech2Text's feature extractor
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # how sentencepiece marks the beginning of a word


class HarkSpeech2Text(SpeechToText):
    """`HarkSpeech2TextForConditionalGeneration`; its config says whether the CTC head, the decoder or both write."""

    model_class = "HarkSpeech2TextForConditionalGeneration"
    # It learned from whole recordings, silence and all: what is heard of one decides how its features are normalised.
    pause_seconds, margin_seconds = 2.0, 1.0

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """As Speech2Text; where the CTC head writes, it takes beams alone, and knows when each word was said."""
        can = super().capabilities(config, folder)
        if config.get("decoding") not in ("ctc", "joint"):
            return can
        return replace(can, options=frozenset({"beams"}), timestamps="word")

    def keywords(self, loaded: Loaded, options: Options) -> dict[str, Any]:
        """As Speech2Text; or how wide to search."""
        if loaded.model.config.decoding == "attention":
            return super().keywords(loaded, options)
        return {"beams": options.beams}

    def architecture(self) -> Any:
        """The class, made known to transformers."""
        from hark.training.model import HarkSpeech2TextForConditionalGeneration

        return HarkSpeech2TextForConditionalGeneration

    def processor(self, folder: Path) -> Any:
        """Load the processor of Speech2Text."""
        from transformers import Speech2TextProcessor

        return Speech2TextProcessor.from_pretrained(folder, local_files_only=True)

    def timed(self, loaded: Loaded, inputs: Inputs) -> Segment | None:
        """What the CTC head writes, alone or with the decoder, where the config says that it does; else None."""
        config = loaded.model.config
        if config.decoding not in ("ctc", "joint"):
            return None
        log_probs, (length,) = loaded.model.ctc_log_probs(**inputs.tensors)
        states = log_probs[0, : int(length)]
        ids = self._ids(loaded, inputs, states)
        likely = states.exp().gather(-1, ids[:, None])[:, 0].tolist()
        step = HOP_SECONDS * 2**config.num_conv_layers
        pieces, place = [], 0
        for token, run in groupby(ids.tolist()):
            start, place = place, place + len(list(run))
            if token in (config.pad_token_id, config.eos_token_id):
                continue
            text = self.tokenizer(loaded).convert_ids_to_tokens(token).replace(_SPACE, " ")
            pieces.append(Piece(text, start * step, place * step, mean(likely[start:place])))
        return segment(pieces)

    def _ids(self, loaded: Loaded, inputs: Inputs, states: torch.Tensor) -> torch.Tensor:
        """The token of each state (n, vocabulary), as the config says: of one search, or of two."""
        blank = loaded.model.config.pad_token_id
        if loaded.model.config.decoding == "ctc":
            found = searched(loaded, inputs, states, blank)
            return states.argmax(-1) if found is None else found
        import torch

        from hark.training.decoding import BEAMS, frame_path
        from hark.training.joint import search

        beams = inputs.keywords.get("beams") or BEAMS
        best = search(loaded.model, **inputs.tensors, beams=beams, scorer=loaded.scorer)[0][0]
        return torch.from_numpy(frame_path(states.cpu().numpy(), best.tokens, blank)).to(states.device)
