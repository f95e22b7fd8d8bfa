"""The forms of OpenAI's transcriptions and translations -> what is wanted of a model; nothing is dropped on the way.

Fields: https://platform.openai.com/docs/api-reference/audio; `seed`, `top_p`, `max_completion_tokens`, `to_language`
and `language` for translations are vLLM's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from hark.errors import RequestError
from hark.server.reading import Body

if TYPE_CHECKING:
    from collections.abc import Mapping


def _listed(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else [value]


Text = Annotated[str | None, BeforeValidator(lambda value: value or None)]  # empty, as forms send what nobody filled in
Several = Annotated[list[str], BeforeValidator(_listed), Field(default_factory=list)]
Times = Annotated[list[Literal["word", "segment"]], BeforeValidator(_listed), Field(default_factory=list)]


def _as_form(schema: dict[str, Any]) -> None:
    """What a model's schema does not say: the file, which is taken out before; and forms hold no null."""
    file = {"type": "string", "format": "binary", "description": "The recording: any format, audio or video."}
    for values in schema["properties"].values():
        for kind in values.pop("anyOf", ()):
            values.update(kind if kind["type"] != "null" else {})
    schema["properties"] = {"file": file, **schema["properties"]}
    schema["required"] = ["file"]


def _about(text: str) -> Any:
    return Field(default=None, description=text)


class Form(Body):
    """What both forms hold beside the file."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_as_form)

    model: Text = _about("One of those of /v1/models; the first where none is named.")
    language: Text = _about("Code of the language spoken, such as en.")
    prompt: Text = _about("Context, such as names to expect; of models that mind it.")
    temperature: float | None = _about("0 where the model always gives the same.")
    top_p: float | None = None
    seed: int | None = None
    max_completion_tokens: int | None = None


class TranscriptionForm(Form):
    """What `POST /v1/audio/transcriptions` takes."""

    response_format: Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"] = "json"
    timestamp_granularities: Annotated[Times, Field(description="Of verbose_json; segment where nothing is said.")]
    stream: Annotated[bool, Field(description="As events, of json, text and diarized_json.")] = False
    languages: Annotated[Several, Field(description="At most one: the same as language.")]
    keywords: Annotated[Several, Field(description="Words to expect; like prompt.")]
    include: Annotated[Several, Field(description="Refused: no model gives log-probabilities of tokens.")]
    chunking_strategy: Any = _about("auto, or an object with type=server_vad: long recordings are cut at pauses.")
    known_speaker_names: Annotated[Several, Field(description="Refused: speakers are told apart, not recognised.")]
    known_speaker_references: Annotated[Several, Field(description="Refused, too.")]


class TranslationForm(Form):
    """What `POST /v1/audio/translations` takes."""

    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    to_language: Text = _about("Code of the language wanted; en.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a request wants of a model.

    Attributes:
        task: to write down, or to translate.
        form: the `response_format`.
        stream: as events.
        options: fields of `hark.Options` by the names of the fields of the form that say them.
        context: names and sentences that help to understand it.
        times: `segment` and `word`, where they were asked for.
    """

    task: Literal["transcribe", "translate"]
    form: str
    stream: bool = False
    options: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)
    times: tuple[str, ...] = ()

    @property
    def speakers(self) -> bool:
        """Is it to be told who speaks?"""
        return self.form == "diarized_json"


def wish_of(form: TranscriptionForm | TranslationForm) -> Wish:
    """What a form asks for.

    Raises:
        RequestError: it asks for what hark has not, or contradicts itself.
    """
    options = _options(form)
    if isinstance(form, TranslationForm):
        options["to_language"] = ("to", form.to_language or "en")
        context = {"prompt": form.prompt} if form.prompt else {}
        return Wish(task="translate", form=form.response_format, options=options, context=context)
    _refuse(form)
    if language := _language(form):
        options["language" if form.language else "languages"] = ("language", language)
    keywords = ", ".join(form.keywords)
    context = {name: text for name, text in (("prompt", form.prompt), ("keywords", keywords)) if text}
    times = tuple(dict.fromkeys(form.timestamp_granularities))
    return Wish(
        task="transcribe", form=form.response_format, stream=form.stream, options=options, context=context, times=times
    )


def _options(form: Form) -> dict[str, tuple[str, Any]]:
    given = {
        "language": ("language", form.language),
        "temperature": ("temperature", form.temperature),
        "top_p": ("top_p", form.top_p),
        "seed": ("seed", form.seed),
        "max_completion_tokens": ("max_new_tokens", form.max_completion_tokens),
    }
    return {name: pair for name, pair in given.items() if pair[1] is not None}


def _language(form: TranscriptionForm) -> str | None:
    """The one language that is spoken.

    Raises:
        RequestError: it may be one of several.
    """
    named = list(dict.fromkeys([*([form.language] if form.language else []), *form.languages]))
    if len(named) > 1:
        hint = "Name one, or none: then a model that can tells it by itself."
        raise RequestError("No model is told several languages to choose from.", hint=hint, param="languages")
    return named[0] if named else None


def _refuse(form: TranscriptionForm) -> None:
    """Refuse what no model of hark can do, or what makes no sense together.

    Raises:
        RequestError: `param` says what.
    """
    whole = form.response_format in ("srt", "vtt", "verbose_json")
    timed = form.response_format == "verbose_json"
    # What is given, its name, why it is refused, and what to do.
    refusals: tuple[tuple[Any, str, str, str], ...] = (
        (form.include, "include", "No log-probabilities of tokens are given.", "verbose_json has those of segments."),
        (
            form.known_speaker_names or form.known_speaker_references,
            "known_speaker_names" if form.known_speaker_names else "known_speaker_references",
            "Speakers are told apart, not recognised.",
            "Leave it out: diarized_json calls them Speaker 1, Speaker 2 ...",
        ),
        (
            form.timestamp_granularities and not timed,
            "timestamp_granularities",
            f"{form.response_format} has no place for these times.",
            "Ask for response_format=verbose_json.",
        ),
        (form.stream and whole, "stream", f"{form.response_format} is not streamed.", "Ask for json or text."),
    )
    for given, param, why, instead in refusals:
        if given:
            raise RequestError(why, hint=instead, param=param)
    _refuse_chunking(form.chunking_strategy)


def _refuse_chunking(strategy: Any) -> None:
    """Long recordings are cut at pauses: that is `auto`, and `server_vad` as it is; a pause cannot be described."""
    if isinstance(strategy, str) and strategy.lstrip().startswith("{"):
        try:
            strategy = json.loads(strategy)
        except ValueError:
            strategy = "?"
    if strategy in (None, "", "auto", {"type": "server_vad"}):
        return
    if not isinstance(strategy, dict) or strategy.get("type") != "server_vad":
        hint = "It is auto, or an object with type=server_vad."
        raise RequestError("There is no such chunking_strategy.", hint=hint, param="chunking_strategy")
    param = f"chunking_strategy.{next(key for key in strategy if key != 'type')}"
    raise RequestError(f"{param} cannot be set.", hint="hark finds pauses by itself: leave it out.", param=param[:200])
