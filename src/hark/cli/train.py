"""`hark train`: a model from scratch, by a recipe; docs/training.md."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from hark.cli import options as o
from hark.cli import train_lm, train_tagged
from hark.cli.show import out, out_json, reporting
from hark.cli.train_progress import progress
from hark.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator


class RecipeFirst(TyperGroup):
    """A group in which what is no command is the path of a recipe."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take the command `recipe` unless another is named."""
        known = bool(args) and args[0] in self.commands
        return super().resolve_command(ctx, args if known else ["recipe", *args])


app = typer.Typer(
    cls=RecipeFirst,
    no_args_is_help=True,
    help="Train a model from scratch, hark train RECIPE.yaml, or a language model, hark train lm; docs/training.md.",
    subcommand_metavar="RECIPE [OPTIONS] | COMMAND [ARGS]...",
)
app.command()(train_lm.lm)
app.command("audio-tokens")(train_tagged.audio_tokens)
app.command()(train_tagged.transfer)


@app.command()
def recipe(
    path: Annotated[Path, typer.Argument(metavar="RECIPE", help="A YAML file: what is learned, and how.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting, such as model.d_model=128; several times.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to write; else the recipe's name in `runs`.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Train the model of a recipe into a folder that hark.load and transformers take."""
    with reporting(as_json=as_json):
        from hark.training.recipe import read

        wanted = read(path, changes or ())
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns, when imported, of kernels nobody asks for
        try:
            from hark.training.train import train
        except ImportError as error:
            raise MissingExtraError.of("Training", "train") from error
        place = folder or Path("runs") / path.stem
        with progress(quiet=quiet) as (callbacks, step):
            done = train(wanted, place, resume=resume, callbacks=callbacks, step=step)
        if os.environ.get("RANK", "0") != "0":
            return  # of the processes that train together one tells
        if as_json:
            out_json({"folder": str(done.folder), **done.figures})
            return
        for line in _told(done.figures):
            out(line)
        out(f"{done.folder}: hark transcribe -m {done.folder} RECORDING; curves in {done.folder / 'report.html'}")


def _told(figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{figures['steps']} steps, {figures['cpu_seconds'] / 60:.1f} minutes of processor time, "
        f"{figures['parameters'] / 1e6:.2f} million parameters"
    )
    if "dev" in figures:
        judge = "bleu" if "bleu" in figures["dev"] else "wer"
        mean = f", {figures['dev']['averaged']:.2f} averaged" if "averaged" in figures["dev"] else ""
        yield f"dev: {judge.upper()} {figures['dev'][judge]:.2f} at step {figures['dev']['step']}{mean}"
    for method, rates in figures.get("test", {}).items():
        yield f"test, {method}: {', '.join(f'{name.upper()} {value:.2f}' for name, value in rates.items())}"
