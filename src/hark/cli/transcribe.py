"""`hark transcribe` and `hark translate`: recordings to text and subtitles."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.answers.answer import Answer
from hark.answers.doubt import doubtful
from hark.answers.subtitles import FORMATS, write
from hark.answers.transcript import Transcript
from hark.audio.audio import Audio
from hark.cli import options as o
from hark.cli.show import Notes, error_values, loaded, out, out_json, progress, reporting, show_error
from hark.cli.speakers import DiarizeWith, Speakers, Who
from hark.conversation.conversation import Conversation
from hark.errors import HarkError, OptionError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.answers.answer import Delta
    from hark.answers.transcript import Segment
    from hark.listener import Listener
    from hark.speakers.transcribe import Refine

Files = Annotated[list[str], typer.Argument(help="Files or URLs; - is stdin.")]
Format = Annotated[
    str | None,
    typer.Option("--format", "-f", help=f"{', '.join(FORMATS)}; else told by the output's ending."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="A file; a folder if there are several recordings.")
]
Timestamps = Annotated[str | None, typer.Option("--timestamps", help="The finest times wanted: none, segment or word.")]
AlignWith = Annotated[
    str | None, typer.Option("--align-with", help="A CTC model (folder or name) that finds the time of each word.")
]


def _subtitles(name: str, about: str) -> Any:
    return typer.Option(name, help=about, rich_help_panel="Subtitles")


MaxLine = Annotated[int | None, _subtitles("--max-line", "Characters in a line; 42.")]
MaxLines = Annotated[int | None, _subtitles("--max-lines", "Lines shown at once; 2.")]
MinSeconds = Annotated[float | None, _subtitles("--min-seconds", "How long a cue is shown at least; 1.")]
MaxSeconds = Annotated[float | None, _subtitles("--max-seconds", "How long a cue is shown at most; 7.")]


def transcribe(
    audio: Files,
    form: Format = None,
    output: Output = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    language: o.Language = None,
    timestamps: Timestamps = None,
    align_with: AlignWith = None,
    speakers: Speakers = None,
    diarize_with: DiarizeWith = None,
    temperature: o.Temperature = None,
    beams: o.Beams = None,
    max_line: MaxLine = None,
    max_lines: MaxLines = None,
    min_seconds: MinSeconds = None,
    max_seconds: MaxSeconds = None,
    *,
    load: o.Load,
) -> None:
    """Write down what is said: text, subtitles or JSON."""
    chosen = o.given(task="transcribe", language=language, timestamps=timestamps, temperature=temperature, beams=beams)
    rules = o.given(max_line=max_line, lines=max_lines, min_seconds=min_seconds, max_seconds=max_seconds)
    form, who = "json" if as_json else form, (speakers, diarize_with)
    _write_all(audio, form, output, rules, load=load, quiet=quiet, chosen=chosen, align_with=align_with, who=who)


def translate(
    audio: Files,
    to: Annotated[str, typer.Option("--to", help="Code of the language wanted.")] = "en",
    form: Format = None,
    output: Output = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    language: o.Language = None,
    speakers: Speakers = None,
    diarize_with: DiarizeWith = None,
    temperature: o.Temperature = None,
    beams: o.Beams = None,
    max_line: MaxLine = None,
    max_lines: MaxLines = None,
    min_seconds: MinSeconds = None,
    max_seconds: MaxSeconds = None,
    *,
    load: o.Load,
) -> None:
    """Write down what is said in another language, where the model translates."""
    chosen = o.given(task="translate", to=to, language=language, temperature=temperature, beams=beams)
    rules = o.given(max_line=max_line, lines=max_lines, min_seconds=min_seconds, max_seconds=max_seconds)
    form, who = "json" if as_json else form, (speakers, diarize_with)
    _write_all(audio, form, output, rules, load=load, quiet=quiet, chosen=chosen, who=who)


def _write_all(
    names: list[str],
    form: str | None,
    output: Path | None,
    rules: dict[str, Any],
    *,
    load: o.Load,
    quiet: bool,
    chosen: dict[str, Any],
    align_with: str | None = None,
    who: tuple[str | None, str | None] = (None, None),
) -> None:
    """Transcribe each; what fails is told and the rest goes on."""
    failed = 0
    with reporting(as_json=form == "json"):
        chosen, refine = _refine(align_with, chosen)
        asked = Who.of(*who)
        form = _form(form, output)
        _refuse(form, rules, asked)
        _check_output(output, several=len(names) > 1)
        targets = _targets(names, form, output)
        something = Conversation.ask((Audio.of(b"\0"),))  # whether the model can do it does not depend on the clip
        notes = Notes(quiet=quiet or (form == "json" and output is None))
        with loaded(load, quiet=quiet, first=(something, chosen)) as listener:
            for name, target in zip(names, targets, strict=True):
                try:
                    if target is None and form == "txt" and len(names) > 1:
                        out(f"# {name}")
                    live = target is None and form == "txt"
                    transcript = _heard(listener, name, chosen, refine, asked, quiet=quiet, live=live)
                    if target is not None:
                        transcript.save(target, form, **rules)
                    elif form == "json":
                        out_json({"audio": name, **transcript.to_dict()})
                    elif form != "txt":
                        out(transcript.to(form, **rules), end="")
                    notes.show(transcript.notices)
                except HarkError as error:
                    if isinstance(error, OutputError) and target is None:
                        raise  # stdout takes nothing more
                    failed += 1
                    if form == "json" and output is None:
                        out_json({"audio": name, **error_values(error)})
                    show_error(error)
    if failed:
        raise typer.Exit(1)


def _refuse(form: str, rules: dict[str, Any], who: Who | None) -> None:
    """Tell before the work, not after it, that a format cannot be written."""
    write(Transcript((), 0.0), form, **rules)
    if form == "diarized_json" and who is None:
        raise OptionError("diarized_json says who speaks, and nobody is told apart.", hint="Add --speakers.")


def _targets(names: list[str], form: str, output: Path | None) -> list[Path | None]:
    """A file for each recording, all different; None for stdout."""
    if output is None:
        return [None] * len(names)
    if len(names) == 1 and not output.is_dir():
        return [output]
    targets: list[Path | None] = []
    ending = "json" if form.endswith("_json") else form
    for name in names:
        stem = "stdin" if name == "-" else Path(name.rstrip("/")).stem
        numbered = (output / f"{stem}{'' if n == 1 else f'-{n}'}.{ending}" for n in itertools.count(1))
        targets.append(next(target for target in numbered if target not in targets))
    return targets


def _refine(align_with: str | None, chosen: dict[str, Any]) -> tuple[dict[str, Any], Refine | None]:
    """What finds the times of words, and what is left for the model that transcribes."""
    if align_with is None:
        return chosen, None
    from hark.alignment.align import Aligner, align, unaligned

    return unaligned(chosen), functools.partial(align, aligner=Aligner.of(align_with))


def _heard(
    listener: Listener, name: str, chosen: dict[str, Any], refine: Refine | None, who: Who | None, *,
    quiet: bool, live: bool,
) -> Transcript:  # fmt: skip
    """Transcribe one recording; `live` shows each segment as soon as it is known."""
    clip = o.audio(name)
    collected = []
    with progress([clip], quiet=quiet) as bar:
        for delta in _deltas(listener, clip, chosen, refine, who):
            collected.append(delta)
            if delta.heard is not None:
                bar.heard(delta.heard)
            for segment in delta.segments if live else ():
                bar.give_way()
                out(_marked(replace(segment, unsure=segment.unsure or doubtful(segment))))
    transcript = Transcript.of(Answer.of(collected), clip)
    if live and not any(delta.segments for delta in collected) and transcript.text:
        out(transcript.text)  # from a model that gives no segments
    return transcript if who or not refine else refine(transcript, clip)


def _deltas(
    listener: Listener, clip: Audio, chosen: dict[str, Any], refine: Refine | None, who: Who | None
) -> Iterator[Delta]:
    """The transcript step by step; with speakers, its segments come last."""
    if who is None:
        return listener.stream(clip, **chosen)
    from hark.speakers.transcribe import transcribe

    return transcribe(listener, clip, who.speakers, who.folder, refine=refine, **chosen)


def _marked(segment: Segment) -> str:
    """A segment for reading: words the model does not trust are followed by `[?]`; begun with it, all is doubtful."""
    speaker = f"{segment.speaker}: " if segment.speaker else ""
    if segment.unsure or not segment.words:
        return f"{speaker}{'[?] ' if segment.unsure else ''}{segment.text}"
    return speaker + " ".join(f"{word.text}[?]" if word.unsure else word.text for word in segment.words)


def _form(form: str | None, output: Path | None) -> str:
    chosen = form or (output.suffix[1:].lower() if output is not None and output.suffix else "txt")
    if chosen not in FORMATS:
        raise OptionError(f"There is no format {chosen!r}.", hint=f"Formats are {', '.join(FORMATS)}.")
    return chosen


def _check_output(output: Path | None, *, several: bool) -> None:
    """Find out before the work, not after it, that there is nowhere to write to."""
    if output is None:
        return
    if several and output.suffix[1:] in FORMATS and not output.is_dir():
        raise OptionError(
            f"{output} is one file, and there are several recordings.", hint="Name a folder: -o subtitles/"
        )
    if several:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{output} is no folder and cannot be made one: {error.strerror}.") from error
    elif not output.parent.is_dir():
        raise OutputError(
            f"There is no folder {output.parent} to write {output.name} into.", hint=f"mkdir -p {output.parent}"
        )
