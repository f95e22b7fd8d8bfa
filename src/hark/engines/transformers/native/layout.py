"""`quantizer/units.json`: what turns audio into units beside a language model, and how the model names the units."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hark.errors import ModelBrokenError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "quantizer"
FILE = "units.json"
RATE = 16000
WHISPER_FRAMES = 50  # that Whisper's encoder gives a second
HUBERT_STRIDE = 320  # samples from one frame of HuBERT to the next, where its config does not say
NAME = r"^\w[\w.+-]*$"  # of a file or folder in `quantizer/`: no way out of it
DOCS = "docs/unit-models.md describes the file."

Kind = Literal["ichigo", "speechgpt", "audiopalm"]
# How models of each kind name a unit, and what stands around the units of a clip.
TOKENS: dict[Kind, tuple[str, str, str]] = {
    "ichigo": ("<|sound_{:04d}|>", "<|sound_start|>", "<|sound_end|>"),
    "speechgpt": ("<{}>", "<sosp>", "<eosp>"),
    "audiopalm": ("", "", ""),
}


class Layout(BaseModel):
    """The contents of `units.json`; docs/unit-models.md explains each field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    quantizer: Literal["whisper_vq", "kmeans"]
    encoder: str = Field("encoder", pattern=NAME)
    codebook: str = Field("codebook.safetensors", pattern=NAME)
    downsample: int = Field(2, ge=1, le=50)
    pool: Literal["mean", "first", "conv"] = "mean"
    cosine: bool = True
    masked: bool = True
    layer: int | None = Field(None, ge=1)
    collapse: bool | None = None
    unit: str | None = None
    start: str | None = None
    end: str | None = None
    offset: int | None = Field(None, ge=0)
    count: int | None = Field(None, ge=1)
    tags: dict[Literal["transcribe", "translate"], str] = {"transcribe": "ASR", "translate": "AST"}
    languages: dict[str, str] = {}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.quantizer == "kmeans" and self.layer is None:
            raise ValueError("a k-means quantizer needs the layer whose output it clusters")
        if (self.offset is None) != (self.count is None):
            raise ValueError("offset and count come together")
        if self.offset is None and not self.named[0]:
            raise ValueError("it says neither how a unit is named (unit) nor where the units' ids lie (offset, count)")
        if self.kind != "audiopalm" and not self.named[1]:
            raise ValueError("start, the token before the units of a clip, cannot be empty")
        try:
            self.named[0].format(0)
        except (ValueError, IndexError, KeyError) as error:
            raise ValueError("unit is a format such as <|sound_{:04d}|>") from error
        return self

    @property
    def named(self) -> tuple[str, str, str]:
        """A unit's token as a format, and the tokens before and after the units of a clip; empty for none."""
        unit, start, end = TOKENS[self.kind]
        return (
            unit if self.unit is None else self.unit,
            start if self.start is None else self.start,
            end if self.end is None else self.end,
        )

    @property
    def collapses(self) -> bool:
        """Whether a unit that follows itself is written once: SpeechGPT does, the others keep the time."""
        return self.kind == "speechgpt" if self.collapse is None else self.collapse


def read_layout(folder: Path) -> Layout:
    """Read `quantizer/units.json` of a model's folder.

    Raises:
        ModelBrokenError: it cannot be read, or a field is wrong.
    """
    path = folder / FOLDER / FILE
    try:
        return Layout.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ModelBrokenError(f"{path}: {field + ': ' if field else ''}{first['msg']}.", hint=DOCS) from error
    except (OSError, ValueError) as error:
        raise ModelBrokenError(f"{path} cannot be read: {error}.", hint=DOCS) from error


def units_per_second(folder: Path, layout: Layout) -> float:
    """How many units a second of audio gives, before units that repeat are written once."""
    if layout.quantizer == "whisper_vq":
        return WHISPER_FRAMES / layout.downsample
    try:
        path = folder / FOLDER / layout.encoder / "config.json"
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return RATE / float(math.prod(config.get("conv_stride") or [HUBERT_STRIDE]))
    except (OSError, ValueError, TypeError, AttributeError, ZeroDivisionError):
        return RATE / HUBERT_STRIDE  # what is wrong with the encoder is told when it is loaded
