"""`hark models` (what can be used here, and what else could be), `hark doctor` (whether it works)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.cli import options as o
from hark.cli.convert import convert
from hark.cli.show import console, downloading, out, out_json, reporting
from hark.engines import catalog, models
from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hark.engines.engine import Capabilities
    from hark.engines.transformers.families.overview import Kind

app = typer.Typer(help="What models can be used here, what each can do, what each needs.", invoke_without_command=True)


@app.callback()
def list_models(context: typer.Context, as_json: o.Json = False) -> None:
    """List what models can be used here, what each can do, what each needs."""
    if context.invoked_subcommand is not None:
        return
    with reporting(as_json=as_json):
        found = catalog.listing()
        if as_json:
            out_json([_values(model) for model in found])
            return
        out(_table(found))
        if any(not model.ready for model in found):
            out("\nWeights that are not here: hark models download NAME")
        out("\nKinds of transformers models whose folders can be named or added (hark models families says more):")
        for does, kinds in _by_what_they_do().items():
            out(f"  {does}: {', '.join(kinds)}")


@app.command()
def families(as_json: o.Json = False) -> None:
    """List the kinds of transformers models that hark runs, and what each can do."""
    from hark.engines.transformers.families.overview import overview

    with reporting(as_json=as_json):
        if as_json:
            out_json([kind.to_dict() for kind in overview()])
            return
        rows = [_family_row(kind) for kind in overview()]
        out(_shown(("model type", "can", "recordings", "turns", "system", "at once", "times", "languages"), rows))
        out("\nat once: the longest audio of one question or label; a transcript is split at pauses, of any length.")
        out("A folder may know less than its kind: hark models add FOLDER, then hark models.")


@app.command()
def add(
    given: Annotated[
        str, typer.Argument(metavar="FOLDER", help="A folder, or a repository in the Hugging Face cache.")
    ],
    name: Annotated[str | None, typer.Option("--name", help="What to call it; else as its folder is called.")] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the files; else they are linked to.")] = False,
) -> None:
    """Add a model that is on this machine to hark's folder of models, so that its name is enough."""
    from hark.engines.adding import add as added

    with reporting():
        model = added(given, name, copy=copy)
        does = _does(model.can)
        out(f"{model.name}: {does if model.can.tasks else f'{does}, about text; see --answer-with'}")
        try:
            catalog.open_engine(model).close()
        except UnsupportedError as refusal:  # it brings code of its own
            out(f"{refusal.message}\n{refusal.hint}")


def _by_what_they_do() -> dict[str, list[str]]:
    from hark.engines.transformers.families.overview import overview

    found: dict[str, list[str]] = {}
    for kind in overview():
        found.setdefault(_does(kind.can) if kind.can else "as the folder says", []).append(kind.model_type)
    return found


def _family_row(kind: Kind) -> tuple[str, ...]:
    can = kind.can
    if can is None:
        return (kind.model_type, "as the folder says", *[""] * 6)
    several = ("several" if can.several_clips else "one", "several" if can.several_turns else "one")
    system = "yes" if can.system_prompt else "no"
    return (kind.model_type, _does(can), *several, system, _length(can), can.timestamps, _languages(can))


def _length(can: Capabilities) -> str:
    seconds = can.max_seconds
    if seconds is None:
        return "any"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _table(found: list[catalog.Model]) -> str:
    rows = [
        (
            model.name,
            "" if model.ready else f"{model.megabytes} MB",
            _languages(model.can),
            model.can.timestamps,
            _does(model.can),
        )
        for model in found
    ]
    return _shown(("model", "needs", "languages", "times", "can"), rows)


def _shown(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column != "can", overflow="fold" if column == "can" else "ellipsis")
    for row in rows:
        table.add_row(*row)
    screen = console()
    with screen.capture() as shown:
        screen.print(table)
    return "\n".join(line.rstrip() for line in shown.get().splitlines())


def _values(model: catalog.Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "ready": model.ready,
        "folder": str(model.folder) if model.folder else None,
        "megabytes": model.megabytes,
        "command": model.command or None,
        "can": model.can.to_dict(),
    }


def _does(can: Capabilities) -> str:
    return ", ".join([*(["any question"] if can.free_prompt else []), *sorted(can.tasks)])


def _languages(can: Capabilities) -> str:
    if can.languages is None:
        return "any"
    if len(can.languages) <= 3:
        return " ".join(sorted(can.languages))
    long = sum(
        len(code) > 2 for code in can.languages
    )  # SeamlessM4T knows each language by its code of two letters too
    return f"{long if 2 * long >= len(can.languages) else len(can.languages)}"


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="Such as faster-whisper:small.", autocompletion=o.complete_models)],
    quiet: o.Quiet = False,
) -> None:
    """Download a model's weights into hark's folder of models."""
    with reporting(), downloading(quiet=quiet) as show:
        out(str(models.download(name, show)))


def doctor(model: o.Model = None, as_json: o.Json = False) -> None:
    """Check the install, the decoders and the model: two known clips are played through it."""
    from hark.doctor import examine

    failed = False
    with reporting(as_json=as_json):
        checks = []
        for check in examine(model):
            failed = failed or check.ok is False
            checks.append(check)
            if not as_json:
                mark = {True: "ok  ", False: "FAIL", None: "--  "}[check.ok]
                out(f"{mark} {check.name}: {check.detail}" + (f"\n     {check.hint}" if check.hint else ""))
        if as_json:
            out_json({"ok": not failed, "checks": [check.to_dict() for check in checks]})
    if failed:
        raise typer.Exit(1)


app.command()(convert)
