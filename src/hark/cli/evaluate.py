"""`hark evaluate`: judge a model on data, compare two, and write pages on which each mistake can be heard."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hark.cli import evaluate_options as e
from hark.cli import options as o
from hark.cli.evaluate_run import Wishes, Work, compare_results, is_result, run
from hark.cli.show import out, out_json, reporting
from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hark.evaluation.chosen import DataSet
    from hark.evaluation.task import Task


def evaluate(
    model: e.Model = None,
    data: e.Data = None,
    task: e.Task = None,
    suite: e.Suite = None,
    streaming: e.StreamingToo = False,
    against: e.Against = None,
    values: e.Set = None,
    folder: e.Out = None,
    listed: e.Listed = False,
    form: e.Form = None,
    audio: e.AudioRoot = None,
    limit: e.Limit = None,
    seed: e.Seed = 0,
    retry: e.Retry = False,
    by: e.By = None,
    draw_by: e.DrawBy = None,
    resamples: e.Resamples = 1000,
    mistakes: e.Mistakes = 500,
    page_mb: e.PageMb = 20,
    language: e.Language = None,
    temperature: e.Temperature = None,
    max_new_tokens: e.MaxNewTokens = None,
    beams: e.Beams = None,
    long: e.Long = None,
    jobs: e.Jobs = None,
    batch: e.Batch = 8,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    load: o.Load,
) -> None:
    """Judge a model on data; a run that was stopped goes on, and no sample is asked twice.

    Figures come with intervals, groups and all mistakes: as JSON, as Markdown, and as a page to hear them on.
    """
    with reporting(as_json=as_json):
        if listed:
            _list(as_json=as_json)
            return
        options = o.given(language=language, temperature=temperature, max_new_tokens=max_new_tokens, beams=beams)
        options |= o.given(long=o.long(long), seed=seed if temperature else None)
        groups = tuple(name.strip() for name in (by or "").split(",") if name.strip())
        how = ((resamples, seed), (mistakes, page_mb * 2**20), (jobs, batch, retry))
        wishes = Wishes(options, groups, draw_by, *how, folder, as_json, quiet)
        if model is not None and data is None and task is None and is_result(model):
            compare_results(model, against, wishes)
            return
        works = _works(data, (task, suite, streaming), _pairs(values), (form, audio, limit, seed))
        run(replace(load, model=model), against, works, wishes, suite)


def _works(
    data: Path | None, wanted: tuple[str | None, str | None, bool], values: Mapping[str, Any], how: tuple[Any, ...]
) -> list[Work]:
    from hark.evaluation.chosen import DataSet
    from hark.evaluation.suites import said, suite_of

    (task, name, streaming), (form, audio, limit, seed) = wanted, how
    if name is None:
        chosen = DataSet((data,) if data else (), form, audio, limit, seed)
        return [Work(_made(task or _told(chosen), values, streaming=streaming), chosen)]
    if task is not None or form is not None:
        raise OptionError("A suite brings its tasks and formats.", hint="Leave out --task and --from.")
    if data is None:
        raise OptionError(f"The suite {name} is read from a folder.", hint=f"hark evaluate MODEL FOLDER --suite {name}")
    suite = suite_of(name)
    works = []
    for part in suite.parts(data):
        chosen = DataSet(part.paths, part.form, audio, limit, seed)
        measured = _made(suite.task, {**suite.options, **values}, streaming=streaming)
        works.append(Work(measured, chosen, part.name, said(suite.by, chosen)))
    return works


def _made(name: str, values: Mapping[str, Any], *, streaming: bool) -> Task:
    """The task of a name; streamed, its options are those of the task within."""
    from hark.evaluation.tasks import made

    if not streaming:
        return made(name, **values)
    own = {key: values[key] for key in ("policy", "chunk") if key in values}
    return made("streaming", task=name, options={key: values[key] for key in values if key not in own}, **own)


def _told(data: DataSet) -> str:
    """The task that data are for."""
    from hark.evaluation.tasks import TASKS, fitting

    names = f"Name it with --task: {', '.join(TASKS)}."
    if not data.paths:
        raise OptionError("There are neither data nor a task.", hint=f"hark evaluate MODEL DATA --task TASK. {names}")
    first = next(iter(replace(data, limit=None)), None)
    found = fitting(first) if first else None
    if found is None:
        raise OptionError("The data do not say what they are for.", hint=names)
    return found


def _pairs(given: Sequence[str] | None) -> dict[str, Any]:
    """Options of the task, as text: the task reads it."""
    found: dict[str, Any] = {}
    for pair in given or ():
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise OptionError(f"--set {pair} sets nothing.", hint="Write it as NAME=VALUE.")
        found[name] = value
    return found


def _list(*, as_json: bool) -> None:
    from hark.evaluation.suites import SUITES
    from hark.evaluation.tasks import TASKS

    tasks = {name: kind.about for name, kind in TASKS.items()}
    suites = {name: suite.about for name, suite in SUITES.items()}
    if as_json:
        out_json({"tasks": tasks, "suites": suites})
        return
    for heading, found in (("tasks", tasks), ("suites", suites)):
        out(f"{heading}:")
        for name, about in found.items():
            out(f"  {name:14} {about}")
