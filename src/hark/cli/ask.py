"""`hark ask`, `hark run`, `hark chat`: questions about audio."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.answers.answer import Answer
from hark.cli import options as o
from hark.cli.show import Notes, error_values, loaded, out, out_json, progress, reporting, show_error
from hark.conversation.conversation import Conversation
from hark.conversation.spoken import names_audio, split_prompt
from hark.errors import ConversationError, HarkError, OptionError, OutputError
from hark.listener import Chat, Listener
from hark.tasks.quotes import clock

if TYPE_CHECKING:
    from collections.abc import Iterator


def ask(
    audio: Annotated[
        list[str], typer.Argument(help="Files or URLs (- is stdin), then the prompt; without one: transcribe.")
    ],
    prompt: Annotated[
        str | None, typer.Option("--prompt", "-p", help="The prompt; then all arguments are audio.")
    ] = None,
    system: o.System = None,
    task: o.Task = None,
    task_file: o.TaskFile = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    language: o.Language = None,
    temperature: o.Temperature = None,
    top_p: o.TopP = None,
    max_new_tokens: o.MaxNewTokens = None,
    beams: o.Beams = None,
    seed: o.Seed = None,
    stop: o.Stop = None,
    schema: o.Schema = None,
    long: o.Long = None,
    *,
    load: o.Load,
) -> None:
    """Ask a question about one or several recordings."""
    with reporting(as_json=as_json):
        clips, asked = (audio, prompt) if prompt is not None else split_prompt(audio)
        if not clips:
            raise ConversationError(
                f"There is no audio, only the prompt {asked!r}.",
                hint='Give a file first: hark ask clip.flac "What is said?"',
            )
        stray = next((clip for clip in clips if not names_audio(clip)), None)
        if stray is not None:
            raise ConversationError(
                f"{stray!r} is neither a file nor a URL.",
                hint='The prompt comes last, in quotes: hark ask clip.flac "What is said?"',
            )
        conversation = Conversation.ask(tuple(o.audio(clip) for clip in clips), asked, system)
        chosen = o.given(
            task=task, language=language, temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens,
            beams=beams, seed=seed, stop=stop, schema=o.schema(schema),
        )  # fmt: skip
        if task_file is not None:
            conversation, chosen = _with_task(task_file, conversation, chosen)
        with loaded(load, quiet=quiet, first=(conversation, chosen)) as listener:
            chosen |= o.given(long=o.long(long))
            answer = _answered(listener, conversation, chosen, Notes(quiet=quiet or as_json), live=not as_json)
        if as_json:
            out_json(answer.to_dict())


def _with_task(path: Path, conversation: Conversation, chosen: dict[str, Any]) -> tuple[Conversation, dict[str, Any]]:
    """Ask what the file of a task says."""
    from hark.tasks.own import read

    task = read(path)
    if "task" in chosen:
        raise OptionError("There are two tasks: --task and --task-file.", hint="Leave out one.")
    return conversation.with_prompt(task.words()), ({"schema": task.schema} if task.schema else {}) | chosen


def _answered(
    listener: Listener, conversation: Conversation, chosen: dict[str, Any], notes: Notes, *, live: bool = True
) -> Answer:
    """Answer, the text shown as it is written if `live`, then the notes; JSON is shown when it is whole and checked."""
    whole = "schema" in chosen
    deltas = listener.answer(conversation, **chosen)
    collected = []
    with progress(conversation.clips, quiet=notes.quiet) as bar:
        for delta in deltas:
            collected.append(delta)
            cost = [notice for notice in delta.notices if notice.kind == "split"]
            notes.show(cost)  # before it is paid
            if delta.heard is not None:
                bar.heard(delta.heard)
            if live and delta.text and not whole:
                bar.give_way()
                out(delta.text, end="")
    answer = Answer.of(collected)
    if live and (whole or (answer.text and not answer.text.endswith("\n"))):
        out(answer.text if whole else "")
    if live and not whole and "long" in chosen and any(notice.kind == "split" for notice in answer.notices):
        out(
            "\n".join(
                f"[{clock(one.start)} to {clock(one.end)}] {' '.join(one.text.split())}" for one in answer.evidence
            )
        )
    notes.show(answer.notices)
    return answer


def run(
    source: Annotated[str, typer.Argument(help="A file of JSON lines; - is stdin.")] = "-", *, load: o.Load
) -> None:
    """Answer JSON lines of the task's own schema, one JSON line each.

    {"audio": ..., "text": ...} gives {"generated_text": ...}. A line that fails gives {"error": ...}; the rest goes on.
    """
    failed = False
    with reporting(), loaded(load) as listener:
        for line in _lines(source):
            if not line.strip():
                continue
            try:
                out_json(_answer(listener, line).to_dict())
            except HarkError as error:
                failed = True
                out_json(error_values(error))
    if failed:
        raise typer.Exit(1)


def _answer(listener: Listener, line: bytes) -> Answer:
    try:
        request = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, an endless number, or nested without end
        raise ConversationError(f"The line is not JSON: {error}.", hint="Write one JSON object a line.") from error
    return listener.respond(request)


def _lines(source: str) -> Iterator[bytes]:
    """The lines as bytes: one that is no text must not end the others."""
    try:
        if source == "-":
            yield from o.stdin()
            return
        with open(source, "rb") as file:
            yield from file
    except (OSError, ValueError) as error:
        if isinstance(error, HarkError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise ConversationError(f"{source} cannot be read: {reason}.", hint="Give a file of JSON lines.") from error


_CHAT_HELP = """/add FILE   add a recording to what you ask next
/clips      the recordings heard so far
/reset      begin anew
/quit       leave (or Ctrl-D)"""


def chat(
    audio: Annotated[list[str] | None, typer.Argument(help="Files or URLs to talk about.")] = None,
    system: o.System = None,
    quiet: o.Quiet = False,
    *,
    load: o.Load,
) -> None:
    """Talk about recordings in the terminal, turn after turn; /help lists the commands."""
    with reporting(), loaded(load, quiet=quiet) as listener:
        waiting: list[Any] = [o.audio(clip) for clip in audio or []]
        for clip in waiting:
            clip.duration  # noqa: B018 - a file that cannot be read is told now, not after the first question
        talk, notes = listener.chat(system), Notes(quiet=quiet)
        if o.stdin().isatty():
            _complete_file_names()
            out("Ask about the recordings; /help lists the commands, Ctrl-D leaves.")
        for line in _typed():
            if line == "/reset":
                talk, waiting = listener.chat(system), []
            elif line.startswith("/"):
                _command(line, waiting, talk)
            else:
                waiting = _turn(talk, waiting, line, notes)


def _turn(talk: Chat, waiting: list[Any], line: str, notes: Notes) -> list[Any]:
    """Say one line with the clips that wait; gives the clips that still wait (all of them, if it failed)."""
    asked = talk.conversation.say(*waiting, line)
    try:
        answer = _answered(talk.listener, asked, {}, notes)
    except OutputError:
        raise  # nobody can read what would be said next
    except HarkError as error:
        show_error(error)
        return waiting
    except KeyboardInterrupt:
        out("")
        return waiting
    talk.conversation = asked.reply(answer.text)
    return []


def _command(line: str, waiting: list[Any], talk: Chat) -> None:
    name, _, rest = line.partition(" ")
    if name == "/quit":
        raise typer.Exit
    if name == "/add" and rest.strip():
        try:
            clip = o.audio(rest.strip())
            out(f"{clip.name}: {clip.duration:.1f} s")
            waiting.append(clip)
        except HarkError as error:
            show_error(error)
    elif name == "/clips":
        for clip in (*talk.conversation.clips, *waiting):
            out(f"{clip.name}: {clip.duration:.1f} s")
    else:
        out(_CHAT_HELP)


def _typed() -> Iterator[str]:
    while True:
        try:
            # `input` also writes to stdout, which need not be there.
            line = input("> ") + "\n" if sys.stdin.isatty() else sys.stdin.readline()
        except EOFError:
            return
        if not line:
            return
        if line.strip():
            yield line.strip()


def _complete_file_names() -> None:
    try:
        import readline
    except ImportError:  # Python built without it: typing works, completion does not
        return
    readline.set_completer_delims(" \t\n")
    readline.parse_and_bind("tab: complete")
