"""Options that several commands share, each written once."""

from __future__ import annotations

import sys
from typing import Annotated, Any, BinaryIO

import typer

from hark.audio.audio import Audio
from hark.errors import AudioUnreadableError, HarkError
from hark.tasks import TASKS


def complete_models(incomplete: str) -> list[str]:
    """Names of models that begin so, for tab completion."""
    from hark.engines.catalog import listing

    try:
        return [model.name for model in listing() if model.name.startswith(incomplete)]
    except HarkError:  # wrong settings are told by the command, not in the middle of typing it
        return []


def _tasks(incomplete: str) -> list[tuple[str, str]]:
    return [(task.name, task.about) for task in TASKS.values() if task.name.startswith(incomplete)]


Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Model name or folder; else HARK_MODEL, the settings file, builtin.",
        autocompletion=complete_models,
    ),
]
Download = Annotated[bool, typer.Option("--download", help="Download the model if it is not on this machine.")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON: the answer with usage, notices and times.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")]
Task = Annotated[
    str | None, typer.Option("--task", "-t", help=f"A named task: {', '.join(TASKS)}.", autocompletion=_tasks)
]
System = Annotated[str | None, typer.Option("--system", help="A system prompt, where the model follows one.")]
Language = Annotated[str | None, typer.Option("--language", "-l", help="Code of the language spoken, such as en.")]
Temperature = Annotated[float | None, typer.Option("--temperature", help="Sampling temperature; 0 is greedy.")]
TopP = Annotated[float | None, typer.Option("--top-p", help="Sample from this share of the probability.")]
MaxNewTokens = Annotated[int | None, typer.Option("--max-new-tokens", help="The most tokens to write.")]
Beams = Annotated[int | None, typer.Option("--beams", help="Beams of the beam search.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the sampling.")]
Stop = Annotated[list[str] | None, typer.Option("--stop", help="Stop at this text; may be given several times.")]


def given(**options: Any) -> dict[str, Any]:
    """The options that were given, as keywords for a listener."""
    if options.get("stop"):
        options["stop"] = tuple(options["stop"])
    return {name: value for name, value in options.items() if value not in (None, [])}


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
