"""`parameters` of Hugging Face's tasks -> hark's options: each is honoured, does nothing as given, or is refused.

Names: transformers' `GenerationConfig`, and the specifications of automatic-speech-recognition and audio-classification
in huggingface.js (`packages/tasks/src/tasks/*/spec/input.json`). hark's own options stand beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from hark.errors import RequestError
from hark.server.reading import Body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.engines.engine import Capabilities

_NESTED = ("generation_parameters", "generate_kwargs", "generation_kwargs")
_NAMES = {"num_beams": "beams", "stop_strings": "stop", "top_k": "top"}
# Values that change nothing: the defaults of transformers, which some clients write out.
_IDLE: dict[str, Any] = {
    "use_cache": True, "early_stopping": False, "num_beam_groups": 1, "num_return_sequences": 1, "penalty_alpha": 0,
    "epsilon_cutoff": 0, "eta_cutoff": 0, "typical_p": 1, "repetition_penalty": 1, "min_length": 0,
    "min_new_tokens": 0, "return_full_text": False, "details": False,
}  # fmt: skip


class Generation(Body):
    """What may be said about how text is generated."""

    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    do_sample: bool | None = None
    num_beams: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stop_strings: str | list[str] | None = None
    task: str | None = None
    language: str | None = None
    return_timestamps: bool | Literal["segment", "word"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_idle(cls, given: Any) -> Any:
        return {key: item for key, item in given.items() if not _idle(key, item)} if isinstance(given, dict) else given


class Parameters(Generation):
    """All `parameters` of a request."""

    generation_parameters: Generation | None = None
    generate_kwargs: Generation | None = None
    generation_kwargs: Generation | None = None
    top_k: int | None = Field(default=None, description="How many labels to give, best first; of a classifier.")
    to: str | None = None
    form: dict[str, Any] | str | None = Field(default=None, alias="schema")
    long: Literal["refuse", "split"] | float | None = None
    top: int | None = None
    grammar: str | None = None


def flat(given: Parameters) -> dict[str, Any]:
    """Parameters under one roof, by the names they were given.

    Raises:
        RequestError: one was given twice.
    """
    found = given.model_dump(exclude_none=True, by_alias=True)
    for nested in _NESTED:
        found = joined(found, found.pop(nested, {}))
    return found


def joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two sets of parameters.

    Raises:
        RequestError: they say different things.
    """
    for name in first.keys() & second.keys():
        if first[name] != second[name]:
            raise RequestError(f"{name} is given twice, with different values.", hint="Leave out one.", param=name)
    return {**first, **second}


def options(given: Mapping[str, Any], can: Capabilities) -> dict[str, Any]:
    """The options of `Listener.answer` that parameters mean.

    Raises:
        RequestError: two of them contradict each other, or one is of another task.
    """
    found = dict(given)
    for theirs, ours in _NAMES.items():
        if theirs in found:
            found = joined(found, {ours: found.pop(theirs)})
    if "top" in found and found.get("task") != "classify":
        raise RequestError("top and top_k are for labels; text is not sampled by them.", hint="Use top_p.", param="top")
    times = found.pop("return_timestamps", False)
    if times:
        found["timestamps"] = "word" if times == "word" else "segment"
    return _sampled(found, can)


def _sampled(found: dict[str, Any], can: Capabilities) -> dict[str, Any]:
    """What `do_sample` and `num_beams` say; a model that has no choice of the kind does without samples and beams."""
    if found.get("beams") == 1 and "beams" not in can.options:
        del found["beams"]
    sample = found.pop("do_sample", None)
    if sample is None:
        return found
    if sample:
        found.setdefault("temperature", 1.0)
    for name, idle in (("temperature", (0, 1)), ("top_p", (1,))):
        if not sample and found.get(name) in idle:
            del found[name]
    if sample is not bool(found.get("temperature", sample)) or (not sample and "top_p" in found):
        raise RequestError(
            "do_sample contradicts temperature or top_p.", hint="Leave out do_sample.", param="do_sample"
        )
    if not sample and "temperature" in can.options:
        found["temperature"] = 0.0
    return found


def _idle(name: str, value: Any) -> bool:
    return name in _IDLE and (value is None or (value == _IDLE[name] and (value is True) == (_IDLE[name] is True)))
