"""`hark models`, `hark models download` and `hark doctor`: what can be used here, and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.cli import options as o
from hark.cli.show import console, downloading, out, out_json, reporting
from hark.engines import catalog, models
from hark.engines.transformers.families.catalog import CLASSIFIERS, FAMILIES

if TYPE_CHECKING:
    from hark.engines.engine import Capabilities

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
        out(f"Folders of transformers models can be named too; families: {', '.join(sorted(FAMILIES))}")
        out(f"With a classification head, for hark classify: {', '.join(sorted(CLASSIFIERS))}")


def _table(found: list[catalog.Model]) -> str:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("model", "needs", "languages", "times"):
        table.add_column(column, no_wrap=True)
    table.add_column("can", overflow="fold")
    for model in found:
        can = model.can
        needs = "" if model.ready else f"{model.megabytes} MB"
        table.add_row(model.name, needs, _languages(can), can.timestamps, _does(can))
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
    return " ".join(sorted(can.languages)) if len(can.languages) <= 3 else f"{len(can.languages)}"


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
