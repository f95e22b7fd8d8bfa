"""Online inference: when a model that hears a growing recording writes what, and how late that is.

Local agreement (LA-2): each time more is heard, what two hearings in a row agree on is written (Liu et al. 2020, and
Polak et al. 2022, arXiv:2204.06028). Wait-k: after k chunks one token is written for each chunk (Ma et al. 2019,
arXiv:1810.08398). What was written is forced upon the next hearing, and never changes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.audio.joining import units
from hark.errors import OptionError
from hark.training.latency import (
    average_lagging,
    average_proportion,
    differentiable_average_lagging,
    length_adaptive_average_lagging,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hark.listener import Listener

Ids = tuple[int, ...]
# What follows some tokens in the first so many samples: all of it, or at most so many tokens; ends are left out.
Hear = Callable[[int, Ids, int | None], Ids]
_WAIT = re.compile(r"wait-([1-9]\d*)")


def agreement(before: Sequence[Any], now: Sequence[Any], same: Callable[[Any, Any, bool], bool] | None = None) -> int:
    """How many of the first words (or tokens) two hearings have in common.

    `same(one, other, last)` compares two of them; `last` says that one is the last of its hearing.
    """
    count = 0
    for one, other in zip(before, now, strict=False):
        last = count + 1 in (len(before), len(now))
        if not (same(one, other, last) if same else one == other):
            break
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class Policy:
    """When to write.

    Attributes:
        name: `local-agreement`, or `wait-3` for another number of chunks.
        chunk: seconds of sound after which the model hears again.
    """

    name: str = "local-agreement"
    chunk: float = 1.0

    def __post_init__(self) -> None:
        if self.name != "local-agreement" and not _WAIT.fullmatch(self.name):
            raise OptionError(f"There is no policy {self.name!r}.", hint="local-agreement, or wait-3 and the like.")
        if not 0.02 <= self.chunk <= 60:
            raise OptionError(f"A chunk cannot last {self.chunk!r} seconds.", hint="It is from 0.02 to 60.")

    @property
    def wait(self) -> int | None:
        """How many chunks wait-k waits for; None for local agreement."""
        found = _WAIT.fullmatch(self.name)
        return int(found[1]) if found else None

    def ends(self, samples: int, rate: int) -> list[int]:
        """The sample after each chunk; the last chunk ends with the recording."""
        step = round(self.chunk * rate)
        return [*range(step, samples, step), samples]


def written(policy: Policy, hear: Hear, ends: Sequence[int]) -> Iterator[tuple[int, Ids]]:
    """After each chunk, the sample it ends with, and the tokens that are written then."""
    return _wait(policy.wait, hear, ends) if policy.wait else _agree(hear, ends)


def _agree(hear: Hear, ends: Sequence[int]) -> Iterator[tuple[int, Ids]]:
    done, expected = Ids(), Ids()
    for end in ends:
        found = hear(end, done, None)
        new = found if end == ends[-1] else found[: agreement(expected, found)]
        done, expected = done + new, found[len(new) :]
        yield end, new


def _wait(chunks: int, hear: Hear, ends: Sequence[int]) -> Iterator[tuple[int, Ids]]:
    done = Ids()
    for number, end in enumerate(ends, 1):
        last = end == ends[-1]
        new = hear(end, done, None if last else 1) if last or number >= chunks else ()
        done += new
        yield end, new


@dataclass(frozen=True, slots=True)
class Word:
    """A word that was written (or a letter, where words have no spaces between them).

    Attributes:
        text: with the white space before it.
        delay: seconds of the recording that had been heard.
        elapsed: those, and the seconds that the model had worked until then, as SimulEval counts them. It is an upper
            bound: a program works while a person speaks.
    """

    text: str
    delay: float
    elapsed: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds, but for `ap`, which is a share; `_ca` is computation-aware (of `elapsed`)."""

    al: float
    laal: float
    ap: float
    dal: float
    al_ca: float
    laal_ca: float


@dataclass(frozen=True, slots=True)
class Streamed:
    """A recording as it was written down while it went on.

    Attributes:
        text: all of it.
        words: its words, and when each was complete.
        seconds: of the recording; computed: that the model worked.
        how: what was done: `tokens` are forced upon the next hearing, or a `live` recogniser settled words.
    """

    text: str
    words: tuple[Word, ...]
    seconds: float
    computed: float
    how: str

    def latency(self, reference: str | None = None) -> Latency | None:
        """How late the words were, against the length of a reference; None where there are none."""
        if not self.words:
            return None
        target = len(units(reference)) if reference and units(reference) else len(self.words)
        source = self.seconds * 1000
        heard = [word.delay * 1000 for word in self.words]
        told = [word.elapsed * 1000 for word in self.words]
        return Latency(
            al=average_lagging(heard, source, target),
            laal=length_adaptive_average_lagging(heard, source, target),
            ap=average_proportion(heard, source, target),
            dal=differentiable_average_lagging(heard, source),
            al_ca=average_lagging(told, source, target),
            laal_ca=length_adaptive_average_lagging(told, source, target),
        )


def stream(
    listener: Listener,
    audio: Any,
    policy: Policy | None = None,
    *,
    clock: Callable[[], float] = time.perf_counter,
    **options: Any,
) -> Streamed:
    """Write a recording down (or translate it) as if it came in just now, a chunk at a time.

    An encoder-decoder of transformers is forced to go on from its own tokens. Any other model is used as in a live
    session (`hark.realtime.partial`), which knows local agreement alone.

    Args:
        listener: the model.
        audio: anything `Audio.of` takes.
        policy: when to write.
        clock: tells seconds.
        options: those of `transcribe`, such as `language`; `task="translate"` with `to` translates.

    Raises:
        UnsupportedError: the model does not know the policy, or the recording is longer than it hears at once.
        OptionError: there is no such option, or it is one of a search.
        AudioError: the recording cannot be used.
    """
    from hark.audio.audio import RATE, Audio
    from hark.training.rehearing import texts

    clip, policy = Audio.of(audio), policy or Policy()
    samples = clip.samples(RATE)
    how, found = texts(listener, samples, policy, options)
    history, start = [], clock()
    for end, text in found:
        history.append((text, end / RATE, end / RATE + clock() - start))
    computed = clock() - start
    return Streamed(history[-1][0], tuple(timed(history)), len(samples) / RATE, computed, how)


def timed(history: Sequence[tuple[str, float, float]]) -> Iterator[Word]:
    """The words of the last of some growing texts, each with the delay and the time of the first that has all of it."""
    final = units(history[-1][0])
    have = 0
    for text, delay, elapsed in history:
        now = agreement(final, units(text))
        yield from (Word(word, delay, elapsed) for word in final[have:now])
        have = max(have, now)
