"""WhisperVQ: frames of Whisper's encoder, thinned out, and the nearest entry of a codebook for each.

Source of the method: `RQBottleneckTransformer` of collabora/WhisperSpeech (`vq_stoks.py`) with one quantiser of
lucidrains/vector-quantize-pytorch 1.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hark.engines.transformers.native.layout import RATE
from hark.engines.transformers.native.units import Quantiser, load_encoder, load_extractor
from hark.errors import ModelBrokenError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.engines.transformers.native.layout import Layout

SILENCE = -1.5  # with which WhisperSpeech fills the log-mel frames up to 30 s; Whisper itself fills up the samples


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What lies between the encoder's frames and the units; settings as in `units.json`."""

    tensors: dict[str, Any]  # names as in docs/unit-models.md
    downsample: int = 2
    pool: Literal["mean", "first", "conv"] = "mean"
    cosine: bool = True
    masked: bool = True

    @property
    def width(self) -> int:
        """Of the encoder's frames."""
        return int(self.tensors["norm.weight"].shape[0])

    def indices(self, frames: Any) -> Any:
        """Units (n,) of an encoder's frames (n x downsample, width)."""
        from torch.nn import functional as torch_

        t = self.tensors
        thin = self._thinned(frames)
        inner = torch_.layer_norm(thin, (self.width,), t["norm.weight"], t["norm.bias"])
        inner = torch_.gelu(torch_.linear(inner, t["mlp.0.weight"], t["mlp.0.bias"]))
        made = thin + torch_.linear(inner, t["mlp.2.weight"], t["mlp.2.bias"])
        if "project.weight" in t:
            made = torch_.linear(made, t["project.weight"], t["project.bias"])
        if self.cosine:  # entries of the codebook have length 1 already
            return (torch_.normalize(made, dim=-1) @ t["codebook"].T).argmax(-1)
        return ((t["codebook"] ** 2).sum(-1) - 2 * made @ t["codebook"].T).argmin(-1)

    def _thinned(self, frames: Any) -> Any:
        from torch.nn import functional as torch_

        if self.pool == "mean":
            return frames.reshape(-1, self.downsample, self.width).mean(1)
        first = frames[:: self.downsample]
        if self.pool == "first":
            return first
        weight, bias = self.tensors["conv.weight"], self.tensors["conv.bias"]
        return first + torch_.conv1d(frames.T[None], weight, bias, stride=self.downsample, padding=1)[0].T


class WhisperVQ(Quantiser):
    """Whisper's encoder and a bottleneck; 25 units a second where `downsample` is 2."""

    def __init__(self, encoder: Any, extractor: Any, bottleneck: Bottleneck) -> None:
        self.encoder, self.extractor, self.bottleneck = encoder, extractor, bottleneck
        self.frames = 2 * encoder.config.max_source_positions  # of log-mel, two for one of the encoder's
        self.longest = self.frames * extractor.hop_length
        self.step = 2 * extractor.hop_length * bottleneck.downsample
        self.codes = len(bottleneck.tensors["codebook"])
        if encoder.config.d_model != bottleneck.width:
            raise ModelBrokenError(
                f"The encoder is {encoder.config.d_model} wide, the codebook is for one of {bottleneck.width}.",
                hint="The name of the published codebook says for which Whisper it is: medium, large-v3 ...",
            )
        if encoder.config.num_mel_bins != extractor.feature_size:
            raise ModelBrokenError(
                f"The encoder takes {encoder.config.num_mel_bins} mel bands, its preprocessor_config.json makes "
                f"{extractor.feature_size}.",
                hint="Copy the one that was published with the encoder.",
            )
        if self.longest % self.step:
            raise ModelBrokenError(
                f"downsample {bottleneck.downsample} does not divide the {encoder.config.max_source_positions} frames "
                "of the encoder."
            )

    @classmethod
    def of(cls, encoder: Path, bottleneck: Bottleneck) -> WhisperVQ:
        """Put it together with the encoder in a folder, which may be that of a whole Whisper.

        Raises:
            ModelBrokenError: a file or a weight is missing, or parts do not fit.
        """
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        extractor = load_extractor(encoder, "input_features")
        return cls(load_encoder(encoder, WhisperEncoder, r"model\.encoder\."), extractor, bottleneck)

    @classmethod
    def load(cls, folder: Path, layout: Layout) -> WhisperVQ:
        """Load it from `quantizer/`.

        Raises:
            ModelBrokenError: a file or a weight is missing, or parts do not fit.
        """
        from hark.engines.transformers.native.published import read_bottleneck

        return cls.of(folder / layout.encoder, read_bottleneck(folder / layout.codebook, layout))

    def to(self, device: Any) -> None:
        """Move the encoder and the codebook."""
        super().to(device)
        tensors = self.bottleneck.tensors
        tensors.update({name: tensor.to(device) for name, tensor in tensors.items()})

    def piece(self, samples: NDArray[Any]) -> list[int]:
        """Units of at most 30 s; those of the silence it is filled up with are left out."""
        from torch.nn import functional as torch_

        mel = self.extractor(
            samples, sampling_rate=RATE, return_tensors="pt", padding=False, truncation=False
        ).input_features
        heard = mel.shape[-1]
        mel = torch_.pad(mel.to(self.encoder.device), (0, self.frames - heard), value=SILENCE)
        found = self.bottleneck.indices(self.encoder(mel).last_hidden_state[0])
        if self.bottleneck.masked:
            found = found[: heard // 2 // self.bottleneck.downsample]
        return [int(unit) for unit in found.tolist()]
