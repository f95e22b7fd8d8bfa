"""Granite Speech: 10 tokens a second, and an adapter that belongs to hearing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.families.family import CHATS, ChatAudioLM
from hark.engines.transformers.families.lora import merge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hark.engines.engine import Capabilities

TOKENS_PER_SECOND = 10
ROOM = 2048  # tokens kept free for text
NO_FOLDER = "no-adapter-for-peft"


class GraniteSpeech(ChatAudioLM):
    """Granite Speech, with and without an adapter."""

    model_class = "GraniteSpeechForConditionalGeneration"
    transcription_prompt = "can you transcribe the speech into a written format?"
    encoder = "model.encoder"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question, several clips and turns; the limit is the room for tokens."""
        del folder
        positions = (config.get("text_config") or {}).get("max_position_embeddings", 131072)
        return replace(CHATS, max_seconds=max(30.0, float((positions - ROOM) // TOKENS_PER_SECOND)), batch_exact=False)

    def processor(self, folder: Path) -> Any:
        """Put the processor together: the library's own extractor asks for torchaudio."""
        from transformers import AutoTokenizer, GraniteSpeechProcessor

        extractor = _extractor().from_pretrained(folder, local_files_only=True)
        words = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        known, _ = GraniteSpeechProcessor.get_processor_dict(folder, local_files_only=True)
        template = known.get("chat_template") or words.chat_template
        return GraniteSpeechProcessor(extractor, words, known.get("audio_token", "<|audio|>"), chat_template=template)

    def model(self, folder: Path, **how: Any) -> Any:
        """Load the weights with the adapter, where the config says there is one.

        The library's `generate` switches an adapter of peft off where it is given no audio tensors; one that is
        part of the weights stays, as does everything that was heard with it.

        Raises:
            ModelBrokenError: a weight is missing, or the adapter.
        """
        # Where peft is installed the library attaches an adapter that it finds; in this folder it finds none.
        model = super().model(folder, adapter_kwargs={"subfolder": NO_FOLDER}, **how)
        if model.config.has_lora_adapter:
            merge(model, folder)
        return model


def _extractor() -> Any:
    import torch
    from transformers import BatchFeature, GraniteSpeechFeatureExtractor, SequenceFeatureExtractor
    from transformers.audio_utils import mel_filter_bank

    class Extractor(GraniteSpeechFeatureExtractor):  # type: ignore[misc]  # transformers is typed loosely
        """Log-mel features by torch alone.

        torchaudio's `MelSpectrogram` at its defaults: power of the spectrum under a periodic Hann window, frames
        centred and mirrored at the edges, filters on HTK's scale up to half the rate, their areas not made equal.
        """

        def __init__(
            self,
            sampling_rate: int = 16000,
            n_fft: int = 512,
            win_length: int = 400,
            hop_length: int = 160,
            n_mels: int = 80,
            projector_window_size: int = 15,
            projector_downsample_rate: int = 5,
            padding_value: float = 0.0,
            **kwargs: Any,
        ) -> None:
            size = kwargs.pop("feature_size", None) or n_mels
            SequenceFeatureExtractor.__init__(self, size, sampling_rate, padding_value, **kwargs)
            self.melspec_kwargs = {"n_fft": n_fft, "win_length": win_length, "hop_length": hop_length, "n_mels": n_mels}
            self.projector_window_size = projector_window_size
            self.projector_downsample_rate = projector_downsample_rate
            filters = mel_filter_bank(n_fft // 2 + 1, n_mels, 0.0, sampling_rate / 2, sampling_rate)
            self.mel_filters = torch.from_numpy(filters).float()
            self.window = torch.hann_window(win_length)

        def __call__(self, audios: Any, device: str | None = "cpu") -> Any:
            """Features (clips, frames, 2 n_mels), two mel frames in one, and how many tokens each clip takes."""
            del device  # of so little work that it is done where the samples are
            samples, lengths = self._get_audios_and_audio_lengths(audios)
            sizes = self._get_num_audio_features(lengths)
            mask = torch.arange(max(sizes)).view(1, -1) < torch.tensor(sizes).view(-1, 1)
            data = {
                "input_features": self.log_mel(samples.float()),
                "audio_embed_sizes": sizes,
                "input_features_mask": mask,
            }
            return BatchFeature(data=data)

        def log_mel(self, samples: Any) -> Any:
            """The mel spectrum in log10, no lower than 8 under its peak, a quarter of it plus 1; an odd frame goes."""
            known = self.melspec_kwargs
            spectrum = torch.stft(
                samples, known["n_fft"], known["hop_length"], known["win_length"], self.window,
                center=True, pad_mode="reflect", return_complex=True,
            )  # fmt: skip
            mel = spectrum.abs().pow(2).transpose(-1, -2) @ self.mel_filters
            found = mel.clamp(min=1e-10).log10()
            found = torch.maximum(found, found.amax(dim=(-2, -1), keepdim=True) - 8.0) / 4 + 1
            found = found[:, : found.shape[1] // 2 * 2]
            return found.reshape(found.shape[0], -1, 2 * found.shape[-1])

    return Extractor
