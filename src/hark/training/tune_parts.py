"""The parts of a model that may be trained, told by the names of its modules, which files of weights hold too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from hark.errors import OptionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hark.engines.transformers.families.family import Family
    from hark.training.tune_settings import Tuning

Part = Literal["encoder", "projector", "language"]
# In this order: what sees or chooses words is no part; a projector may hold an encoder of its own; the rest of the
# layers is the language model. Names as they are in the models of the catalog.
_NONE = re.compile(r"vis(ual|ion)|image|img_|lm_head|proj_out|embed_tokens(?!_extend)|altup|laurel|per_layer")
_PROJECTOR = re.compile(
    r"multi_modal_projector|(^|\.)projector\.|embed_audio\.|audio_embed\.(up|down)_proj|audio_tower\.proj$|"
    r"speech_encoder\.(adapter|intermediate_ffn)\.|_projector$"
)
_ENCODER = re.compile(r"audio_tower\.|speech_encoder\.|(^|\.)encoder\.|audio_encoder\.")
_LAYERS = re.compile(r"(^|\.)(layers|h|blocks)\.\d+\.")


def part_of(name: str) -> Part | None:
    """The part of the model that a linear module of this name belongs to; None for those that are never trained."""
    if _NONE.search(name):
        return None
    if _PROJECTOR.search(name):
        return "projector"
    if _ENCODER.search(name):
        return "encoder"
    return "language" if _LAYERS.search(name) else None


def wanted(tuning: Tuning, family: Family) -> frozenset[Part]:
    """The parts that are to be trained.

    The language model always; the encoder too of a model that only writes down, whose ears are most of it.
    """
    from hark.engines.transformers.families.family import Transcriber

    writes_down = isinstance(family, Transcriber) and not family.echoes_prompt
    encoder = tuning.encoder if tuning.encoder is not None else writes_down
    chosen: dict[Part, bool] = {"language": True, "encoder": encoder, "projector": tuning.projector}
    return frozenset(part for part, trained in chosen.items() if trained)


def linear(model: Any, parts: Iterable[Part]) -> list[str]:
    """The names of the linear modules in some parts of a model, quantized ones included."""
    from torch import nn

    kept = frozenset(parts)
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and part_of(name) in kept]


def pattern(names: Sequence[str]) -> str:
    """A regular expression that matches these names and no others, short because layers differ in numbers alone."""
    return "|".join(sorted({re.sub(r"\\?\.\d+(?=\\?\.)", r"\\.\\d+", re.escape(name)) for name in names}))


def low_rank(model: Any, family: Family, tuning: Tuning) -> Any:
    """A peft model with a low-rank adapter on the parts to be trained; the projector is trained as a whole.

    Source: "LoRA: Low-Rank Adaptation of Large Language Models" (Hu et al., 2021).

    Raises:
        UnsupportedError: no module of the model can be adapted.
        OptionError: `targets` matches none, or is no regular expression.
    """
    from peft import LoraConfig, get_peft_model

    parts = wanted(tuning, family)
    names = linear(model, parts - {"projector"})
    if tuning.targets:
        names = _matching(model, tuning.targets)
    if not names:
        raise UnsupportedError("The model has no layers that an adapter could be put on.", hint="Tune it with --full.")
    whole = linear(model, {"projector"}) if tuning.projector else []
    if tuning.projector and not whole:
        raise UnsupportedError("The model has no projector between its encoder and its text.", hint="Leave it out.")
    config = LoraConfig(
        r=tuning.rank, lora_alpha=tuning.alpha or 2 * tuning.rank, lora_dropout=tuning.dropout,
        target_modules=tuning.targets or pattern(names), modules_to_save=whole or None, bias="none",
        use_rslora=tuning.rslora,
    )  # fmt: skip
    return get_peft_model(model, config)


def in_full(model: Any, family: Family, tuning: Tuning) -> Any:
    """The model itself, with all weights of the wanted parts to be trained and all others kept as they are."""
    parts = wanted(tuning, family)
    for name, weight in model.named_parameters():
        weight.requires_grad_(part_of_weight(name) in parts)
    return model


def part_of_weight(name: str) -> Part | None:
    """Of any weight: norms and embeddings go with what they stand in; what sees is never trained."""
    if re.search(r"vis(ual|ion)|image|img_", name):
        return None
    if _PROJECTOR.search(name.rpartition(".")[0]):
        return "projector"
    return "encoder" if _ENCODER.search(name) else "language"


def _matching(model: Any, targets: str) -> list[str]:
    from torch import nn

    try:
        found = re.compile(targets)
    except re.error as error:
        raise OptionError(f"targets is no regular expression: {error}.", hint=r"Such as .*\.(q|v)_proj") from error
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and found.fullmatch(name)]
    if not names:
        some = ", ".join(linear(model, {"language"})[:3])
        raise OptionError(f"No linear module is called {targets!r}.", hint=f"There is {some} ...")
    return names
