"""Recipes: all that is said about training a model from scratch, in one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hark.errors import DataError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

Share = Annotated[float, Field(ge=0, le=1)]
Many = Annotated[int, Field(ge=1)]
Some = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Range = tuple[float, float]
_FACTORS = (0.5, 2.0)  # of speed and warp; beyond, it is no speech


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """A data set in any format that hark reads, or a folder of `hark data prepare`; of these speakers, where named."""

    path: str
    speakers: tuple[str, ...] = ()


class Data(_Part):
    """What is learned, what settings are chosen on (`dev`), and what is reported in the end (`test`).

    What is not prepared yet is prepared into the folder of the run: with `vocab` (see `hark data prepare`, of the
    first of `train`), `bins` and `lowercase`.
    """

    train: tuple[Source, ...] = Field(min_length=1)
    dev: tuple[Source, ...] = ()
    test: tuple[Source, ...] = ()
    vocab: str = "characters"
    bins: Annotated[int, Field(ge=8, le=256)] = 80
    lowercase: bool = False
    max_seconds: Positive = 60.0
    min_seconds: Annotated[float, Field(ge=0)] = 0.0


class Sequences(_Part):
    """Samples for training made of several recordings of one speaker, in a row.

    Attributes:
        count: the fewest and the most recordings in one.
        gap_seconds: silence between two of them.
        edge_seconds: silence before the first and after the last.
        silence: what is put there: the `quiet` of the recordings (the 5th percentile of each band), or none at all
            (`digital`), where noise is added in any case.
        each_epoch: how many there are in an epoch; by default as many as recordings.
    """

    count: tuple[Many, Many]
    gap_seconds: Range = (0.0, 0.3)
    edge_seconds: Range = (0.0, 0.3)
    silence: Literal["quiet", "digital"] = "quiet"
    each_epoch: Many | None = None


class Noise(_Part):
    """Noise that is added: white, tilted, or stretches of the recordings in `data`.

    `snr_db` is the range of the ratio of mean mel energies; `tilt_db` the most that white noise rises or falls from the
    lowest band to the highest.
    """

    snr_db: Range = (10.0, 40.0)
    probability: Share = 1.0
    tilt_db: Annotated[float, Field(ge=0)] = 0.0
    data: Source | None = None


class SpecAugment(_Part):
    """Bands and stretches that are blanked (Park et al. 2019, arXiv:1904.08779): how many, and the widest.

    `time_share` bounds a stretch to a share of the sample.
    """

    bands: Some = 2
    band_width: Some = 27
    times: Some = 2
    time_width: Some = 100
    time_share: Share = 0.2


class Augment(_Part):
    """What is changed of samples for training, each time anew, on their log-mel energies.

    Attributes:
        speed: range of factors of the speed, pitch and formants with it, as of a tape.
        tempo: range of factors of the speed alone.
        warp: range of factors of the frequency axis alone (vocal tract length perturbation, Jaitly and Hinton 2013).
        level_db: the most that each recording in a sequence is made louder or softer.
    """

    speed: Range = (1.0, 1.0)
    tempo: Range = (1.0, 1.0)
    warp: Range = (1.0, 1.0)
    level_db: Annotated[float, Field(ge=0)] = 0.0
    noise: Noise | None = None
    spec: SpecAugment | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for name in ("speed", "tempo", "warp"):
            low, high = getattr(self, name)
            if not _FACTORS[0] <= low <= high <= _FACTORS[1]:
                raise ValueError(f"{name}: two factors from 0.5 to 2, the smaller first")
        return self


class Model(_Part):
    """The model: sizes as in `Speech2TextConfig`, and what `HarkSpeech2TextConfig` adds.

    Attributes:
        used_bins: how many of the bands of the features are looked at, from the lowest; telephone speech has nothing
            in those above 4 kHz.
        encoder_from: a folder of `hark train` whose encoder is what this one begins with.
    """

    architecture: Literal["transformer", "conformer", "rnn"] = "transformer"
    d_model: Many = 256
    encoder_layers: Many = 12
    decoder_layers: Many = 6
    heads: Many = 4
    encoder_ffn_dim: Many = 2048
    decoder_ffn_dim: Many = 2048
    dropout: Share = 0.1
    attention_dropout: Share = 0.0
    layerdrop: Share = 0.0
    conv_kernel_sizes: tuple[Many, ...] = (5, 5)
    conv_channels: Many = 1024
    conformer_kernel_size: Many = 15
    used_bins: Many | None = None
    normalize: Literal["utterance", "mean", "global", "none"] = "utterance"
    ctc_weight: Share = 0.3
    label_smoothing: Share = 0.1
    init_std: Positive = 0.02
    max_target_positions: Many = 1024
    encoder_from: str | None = None


class Training(_Part):
    """The loop, as transformers' `Seq2SeqTrainingArguments` has it.

    Attributes:
        steps, epochs: when it ends; one of them.
        cpu_minutes: processor time after which it ends, whatever the steps.
        batch_size: samples for each device and step; `accumulate` such make one update.
        schedule: of the learning rate after `warmup_steps`.
        evaluate_every, log_every: steps.
        judge: what tells which checkpoint is the best, on `dev`: word error rate, or BLEU of translations.
        patience: evaluations without a better one after which it ends.
        average: how many of the last checkpoints are averaged in the end, if that is no worse on `dev`.
    """

    steps: Many | None = None
    epochs: Positive | None = None
    cpu_minutes: Positive | None = None
    batch_size: Many = 16
    accumulate: Many = 1
    learning_rate: Positive = 1e-3
    warmup_steps: Some = 0
    schedule: Literal["linear", "cosine", "constant_with_warmup", "inverse_sqrt"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    betas: tuple[Share, Share] = (0.9, 0.98)
    max_grad_norm: Positive = 5.0
    bf16: bool = False
    gradient_checkpointing: bool = False
    workers: Some = 0
    seed: Some = 1
    evaluate_every: Many = 500
    log_every: Many = 50
    judge: Literal["wer", "bleu"] = "wer"
    patience: Many | None = None
    average: Many = 1

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("training: say steps or epochs, one of them")
        return self


class Decoding(_Part):
    """How text is made of what the model gives: `ctc` (greedy), `attention` or `joint` with beams; of tokens at most.

    `method` is what the finished model does unless told; `compare` are those reported on `test`.
    """

    method: Literal["ctc", "attention", "joint"] = "attention"
    beams: Many = 1
    max_tokens: Many = 200
    compare: tuple[Literal["ctc", "attention", "joint"], ...] = ()


class Recipe(_Part):
    """All of it; relative paths begin in the current folder."""

    data: Data
    model: Model = Model()
    training: Training
    augment: Augment = Augment()
    sequences: Sequences | None = None
    decoding: Decoding = Decoding()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.model.used_bins or 1) > self.data.bins:
            raise ValueError("model.used_bins: there are not as many in data.bins")
        if self.model.d_model % (2 * self.model.heads):
            raise ValueError("model.d_model: a multiple of twice the heads")
        if self.training.patience and not self.data.dev:
            raise ValueError("training.patience: there is no data.dev to be judged on")
        if self.decoding.method in ("ctc", "joint") and self.model.ctc_weight == 0:
            raise ValueError("decoding.method: the CTC head learns nothing where model.ctc_weight is 0")
        return self

    def text(self) -> str:
        """As YAML, with all that was left to defaults."""
        return str(yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))


def read(path: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe; `changes` are settings such as `model.d_model=128` that take the place of its own.

    Raises:
        DataError: the file cannot be read, or is no YAML.
        OptionError: a setting is unknown, or its value is wrong; the message names it.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"The recipe {path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} is no recipe.", hint="It has the parts data, model, training: docs/training.md.")
    for change in changes:
        _change(values, change)
    return checked(values)


def checked(values: Any) -> Recipe:
    """The recipe of plain values.

    Raises:
        OptionError: a setting is unknown, or its value is wrong; the message names it.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        told = first["msg"].removeprefix("Value error, ")
        raise OptionError(
            f"The recipe is wrong{f' at {place}' if place else ''}: {told}.",
            hint="docs/training.md lists all settings.",
        ) from error


def _change(values: dict[str, Any], change: str) -> None:
    name, equals, text = change.partition("=")
    if not equals or not name:
        raise OptionError(f"{change!r} changes no setting.", hint="Write NAME=VALUE, such as training.steps=100.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise OptionError(f"{text!r} is no value of {name}.") from error
    *parts, last = name.split(".")
    inner: Any = values
    for part in parts:
        inner = _within(inner, part, name)
    if isinstance(inner, list) and last.isdigit() and int(last) < len(inner):
        inner[int(last)] = value
    elif isinstance(inner, dict):
        inner[last] = value
    else:
        raise OptionError(f"There is no setting {name}.", hint="docs/training.md lists all settings.")


def _within(inner: Any, part: str, name: str) -> Any:
    if isinstance(inner, list) and part.isdigit() and int(part) < len(inner):
        return inner[int(part)]
    if not isinstance(inner, dict):
        raise OptionError(f"There is no setting {name}.", hint="docs/training.md lists all settings.")
    if inner.get(part) is None:
        inner[part] = {}
    return inner[part]
