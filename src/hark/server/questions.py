"""Questions that wait for a whole answer: which can be answered together, and how that is done."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Answer
from hark.engines.asking import Asked
from hark.engines.bucketing import around
from hark.engines.engine import Engine, while_wanted
from hark.errors import ModelError
from hark.server.threads import Work, tame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hark.conversation.conversation import Conversation
    from hark.listener import Listener
    from hark.server.threads import Ended

    Told = tuple["Turn", Answer | Exception]

# What models make of a second of audio is 6 to 50 tokens; those that many use, Qwen's and Gemma's, 25.
TOKENS_A_SECOND = 25


@dataclass(frozen=True, slots=True)
class Question:
    """A conversation, and the options of `Listener.answer`."""

    conversation: Conversation
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Joint:
    """What an engine is asked where others may be asked together with it; `tokens` is about how long it is."""

    asked: Asked
    tokens: int


@dataclass(slots=True, eq=False)
class Turn:
    """One who waits for the model.

    Attributes:
        number: the place in the order of all requests.
        since: when it came, by the clock of the event loop.
        done: told when it is its turn; of a question, its answer.
        question: for a whole answer; None where the work is the caller's.
        joint: of a question that may be answered together with others.
        context: what was so where it came from; the log tells requests apart by it.
        gone: whether nobody waits for it any more; read by the thread that works on it.
    """

    number: int
    since: float
    question: Question | None = None
    joint: Joint | None = None
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    gone: bool = False
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def leave(self) -> None:
        """Nobody waits any more."""
        self.gone = True
        if not self.done.cancel() and not self.done.cancelled():
            self.done.exception()  # read, or asyncio complains of an error that nobody saw


def joins(engine: Engine) -> bool:
    """Can it be that questions are answered together?"""
    return engine.can.batch_exact and type(engine).batches is not Engine.batches


def joint(engine: Engine, question: Question) -> Joint | None:
    """What to ask an engine that `joins` together with others; None where it has to be asked alone.

    It may decode, so that it is done in a thread.

    Raises:
        HarkError: as `Listener.answer`.
    """
    asked = Asked.of(engine, question.conversation, **question.options)
    if asked.alone or not engine.batches(asked.options):
        return None
    seconds = sum(clip.duration for clip in asked.conversation.clips)
    return Joint(asked, round(seconds * TOKENS_A_SECOND) + len(asked.conversation.prompt) // 4)


def together(head: Turn, waiting: Iterable[Turn], most: int) -> list[Turn]:
    """Of those who wait, who is answered together with the first of them: of like length, and with equal options."""
    if head.joint is None:
        return [head]
    wanted = head.joint.asked.options
    here = (turn for turn in waiting if not turn.done.done())
    alike = [turn for turn in here if turn.joint is not None and turn.joint.asked.options == wanted]
    return around(head, alike, _tokens, most)


def _tokens(turn: Turn) -> int:
    return turn.joint.tokens if turn.joint else 0


def answers(listener: Listener, turns: Sequence[Turn]) -> Iterator[Told]:
    """The answer of each, or its own error; where they cannot be had together, one by one."""
    if len(turns) == 1:
        yield _alone(listener, turns[0])
        return
    found: list[Answer] | None = None
    with contextlib.suppress(BaseException):  # each is told its own error, if it has one, when it is asked alone
        joints = [turn.joint.asked for turn in turns if turn.joint]
        conversations = [asked.conversation for asked in joints]
        found = listener.engine.generate_batch(conversations, joints[0].options, lambda number: turns[number].gone)
    for number, turn in enumerate(turns):
        if turn.gone:
            continue
        yield _alone(listener, turn) if found is None else _checked(listener, turn, found[number])


def _alone(listener: Listener, turn: Turn) -> Told:
    assert turn.question is not None  # noqa: S101 - the lane brings only such
    make = partial(listener.answer, turn.question.conversation, **turn.question.options)
    try:
        return turn, Answer.of(while_wanted(make, lambda: turn.gone))
    except BaseException as error:  # noqa: BLE001 - it is this question's alone
        return turn, tame(error)


def _checked(listener: Listener, turn: Turn, answer: Answer) -> Told:
    assert turn.joint is not None  # noqa: S101 - the lane brings only such
    try:
        return turn, turn.joint.asked.checked(answer, listener.engine)
    except BaseException as error:  # noqa: BLE001 - it is this question's alone
        return turn, tame(error)


class Answering:
    """Questions that are being answered in a thread; `ended` is told when the model is free again."""

    def __init__(self, listener: Listener, turns: Sequence[Turn], ended: Ended) -> None:
        self._turns, self._ended = turns, ended
        self._answered = False
        self._failed: Exception | None = None
        for turn in turns:
            turn.done.add_done_callback(self._over)
        self._work = Work(lambda: answers(listener, turns), self._told, self._end, turns[0].context)

    def _told(self, told: Told) -> None:
        turn, found = told
        if isinstance(found, Answer):
            self._answered = True
        else:
            self._failed = found
        if turn.done.done():
            return
        if isinstance(found, Answer):
            turn.done.set_result(found)
        else:
            turn.done.set_exception(found)

    def _over(self, _: object) -> None:
        """One of them has its answer, or left: then its row stops; the work stops when nobody is left."""
        for turn in self._turns:
            turn.gone = turn.gone or turn.done.cancelled()
        if all(turn.done.done() for turn in self._turns):
            self._work.stop()

    def _end(self, error: Exception | None) -> None:
        for turn in self._turns:
            if not turn.done.done():
                turn.done.set_exception(error or ModelError("The model gave no answer."))
        self._ended(None if self._answered else error or self._failed)
