"""Options that several commands share, each written once."""

from __future__ import annotations

import functools
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from hark.audio.audio import Audio
from hark.engines.loading import DTYPES, QUANTIZATIONS
from hark.errors import AudioUnreadableError, HarkError
from hark.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Callable


def complete_models(incomplete: str) -> list[str]:
    """Names of models that begin so, for tab completion."""
    from hark.engines.catalog import listing

    try:
        return [model.name for model in listing() if model.name.startswith(incomplete)]
    except HarkError:  # wrong settings are told by the command, not in the middle of typing it
        return []


def _tasks(incomplete: str) -> list[tuple[str, str]]:
    from hark.tasks.own import names

    return [(name, about) for name, about in names() if name.startswith(incomplete)]


Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Model name or folder; else HARK_MODEL, the settings file, builtin.",
        autocompletion=complete_models,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON: the answer with usage, notices and times.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")]
Task = Annotated[
    str | None,
    typer.Option("--task", "-t", help=f"A named task: {', '.join(TASKS)}, or one of your own.", autocompletion=_tasks),
]
TaskFile = Annotated[Path | None, typer.Option("--task-file", help="The file of a task of your own: docs/tasks.md.")]
System = Annotated[str | None, typer.Option("--system", help="A system prompt, where the model follows one.")]
Language = Annotated[str | None, typer.Option("--language", "-l", help="Code of the language spoken, such as en.")]
Temperature = Annotated[float | None, typer.Option("--temperature", help="Sampling temperature; 0 is greedy.")]
TopP = Annotated[float | None, typer.Option("--top-p", help="Sample from this share of the probability.")]
MaxNewTokens = Annotated[int | None, typer.Option("--max-new-tokens", help="The most tokens to write.")]
Beams = Annotated[int | None, typer.Option("--beams", help="Beams of the beam search.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the sampling.")]
Stop = Annotated[list[str] | None, typer.Option("--stop", help="Stop at this text; may be given several times.")]
Long = Annotated[
    str | None,
    typer.Option(
        "--long",
        help="What to do with more than the model hears at once: refuse, split (ask stretch by stretch and combine; "
        "what it costs is said), or the most seconds of a stretch.",
        autocompletion=lambda: ["refuse", "split"],
    ),
]
Schema = Annotated[
    str | None,
    typer.Option("--schema", help="Answer in JSON that fits this JSON Schema: a file, or the schema itself."),
]


@dataclass(frozen=True, slots=True)
class Load:
    """Which model a command uses, and how it is loaded (fields of `hark.engines.loading.Loading`)."""

    model: str | None
    download: bool
    answer_with: str | None
    how: dict[str, Any]


def _option(name: str, about: str, default: bool | None = None) -> Any:
    return typer.Option(default, name, help=about, rich_help_panel="How the model is loaded")


_LOADING: dict[str, tuple[Any, Any]] = {
    "download": (bool, _option("--download", "Download the model if it is not on this machine.", default=False)),
    "answer_with": (
        str | None,
        _option("--answer-with", "A text model (folder, or openai:NAME@URL) that answers from the transcript."),
    ),
    "device": (str | None, _option("--device", "cpu, cuda, cuda:1, mps; else a GPU if there is one.")),
    "dtype": (str | None, _option("--dtype", f"Precision of the weights: {', '.join(DTYPES)}.")),
    "quantize": (str | None, _option("--quantize", f"{' or '.join(QUANTIZATIONS)}: less memory.")),
    "device_map": (str | None, _option("--device-map", "auto: spread a model over several GPUs.")),
    "adapter": (str | None, _option("--adapter", "A folder with a low-rank adapter (LoRA) for the model.")),
    "trust_remote_code": (bool, _option("--trust-remote-code", "Run the model's own Python code.", default=False)),
}


def with_model(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in place of its parameter `load`, the options that say which model it uses and how.

    One that has a parameter `model` of its own keeps that. typer reads the signature: that of the result has the
    options one by one.
    """

    @functools.wraps(command)
    def run(model: str | None, **values: Any) -> None:
        how = {name: values.pop(name) for name in _LOADING}
        download = how.pop("download")
        writer = how.pop("answer_with")
        values |= {"model": model} if "model" in named else {}
        command(load=Load(model, download, writer, {name: value for name, value in how.items() if value}), **values)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = inspect.signature(command, eval_str=True).parameters.values()
    named = {item.name for item in own}
    added = [
        inspect.Parameter(name, keyword, default=default, annotation=kind)
        for name, (kind, default) in {"model": (Model, None), **_LOADING}.items()
        if name not in named
    ]
    kept = [item.replace(kind=keyword) for item in own if item.name != "load"]
    run.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {item.name: item.annotation for item in [*kept, *added]}
    return run


def given(**options: Any) -> dict[str, Any]:
    """The options that were given, as keywords for a listener."""
    if options.get("stop"):
        options["stop"] = tuple(options["stop"])
    return {name: value for name, value in options.items() if value not in (None, [])}


def schema(argument: str | None) -> Any:
    """What `--schema` names: JSON is the schema itself, anything else a file that holds one."""
    return argument if argument is None or argument.lstrip().startswith("{") else Path(argument)


def long(argument: str | None) -> Any:
    """What `--long` says; digits are seconds."""
    try:
        return None if argument is None else float(argument)
    except ValueError:
        return argument


def audio(argument: str) -> Audio:
    """The audio an argument names; `-` is standard input."""
    return Audio.of(stdin(), name="stdin") if argument == "-" else Audio.of(argument)


def stdin() -> BinaryIO:
    """The bytes of standard input.

    Raises:
        AudioUnreadableError: it is closed.
    """
    if sys.stdin is None:
        raise AudioUnreadableError("Standard input is closed.", hint="Name a file, or pipe something in.")
    return sys.stdin.buffer
