"""The tasks, one small file each; adding one is a file and a line of `TASKS`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hark.errors import HarkError, OptionError
from hark.evaluation.tasks.captions import Captions
from hark.evaluation.tasks.choices import Choice
from hark.evaluation.tasks.commands import Commands
from hark.evaluation.tasks.forms import Forms
from hark.evaluation.tasks.labels import Emotion, Labels
from hark.evaluation.tasks.questions import Questions
from hark.evaluation.tasks.recognition import Recognition
from hark.evaluation.tasks.robustness import Robustness
from hark.evaluation.tasks.silence import Silence
from hark.evaluation.tasks.speakers import Diarization
from hark.evaluation.tasks.speed import Speed
from hark.evaluation.tasks.streaming import Streaming
from hark.evaluation.tasks.times import Times
from hark.evaluation.tasks.translation import Translation

if TYPE_CHECKING:
    from hark.data.sample import Sample
    from hark.evaluation.task import Task

TASKS: dict[str, type[Task]] = {
    "asr": Recognition,
    "translation": Translation,
    "choice": Choice,
    "qa": Questions,
    "caption": Captions,
    "intent": Commands,
    "classify": Labels,
    "emotion": Emotion,
    "diarization": Diarization,
    "timestamps": Times,
    "schema": Forms,
    "hallucination": Silence,
    "robustness": Robustness,
    "speed": Speed,
    "streaming": Streaming,
}
# What the data call a task, where it is not its name here.
_OF_DATA = {"transcribe": "asr", "translate": "translation", "command": "intent", "diarize": "diarization"}


def made(name: str, **options: Any) -> Task:
    """The task of a name, with values of its fields; as text, several are parted by commas, a mapping is YAML.

    Raises:
        OptionError: there is no such task, it has no such field, or its value is wrong.
    """
    from pydantic import TypeAdapter, ValidationError

    if name not in TASKS:
        raise OptionError(f"There is no task {name!r} to evaluate.", hint=f"Tasks are {', '.join(TASKS)}.")
    kind: Any = TASKS[name]
    known = {field.name: str(field.type) for field in fields(kind)}
    if unknown := sorted(set(options) - set(known)):
        hint = f"It has {', '.join(known)}." if known else "It has none."
        raise OptionError(f"The task {name} has no option {unknown[0]!r}.", hint=hint, param=unknown[0])
    try:
        read = {option: _read(known[option], value) for option, value in options.items()}
        task: Task = TypeAdapter(kind).validate_python(read)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if isinstance(own := first.get("ctx", {}).get("error"), HarkError):  # a task's own check of its fields
            raise own from None
        param = str(first["loc"][0]) if first["loc"] else None
        raise OptionError(f"The option {param} of the task {name} is wrong.", hint=first["msg"], param=param) from error
    return task


def _read(kind: str, value: Any) -> Any:
    """A value that may have come as text from a command line."""
    if isinstance(value, str) and kind.startswith("tuple"):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, int | float) and kind.startswith("tuple"):
        return [value]
    if isinstance(value, str) and kind.startswith("Mapping"):
        import yaml

        try:
            return yaml.safe_load(value)
        except yaml.YAMLError:
            return value
    return value


def fitting(sample: Sample) -> str | None:
    """The task that a sample is for, by name, as far as it says; None where it cannot be told."""
    named = _OF_DATA.get(sample.task or "", sample.task)
    if named in TASKS:
        return named
    if sample.choices:
        return "choice"
    if "intent" in sample.about:
        return "intent"
    if sample.target is None:
        return None
    return "qa" if sample.asked.prompt.strip() else "asr"
