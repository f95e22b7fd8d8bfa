"""Labels for a recording: the model's own, with scores, or the one of some given labels that fits best."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Conversation
from hark.engines.engine import Options, check
from hark.errors import OptionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hark.answers.answer import Delta
    from hark.audio.audio import Audio
    from hark.listener import Listener

CLASSIFIERS = "the folder of a wav2vec 2.0, HuBERT, WavLM, AST or Whisper model with a classification head"


def classify(listener: Listener, clip: Audio, labels: Sequence[str] | None, top: int | None) -> Iterator[Delta]:
    """See `Listener.classify`; step by step."""
    refuse(listener, clip, labels, top)
    if labels is None:
        return listener.answer(Conversation.ask((clip,)), task="classify", top=top)
    return _asked(listener, clip, labels)


def _asked(listener: Listener, clip: Audio, labels: Sequence[str]) -> Iterator[Delta]:
    """Ask for one of the labels; it is all the text there is."""
    wanted = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(labels)}},
        "required": ["label"],
        "additionalProperties": False,
    }
    for delta in listener.stream(clip, f"Which of these labels fits best: {', '.join(labels)}?", schema=wanted):
        label = delta.data["label"] if delta.data else ""
        yield replace(delta, text=label, data=[{"label": label}] if label else None)


def refuse(listener: Listener, clip: Audio, labels: Sequence[str] | None, top: int | None) -> None:
    """Refuse what the model cannot do, before anything is loaded.

    Raises:
        UnsupportedError: it has no labels of its own, or cannot choose among those given.
        OptionError: the labels make no choice, or there is a `top` of labels without scores.
    """
    name, can = listener.engine.name, listener.can
    own = "classify" in can.tasks
    if labels is None and own:
        return check(name, can, Conversation.ask((clip,)), Options.of(task="classify", top=top))
    if labels is None:
        asked = "Give the labels to choose among, or use" if "schema" in can.options else "Use"
        raise UnsupportedError(f"{name} has no labels of its own.", hint=f"{asked} {CLASSIFIERS}.")
    _choice(labels)
    if own:
        raise UnsupportedError(f"{name} gives labels of its own, and no others.", hint="Leave the labels out.")
    if not can.free_prompt or "schema" not in can.options:
        raise UnsupportedError(
            f"{name} cannot choose among given labels.",
            hint=f"Use an audio-language model such as Voxtral; or leave the labels out and use {CLASSIFIERS}.",
        )
    if top is not None:
        raise OptionError("A model that is asked chooses one label, and gives no scores.", hint="Leave out top.")
    return None


def _choice(labels: Any) -> None:
    texts = [] if isinstance(labels, str) else list(labels)
    if len(texts) < 2 or len(set(texts)) < len(texts) or not all(isinstance(x, str) and x.strip() for x in texts):
        raise OptionError("The labels are two different texts or more.", hint='Such as ["angry", "happy", "neutral"].')
