"""What may be said about tuning; every default is what most people want."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hark.errors import OptionError

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Tuning(BaseModel):
    """How a model is tuned.

    Attributes:
        method: `lora` trains a low-rank adapter, `full` the weights themselves.
        rank, alpha, dropout, rslora: of the adapter; alpha is twice the rank where it is not given.
        targets: a regular expression of the modules to adapt, in place of all linear ones of the wanted parts.
        encoder: train what hears, too; None: only of models that do nothing but write down.
        projector: train what stands between hearing and text, as a whole.
        epochs, steps: how long; `steps` wins where it is given.
        batch, accumulate: examples at once, and how many batches make a step.
        learning_rate: None: 2e-4 for an adapter, 1e-5 for all weights.
        schedule, warmup: how the rate falls, and over which share of the steps it rises before (or how many steps).
        weight_decay, max_grad_norm: as usual.
        checkpointing: work activations out twice, to keep few of them.
        seed: of the order of the examples, and of an adapter's first weights.
        eval_every, save_every, log_every: steps between; None: four times in the whole run, and 10.
        keep: how many checkpoints are kept, beside the best.
        answers: how many of the evaluation's examples are answered each time, to count those that are right.
        best: end with the checkpoint whose evaluation loss is lowest; it needs evaluation data.
        patience: evaluations without a better one after which it ends early; None: never.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["lora", "full"] = "lora"
    rank: Positive = 16
    alpha: Positive | None = None
    dropout: Share = 0.0
    rslora: bool = False
    targets: str | None = None
    encoder: bool | None = None
    projector: bool = False
    epochs: Annotated[float, Field(gt=0)] = 3.0
    steps: Positive | None = None
    batch: Positive = 4
    accumulate: Positive = 1
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    warmup: Annotated[float, Field(ge=0)] = 0.03
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    checkpointing: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    eval_every: Positive | None = None
    save_every: Positive | None = None
    log_every: Positive = 10
    keep: Positive = 2
    answers: Annotated[int, Field(ge=0)] = 8
    best: bool = False
    patience: Positive | None = None

    @model_validator(mode="after")
    def _agree(self) -> Tuning:
        if self.method == "full" and (self.targets or self.alpha or self.dropout or self.rslora):
            raise ValueError("targets, alpha, dropout and rslora are of adapters: leave them out of full tuning")
        return self

    @property
    def rate(self) -> float:
        """The highest learning rate."""
        return self.learning_rate or (2e-4 if self.method == "lora" else 1e-5)

    @classmethod
    def of(cls, **values: Any) -> Tuning:
        """Make it from keywords, refusing unknown ones.

        Raises:
            OptionError: there is no such setting, or its value is wrong.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or "It"
            told = first["msg"].removeprefix("Value error, ")
            raise OptionError(f"{name}: {told}.", hint="docs/tuning.md names all settings.") from error
