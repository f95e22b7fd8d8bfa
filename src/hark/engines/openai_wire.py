"""What OpenAI's protocol says and what hark says: requests written, replies read, for every dialect of the servers.

The dialects: OpenAI's own JSON and events, vLLM's chunks for transcripts, and llama.cpp's single final event as JSON.
"""

from __future__ import annotations

import math
import re
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Delta, Notice, Usage
from hark.answers.narrow import strict
from hark.answers.transcript import Segment, Word
from hark.conversation.messages import write_openai
from hark.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hark.answers.schema import Schema
    from hark.audio.windows import Window
    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Options

# From openai/whisper, `transcribe`: below or above these it holds its own output for failed, or for no speech.
_LOG_PROBABILITY, _COMPRESSION, _NO_SPEECH = -1.0, 2.4, 0.6

# Of another hark's notices: kinds that hold no times, how many, and how many characters of each.
_UNTIMED = frozenset({"method", "limit", "partly", "model"})
_NOTICES, _NOTICE_TEXT = 20, 500

# From openai/whisper, `tokenizer`: servers name the language they heard by these words.
_LANGUAGES = """
    afrikaans af albanian sq amharic am arabic ar armenian hy assamese as azerbaijani az bashkir ba basque eu
    belarusian be bengali bn bosnian bs breton br bulgarian bg cantonese yue catalan ca chinese zh croatian hr
    czech cs danish da dutch nl english en estonian et faroese fo finnish fi french fr galician gl georgian ka
    german de greek el gujarati gu haitian_creole ht hausa ha hawaiian haw hebrew he hindi hi hungarian hu icelandic
    is indonesian id italian it japanese ja javanese jw kannada kn kazakh kk khmer km korean ko lao lo latin la
    latvian lv lingala ln lithuanian lt luxembourgish lb macedonian mk malagasy mg malay ms malayalam ml maltese mt
    maori mi marathi mr mongolian mn myanmar my nepali ne norwegian no nynorsk nn occitan oc pashto ps persian fa
    polish pl portuguese pt punjabi pa romanian ro russian ru sanskrit sa serbian sr shona sn sindhi sd sinhala si
    slovak sk slovenian sl somali so spanish es sundanese su swahili sw swedish sv tagalog tl tajik tg tamil ta
    tatar tt telugu te thai th tibetan bo turkish tr turkmen tk ukrainian uk urdu ur uzbek uz vietnamese vi welsh cy
    yiddish yi yoruba yo
""".split()
_CODES = dict(zip(_LANGUAGES[::2], _LANGUAGES[1::2], strict=True))


def chat_body(model: str, conversation: Conversation, options: Options, changes: Collection[str]) -> dict[str, Any]:
    """The JSON of a chat request; `changes` are the names of what a server wants otherwise than OpenAI."""
    messages = write_openai(conversation)
    if "audio_url" in changes:
        for message in messages:
            message["content"] = [_as_url(part) for part in message["content"]]
    limit = "max_completion_tokens" if "max_completion_tokens" in changes else "max_tokens"
    values = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        limit: options.max_new_tokens,
        "seed": options.seed,
        "stop": list(options.stop) if options.stop else None,
        "stream_options": None if "no stream_options" in changes else {"include_usage": True},
    }
    given = {key: value for key, value in values.items() if value is not None}
    if options.schema and "schema in words" not in changes:
        given["response_format"] = _format(options.schema, changes)
    return {"model": model, "messages": messages, "stream": True, **given}


def _format(schema: Schema, changes: Collection[str]) -> dict[str, Any]:
    """How a server is told the schema: OpenAI's way, else that of older llama.cpp, Together and Fireworks."""
    if "schema as json_object" in changes:
        return {"type": "json_object", "schema": schema.values}
    narrowed, whole = (schema.values, False) if "schema not strict" in changes else strict(schema.values)
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": narrowed, "strict": whole}}


def _as_url(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "input_audio":
        return part
    return {"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{part['input_audio']['data']}"}}


def transcription_form(model: str, options: Options, changes: Collection[str]) -> dict[str, Any]:
    """The fields of a transcription request beside the file: the finest times that are wanted and that there are."""
    form: dict[str, Any] = {"model": model, "response_format": "json"}
    if options.temperature is not None:
        form["temperature"] = str(options.temperature)
    if options.language:
        form["language"] = options.language
    if options.timestamps != "none" and "no times" not in changes:
        form["response_format"] = "verbose_json"
        if options.task == "transcribe" and options.timestamps != "segment" and "no words" not in changes:
            form["timestamp_granularities[]"] = ["word", "segment"]
    elif "no stream" not in changes:
        form["stream"] = "true"
    return form


class ChatReply:
    """Reads the reply to a chat request, whole or in chunks."""

    def __init__(self) -> None:
        self.text = ""
        self.finish: str | None = None
        self.refusal = ""
        self.ended = False
        self.tokens: tuple[int | None, int | None] = (None, None)

    def read(self, event: dict[str, Any]) -> str:
        """Take the next event, and give the text in it."""
        self.ended = self.ended or not event
        self.tokens = tokens_of(event) or self.tokens
        for choice in event.get("choices") or ():
            self.finish = choice.get("finish_reason") or self.finish
            said = choice.get("delta") or choice.get("message") or {}
            self.refusal += said.get("refusal") or ""
            text = _text(said.get("content"))
            self.text += text
            return text
        return ""

    def conclude(self, name: str) -> tuple[Notice, ...]:
        """What is to be known about the reply.

        Raises:
            ModelError: it broke off, or there is nothing in it.
        """
        if not self.ended and self.finish is None:
            raise ModelError(f"The answer of {name} broke off.")
        if self.finish == "content_filter":
            raise ModelError(f"The filter of {name}'s server ended the answer.")
        if not self.text.strip():
            why = f": {self.refusal}" if self.refusal else "."
            hint = "Raise max_new_tokens." if self.finish == "length" else "Ask otherwise, or use another model."
            raise ModelError(f"{name} answered nothing{why}", hint=hint)
        return (Notice("limit", "The answer broke off at a limit of tokens."),) if self.finish == "length" else ()


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def tokens_of(event: dict[str, Any]) -> tuple[int | None, int | None] | None:
    """Tokens in and out, under the names of the chat or of the transcription endpoint; None where not counted."""
    usage = event.get("usage")
    if not isinstance(usage, dict):
        return None
    into, out = (usage.get(f"{a}_tokens", usage.get(f"{b}_tokens")) for a, b in (("prompt", "input"), _OUT))
    return None if into is None and out is None else (into, out)


_OUT = ("completion", "output")


class Bare:
    """JSON without the fence of Markdown that models put around it where nothing but words asks them for it."""

    def __init__(self) -> None:
        self._begun, self._held = False, ""

    def take(self, text: str) -> str:
        """Take the next piece, and give what is certain to be JSON; what may be a fence is held back."""
        held = self._held + text
        if not self._begun:
            if re.fullmatch(r"\s*(`{0,2}|```[ \t]*\w*[ \t]*)", held):
                self._held = held
                return ""
            held, self._begun = re.sub(r"\A\s*(```[ \t]*\w*[ \t]*\n)?\s*", "", held), True
        end = len(re.sub(r"[\s`]+\Z", "", held))
        self._held = held[end:]
        return held[:end]


class Transcription:
    """Reads replies of the transcription endpoint, one for each stretch of a clip, in the clock of the clip."""

    def __init__(self, options: Options) -> None:
        self.language = "en" if options.task == "translate" else options.language
        self._fixed = self.language is not None
        self.said = self.words = self.limited = False
        self.usage = Usage()
        self.notices: dict[Notice, None] = {}  # those of another hark
        self._cursor = 0.0

    def read(self, events: Iterator[dict[str, Any]], stretch: Window) -> Iterator[Delta]:
        """The steps of one reply: text as it comes, then what times there are.

        Raises:
            ModelError: the reply broke off, or holds no text at all.
        """
        self._cursor = max(self._cursor, stretch.start)
        text, ended, held = "", False, False
        for event in events:
            ended = ended or not event or event.get("type") == "transcript.text.done"
            self._count(event)
            if event.get("segments") or event.get("words"):
                yield from self._timed(event, stretch)
                return
            piece, whole = _piece(event)
            held = held or whole or piece is not None
            if piece is None and whole and event["text"].startswith(text):
                piece = event["text"][len(text) :]
            new = piece or ""
            if new:
                yield Delta(self._joint(text, new), language=self.language)
                text += new
        if not (ended and held):
            raise ModelError("The server's transcript broke off, or holds no text.")
        if text.strip():
            self.said = True
            yield Delta(segments=(Segment(text.strip(), stretch.start, stretch.end, language=self.language),))

    def _joint(self, before: str, new: str) -> str:
        return f" {new.lstrip()}" if self.said and not before else new

    def _count(self, event: dict[str, Any]) -> None:
        if not self._fixed and isinstance(event.get("language"), str) and event["language"]:
            heard = event["language"].lower()
            self.language = _CODES.get(heard.replace(" ", "_"), heard)
        into, out = tokens_of(event) or (None, None)
        usage = self.usage
        self.usage = Usage(0.0, _sum(usage.input_tokens, into), _sum(usage.output_tokens, out))
        self.limited = self.limited or any(c.get("finish_reason") == "length" for c in event.get("choices") or ())
        self.notices |= dict.fromkeys(_told(event.get("notices")))

    def _timed(self, event: dict[str, Any], stretch: Window) -> Iterator[Delta]:
        raw = list(event.get("segments") or ())
        words = list(event.get("words") or [word for part in raw for word in part.get("words") or ()])
        self.words = self.words or bool(words)
        if not raw:
            raw = [{"text": event.get("text", ""), "start": words[0]["start"], "end": words[-1]["end"]}]
        for number, part in enumerate(raw):
            last = number == len(raw) - 1
            mine = words if last else [*takewhile(lambda word: _middle(word) < float(part["end"]), words)]  # noqa: B023
            words = words[len(mine) :]
            text = str(part.get("text") or "").strip()
            if text:
                segment = self._segment(part, text, mine, stretch)
                yield Delta(f" {text}" if self.said else text, (segment,), heard=segment.end, language=self.language)
                self.said = True

    def _segment(self, part: dict[str, Any], text: str, words: list[Any], stretch: Window) -> Segment:
        start = self._clock(part["start"], stretch)
        timed = [
            Word(str(w["word"]).strip(), self._clock(w["start"], stretch), self._clock(w["end"], stretch))
            for w in words
        ]
        log = _number(part, "avg_logprob")
        doubtful = (
            (log or 0.0) < _LOG_PROBABILITY
            or (_number(part, "compression_ratio") or 0.0) > _COMPRESSION
            or (_number(part, "no_speech_prob") or 0.0) > _NO_SPEECH
        )
        confidence = round(math.exp(min(0.0, log)), 3) if log else None  # 0 where a server does not know it
        speaker = part.get("speaker")
        end = self._clock(part["end"], stretch)
        return Segment(text, start, end, tuple(timed), confidence, speaker, self.language, unsure=doubtful)

    def _clock(self, seconds: Any, stretch: Window) -> float:
        """A time of a stretch in the clock of the clip: never before the one given last, nor beyond the end."""
        self._cursor = round(min(max(self._cursor, stretch.start + float(seconds)), stretch.end), 3)
        return self._cursor


def _told(notices: Any) -> Iterator[Notice]:
    """What another hark tells of its answer; what may hold times, in the clock of a stretch, is left out."""
    for one in notices[:_NOTICES] if isinstance(notices, list) else ():
        if isinstance(one, dict) and one.get("kind") in _UNTIMED and isinstance(one.get("text"), str):
            yield Notice(one["kind"], one["text"][:_NOTICE_TEXT])


def _piece(event: dict[str, Any]) -> tuple[str | None, bool]:
    """The text an event adds, and whether it holds the whole text instead."""
    kind = event.get("type")
    if kind == "transcript.text.delta":
        return str(event.get("delta") or ""), False
    if event.get("choices"):
        return _text((event["choices"][0].get("delta") or {}).get("content")), False
    return None, kind in (None, "transcript.text.done") and isinstance(event.get("text"), str)


def _middle(word: dict[str, Any]) -> float:
    return (float(word["start"]) + float(word["end"])) / 2


def _number(values: dict[str, Any], key: str) -> float | None:
    value = values.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)
