"""Ask a listener what a task requests, in all the ways there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Delta, Usage
from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hark.audio.audio import Audio
    from hark.evaluation.task import Request, Way
    from hark.listener import Listener


def deltas(listener: Listener, request: Request) -> Iterator[Delta]:
    """The answer, step by step; closing the iterator stops the model.

    Raises:
        AudioError: a recording cannot be used.
        UnsupportedError: the model cannot do it, or there is not one recording where there must be.
        OptionError: an option is wrong.
    """
    return _WAYS[request.way](listener, request)


def _answer(listener: Listener, request: Request) -> Iterator[Delta]:
    return listener.answer(request.conversation, **request.options)


def _classify(listener: Listener, request: Request) -> Iterator[Delta]:
    from hark.tasks.labels import classify

    options: dict[str, Any] = {"labels": None, "top": None, **request.options}
    return classify(listener, _clip(request), **options)


def _command(listener: Listener, request: Request) -> Iterator[Delta]:
    clip = _clip(request)
    found = listener.command(clip, **request.options).to_dict()
    usage = Usage(audio_seconds=clip.duration)
    yield Delta(json.dumps(found, ensure_ascii=False), usage=usage, data=found)


def _speakers(listener: Listener, request: Request) -> Iterator[Delta]:
    from hark.speakers.transcribe import transcribe

    return transcribe(listener, _clip(request), **request.options)


def _clip(request: Request) -> Audio:
    """The recording, where there can be but one."""
    clips = request.conversation.clips
    if len(clips) != 1:
        raise UnsupportedError(f"There are {len(clips)} recordings.", hint="This task takes one at a time.")
    return clips[0]


def _stream(listener: Listener, request: Request) -> Iterator[Delta]:
    from hark.evaluation.tasks.streaming import deltas as streamed

    return streamed(listener, request)


_WAYS: dict[Way, Callable[[Listener, Request], Iterator[Delta]]] = {
    "answer": _answer,
    "classify": _classify,
    "command": _command,
    "speakers": _speakers,
    "stream": _stream,
}
