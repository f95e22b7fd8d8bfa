"""The seam every model sits behind: `generate` is the only duty; capabilities are data, checked before loading."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from hark.answers.answer import Answer, Delta
from hark.errors import OptionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hark.conversation.conversation import Conversation

Timestamps = Literal["none", "segment", "word"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model can do, known before its weights are loaded.

    Attributes:
        free_prompt: may be asked anything (False: only the `tasks`).
        tasks: tasks it has a way of its own for, by name (`transcribe`, `translate`, `summary`, ...).
        options: fields of `Options` it honours; any other that is set is refused.
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
    schema: bool = False

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

    def __post_init__(self) -> None:
        allowed = {
            "temperature": self.temperature is None or 0 <= self.temperature <= 2,
            "top_p": self.top_p is None or 0 < self.top_p <= 1,
            "max_new_tokens": self.max_new_tokens is None or self.max_new_tokens >= 1,
            "beams": self.beams is None or self.beams >= 1,
            "timestamps": self.timestamps in (None, "none", "segment", "word"),
        }
        for name, fine in allowed.items():
            if not fine:
                raise OptionError(
                    f"{name} cannot be {getattr(self, name)!r}.", hint=f"See `hark ask --help` for {name}."
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
        if isinstance(values.get("stop"), str):
            values["stop"] = (values["stop"],)
        try:
            return cls(**values)
        except TypeError as error:
            raise OptionError(f"An option has a value of the wrong type: {error}.") from error


class Engine(ABC):
    """Answers conversations; the only code that touches weights or a remote server.

    Attributes:
        name: how the model is named to people (`builtin`, `faster-whisper:tiny`).
        can: its capabilities.
    """

    name: str
    can: Capabilities

    @abstractmethod
    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Answer, step by step; closing the iterator stops the work.

        Called only with what `check` let through. With `options.task == "transcribe"` the deltas carry segments, in
        the clock of the clip; their text is what the transcript reads.
        """

    def generate_batch(self, conversations: Sequence[Conversation], options: Options) -> list[Answer]:
        """Answer several conversations; by default one after the other."""
        return [Answer.of(self.generate(conversation, options)) for conversation in conversations]

    def close(self) -> None:  # noqa: B027 - most engines hold nothing that must be let go
        """Let go of processes and memory; the engine may load them again when next asked."""


def check(name: str, can: Capabilities, conversation: Conversation, options: Options) -> None:
    """Refuse, before anything is loaded, what a model cannot do.

    Raises:
        UnsupportedError: with what it can do instead in the message, and what else to use in the hint.
    """
    if options.task is None and not can.free_prompt:
        raise _unsupported(name, can, "be asked questions")
    if options.task is not None and options.task not in can.tasks and not can.free_prompt:
        raise _unsupported(name, can, f"do the task {options.task!r}")
    if not conversation.clips:
        raise UnsupportedError("There is no audio in the conversation.", hint="Give at least one recording.")
    limits = {
        "follow a system prompt": bool(conversation.system) and not can.system_prompt,
        "hear several recordings at once": len(conversation.clips) > 1 and not can.several_clips,
        "hold a conversation of several turns": conversation.turns > 1 and not can.several_turns,
        f"give times of each {options.timestamps}": _finer(options.timestamps, can.timestamps),
        f"handle the language {options.language!r}": bool(
            options.language and can.languages is not None and options.language not in can.languages
        ),
    }
    for what, wanted in limits.items():
        if wanted:
            raise _unsupported(name, can, what)
    for field in fields(options):
        if field.name not in ("task", "timestamps", *can.options) and getattr(options, field.name) is not None:
            raise _unsupported(name, can, f"honour the option {field.name}")


def _finer(wanted: Timestamps | None, given: Timestamps) -> bool:
    order = ("none", "segment", "word")
    return wanted is not None and order.index(wanted) > order.index(given)


def _unsupported(name: str, can: Capabilities, what: str) -> UnsupportedError:
    does = "answer free prompts" if can.free_prompt else f"do {', '.join(sorted(can.tasks))}"
    return UnsupportedError(f"{name} cannot {what}; it can {does}.", hint="`hark models` lists what each model can do.")
