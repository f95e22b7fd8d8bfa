"""`hark tune`: fine-tune a model on samples of your own, and look at what it will learn before it does."""

from __future__ import annotations

import functools
import inspect
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.cli import options as o
from hark.cli.show import Notes, out, out_json, reporting
from hark.engines.loading import DTYPES, QUANTIZATIONS
from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hark.data.source import Bad
    from hark.training.tune import Data, Plan

_DATA, _WHAT, _HOW, _LOAD = "Data", "What is trained", "How it is trained", "How the model is loaded"
_LOADING = ("device", "dtype", "quantize", "trust_remote_code")
# Parameter (a field of Tuning, of Loading or of Data): option, what it takes, where help shows it, what it says.
_OPTIONS: dict[str, tuple[str, Any, str, str]] = {
    "judged": ("--eval", Path | None, _DATA, "A data set to evaluate with while training."),
    "share": ("--hold-back", float | None, _DATA, "Evaluate with this share of the samples, and do not learn them."),
    "form": ("--from", str | None, _DATA, "The format of the data, if it cannot be told from it."),
    "audio": ("--audio", Path | None, _DATA, "The folder in which relative names of recordings begin."),
    "prompt": ("--prompt", str | None, _DATA, "What to ask where a sample asks nothing, as transcripts do."),
    "skip_bad": ("--skip-bad", bool, _DATA, "Leave out entries that cannot be read."),
    "full": ("--full/--lora", bool, _WHAT, "All weights, or (the default) a low-rank adapter."),
    "rank": ("--rank", int | None, _WHAT, "Rank of the adapter: 16."),
    "alpha": ("--alpha", int | None, _WHAT, "What the adapter is scaled by: twice the rank."),
    "dropout": ("--dropout", float | None, _WHAT, "Share of the adapter's inputs left out while training: 0."),
    "rslora": ("--rslora", bool, _WHAT, "Scale by the root of the rank: for high ranks."),
    "targets": ("--targets", str | None, _WHAT, "Modules to adapt: a regular expression of their names."),
    "encoder": ("--encoder/--no-encoder", bool | None, _WHAT, "Train what hears, too; by default of transcribers."),
    "projector": ("--projector", bool, _WHAT, "Train what stands between hearing and text, as a whole."),
    "epochs": ("--epochs", float | None, _HOW, "How often each sample is seen: 3."),
    "steps": ("--steps", int | None, _HOW, "How many steps, in place of --epochs."),
    "batch": ("--batch", int | None, _HOW, "Samples at once: 4."),
    "accumulate": ("--accumulate", int | None, _HOW, "Batches in a step: 1."),
    "learning_rate": ("--learning-rate", float | None, _HOW, "The highest: 2e-4 of an adapter, 1e-5 of all weights."),
    "schedule": ("--schedule", str | None, _HOW, "How it falls: cosine, linear, constant_with_warmup."),
    "warmup": ("--warmup", float | None, _HOW, "Share of the steps in which it rises (or how many): 0.03."),
    "weight_decay": ("--weight-decay", float | None, _HOW, "Of AdamW: 0."),
    "max_grad_norm": ("--max-grad-norm", float | None, _HOW, "Longer gradients are cut to this: 1."),
    "checkpointing": ("--checkpointing", bool, _HOW, "Keep few activations, and work them out twice: less memory."),
    "seed": ("--seed", int | None, _HOW, "Of the order of samples and an adapter's first weights: 0."),
    "eval_every": ("--eval-every", int | None, _HOW, "Steps between evaluations; else four in all."),
    "save_every": ("--save-every", int | None, _HOW, "Steps between checkpoints; else four in all."),
    "log_every": ("--log-every", int | None, _HOW, "Steps between lines of figures: 10."),
    "keep": ("--keep", int | None, _HOW, "How many checkpoints are kept while it runs: 2."),
    "answers": ("--answers", int | None, _HOW, "How many evaluated samples are answered each time: 8."),
    "best": ("--best", bool, _HOW, "End with the checkpoint of the lowest evaluation loss."),
    "patience": ("--patience", int | None, _HOW, "End after so many evaluations that are not better."),
    "device": ("--device", str | None, _LOAD, "cpu, cuda, cuda:1, mps; else a GPU if there is one."),
    "dtype": ("--dtype", str | None, _LOAD, f"Precision of the weights: {', '.join(DTYPES)}."),
    "quantize": ("--quantize", str | None, _LOAD, f"{' or '.join(QUANTIZATIONS)}: an adapter on less memory (QLoRA)."),
    "trust_remote_code": ("--trust-remote-code", bool, _LOAD, "Run the model's own Python code."),
}


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in place of its parameter `values`, all options of tuning; typer reads the signature."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        values = {name: given.pop(name) for name in _OPTIONS}
        flags = {name for name, (_, kind, _, _) in _OPTIONS.items() if kind is bool}
        unsaid = {name for name, value in values.items() if value is None or (value is False and name in flags)}
        command(values={name: value for name, value in values.items() if name not in unsaid}, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = inspect.signature(command, eval_str=True).parameters.values()
    added = [
        inspect.Parameter(
            name,
            keyword,
            default=False if kind is bool else None,
            annotation=Annotated[kind, typer.Option(option, help=about, rich_help_panel=panel)],
        )
        for name, (option, kind, panel, about) in _OPTIONS.items()
    ]
    kept = [item.replace(kind=keyword) for item in own if item.name != "values"]
    run.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {item.name: item.annotation for item in [*kept, *added]}
    return run


@_with_options
def tune(
    model: Annotated[str, typer.Argument(help="A folder of a transformers model.", autocompletion=o.complete_models)],
    data: Annotated[Path | None, typer.Argument(help="What to learn: see hark data formats.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to write; a stopped run into it goes on.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show the first batch as the model sees it, and end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and end; loads nothing.")] = False,
    merge: Annotated[
        Path | None, typer.Option("--merge", help="Train nothing: add this adapter to the weights, into --out.")
    ] = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    values: dict[str, Any],
) -> None:
    """Fine-tune a model: an adapter, or all its weights, learns the answers of a data set. See docs/tuning.md."""
    with reporting(as_json=as_json):
        loading = {name: values.pop(name) for name in _LOADING if name in values}
        if merge is not None:
            _merge(model, merge, folder, loading, values if data is None else values | {"DATA": data})
            return
        bad: list[Bad] = []
        planned = _plan(model, data, values, loading, bad)
        notes = Notes(quiet=quiet or as_json)
        for each in bad:
            notes.say(f"left out: {each.where}: {each.why}")
        _tell_plan(planned, notes)
        if show:
            _show(planned, as_json=as_json)
        elif dry_run:
            out_json(planned.about) if as_json else None
        elif folder is None:
            raise OptionError("Nothing says where to write.", hint="--out FOLDER, or --show to look only.")
        else:
            _train(planned, folder, as_json=as_json, quiet=quiet)


def _plan(model: str, path: Path | None, values: dict[str, Any], loading: dict[str, Any], bad: list[Bad]) -> Plan:
    from hark.training.tune import Data, plan
    from hark.training.tune_settings import Tuning

    if path is None:
        raise OptionError("There is nothing to learn from.", hint="hark tune MODEL DATA --out FOLDER")
    skip, full = values.pop("skip_bad", False), values.pop("full", False)
    of_data = {name: values.pop(name) for name in ("judged", "share", "form", "audio", "prompt") if name in values}
    data: Data = Data(path, **of_data, bad=bad.append if skip else None)
    return plan(model, data, Tuning.of(**values, method="full" if full else "lora"), **loading)


def _tell_plan(planned: Plan, notes: Notes) -> None:
    learned, judged = len(planned.learned), len(planned.judged)
    notes.say(f"{learned} answers to learn, {judged} to evaluate with; {planned.memory.told}.")
    short = planned.memory.free is not None and planned.memory.total > planned.memory.free
    if short:
        notes.say("That may be more than there is: a smaller --batch, --checkpointing or --quantize int4 takes less.")


def _show(planned: Plan, *, as_json: bool) -> None:
    from hark.training.tune_show import show, to_text

    found = show(planned)
    if as_json:
        out_json(list(found))
        return
    for each in found:
        out(to_text(each))


def _train(planned: Plan, folder: Path, *, as_json: bool, quiet: bool) -> None:
    from hark.training.tune import tune as train

    told = train(planned, folder, _Told(quiet=quiet or as_json))
    if as_json:
        out_json(told)
        return
    exact = f", {told['exact']:.0%} of those asked answered exactly" if "exact" in told else ""
    out(f"{folder}: {told['steps']} steps{exact}")
    if planned.tuning.method == "lora":
        bits = planned.engine.loading.quantize
        how = f" --quantize {bits}" if bits else ""
        out(f"Ask it: hark ask AUDIO QUESTION --model {planned.engine.name} --adapter {folder}{how}")


class _Told:
    """Writes a line on stderr for each log: how far it is, how long it will take, and the figures."""

    def __init__(self, *, quiet: bool) -> None:
        self.notes = Notes(quiet=quiet)
        self.first: tuple[int, float] | None = None

    def __call__(self, figures: dict[str, float], done: int, count: int) -> None:
        some = {name: figures[name] for name in ("loss", "eval_loss", "eval_exact") if name in figures}
        if not some or sys.stderr is None:
            return
        step, began = self.first = self.first or (done, time.monotonic())
        said = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in some.items())
        left = (time.monotonic() - began) / max(1, done - step) * (count - done)
        self.notes.say(f"step {done} of {count}: {said}{f'; about {_time(left)} left' if step < done < count else ''}")


def _time(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h"
        if seconds >= 3600
        else f"{seconds / 60:.0f} min"
        if seconds >= 60
        else f"{seconds:.0f} s"
    )


def _merge(model: str, adapter: Path, folder: Path | None, loading: dict[str, Any], values: dict[str, Any]) -> None:
    from hark.training.adapters import merge

    if folder is None:
        raise OptionError("Nothing says where to write.", hint="--out FOLDER")
    if values:
        raise OptionError(f"Merging takes no {min(values)}.", hint="hark tune MODEL --merge ADAPTER --out FOLDER")
    out(f"{merge(model, adapter, folder, **loading)}: the model with the adapter in its weights")
