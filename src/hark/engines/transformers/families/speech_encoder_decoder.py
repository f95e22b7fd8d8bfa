"""A pretrained encoder of speech with a pretrained decoder of text: published, or made by `hark train transfer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.engines.engine import Capabilities
from hark.engines.transformers.families.family import RATE, TRANSCRIBING, Inputs, Loaded, Transcriber
from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.engines.engine import Options


@dataclass(slots=True)
class Parts:
    """What prepares samples for the encoder, and the tokenizer of the decoder."""

    feature_extractor: Any
    tokenizer: Any

    def __call__(self, audio: Any, *, padding: bool = False) -> Any:
        """Samples (n,) mono at 16 kHz, or several such, as tensors."""
        fixed = "input_features" in self.feature_extractor.model_input_names  # Whisper's 30 s, and no other length
        how = {} if fixed or not padding else {"padding": True}
        return self.feature_extractor(audio, sampling_rate=RATE, return_tensors="pt", **how)


class SpeechEncoderDecoder(Transcriber):
    """`SpeechEncoderDecoderModel`; the config of those that hark made names tags of tasks."""

    model_class = "SpeechEncoderDecoderModel"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """The tasks that have a tag; without tags it writes what it was trained to write."""
        del folder
        languages = config.get("task_languages") or {}
        tasks = {task for task in config.get("task_tags") or {"transcribe": ""} if task != "translate" or languages}
        options = TRANSCRIBING | ({"language"} if languages else set()) | ({"to"} if "translate" in tasks else set())
        whisper = (config.get("encoder") or {}).get("model_type") == "whisper"
        return Capabilities(
            free_prompt=False,
            tasks=frozenset(tasks),
            options=options,
            max_seconds=30.0 if whisper else None,
            timestamps="segment",
            languages=frozenset(languages) or None,
            batch_exact=True,
            streams=True,
        )

    def refuse(self, can: Capabilities, options: Options) -> None:
        """Refuse a translation that does not say into what."""
        super().refuse(can, options)
        if options.task == "translate" and options.to is None:
            raise UnsupportedError("A translation needs a language.", hint="Name it: to='fr', or --to fr.")

    def architecture(self) -> Any:
        """The class, with Whisper's encoder, too."""
        from hark.training.transfer import ComposedModel

        return ComposedModel

    def processor(self, folder: Path) -> Any:
        """Load what the folder has of both."""
        from transformers import AutoFeatureExtractor, AutoTokenizer

        return Parts(
            AutoFeatureExtractor.from_pretrained(folder, local_files_only=True),
            AutoTokenizer.from_pretrained(folder, local_files_only=True),
        )

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """The samples, and the tag of the task to go on from."""
        import torch

        from hark.training.transfer import prompt_ids

        task = "translate" if options.task == "translate" else "transcribe"
        begun = prompt_ids(loaded.processor.tokenizer, loaded.model.config, task, options.language, options.to)
        given = torch.tensor([begun], device=loaded.model.device)
        return Inputs(loaded.processor(audio=samples), {"decoder_input_ids": given})

    def run(self, loaded: Loaded, inputs: Inputs, **keywords: Any) -> Any:
        """Generate token ids (1, n), without those that were given."""
        return super().run(loaded, inputs, **keywords)[:, inputs.keywords["decoder_input_ids"].shape[1] :]

    def most_tokens(self, loaded: Loaded, inputs: Inputs, options: Options) -> int | None:
        """The positions of the decoder that are left."""
        del options
        positions: int | None = getattr(loaded.model.config.decoder, "max_position_embeddings", None)
        return positions - int(inputs.keywords["decoder_input_ids"].shape[1]) if positions else None
