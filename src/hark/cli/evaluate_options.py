"""The options of `hark evaluate`, each with what it says in the help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hark.cli import options as o

FOLDER = Path("evaluations")


def _tasks(incomplete: str) -> list[tuple[str, str]]:
    from hark.evaluation.tasks import TASKS

    return [(name, kind.about) for name, kind in TASKS.items() if name.startswith(incomplete)]


def _suites(incomplete: str) -> list[tuple[str, str]]:
    from hark.evaluation.suites import SUITES

    return [(name, suite.about) for name, suite in SUITES.items() if name.startswith(incomplete)]


def _formats(incomplete: str) -> list[str]:
    from hark.data.formats import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


def _of_data(*names: str, about: str, **more: Any) -> Any:
    return typer.Option(*names, help=about, rich_help_panel="Which data", **more)


def _of_figures(*names: str, about: str, **more: Any) -> Any:
    return typer.Option(*names, help=about, rich_help_panel="Figures and pages", **more)


def _of_asking(*names: str, about: str, **more: Any) -> Any:
    return typer.Option(*names, help=about, rich_help_panel="How the model is asked", **more)


Model = Annotated[
    str | None,
    typer.Argument(
        help="A model: a name, a folder, a server's; or the folder of a result, with --against.",
        autocompletion=o.complete_models,
    ),
]
Data = Annotated[Path | None, typer.Argument(help="A data set: a file or a folder; with --suite the folder of it.")]
Task = Annotated[
    str | None,
    typer.Option("--task", "-t", help="What is measured; else told from the data.", autocompletion=_tasks),
]
Suite = Annotated[str | None, typer.Option("--suite", help="A benchmark, as it is published.", autocompletion=_suites)]
StreamingToo = Annotated[
    bool,
    typer.Option(
        "--streaming", help="While the recording goes on; --set policy=wait-3, --set chunk=0.5 say how. How late, too."
    ),
]
Against = Annotated[
    str | None,
    typer.Option("--against", help="Compare with this model, or a result's folder.", autocompletion=o.complete_models),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option of the task, as normaliser=whisper-english; may be given several times."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help=f"The folder for results, where a stopped run goes on; else one in {FOLDER}."),
]
Listed = Annotated[bool, typer.Option("--list", help="List tasks and suites.")]
Form = Annotated[
    str | None, _of_data("--from", about="Its format, if it cannot be told from it.", autocompletion=_formats)
]
AudioRoot = Annotated[Path | None, _of_data("--audio", about="The folder in which relative names of recordings begin.")]
Limit = Annotated[int | None, _of_data("--limit", about="At most so many samples, drawn by the seed.", min=1)]
Seed = Annotated[
    int, _of_data("--seed", about="Seed of samples and resamples; of the model, too, with a temperature.", min=0)
]
Retry = Annotated[bool, _of_data("--retry", about="Ask again about samples that failed.")]
By = Annotated[str | None, _of_figures("--by", about="Groups to break down by: speaker,language,about.category.")]
DrawBy = Annotated[
    str | None,
    _of_figures("--draw-by", about="What intervals draw as one: speaker, about.KEY; id for each sample by itself."),
]
Resamples = Annotated[int, _of_figures("--resamples", about="Resamples of the bootstrap; 0 is none.", min=0)]
Mistakes = Annotated[int, _of_figures("--mistakes", about="The most mistakes on the page.", min=0)]
PageMb = Annotated[int, _of_figures("--page-mb", about="MB of sound in the page; further sound is linked.", min=0)]
Language = Annotated[
    str | None, _of_asking("--language", "-l", about="Code of the language spoken; else as the data say.")
]
Temperature = Annotated[float | None, _of_asking("--temperature", about="Sampling temperature; 0 is greedy.")]
MaxNewTokens = Annotated[int | None, _of_asking("--max-new-tokens", about="The most tokens to write.")]
Beams = Annotated[int | None, _of_asking("--beams", about="Beams of the beam search.")]
Long = Annotated[
    str | None,
    _of_asking(
        "--long",
        about="What to do with more than the model hears at once: refuse, split, or seconds of a stretch.",
        autocompletion=lambda: ["refuse", "split"],
    ),
]
Jobs = Annotated[
    int | None, _of_asking("--jobs", "-j", about="Questions under way at a time; else what suits the model.", min=1)
]
Batch = Annotated[int, _of_asking("--batch", about="Questions answered at once, where the model gains by it.", min=1)]
