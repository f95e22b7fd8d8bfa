"""`hark train`: a model from scratch, by a recipe; docs/training.md."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from hark.cli import options as o
from hark.cli import train_lm
from hark.cli.show import console, out, out_json, printable, reporting
from hark.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
        with _progress(quiet=quiet) as (callbacks, step):
            done = train(wanted, place, resume=resume, callbacks=callbacks, step=step)
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
        mean = f", {figures['dev']['averaged']:.2f} % averaged" if "averaged" in figures["dev"] else ""
        yield f"dev: WER {figures['dev']['wer']:.2f} % at step {figures['dev']['step']}{mean}"
    for method, rates in figures.get("test", {}).items():
        yield f"test, {method}: WER {rates['wer']:.2f} %, CER {rates['cer']:.2f} %"


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[tuple[list[Any], Callable[[int], None]]]:
    """What shows how far a training is: a bar at a terminal, else a line at each entry of its log."""
    from transformers import TrainerCallback

    shown = not quiet and sys.stderr is not None
    if not shown:
        yield [], lambda _: None
        return
    if not sys.stderr.isatty():
        yield [_Lines.made(TrainerCallback)], lambda _: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=console(stderr=True), redirect_stdout=False) as bars:
        task = bars.add_task("samples prepared", total=None, said="")
        bar = _Bar.made(TrainerCallback)
        bar.bars, bar.task = bars, task
        yield [bar], lambda done: bars.advance(task, done)


class _Shown:
    """What is known of a training: its last loss and error rate."""

    def __init__(self) -> None:
        self.said: dict[str, float] = {}
        self.began, self.first = time.monotonic(), 0

    @classmethod
    def made(cls, base: type) -> Any:
        """One that is a callback of transformers, which is imported only now."""
        return type(cls.__name__, (cls, base), {})()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count from here: a training may go on from a checkpoint."""
        del args, control
        self.began, self.first = time.monotonic(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Note what is new, and show it."""
        del args, control
        names = {"loss": "loss", "eval_loss": "dev loss", "eval_wer": "WER"}
        new = {names[name]: value for name, value in (logs or {}).items() if name in names}
        self.said |= new
        if new and state.is_world_process_zero:
            self.show(state)

    def text(self) -> str:
        """Loss and error rate."""
        return ", ".join(f"{name} {value:.4g}{' %' if name == 'WER' else ''}" for name, value in self.said.items())

    def show(self, state: Any) -> None:
        """Show it."""


class _Lines(_Shown):
    """A line for each entry."""

    def show(self, state: Any) -> None:
        done, lacking = state.global_step - self.first, state.max_steps - state.global_step
        left = (time.monotonic() - self.began) / done * lacking if done else 0.0
        with contextlib.suppress(OSError):
            line = f"{state.global_step} of {state.max_steps} steps, {self.text()}, about {left / 60:.0f} min left"
            console(stderr=True).print(printable(line))


class _Bar(_Shown):
    """A bar."""

    bars: Any
    task: Any

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Advance."""
        del args, control
        self.bars.update(self.task, description="steps", total=state.max_steps, completed=state.global_step)

    def show(self, state: Any) -> None:
        del state
        self.bars.update(self.task, said=self.text())
