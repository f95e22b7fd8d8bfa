"""Speech2Text (fairseq S2T): an encoder-decoder that transcribes, or translates into the languages it learned."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hark.engines.engine import Capabilities, Options
from hark.engines.transformers.families.family import TRANSCRIBING, Loaded, Transcriber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LANGUAGES = {"mustc": frozenset({"de", "es", "fr", "it", "nl", "pt", "ro", "ru"})}  # by `lang_codes` of the tokenizer


class SpeechToText(Transcriber):
    """`Speech2TextForConditionalGeneration` with its `Speech2TextProcessor`."""

    model_class = "Speech2TextForConditionalGeneration"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """It hears as many frames as it has positions for; one of several target languages only translates."""
        languages = _languages(folder)
        positions = config.get("max_source_positions", 6000)
        return Capabilities(
            free_prompt=False,
            tasks=frozenset({"translate"} if languages else {"transcribe"}),
            options=TRANSCRIBING | ({"to"} if languages else set()),
            max_seconds=min(60.0, positions / 100),
            timestamps="segment",
            languages=languages,
            batch_exact=True,
            streams=True,
        )

    def keywords(self, loaded: Loaded, options: Options) -> dict[str, Any]:
        """The language wanted is forced upon the first token, where the model has several."""
        codes = self.tokenizer(loaded).lang_code_to_id
        return {"forced_bos_token_id": codes[options.to]} if options.to else {}


def _languages(folder: Path) -> frozenset[str] | None:
    try:
        found = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("lang_codes")
    except (OSError, ValueError):
        return None
    return LANGUAGES.get(found)
