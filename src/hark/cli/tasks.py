"""`hark tasks`: what can be asked for by name."""

from __future__ import annotations

import typer

from hark.cli import options as o
from hark.cli.show import out, out_json, reporting, show_error
from hark.tasks import TASKS, own


def tasks(as_json: o.Json = False) -> None:
    """List the tasks of `--task`: those of hark, and your own from the folder of tasks (docs/tasks.md)."""
    with reporting(as_json=as_json):
        mine, broken = own.listed()
        if as_json:
            keys = ("name", "about", "prompt", "schema", "own")
            every = [{key: getattr(task, key) for key in keys} for task in (*TASKS.values(), *mine.values())]
            out_json({"folder": str(own.folder()), "tasks": every, "broken": [str(error) for error in broken.values()]})
        else:
            width = max(map(len, (*TASKS, *mine)))
            for task in (*TASKS.values(), *mine.values()):
                marks = ["own"] * task.own + ["JSON"] * bool(task.schema)
                after = f" ({', '.join(marks)})" if marks else ""
                out(f"{task.name:<{width}}  {task.about}{after}")
            out(f"\nYour own lie in {own.folder()}, a TOML file each.")
        for error in broken.values():
            show_error(error)
    if broken:
        raise typer.Exit(1)
