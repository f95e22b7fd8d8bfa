"""Speech2Text as `hark train` makes it: a Transformer, a Conformer or LSTMs, with a CTC head."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.families.ctc import Piece, mean, segment
from hark.engines.transformers.families.speech_to_text import SpeechToText

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hark.answers.transcript import Segment
    from hark.engines.engine import Capabilities
    from hark.engines.transformers.families.family import Inputs, Loaded

HOP_SECONDS = 0.01  # of Speech2Text's feature extractor
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # how sentencepiece marks the beginning of a word


class HarkSpeech2Text(SpeechToText):
    """`HarkSpeech2TextForConditionalGeneration`; its config says whether the CTC head or the decoder writes."""

    model_class = "HarkSpeech2TextForConditionalGeneration"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """As Speech2Text; the CTC head takes no options, and knows when each word was said."""
        can = super().capabilities(config, folder)
        if config.get("decoding") != "ctc":
            return can
        return replace(can, options=frozenset(), timestamps="word")

    def architecture(self) -> Any:
        """The class, made known to transformers."""
        from hark.training.model import HarkSpeech2TextForConditionalGeneration

        return HarkSpeech2TextForConditionalGeneration

    def processor(self, folder: Path) -> Any:
        """Load the processor of Speech2Text."""
        from transformers import Speech2TextProcessor

        return Speech2TextProcessor.from_pretrained(folder, local_files_only=True)

    def timed(self, loaded: Loaded, inputs: Inputs) -> Segment | None:
        """What the CTC head writes, where the config says that it does; else None."""
        config = loaded.model.config
        if config.decoding != "ctc":
            return None
        log_probs, (length,) = loaded.model.ctc_log_probs(**inputs.tensors)
        likely, ids = log_probs[0, : int(length)].max(-1)
        step = HOP_SECONDS * 2**config.num_conv_layers
        pieces, place = [], 0
        for token, run in groupby(ids.tolist()):
            start, place = place, place + len(list(run))
            if token in (config.pad_token_id, config.eos_token_id):
                continue
            text = self.tokenizer(loaded).convert_ids_to_tokens(token).replace(_SPACE, " ")
            pieces.append(Piece(text, start * step, place * step, mean(likely[start:place].exp().tolist())))
        return segment(pieces)
