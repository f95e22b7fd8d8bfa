"""What `POST /hark/...` makes of a recording: transcript, notes, understanding, music, sounds; as JSON or as files."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from hark.answers.answer import Answer, Delta
from hark.answers.transcript import Transcript
from hark.audio.audio import Audio
from hark.conversation.conversation import Conversation
from hark.engines.asking import prepared
from hark.engines.engine import Options
from hark.errors import HarkError, MissingExtraError, RequestError
from hark.server.reading import Body

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from hark.listener import Listener

Text = Annotated[str | None, BeforeValidator(lambda value: value or None)]  # empty, as forms send what nobody filled in
_LISTED = BeforeValidator(lambda value: value if isinstance(value, list) else [value])
_JSON = Field(default_factory=lambda: ["json"])


def _as_form(schema: dict[str, Any]) -> None:
    """What a model's schema does not say: the file, which is taken out before; and forms hold no null."""
    file = {"type": "string", "format": "binary", "description": "The recording: any format, audio or video."}
    for values in schema["properties"].values():
        for kind in values.pop("anyOf", ()):
            values.update(kind if kind["type"] != "null" else {})
    schema["properties"] = {"file": file, **schema["properties"]}


class ViewForm(Body):
    """What all of them take beside the file; each has a `response_format` of its own."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_as_form)

    model: Text = Field(None, description="One of those of /v1/models; the first where none is named.")
    url: Text = Field(None, description="In place of the file: an address from which the server may fetch.")
    stream: bool = Field(False, description="As events: how far it has come, and what came of it.")

    @property
    def forms(self) -> list[str]:
        """The files wanted.

        Raises:
            RequestError: one answer cannot be two of them.
        """
        wanted = list(dict.fromkeys(self.model_dump()["response_format"]))
        if len(wanted) != 1 and not self.stream:
            hint = "Ask for one, or for a stream: its last event holds them all."
            raise RequestError("An answer has one form.", hint=hint, param="response_format")
        return wanted


class SpokenForm(ViewForm):
    """The same of speech."""

    language: Text = Field(None, description="Code of the language spoken, such as en.")


class TranscriptForm(SpokenForm):
    """What `POST /hark/transcript` takes."""

    to: Text = Field(None, description="Code of the language wanted: then it is a translation.")
    response_format: Annotated[list[Literal["json", "txt", "srt", "vtt", "tsv"]], _LISTED, _JSON]


class NotesForm(SpokenForm):
    """What `POST /hark/notes` takes."""

    date: Text = Field(None, description="The day of the meeting, as 2026-11-20; else today.")
    response_format: Annotated[list[Literal["json", "md", "html"]], _LISTED, _JSON]


class UnderstandingForm(SpokenForm):
    """What `POST /hark/understanding` takes."""

    response_format: Annotated[list[Literal["json", "md"]], _LISTED, _JSON]


class MusicForm(ViewForm):
    """What `POST /hark/music` takes."""

    suggest: Text = Field(None, description="A wish, such as: jazz reharmonization for the chorus.")
    response_format: Annotated[list[Literal["json", "md", "html"]], _LISTED, _JSON]


class SoundsForm(ViewForm):
    """What `POST /hark/sounds` takes."""

    response_format: Annotated[list[Literal["json", "md", "txt", "srt", "vtt", "tsv"]], _LISTED, _JSON]


@dataclass(frozen=True, slots=True)
class View:
    """One of them.

    Attributes:
        form: what is asked.
        refuse: raises what speaks against asking a model at all.
        work: hears a recording, step by step; the last step is the result, which has `to_dict()`.
        files: the forms in which the result is written beside JSON.
    """

    form: type[ViewForm]
    refuse: Callable[[Listener], None]
    work: Callable[[Listener, Audio, Any], Iterator[Any]]
    files: Mapping[str, Callable[[Any], str]]


def offered(listener: Listener) -> list[str]:
    """Which of them a model can be asked for."""
    found = []
    for name, view in VIEWS.items():
        try:
            view.refuse(listener)
        except HarkError:
            continue
        found.append(name)
    return found


def _transcript(listener: Listener, clip: Audio, asked: TranscriptForm) -> Iterator[Delta | Transcript]:
    given = {"language": asked.language, "to": asked.to}
    options = {name: value for name, value in given.items() if value is not None}
    found = []
    for delta in listener.stream(clip, task="translate" if asked.to else "transcribe", **options):
        found.append(delta)
        yield delta
    yield Transcript.of(Answer.of(found), clip)


def _refuse_transcript(listener: Listener) -> None:
    asked = Conversation.ask((Audio.of(b"\0"),))
    prepared(listener.engine.name, listener.can, asked, Options(task="transcribe"))


def _notes(listener: Listener, clip: Audio, asked: NotesForm) -> Generator[Any]:
    from hark.tasks.notes.notes import Wish, steps

    options = {"language": asked.language} if asked.language else {}
    yield (yield from steps(listener, Wish.of(clip, asked.date, None, True, options)))


def _refuse_notes(listener: Listener) -> None:
    from hark.tasks.notes.notes import refuse

    refuse(listener, {})


def _understanding(listener: Listener, clip: Audio, asked: UnderstandingForm) -> Iterator[Any]:
    options: dict[str, Any] = {"language": asked.language} if asked.language else {}
    yield listener.understand(clip, **options)


def _music(listener: Listener, clip: Audio, asked: MusicForm) -> Iterator[Any]:
    yield listener.music(clip, suggest=asked.suggest)


def _refuse_music(listener: Listener) -> None:
    from hark.tasks.music import refuse

    refuse(listener, None)
    if importlib.util.find_spec("librosa") is None:
        raise MissingExtraError.of("Music", "music")


def _sounds(listener: Listener, clip: Audio, asked: SoundsForm) -> Iterator[Any]:
    del asked  # there is nothing more to be said about sounds
    yield listener.sounds(clip)


def _refuse_sounds(listener: Listener) -> None:
    from hark.tasks.sounds import refuse

    refuse(listener)


def _as(form: str) -> Callable[[Any], str]:
    return lambda found: found.to(form)


def _markdown(found: Any) -> str:
    return found.to_markdown()  # type: ignore[no-any-return]


def _page(found: Any) -> str:
    return found.to_html()  # type: ignore[no-any-return]


_SUBTITLES = {form: _as(form) for form in ("txt", "srt", "vtt", "tsv")}
VIEWS = {
    "transcript": View(TranscriptForm, _refuse_transcript, _transcript, _SUBTITLES),
    "notes": View(NotesForm, _refuse_notes, _notes, {"md": _markdown, "html": _page}),
    "understanding": View(UnderstandingForm, _refuse_notes, _understanding, {"md": _markdown}),
    "music": View(MusicForm, _refuse_music, _music, {"md": _markdown, "html": _page}),
    "sounds": View(SoundsForm, _refuse_sounds, _sounds, {"md": _markdown, **_SUBTITLES}),
}
