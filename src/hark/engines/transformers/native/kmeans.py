"""HuBERT (or wav2vec 2.0, WavLM) units: the centre of k-means nearest to each frame of one layer.

Source of the method: fairseq `examples/textless_nlp/gslm/speech2unit`, as SpeechGPT's `speech2unit.py` uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.engines.transformers.native.layout import HUBERT_STRIDE, RATE
from hark.engines.transformers.native.units import Quantiser, load_encoder, load_extractor
from hark.errors import ModelBrokenError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.engines.transformers.native.layout import Layout

LONGEST = 100 * RATE  # heard at once, as in SpeechGPT's code


class KMeans(Quantiser):
    """An encoder, one of its layers (counted from 1), and the centres (codes, width); 50 units a second."""

    longest = LONGEST
    step = HUBERT_STRIDE

    def __init__(self, encoder: Any, extractor: Any, centres: Any, layer: int) -> None:
        self.encoder, self.extractor, self.centres, self.layer = encoder, extractor, centres, layer
        self.codes = len(centres)
        layers, width = encoder.config.num_hidden_layers, encoder.config.hidden_size
        if layer > layers or centres.shape[1] != width:
            raise ModelBrokenError(
                f"The encoder has {layers} layers of width {width}; the codebook is for layer {layer} and width "
                f"{centres.shape[1]}.",
                hint="The name of a published codebook says for which encoder and layer it is (..._L11_km1000).",
            )

    @classmethod
    def of(cls, encoder: Path, centres: NDArray[Any], layer: int) -> KMeans:
        """Put it together with the encoder in a folder, which may be that of a larger model.

        Raises:
            ModelBrokenError: a file or a weight is missing, or parts do not fit.
        """
        import torch
        from transformers import AutoModel

        extractor = load_extractor(encoder, "input_values")
        return cls(load_encoder(encoder, AutoModel), extractor, torch.from_numpy(centres), layer)

    @classmethod
    def load(cls, folder: Path, layout: Layout) -> KMeans:
        """Load it from `quantizer/`.

        Raises:
            ModelBrokenError: a file or a weight is missing, or parts do not fit.
        """
        from hark.engines.transformers.native.published import read_centres

        return cls.of(folder / layout.encoder, read_centres(folder / layout.codebook), layout.layer or 0)

    def to(self, device: Any) -> None:
        """Move the encoder and the centres."""
        super().to(device)
        self.centres = self.centres.to(device)

    def prepared(self, samples: NDArray[Any]) -> Any:
        """The clip as a whole, brought to mean 0 and variance 1 where the encoder was trained so."""
        return self.extractor(samples, sampling_rate=RATE, return_tensors="pt").input_values[0]

    def piece(self, samples: Any) -> list[int]:
        """Units of at most 100 s."""
        found = self.encoder(samples[None].to(self.encoder.device), output_hidden_states=True)
        return [int(unit) for unit in nearest(found.hidden_states[self.layer][0], self.centres).tolist()]


def nearest(frames: Any, centres: Any) -> Any:
    """The centre (n,) with the least squared distance to each frame (n, width); |x|^2 is the same for all of them."""
    return ((centres**2).sum(1) - 2 * frames @ centres.T).argmin(1)
