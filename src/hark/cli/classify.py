"""`hark classify`: labels for recordings, with scores and times."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from hark.answers.answer import Answer
from hark.audio.audio import Audio
from hark.cli import options as o
from hark.cli.show import Notes, error_values, loaded, out, out_json, progress, reporting, show_error
from hark.errors import HarkError, OptionError, OutputError
from hark.tasks import labels as task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hark.answers.transcript import Segment
    from hark.listener import Listener


def classify(
    audio: Annotated[list[str], typer.Argument(help="Files or URLs; - is stdin.")],
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="Labels to choose among, with commas between them, for a model that is asked."),
    ] = None,
    top: Annotated[int | None, typer.Option("--top", help="How many labels to give; else 5.")] = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    load: o.Load,
) -> None:
    """Label recordings with a classifier's own labels, or with the one of yours that fits best."""
    failed = False
    with reporting(as_json=as_json):
        chosen = None if labels is None else [label.strip() for label in labels.split(",") if label.strip()]
        if top is not None and top < 1:
            raise OptionError(f"top cannot be {top}.", hint="It is a whole number from 1.")
        notes = Notes(quiet=quiet or as_json)
        with loaded(load, quiet=quiet) as listener:
            task.refuse(listener, Audio.of(b"\0"), chosen, top)  # does not depend on the recording
            for name in audio:
                try:
                    answer = _labelled(listener, o.audio(name), chosen, top, quiet=quiet)
                    if as_json:
                        out_json({"audio": name, **answer.to_dict()})
                    else:
                        out("\n".join([*([f"# {name}"] if len(audio) > 1 else []), *_lines(answer)]))
                    notes.show(answer.notices)
                except HarkError as error:
                    if isinstance(error, OutputError):
                        raise  # stdout takes nothing more
                    failed = True
                    if as_json:
                        out_json({"audio": name, **error_values(error)})
                    show_error(error)
    if failed:
        raise typer.Exit(1)


def _labelled(listener: Listener, clip: Audio, chosen: list[str] | None, top: int | None, *, quiet: bool) -> Answer:
    collected = []
    with progress([clip], quiet=quiet) as bar:
        for delta in task.classify(listener, clip, chosen, top):
            collected.append(delta)
            if delta.heard is not None:
                bar.heard(delta.heard)
    return Answer.of(collected)


def _lines(answer: Answer) -> list[str]:
    """The labels of each stretch, where there are several, and those of the whole."""
    stretches = groupby(answer.evidence, lambda segment: (segment.start, segment.end))
    lines = [f"[{_clock(start)} to {_clock(end)}] {_scored(found)}" for (start, end), found in stretches]
    return [*lines, f"[whole] {', '.join(answer.text.splitlines())}"] if len(lines) > 1 else [answer.text]


def _scored(segments: Iterable[Segment]) -> str:
    return ", ".join(f"{segment.text}: {segment.confidence or 0.0:.2f}" for segment in segments)


def _clock(seconds: float) -> str:
    minutes, tenths = divmod(round(seconds * 10), 600)
    return f"{minutes}:{tenths / 10:04.1f}"
