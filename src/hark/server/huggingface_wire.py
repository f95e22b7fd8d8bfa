"""Requests of Hugging Face's tasks about audio -> conversations and options; answers -> their results.

A request is one of three tasks, told by what it holds:

* `inputs` is the recording itself (base64, a data URI, an address; in a body without JSON: its bytes):
  automatic-speech-recognition gives `{"text", "chunks"?}`; with a model that only knows labels, or `task="classify"`,
  audio-classification gives `[{"label", "score"}]`. Another `task`, or a `schema`, makes it the third task.
* `inputs` is `{"audio", "text"?}`, or chat messages: audio-text-to-text gives `[{"generated_text"}]`.
* `audio` and `text` stand by themselves, or `messages`: audio-text-to-text gives `{"generated_text"}`.

A list of recordings, or of `{"audio", "text"?}`, as `inputs` gives a list of results. Where something of a recording
or an answer was lost, the result says it under `notices`, which the clients pass on or ignore.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError
from pydantic_core import from_json

from hark.answers.transcript import Transcript
from hark.audio.audio import Audio
from hark.audio.sniff import not_audio
from hark.conversation.huggingface_wire import read_request
from hark.errors import RequestError
from hark.server import huggingface_options as told
from hark.server.reading import Body, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hark.answers.answer import Answer
    from hark.conversation.conversation import Conversation
    from hark.conversation.messages import Opener
    from hark.engines.engine import Capabilities

HEAD = 64  # bytes that tell what a body is
_LOST = ("truncated", "cleaned", "limit")
_HINT = 'Send the bytes of a recording, or JSON: {"inputs": BASE64, "parameters": {...}}.'


class Request(Body):
    """One request in JSON."""

    inputs: Any = None
    audio: Any = None
    text: str | None = None
    messages: list[Any] | None = None
    parameters: told.Parameters | None = None
    stream: bool = False
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks a model, and how its result looks.

    Attributes:
        conversations: one, or more where `batch` says so.
        options: those of `Listener.answer`.
        kind: which task it is. wrapped: is a single text put into a list?
    """

    conversations: tuple[Conversation, ...]
    options: dict[str, Any]
    kind: Literal["transcript", "labels", "text"]
    wrapped: bool = False
    batch: bool = False
    stream: bool = False

    def result(self, answers: Sequence[Answer]) -> Any:
        """The JSON of the answers, one for each conversation."""
        made = [self._one(answer, asked) for answer, asked in zip(answers, self.conversations, strict=True)]
        return made if self.batch or self.wrapped else made[0]

    def _one(self, answer: Answer, asked: Conversation) -> Any:
        if self.kind == "labels":
            return answer.data
        if self.kind == "text":
            return {"generated_text": answer.text} | _notices(answer)
        transcript = Transcript.of(answer, asked.clips[0])
        times = self.options.get("timestamps")
        chunks = {"chunks": _chunks(transcript, times)} if times else {}
        return {"text": transcript.text} | chunks | _notices(answer)


def is_text(head: bytes) -> bool:
    """Do the first bytes of a body show it to be text? Types are not trusted: a client passes on what it was told."""
    return not_audio(head) == "text"


def body(content: bytes) -> dict[str, Any]:
    """The request that text holds: JSON, or what stands for a recording.

    Raises:
        RequestError: it is JSON, but no request.
    """
    if content.lstrip()[:1] not in (b"{", b"[", b'"'):
        return {"inputs": content.decode(errors="replace").strip()}
    try:
        found = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise RequestError(f"The request is no JSON: {error}.", hint=_HINT) from None
    if isinstance(found, str):
        return {"inputs": found}
    if not isinstance(found, dict):
        raise RequestError("A request is an object.", hint=_HINT)
    return found


def query(items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parameters in an address, where huggingface.js leaves them: `true` and `5` are values of JSON, all else is text.

    Raises:
        RequestError: one is given twice, or there is none of the name.
    """
    found: dict[str, Any] = {}
    for name, text in items:
        value: Any = text
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(text)
        found = told.joined(found, {name: value})
    try:
        return told.flat(told.Parameters.model_validate(found, strict=True))
    except ValidationError as error:
        raise wrong(error) from None


def read(given: Any, can: Capabilities, opened: Opener, more: dict[str, Any] | None = None) -> Asked:
    """What a request asks a model that can do so much; `opened` makes an Audio of what it names (not of an Audio).

    Raises:
        RequestError: it has no shape that is known, or an option that is not.
        ConversationError: its messages make no sense.
        AudioError: a recording in it cannot be used.
    """
    try:
        whole = Request.model_validate(given, strict=True)
    except ValidationError as error:
        raise wrong(error) from None
    asked = told.joined(told.flat(whole.parameters or told.Parameters()), more or {})
    kind = _kind(whole, asked, can)
    if kind != "text" and whole.stream:
        raise RequestError("Only audio-text-to-text is streamed.", hint="Leave out stream.", param="stream")
    if kind == "labels":
        asked = {**asked, "task": "classify"}
    if kind == "transcript" and asked.setdefault("task", "transcribe") == "translate":
        asked.setdefault("to", "en")
    if kind == "text" and asked.get("return_timestamps"):
        raise RequestError("Text that is generated has no times.", hint="Leave it out.", param="return_timestamps")
    fields = {name: getattr(whole, name) for name in ("inputs", "audio", "text", "messages")}
    requests, batch = _requests({name: item for name, item in fields.items() if item is not None})
    if batch and whole.stream:
        raise RequestError("Only one answer is streamed at a time.", hint="Leave out stream.", param="stream")

    def heard(named: Any, *more: Any, **how: Any) -> Audio:
        return named if isinstance(named, Audio) else opened(named, *more, **how)

    conversations = tuple(read_request(one, heard)[0] for one in requests)
    wrapped = kind == "text" and whole.inputs is not None
    return Asked(conversations, told.options(asked, can), kind, wrapped, batch, whole.stream)


def _kind(whole: Request, asked: dict[str, Any], can: Capabilities) -> Literal["transcript", "labels", "text"]:
    items = whole.inputs if isinstance(whole.inputs, list) else [whole.inputs]
    task = asked.get("task")
    if not all(isinstance(item, str | bytes | Audio) for item in items):
        return "text"
    if task == "classify" or (task is None and "classify" in can.tasks and "transcribe" not in can.tasks):
        return "labels"
    return "transcript" if task in (None, "transcribe", "translate") and "schema" not in asked else "text"


def _requests(fields: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """Each request for itself, and whether there may be several; a list of messages is one."""
    items = fields.get("inputs")
    if not isinstance(items, list) or any(isinstance(item, dict) and "role" in item for item in items):
        return [fields], False
    if not items or len(fields) > 1:
        raise RequestError("inputs is an empty list, or not all there is.", hint=_HINT, param="inputs")
    return [{"inputs": item} for item in items], True


def _chunks(transcript: Transcript, times: str) -> list[dict[str, Any]]:
    pieces: list[Any] = []
    for segment in transcript.segments:
        pieces += segment.words if times == "word" and segment.words else [segment]
    return [{"text": piece.text, "timestamp": [piece.start, piece.end]} for piece in pieces]


def _notices(answer: Answer) -> dict[str, list[str]]:
    lost = [notice.text for notice in answer.notices if notice.kind in _LOST]
    return {"notices": lost} if lost else {}


def token(number: int, text: str) -> dict[str, Any]:
    """One step of a stream, as text-generation-inference sends it.

    A model's own numbers of tokens, and their probabilities, are not known: `id` counts the steps.
    """
    said = {"id": number, "text": text, "logprob": None, "special": False}
    return {"index": number, "token": said, "generated_text": None, "details": None}


def ending(number: int, answer: Answer) -> dict[str, Any]:
    """The last step, with the whole text."""
    cut = any(notice.kind == "limit" for notice in answer.notices)
    details = {"finish_reason": "length" if cut else "eos_token", "generated_tokens": answer.usage.output_tokens}
    said = token(number, "")
    said["token"]["special"] = True
    return {**said, "generated_text": answer.text, "details": {**details, "seed": None}} | _notices(answer)
