"""Encoders with a classification head: the model's own labels, scored for each stretch of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.engines.engine import Capabilities
from hark.engines.transformers.families.family import RATE, Family, Inputs, Loaded
from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Options

MOST_SECONDS = 30.0  # of an encoder that sets no limit itself; its memory grows with the square of the length
AST_HOP = 160  # samples from one frame of ASTFeatureExtractor to the next


class Classifier(Family):
    """wav2vec 2.0, HuBERT, WavLM and their like with a head over the mean of all frames."""

    model_class = "AutoModelForAudioClassification"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """The task `classify` and nothing else, in stretches of at most `max_seconds`.

        Raises:
            UnsupportedError: the head gives a number, and no labels.
        """
        if config.get("problem_type") == "regression" or len(config.get("id2label") or "two") == 1:
            raise UnsupportedError(
                f"The head of the model in {folder} gives a number, and no labels.",
                hint="hark runs heads that choose among two labels or more.",
            )
        return Capabilities(
            free_prompt=False,
            tasks=frozenset({"classify"}),
            options=frozenset({"top"}),
            max_seconds=self.seconds(config),
            timestamps="segment",
            batch_exact=True,
            streams=True,
        )

    def seconds(self, config: Mapping[str, Any]) -> float:
        """The longest stretch it hears, told from its config."""
        del config
        return MOST_SECONDS

    def most_samples(self, loaded: Loaded) -> int:
        """The longest stretch it hears, in samples at the rate of its feature extractor."""
        return int(MOST_SECONDS * loaded.processor.sampling_rate)

    def processor(self, folder: Path) -> Any:
        """Load the feature extractor; there is no tokenizer."""
        import transformers

        return transformers.AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)

    def scores(self, loaded: Loaded, samples: NDArray[Any]) -> NDArray[Any]:
        """Scores of all labels (n,), for samples of one stretch at the rate of the feature extractor.

        Softmax, so that they add up to 1; or sigmoid, each for itself, where the config says that several labels may
        hold (`problem_type: multi_label_classification`), as in `AudioClassificationPipeline` of transformers.
        """
        import numpy as np

        rate = loaded.processor.sampling_rate
        lacking = round(self.shortest_seconds * rate) - len(samples)
        filled = np.pad(samples, (0, max(0, lacking)))
        tensors = loaded.processor(filled, sampling_rate=rate, return_tensors="pt")
        if tensors.get("attention_mask") is not None and tensors["attention_mask"].all():
            del tensors["attention_mask"]  # says nothing, and makes torch warn about its type in WavLM
        logits = loaded.model(**tensors.to(loaded.model.device, dtype=loaded.model.dtype)).logits[0].float()
        found = logits.sigmoid() if several_hold(loaded) else logits.softmax(-1)
        scored: NDArray[Any] = found.cpu().numpy()
        return scored

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Not asked anything: its capabilities say so, and `check` refuses before this is reached."""
        del loaded, conversation, clips, options
        raise UnsupportedError("This model gives labels, and answers nothing.", hint="hark classify asks for them.")

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Writes nothing down: its capabilities say so, and `check` refuses before this is reached."""
        del loaded, samples, options
        raise UnsupportedError("This model gives labels, and writes nothing.", hint="hark classify asks for them.")


class AST(Classifier):
    """Audio Spectrogram Transformer: 10.24 s of log-mel frames (its extractor cuts the rest away without a word)."""

    def seconds(self, config: Mapping[str, Any]) -> float:
        """Its positions are for this many frames."""
        frames: int = config.get("max_length", 1024)
        return frames * AST_HOP / RATE

    def most_samples(self, loaded: Loaded) -> int:
        """Its frames are 160 samples apart, or 10 ms where torchaudio makes them."""
        most: int = loaded.processor.max_length * min(AST_HOP, loaded.processor.sampling_rate // 100)
        return most


class WhisperEncoder(Classifier):
    """The encoder of Whisper with a head: always 30 s of log-mel frames."""

    def seconds(self, config: Mapping[str, Any]) -> float:
        """Its positions are for this many pairs of frames, which are 10 ms apart."""
        positions: int = config.get("max_source_positions", 1500)
        return positions * 0.02

    def most_samples(self, loaded: Loaded) -> int:
        """The samples its feature extractor fills up to, and cuts at."""
        samples: int = loaded.processor.n_samples
        return samples


def several_hold(loaded: Loaded) -> bool:
    """May several labels hold at once? Else the model chooses one."""
    return getattr(loaded.model.config, "problem_type", None) == "multi_label_classification"
