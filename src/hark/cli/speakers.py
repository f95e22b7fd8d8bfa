"""The options that ask who spoke, for commands that write transcripts."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

Speakers = Annotated[
    str | None,
    typer.Option("--speakers", metavar="[N]", help="Tell who speaks; with a number, tell so many people apart."),
]
DiarizeWith = Annotated[
    str | None,
    typer.Option("--diarize-with", help="A folder of pyannote.audio or a Sortformer that tells speakers apart."),
]
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


class TakesSpeakers(TyperCommand):
    """A command whose `--speakers` may stand without a number: whatever follows is one only if it looks like one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write the option with its value in one word, as the parser wants it."""
        end = args.index("--") if "--" in args else len(args)
        made: list[str] = []
        for argument, before in zip(args[:end], [None, *args], strict=False):
            if before == "--speakers" and _NUMBER.fullmatch(argument):
                made[-1] = f"--speakers={argument}"
            else:
                made.append("--speakers=any" if argument == "--speakers" else argument)
        return super().parse_args(ctx, made + args[end:])


@dataclass(frozen=True, slots=True)
class Who:
    """How many speakers are to be told apart (None: it must be found out), and with what."""

    speakers: int | None
    folder: str | None

    @classmethod
    def of(cls, speakers: str | None, folder: str | None) -> Who | None:
        """Read the two options; None where nobody asked who speaks.

        Raises:
            OptionError: it is no number of speakers. ModelNotFoundError: there is no diariser in the folder.
        """
        if speakers is None and folder is None:
            return None
        from hark.speakers.folders import refuse
        from hark.speakers.transcribe import wanted

        number: Any = None if speakers in (None, "any") else speakers
        with contextlib.suppress(TypeError, ValueError):
            number = int(number)
        who = cls(wanted(number), folder)
        if folder is not None:
            refuse(folder, who.speakers)
        return who
