"""Questions about recordings longer than a model hears at once: asked stretch by stretch, then combined (map-reduce).

It is a visible choice: a question is refused unless `long` says `split`, or a number, which is the most seconds of a
stretch (for a server, of whose model it is not known how much it hears). Its cost is told before the work.
Evidence of such an answer are the answers about each stretch, with the times at which it lies in the recording.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from hark.answers.answer import Answer, Delta, Notice, Usage
from hark.answers.transcript import Segment
from hark.conversation.conversation import Conversation
from hark.engines.steps import batch_steps
from hark.errors import OptionError, UnsupportedError
from hark.tasks.quotes import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hark.audio.audio import Audio
    from hark.engines.engine import Capabilities, Engine, Options

Long = Literal["refuse", "split"] | float

_RATE = 16000
_TOGETHER = 4  # stretches that are asked about at once, where a model answers several at once
_SHORTEST = 5  # seconds of a stretch
_PAUSE = 0.2  # seconds; shorter ones lie inside words
_FIRST = 0.6  # a stretch is cut in what is left of it after this share
_ROOM = 20_000  # characters of answers that are combined at once; more are combined in groups first
_NOTHING = "NOTHING"
_ABOUT = (
    "This is stretch {number} of {count} of a longer recording, from {start} to {end}. Answer about this stretch "
    f"alone, in a few sentences; if nothing in it bears on the question, answer with the one word {_NOTHING}.\n\n"
    "{prompt}"
)
_TOGETHER_ASKED = (
    "A recording was heard in stretches, one after the other. These are the answers about each, with its times:\n\n"
    "{answers}\n\nFrom these answers alone, answer about the whole recording, as if you had heard it at once:\n\n"
    "{prompt}"
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a recording that is heard at once: `start` and `end` in seconds of the recording."""

    audio: Audio
    start: float
    end: float

    @property
    def times(self) -> str:
        """`0:00 to 10:00`."""
        return f"{clock(self.start)} to {clock(self.end)}"


def room(engine: Engine, tokens: int) -> dict[str, int]:
    """The option that leaves room for an answer of so many tokens; a server's own limit is what its context leaves."""
    here = "max_new_tokens" in engine.can.options and "openai:" not in engine.name
    return {"max_new_tokens": tokens} if here else {}


def way(given: Any, engine: Engine) -> Long:
    """What to do with a recording that is too long.

    Raises:
        OptionError: it is neither `refuse` nor `split` nor a number of seconds.
        UnsupportedError: the model hears everything at once, and combines nothing.
    """
    if given in ("refuse", "split"):
        return given  # type: ignore[no-any-return]
    if isinstance(given, bool) or not isinstance(given, int | float) or not _SHORTEST <= given < math.inf:
        raise OptionError(
            f"long cannot be {given!r}.", hint=f"It is refuse, split, or the seconds of a stretch, {_SHORTEST} or more."
        )
    if engine.can.max_seconds is None and "schema" not in engine.can.options:
        raise UnsupportedError(f"{engine.name} is not asked stretch by stretch.", hint="Leave out long.")
    return float(given)


def limit(can: Capabilities, how: Long) -> float | None:
    """The most seconds that are heard at once."""
    known = [seconds for seconds in (can.max_seconds, None if isinstance(how, str) else how) if seconds is not None]
    return min(known, default=None)


def exceeding(can: Capabilities, conversation: Conversation, how: Long) -> Audio | None:
    """The first clip that is longer than what is heard at once."""
    most = limit(can, how)
    return None if most is None else next((clip for clip in conversation.clips if clip.duration > most), None)


def answered(engine: Engine, conversation: Conversation, options: Options, how: Long) -> Iterator[Delta]:
    """Answer a question, at once where the model hears that much.

    Raises:
        UnsupportedError: it is too long, and `how` is `refuse`; or there is more in the conversation than one clip.
    """
    clip = exceeding(engine.can, conversation, how)
    alone = len(conversation.clips) == conversation.turns == 1
    if clip is None:
        deltas = engine.generate(conversation, options)
    elif how == "refuse" or not alone:
        raise refused(engine, clip, limit(engine.can, how) or 0.0, alone=alone)
    else:
        most = limit(engine.can, how) or 0.0
        deltas = _split(engine, clip, most, conversation.system, _question(conversation, options), options)
    with contextlib.closing(deltas):  # type: ignore[type-var]
        yield from deltas


def _question(conversation: Conversation, options: Options) -> str:
    """What is asked, without the words that tell a schema: stretches are answered in words."""
    if options.schema is None:
        return conversation.prompt
    asked = conversation.prompt.replace(options.schema.words, "").strip()
    return asked or f"What is heard that is needed to fill in this form? {options.schema.text}"


def refused(engine: Engine, clip: Audio, most: float, *, alone: bool = True) -> UnsupportedError:
    """That a recording is too long, and what can be done; `alone` says that it is all the conversation is about."""
    first = f"{clip.name} lasts {clip.duration:.0f} s; {engine.name} hears {most:.0f} s of a question's audio."
    if not alone:
        hint = "Ask about this recording alone, in one question; then it can be split."
    else:
        count = math.ceil(clip.duration / most)
        hint = (
            f'Ask stretch by stretch with --long split (in Python long="split"), {count + 1} passes or more instead of '
            f"one; or about a piece: audio[0:{most:.0f}]."
        )
    return UnsupportedError(first, hint=hint)


def _split(engine: Engine, clip: Audio, most: float, system: str, prompt: str, options: Options) -> Iterator[Delta]:
    ends = cuts(clip, most)
    yield Delta(notices=(cost(engine.name, clip, len(ends), most),))
    plain = replace(options, schema=None)
    found: list[tuple[Stretch, Answer]] = []
    asked = (
        (one, Conversation.ask((one.audio,), about(prompt, one, number, len(ends)), system or None))
        for number, one in enumerate(stretches(clip, ends), 1)
    )
    while some := list(itertools.islice(asked, _TOGETHER)):
        answers = yield from batch_steps(engine, [conversation for _, conversation in some], plain)
        found += zip((stretch for stretch, _ in some), answers, strict=True)
        notices = tuple(notice for answer in answers for notice in answer.notices)
        yield Delta(notices=notices, heard=some[-1][0].end)
    telling = [(stretch, answer.text.strip()) for stretch, answer in found if _tells(answer.text)]
    yield Delta(segments=tuple(Segment(text, stretch.start, stretch.end) for stretch, text in telling))
    usages = [answer.usage for _, answer in found]
    if not telling and options.schema is None:
        yield Delta("Nothing in the recording bears on this, by the answers about each of its stretches.")
    elif len(telling) == 1 and options.schema is None:
        yield Delta(telling[0][1])
    else:
        lines = [f"[{stretch.times}] {text}" for stretch, text in telling] or ["Nothing bears on the question."]
        for delta in combined(engine, lines, prompt, options, system):
            usages += [delta.usage] if delta.usage else []
            yield replace(delta, usage=None, heard=None)
    yield Delta(usage=summed(usages, clip.duration), language=options.language)


def about(prompt: str, stretch: Stretch, number: int, count: int) -> str:
    """A question about one stretch of several."""
    start, end = clock(stretch.start), clock(stretch.end)
    return _ABOUT.format(number=number, count=count, start=start, end=end, prompt=prompt)


def cost(name: str, clip: Audio, count: int, most: float) -> Notice:
    """What it takes to ask stretch by stretch."""
    return Notice(
        "split",
        f"{clip.name} lasts {clock(clip.duration)} and {name} hears {clock(most)} at once: it is asked about "
        f"{count} stretches, cut at pauses, and then for one answer from all of theirs ({count + 1} passes).",
    )


def combined(engine: Engine, lines: Sequence[str], prompt: str, options: Options, system: str = "") -> Iterator[Delta]:
    """One answer from those about the stretches, each a line with its times; the model reads them, and hears nothing.

    Where there are more than it can be expected to read at once, groups of them are combined first.
    """
    groups = list(_groups(lines))
    plain = replace(options, schema=None)
    while len(groups) > 1:
        whole: list[str] = []
        for group in groups:
            (answer,) = yield from batch_steps(engine, [_reading(group, prompt, system, None)], plain)
            span = f"[{group[0].partition(' to ')[0].lstrip('[')} to {_end(group[-1])}]"
            whole.append(f"{span} {answer.text.strip()[: _ROOM // 4]}")
            yield Delta(usage=answer.usage, notices=answer.notices)
        groups = list(_groups(whole))
    yield from engine.generate(_reading(groups[0], prompt, system, options), options)


def _end(line: str) -> str:
    return line.partition(" to ")[2].partition("]")[0]


def _groups(lines: Iterable[str]) -> Iterator[list[str]]:
    group: list[str] = []
    for line in lines:
        if len(group) > 1 and sum(map(len, group)) + len(line) > _ROOM:
            yield group
            group = []
        group.append(line)
    yield group


def _reading(lines: Sequence[str], prompt: str, system: str, options: Options | None) -> Conversation:
    words = f"\n\n{options.schema.words}" if options is not None and options.schema else ""
    asked = _TOGETHER_ASKED.format(answers="\n".join(lines), prompt=prompt) + words
    return Conversation.ask((), asked, system or None)


def _tells(text: str) -> bool:
    return text.strip().strip(".!\"'*` ").upper() not in (_NOTHING, "")


def summed(usages: Iterable[Usage], seconds: float) -> Usage:
    """What all passes took together."""
    every = list(usages)

    def total(name: str) -> int | None:
        known = [getattr(one, name) for one in every if getattr(one, name) is not None]
        return sum(known) if known else None

    return Usage(seconds, *(total(name) for name in ("input_tokens", "output_tokens", "cached_clips", "cached_tokens")))


def cuts(clip: Audio, most: float) -> list[float]:
    """Where each stretch of at most `most` seconds ends: in the longest pause of its last part, of about equal length.

    Speech without a pause is cut at the length that is wanted. The last is the end of the recording.
    """
    from hark.audio.speech import RATE, speech

    talk = [(start / RATE, end / RATE) for start, end in speech(clip.stream(), min_silence=_PAUSE, padding=0.0)]
    total = clip.duration
    edges = [0.0, *(second for stretch in talk for second in stretch), total]
    pauses = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start]
    ends, here = list[float](), 0.0
    while total - here > most:
        count = math.ceil((total - here) / most)
        here = _cut(here, (total - here) / count, total - (count - 1) * most, most, pauses)
        ends.append(math.floor(here * _RATE) / _RATE)
        here = ends[-1]
    return [*ends, total]


def _cut(here: float, length: float, least: float, most: float, pauses: Sequence[tuple[float, float]]) -> float:
    """Where a stretch that begins here ends: before `least` it would take one more of them, which is second best."""
    high = min(here + most, here + length * (2 - _FIRST))
    for low in (max(here + _FIRST * length, least), here + _FIRST * length):
        inside = [(max(start, low), min(end, high)) for start, end in pauses]
        if wide := [(start, end) for start, end in inside if end - start > _PAUSE / 2]:
            start, end = max(wide, key=lambda pause: pause[1] - pause[0])
            edge = min(end - start, 2 * _PAUSE) / 2  # of a long pause, as near to the length wanted as may be
            return min(max(here + length, start + edge), end - edge)
    return here + length


def stretches(clip: Audio, ends: Sequence[float]) -> Iterator[Stretch]:
    """The recording in pieces, decoded once: 16 kHz mono, every sample in one of them; memory holds one at a time."""
    import numpy as np

    from hark.audio.audio import Audio

    blocks, rest, done = clip.stream(_RATE), np.zeros(0, np.float32), 0
    for number, end in enumerate(ends):
        held, last = [rest], number + 1 == len(ends)
        wanted = round(end * _RATE) - done
        while (last or sum(map(len, held)) < wanted) and (block := next(blocks, None)) is not None:
            held.append(block)
        samples = np.concatenate(held)
        piece, rest = (samples, samples[:0]) if last else (samples[:wanted], samples[wanted:])
        start, done = done / _RATE, done + len(piece)
        if len(piece):
            name = f"{clip.name} from {clock(start)} to {clock(done / _RATE)}"
            yield Stretch(Audio.of(piece, _RATE, name=name), start, done / _RATE)
