"""The seam every model sits behind: `generate` is the only duty; capabilities are data, checked before loading."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from hark.answers.answer import Answer, Delta
from hark.answers.schema import Schema
from hark.errors import OptionError, UnsupportedError
from hark.tasks.command.grammar import Grammar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hark.conversation.conversation import Conversation
    from hark.engines.live import Live

T = TypeVar("T")
Gone = Callable[[int], bool]
Timestamps = Literal["none", "segment", "word"]
_FINENESS: tuple[Timestamps, ...] = ("none", "segment", "word")
_HONOUR = "honour the option "


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model can do, known before its weights are loaded.

    Attributes:
        free_prompt: may be asked anything (False: only the `tasks`).
        tasks: tasks it has a way of its own for, by name (`transcribe`, `translate`, `summary`, ...).
        options: fields of `Options` it honours; any other that is set is refused. With `schema` it answers in JSON.
        max_seconds: the longest audio it hears at once (None: no limit); `too_long` says what happens beyond.
        languages: codes of the languages it knows (None: not known, or any).
        batch_exact: a batch gives the same answers as one at a time.
    """

    free_prompt: bool
    tasks: frozenset[str] = frozenset({"transcribe"})
    options: frozenset[str] = frozenset()
    system_prompt: bool = False
    several_clips: bool = False
    several_turns: bool = False
    max_seconds: float | None = None
    too_long: Literal["split", "refuse"] = "split"
    timestamps: Timestamps = "none"
    languages: frozenset[str] | None = None
    batch_exact: bool = False
    streams: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, sets as sorted lists."""
        return {key: sorted(value) if isinstance(value, frozenset) else value for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be said about how to answer; None leaves the choice to the model.

    Attributes:
        task: what is wanted, by name, when a task asks (see `hark.tasks`); None for a free prompt.
        language: code of the language spoken (`en`); to: code of the language wanted, for `translate`.
        timestamps: the finest times wanted of a transcript.
        temperature, top_p, max_new_tokens, beams, seed, stop: of text generation, as usual.
        schema: what the JSON wanted must look like; `Options.of` takes all that `Schema.of` does.
        top: how many labels to give, for `classify`.
        grammar: what may be said, for `command`; `Options.of` takes all that `Grammar.of` does.
        adapter: which of the adapters that the model was loaded with is to answer.
    """

    task: str | None = None
    language: str | None = None
    to: str | None = None
    timestamps: Timestamps | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_new_tokens: int | None = None
    beams: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    schema: Schema | None = None
    top: int | None = None
    grammar: Grammar | None = None
    adapter: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not _allowed(field.name, value):
                raise OptionError(f"{field.name} cannot be {value!r}.", hint=_ALLOWED[field.name][1], param=field.name)
        if self.stop and self.schema:
            raise OptionError(
                "stop cannot be used with a schema: it would break the JSON.", hint="Leave out one.", param="stop"
            )

    @classmethod
    def of(cls, **values: Any) -> Options:
        """Make options from keywords, refusing unknown names.

        Raises:
            OptionError: there is no such option, or its value is wrong.
        """
        names = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise OptionError(f"There is no option {unknown[0]!r}.", hint=f"Options are {', '.join(names)}.")
        stop = values.get("stop")
        if isinstance(stop, str | list):
            values["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
        if values.get("schema") is not None:
            values["schema"] = Schema.of(values["schema"])
        if values.get("grammar") is not None:
            values["grammar"] = Grammar.of(values["grammar"])
        return cls(**values)


_TEXT: tuple[Callable[[Any], bool], str] = (lambda value: isinstance(value, str) and bool(value.strip()), "It is text.")
_WHOLE = (
    lambda value: isinstance(value, int) and value >= 1,
    "It is a whole number from 1.",
)
# Each option: whether a value is allowed, and what is.
_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "task": _TEXT,
    "language": _TEXT,
    "to": _TEXT,
    "timestamps": (lambda value: value in _FINENESS, "It is none, segment or word."),
    "temperature": (lambda value: 0 <= value <= 2, "It is a number from 0 to 2."),
    "top_p": (lambda value: 0 < value <= 1, "It is a number over 0, up to 1."),
    "max_new_tokens": _WHOLE,
    "beams": _WHOLE,
    "seed": (lambda value: isinstance(value, int) and 0 <= value < 2**63, "It is a whole number from 0, under 2**63."),
    "stop": (
        lambda value: isinstance(value, tuple) and all(isinstance(item, str) and item for item in value),
        "It is text that is not empty, or a list of such.",
    ),
    "schema": (lambda value: isinstance(value, Schema), "Options.of and Schema.of make one of a class or a dict."),
    "top": _WHOLE,
    "adapter": _TEXT,
    "grammar": (lambda value: isinstance(value, Grammar), "Options.of and Grammar.of make one of a file or its text."),
}


def _allowed(name: str, value: Any) -> bool:
    try:
        return not isinstance(value, bool) and _ALLOWED[name][0](value)
    except TypeError:  # text, where a number was wanted
        return False


def wanted_all(number: int) -> bool:
    """Nobody is gone."""
    del number
    return False


def while_wanted(make: Callable[[], Iterator[T]], gone: Callable[[], bool]) -> Iterator[T]:
    """The steps of some work until nobody wants them any more; then it is closed, or not begun."""
    if gone():
        return
    with contextlib.closing(make()) as steps:  # type: ignore[type-var]
        for step in steps:
            yield step
            if gone():
                return


class Engine(ABC):
    """Answers conversations; the only code that touches weights or a remote server.

    Attributes:
        name: how the model is named to people (`builtin`, `faster-whisper:tiny`).
        can: its capabilities.
        parallel: how many answers it can well make at a time, each in a thread of its own; more would wait inside.
    """

    name: str
    can: Capabilities
    parallel: int = 1

    @abstractmethod
    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Answer, step by step; closing the iterator stops the work.

        Called only with what `check` let through. With `options.task == "transcribe"` the deltas carry segments, in
        the clock of the clip; their text is what the transcript reads. Where much work comes before the next text, an
        empty `Delta` after each token is a place to stop.
        """

    def generate_batch(
        self, conversations: Sequence[Conversation], options: Options, gone: Gone = wanted_all
    ) -> list[Answer]:
        """Answer several conversations; by default one after the other.

        `gone(n)` is asked after each step for the n-th of them, in whatever thread works on it: does nobody want its
        answer any more? Then its work stops, those of the others go on, and what is given for it means nothing.
        """
        return [
            Answer.of(while_wanted(partial(self.generate, conversation, options), partial(gone, number)))
            for number, conversation in enumerate(conversations)
        ]

    def batches(self, options: Options) -> bool:
        """Does `generate_batch` answer several with these options in less time than one by one?"""
        del options
        return False

    def live(self, options: Options, *, shows: bool) -> Live | None:
        """What writes down a turn while it is spoken, for models that hear it as it comes; nothing is loaded yet.

        None, of most: they are given the turn again and again as it grows (`hark.realtime.partial`). `shows` says
        whether text that may still change is wanted. Called only with what `check` let through.
        """
        del options, shows
        return None

    def warm(self) -> None:  # noqa: B027 - many engines have nothing to load
        """Load now what the first question would load."""

    def close(self) -> None:  # noqa: B027 - most engines hold nothing that must be let go
        """Let go of processes and memory; the engine may load them again when next asked."""


def check(name: str, can: Capabilities, conversation: Conversation, options: Options) -> None:
    """Refuse, before anything is loaded, what a model cannot do.

    Raises:
        UnsupportedError: with what it can do instead in the message, and what else to use in the hint.
    """
    if not conversation.clips:
        raise UnsupportedError("There is no audio in the conversation.", hint="Give at least one recording.")
    what = _beyond(can, conversation, options)
    if what:
        param = what.removeprefix(_HONOUR) if what.startswith(_HONOUR) else None
        raise UnsupportedError(
            f"{name} cannot {what}; {_does(can, what)}.", hint=_instead(conversation, options), param=param
        )


def _beyond(can: Capabilities, conversation: Conversation, options: Options) -> str | None:
    """The first thing wanted that is beyond a model."""
    task, times, language = options.task, options.timestamps, options.language
    wanted = {
        "be asked questions": task is None and not can.free_prompt,
        f"do the task {task!r}": task is not None and task not in can.tasks and not can.free_prompt,
        "follow a system prompt": bool(conversation.system) and not can.system_prompt,
        "hear several recordings at once": len(conversation.clips) > 1 and not can.several_clips,
        "hold a conversation of several turns": conversation.turns > 1 and not can.several_turns,
        f"give times of each {times}": _finer(times, can.timestamps),
        f"handle the language {language!r}": bool(
            language and can.languages is not None and language not in can.languages
        ),
    }
    for field in fields(options):
        if field.name not in ("task", "timestamps", *can.options):
            wanted[f"{_HONOUR}{field.name}"] = getattr(options, field.name) is not None
    return next((what for what, beyond in wanted.items() if beyond), None)


def _does(can: Capabilities, what: str) -> str:
    """What a model can do instead."""
    if "option" in what:
        return f"it takes {', '.join(sorted(can.options)) or 'no options'}"
    if "language" in what:
        known = sorted(can.languages or ())
        return f"it knows {', '.join(known[:12])}{' ...' if len(known) > 12 else ''}"
    return "it can answer free prompts" if can.free_prompt else f"it can only {', '.join(sorted(can.tasks))}"


def _instead(conversation: Conversation, options: Options) -> str:
    """Name models that can do it, those that are here first."""
    from hark.engines.catalog import listing

    able = [model for model in listing() if model.name != "echo" and not _beyond(model.can, conversation, options)]
    able.sort(
        key=lambda model: (not model.ready, not model.name.endswith(":small"))
    )  # small: a sensible first download
    names = " or ".join(model.name for model in able[:2])
    times = "--align-with FOLDER (align_with=) finds them with a CTC model. " if options.timestamps == "word" else ""
    return f"{times}{f'Use {names}; `' if names else '`'}hark models` lists what each model can do."


def _finer(wanted: Timestamps | None, given: Timestamps) -> bool:
    return wanted is not None and _FINENESS.index(wanted) > _FINENESS.index(given)
