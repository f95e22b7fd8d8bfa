"""How `hark train` shows how far a training is."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from hark.cli.show import console, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[tuple[list[Any], Callable[[int], None]]]:
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
        names = {"loss": "loss", "eval_loss": "dev loss", "eval_wer": "WER", "eval_bleu": "BLEU"}
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
