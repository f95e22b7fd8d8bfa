"""Which samples are asked about, and what is to be known of each: its digest, the groups it is in."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hark.data.reading import read
from hark.errors import HarkError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hark.audio.audio import Audio
    from hark.conversation.conversation import Conversation
    from hark.data.sample import Sample
    from hark.data.source import Bad
    from hark.evaluation.task import Request

UNKNOWN = "(not said)"
CONDITION = "condition"  # what the task `robustness` calls it
_FIELDS = ("id", "speaker", "language", "to", "task")


@dataclass(slots=True)
class DataSet:
    """The samples of a data set, as often as they are gone through.

    Attributes:
        paths: files or folders, one after the other, as for `hark.data.read`.
        form, audio: as there.
        limit: so many of them, drawn by `seed`; those of a smaller limit are among those of a larger one.
        bad: entries that could not be read, as of the last time.
    """

    paths: tuple[Path, ...]
    form: str | None = None
    audio: Path | None = None
    limit: int | None = None
    seed: int = 0
    bad: list[Bad] = field(default_factory=list)

    def __iter__(self) -> Iterator[Sample]:
        if self.limit is None:
            yield from self._all()
            return
        drawn = heapq.nsmallest(self.limit, ((_drawn(self.seed, n, one), n) for n, one in enumerate(self._all())))
        wanted = {number for _, number in drawn}
        yield from (sample for number, sample in enumerate(self._all()) if number in wanted)

    def _all(self) -> Iterator[Sample]:
        self.bad = []
        for path in self.paths:
            yield from read(path, self.form, audio=self.audio, bad=self.bad.append)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        drawn = {"limit": self.limit, "seed": self.seed} if self.limit is not None else {}
        return {"path": ", ".join(map(str, self.paths)), "format": self.form, **drawn, "unreadable": len(self.bad)}


def _drawn(seed: int, number: int, sample: Sample) -> str:
    return hashlib.sha256(f"{seed} {number} {sample.id!r}".encode(errors="backslashreplace")).hexdigest()


def digest(sample: Sample) -> str:
    """The sha256 of all a sample says, its recordings included: two results are compared on equal samples alone."""
    told = {
        "messages": _messages(sample.conversation),
        "segments": [segment.to_dict() for segment in sample.segments],
        "choices": sample.choices,
        "languages": (sample.language, sample.to),
        "about": dict(sample.about),
    }
    return _sha256(told)


def asked(request: Request) -> str:
    """The sha256 of what a model is asked: an answer holds for as long as it is the same."""
    return _sha256([_messages(request.conversation), request.way, dict(request.options)])


def value_of(sample: Sample, name: str) -> str:
    """The group a sample is in: `speaker`, `language`, `to`, `task`, or a key of `about`, with dots where it is deep.

    Raises:
        OptionError: the name can be none of these.
    """
    if name in _FIELDS:
        found = getattr(sample, name)
    else:
        found = dict(sample.about)
        for part in name.removeprefix("about.").split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if found is None or found == "":
        return UNKNOWN
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)


def keyed(samples: Iterable[Sample]) -> Iterator[tuple[str, Sample]]:
    """Samples with their ids, which have a number where another sample has the same: `a`, `a#2`."""
    seen: Counter[str] = Counter()
    for sample in samples:
        seen[sample.id] += 1
        yield (sample.id if seen[sample.id] == 1 else f"{sample.id}#{seen[sample.id]}"), sample


def origin(key: str, sample: Sample) -> str:
    """What a sample was made of: under several conditions (noise, rooms) it is one."""
    condition = sample.about.get(CONDITION)
    return key.removesuffix(f" | {condition}") if condition else key


def known(samples: Iterable[Sample], names: Iterable[str]) -> None:
    """Refuse names of groups that no sample says.

    Raises:
        OptionError: with the names that there are in the hint.
    """
    left, there = set(names), set[str]()
    for sample in samples:
        if not left:
            return
        left -= {name for name in left if value_of(sample, name) != UNKNOWN}
        there |= {name for name in _FIELDS[1:] if getattr(sample, name)} | {f"about.{key}" for key in sample.about}
    if left:
        hint = f"They say {', '.join(sorted(there))}." if there else "They say nothing to group them by."
        raise OptionError(f"No sample says its {min(left)!r}.", hint=hint)


def place(clip: Audio) -> str:
    """Where a recording is, for people and pages: its path or address, with the stretch that is meant."""
    from hark.data.place import place_of

    try:
        found = place_of(clip)
    except HarkError:
        return clip.name
    where = found.path or clip.name
    end = "" if found.stop is None else f"{found.stop:g}"
    return f"{where}#t={found.start:g},{end}".rstrip(",") if found.cut else where


def _messages(conversation: Conversation) -> list[list[Any]]:
    return [
        [message.role, *(part.text if hasattr(part, "text") else {"clip": _id(part.audio)} for part in message.parts)]
        for message in conversation.messages
    ]


def _id(clip: Audio) -> str:
    try:
        return clip.id
    except (HarkError, OSError) as error:
        return f"{clip.name}: {type(error).__name__}"


def _sha256(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=repr).encode()).hexdigest()
