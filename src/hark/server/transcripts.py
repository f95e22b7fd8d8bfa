"""Transcripts as OpenAI's audio endpoints give them: the work of a model on one recording, whole or as events.

Events: https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event and those after it.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, PlainTextResponse

from hark.answers.answer import Answer, Delta
from hark.answers.openai_json import diarized, languages, usage, verbose
from hark.answers.transcript import Transcript
from hark.conversation.conversation import Conversation
from hark.engines.asking import prepared
from hark.engines.engine import Options
from hark.errors import HarkError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.responses import Response

    from hark.audio.audio import Audio
    from hark.engines.engine import Engine
    from hark.listener import Listener
    from hark.server.transcription_form import Wish

_HEADER = "X-Hark-Notices"
_HEADER_TEXT, _HEADER_ALL = 300, 4000  # characters; clients take no header without end


@contextlib.contextmanager
def about(param: str) -> Iterator[None]:
    """Says which field of a request an error is about."""
    try:
        yield
    except RequestError:
        raise
    except HarkError as error:
        if error.http_status != 400:
            raise
        raise RequestError(error.message, hint=error.hint, param=param) from error


def heard(listener: Listener, wish: Wish, clip: Audio) -> Iterator[Delta | Transcript]:
    """Hear a recording, step by step; the last step is its transcript.

    Raises:
        RequestError: the model cannot do what is wanted; `param` says what.
    """
    options = _taken(listener, wish, clip)
    system = _context(listener.engine, wish)
    if wish.speakers:
        from hark.speakers.transcribe import transcribe

        work = transcribe(listener, clip, **options)
    else:
        work = listener.stream(clip, system=system, **options)
    deltas = []
    with contextlib.closing(work), about("model"):  # type: ignore[type-var]
        for delta in work:
            deltas.append(delta)
            yield delta
    yield Transcript.of(Answer.of(deltas), clip)


def events(step: Delta | Transcript, wish: Wish) -> Iterator[dict[str, Any]]:
    """The events that tell of a step; who speaks is known when all was heard."""
    if isinstance(step, Delta):
        if step.text and not wish.speakers:
            yield {"type": "transcript.text.delta", "delta": step.text}
        return
    if wish.speakers:
        for number, segment in enumerate(diarized(step, apart=True)["segments"]):
            text = f" {segment['text']}" if number else segment["text"]
            yield {"type": "transcript.text.delta", "delta": text, "segment_id": segment["id"]}
            yield segment
    yield {"type": "transcript.text.done", "text": step.text, **_known(step), **_noticed(step)}


def written(transcript: Transcript, wish: Wish) -> Response:
    """The response that holds a whole transcript, in the form wanted."""
    return _WRITERS[wish.form](transcript, wish)


def _taken(listener: Listener, wish: Wish, clip: Audio) -> dict[str, Any]:
    """The options for the model, each of which it honours.

    Raises:
        RequestError: it does not honour one.
    """
    engine, conversation = listener.engine, Conversation.ask((clip,))
    times = {"timestamp_granularities": ("timestamps", _times(engine, wish))}
    given = {"model": ("task", wish.task), **wish.options, **times}
    if given.get("temperature", (None, None))[1] == 0 and "temperature" not in engine.can.options:
        del given["temperature"]  # such a model has only one answer, as every model has at 0
    options: dict[str, Any] = {}
    for param, (name, value) in given.items():
        options[name] = value
        with about(param):
            prepared(engine.name, engine.can, conversation, Options.of(**options))
    return options


def _times(engine: Engine, wish: Wish) -> str | None:
    """The finest times that are wanted: none of plain text, for subtitles and speakers whatever there is."""
    if wish.form in ("json", "text"):
        return "none"
    if wish.form != "verbose_json":
        return None
    if wish.times:
        return "word" if "word" in wish.times else "segment"
    return None if engine.can.timestamps == "none" else "segment"


def _context(engine: Engine, wish: Wish) -> str | None:
    """What a model is told beforehand: in its system turn, where it has one and minds it when it writes down.

    Raises:
        RequestError: it has none.
    """
    if not wish.context:
        return None
    from hark.engines.openai_server import OpenAIServer
    from hark.engines.transformers.engine import Transformers

    # The offline default and a cascade take a system prompt for questions alone.
    minds = isinstance(engine, Transformers | OpenAIServer) and engine.can.system_prompt
    if not minds or wish.speakers:
        param = next(iter(wish.context))
        when = " and tells speakers apart" if minds else ""
        what = f"{engine.name} takes no {param} when it writes down speech{when}."
        raise RequestError(what, hint="Leave it out; models that are asked in words take one.", param=param)
    return "\n".join(wish.context.values())


# --- what is written


def _json(transcript: Transcript, _wish: Wish) -> Response:
    return JSONResponse({"text": transcript.text, **_known(transcript), **_noticed(transcript)})


def _verbose(transcript: Transcript, wish: Wish) -> Response:
    values = verbose(transcript, task=wish.task, times=wish.times or ("segment",))
    return JSONResponse(values | _noticed(transcript))


def _diarized(transcript: Transcript, _wish: Wish) -> Response:
    return JSONResponse(diarized(transcript, apart=True) | _noticed(transcript))


def _plain(write: Callable[[Transcript], str], media_type: str) -> Callable[[Transcript, Wish], Response]:
    def response(transcript: Transcript, _wish: Wish) -> Response:
        return PlainTextResponse(write(transcript), headers=_headers(transcript), media_type=media_type)

    return response


_WRITERS: dict[str, Callable[[Transcript, Wish], Response]] = {
    "json": _json,
    "text": _plain(lambda transcript: transcript.text + "\n", "text/plain"),
    "srt": _plain(Transcript.to_srt, "text/plain"),
    "vtt": _plain(Transcript.to_vtt, "text/vtt"),
    "verbose_json": _verbose,
    "diarized_json": _diarized,
}


def _known(transcript: Transcript) -> dict[str, Any]:
    return {"usage": usage(transcript), **languages(transcript)}


def _noticed(transcript: Transcript) -> dict[str, Any]:
    """What a person should know; clients of OpenAI let further keys pass."""
    notices = [notice.to_dict() for notice in transcript.notices]
    return {"notices": notices} if notices else {}


def _headers(transcript: Transcript) -> dict[str, str]:
    """The same for text, as JSON in ASCII."""
    short = [{**notice.to_dict(), "text": _short(notice.text)} for notice in transcript.notices]
    while len(said := json.dumps(short)) > _HEADER_ALL:
        short.pop()
    return {_HEADER: said} if short else {}


def _short(text: str) -> str:
    return text if len(text) <= _HEADER_TEXT else f"{text[:_HEADER_TEXT]} ..."
