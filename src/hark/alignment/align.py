"""Give the words of a transcript their times: each segment is aligned with the sound of its own stretch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from hark.alignment.spelling import Alphabet, words
from hark.alignment.trellis import align as best_path
from hark.answers.answer import Notice
from hark.answers.transcript import Segment, Transcript, Word
from hark.errors import OptionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from hark.alignment.trellis import Span
    from hark.audio.audio import Audio
    from hark.listener import Listener

RATE = 16000
LONGEST = 1200.0  # seconds of a segment; the work grows with their square
_MARGIN = 0.5  # seconds before and after a segment, at most half of the pause to its neighbour
_HEARD, _CONTEXT = 30.0, 2.0  # seconds heard at once, and those of them at either end that only help to hear the rest
_ANYTHING = 0.1  # how much less likely (natural log, a frame) anything said is held than a letter of the text
_UNSURE = 0.5  # about half of the letters are heard


@dataclass(frozen=True, slots=True)
class Aligner:
    """A CTC model as alignment needs it.

    Attributes:
        seconds: from one frame to the next.
        hear: gives log-probabilities (frames, vocabulary) of samples (n,), float32 mono at 16 kHz.
    """

    name: str
    seconds: float
    alphabet: Alphabet
    hear: Callable[[NDArray[np.float32]], NDArray[np.float32]] = field(repr=False)

    @classmethod
    def of(cls, model: Listener | str | PathLike[str]) -> Aligner:
        """Take a loaded model, or load one by its name or folder.

        Raises:
            UnsupportedError: it is no CTC model of transformers.
            ModelNotFoundError: there is no such model on this machine.
            MissingExtraError: the extra `transformers` is not installed.
        """
        from hark.listener import Listener, load

        engine: Any = model.engine if isinstance(model, Listener) else load(str(model)).engine
        family: Any = getattr(engine, "family", None)
        if not hasattr(family, "emissions"):
            raise UnsupportedError(
                f"{engine.name} cannot align words with sound.",
                hint="A CTC model can: the folder of a wav2vec 2.0, HuBERT or Parakeet-CTC model for the language.",
            )
        loaded = engine.loaded()
        return cls(
            engine.name, family.frame_seconds(loaded), family.alphabet(loaded), partial(family.emissions, loaded)
        )


def unaligned(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the model that transcribes is asked, where another one gives the times of words.

    Raises:
        OptionError: no times of words are wanted, or a translation, whose words are not in the sound.
    """
    if options.get("task", "transcribe") != "transcribe":
        raise OptionError("A translation cannot be aligned: its words are not said.", hint="Align a transcript.")
    if options.get("timestamps", "word") not in (None, "word"):
        raise OptionError("Alignment gives times of words, and none are wanted.", hint="Leave out one of the two.")
    return {name: value for name, value in options.items() if name != "timestamps"}


def align(transcript: Transcript, clip: Audio, aligner: Aligner) -> Transcript:
    """Give each word the time at which it is said; words that were there are replaced.

    A word that the model cannot write, or hears no better than chance, gets no time, and a notice tells so. The
    confidence of a word is the mean probability of its letters on the best path; below 0.5 it is marked unsure.
    Memory is bounded by the longest segment (20 minutes at most are aligned).

    Raises:
        AudioError: the clip cannot be used.
    """
    segments = list(transcript.segments)
    order = sorted(range(len(segments)), key=lambda number: segments[number].start)
    reader, missed = _Reader(clip), _Missed(aligner.name)
    for number, (start, end) in zip(order, _ranges([segments[number] for number in order]), strict=True):
        if segments[number].end - segments[number].start > LONGEST:
            missed.too_long += words(segments[number].text)
            segments[number] = replace(segments[number], words=())
            continue
        samples = reader.samples(round(start * RATE), round(end * RATE))
        segments[number] = _aligned(segments[number], samples, round(start * RATE) / RATE, aligner, missed)
    told = [Notice("method", f"Word times were found by aligning the text with {aligner.name}.")] if segments else []
    return replace(
        transcript, segments=tuple(segments), notices=(*transcript.notices, *told, *missed.notices(segments))
    )


def emissions(aligner: Aligner, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities (frames, vocabulary) of samples of any length, heard in stretches that overlap."""
    hop = round(aligner.seconds * RATE)
    context = int(_CONTEXT * RATE) // hop * hop
    step = int(_HEARD * RATE) // hop * hop - 3 * context
    pieces: list[NDArray[np.float32]] = []
    start = 0
    while not pieces or start < len(samples):
        end = start + step if len(samples) - start - step > context else len(samples)
        first = max(0, start - context)
        rows = aligner.hear(samples[first : end + context])[(start - first) // hop :]
        pieces.append(rows[: -(-(end - start) // hop)])
        start = max(end, 1)
    return np.concatenate(pieces)


def _ranges(segments: Sequence[Segment]) -> Iterator[tuple[float, float]]:
    """The stretch in which the words of each segment are looked for; margins never reach into a neighbour."""
    before = 0.0
    for number, segment in enumerate(segments):
        after = segments[number + 1].start if number + 1 < len(segments) else segment.end + 2 * _MARGIN
        early = min(_MARGIN, max(0.0, segment.start - before) / (2 if before else 1))
        late = min(_MARGIN, max(0.0, after - segment.end) / 2)
        yield max(0.0, segment.start - early), segment.end + late
        before = max(before, segment.end)


def _aligned(
    segment: Segment, samples: NDArray[np.float32], start: float, aligner: Aligner, missed: _Missed
) -> Segment:
    said = words(segment.text)
    spelt = [aligner.alphabet.spell(word) for word in said]
    missed.unspelt += [word for word, columns in zip(said, spelt, strict=True) if columns is None]
    if not any(spelt) or not len(samples):
        missed.unheard += [word for word, columns in zip(said, spelt, strict=True) if columns]
        return replace(segment, words=())
    likely = emissions(aligner, samples)
    anything = likely.shape[1]
    labels, owners = _labels(spelt, aligner.alphabet.gap, anything)
    spans = best_path(np.column_stack((likely, likely.max(axis=1) - _ANYTHING)), labels, aligner.alphabet.blank)
    if spans is None:
        missed.unheard += [word for word, columns in zip(said, spelt, strict=True) if columns]
        return replace(segment, words=())
    end = start + len(samples) / RATE
    found = []
    for owner, group in groupby(zip(owners, spans, strict=True), key=lambda pair: pair[0]):
        if owner is None:
            continue
        word = _word(said[owner], [span for _, span in group], start, end, aligner.seconds)
        if (word.confidence or 0.0) * anything > 1:
            found.append(word)
        else:
            missed.unheard.append(word.text)
    first, last = (found[0].start, found[-1].end) if found else (segment.start, segment.end)
    return replace(segment, words=tuple(found), start=min(segment.start, first), end=max(segment.end, last))


def _labels(spelt: Sequence[list[int] | None], gap: int | None, anything: int) -> tuple[list[int], list[int | None]]:
    """The labels of a segment, and the number of the word that each belongs to.

    Before, after, and in place of words that cannot be written, anything may be said.
    """
    labels: list[int] = [anything]
    owners: list[int | None] = [None]
    for number, columns in enumerate(spelt):
        if columns is None:
            added = [] if labels[-1] == anything else [anything]
            owners += [None] * len(added)
        else:
            apart = [gap] if gap is not None and labels[-1] != anything else []
            added = [*apart, *columns]
            owners += [*[None] * len(apart), *[number] * len(columns)]
        labels += added
    if labels[-1] != anything:
        labels.append(anything)
        owners.append(None)
    return labels, owners


def _word(text: str, spans: list[Span], start: float, end: float, seconds: float) -> Word:
    sure = sum(span.probability for span in spans) / len(spans)
    first = round(min(start + spans[0].first * seconds, end), 3)
    after = round(min(start + spans[-1].after * seconds, end), 3)
    return Word(text, first, after, round(sure, 3), unsure=sure < _UNSURE)


class _Missed:
    """The words that got no time, and what is to be told about them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.unspelt: list[str] = []
        self.unheard: list[str] = []
        self.too_long: list[str] = []

    def notices(self, segments: Sequence[Segment]) -> list[Notice]:
        found = []
        for lost, why in (
            (self.unspelt, f"{self.name} cannot write them"),
            (self.unheard, f"{self.name} does not hear them where they stand"),
            (self.too_long, f"segments longer than {LONGEST / 60:.0f} minutes are not aligned"),
        ):
            if lost:
                named = ", ".join(dict.fromkeys(lost[:5])) + (" ..." if len(lost) > 5 else "")
                count = f"{len(lost)} words have" if len(lost) > 1 else "1 word has"
                found.append(Notice("untimed", f"{count} no time, as {why}: {named}"))
        timed = [word for segment in segments for word in segment.words]
        doubtful = sum(word.unsure for word in timed)
        if doubtful:
            found.append(Notice("unsure", f"{self.name} hears something else for {doubtful} of {len(timed)} words."))
        return found


class _Reader:
    """Stretches of a clip in order of their starts, decoded once; what lies before the last start is let go."""

    def __init__(self, clip: Audio) -> None:
        self._blocks = clip.stream(RATE)
        self._held = np.zeros(0, np.float32)
        self._first = 0  # sample of the clip that is held first

    def samples(self, start: int, end: int) -> NDArray[np.float32]:
        held, length = [self._held], len(self._held)
        while self._first + length < end and (block := next(self._blocks, None)) is not None:
            held.append(block)
            length += len(block)
            while len(held) > 1 and self._first + len(held[0]) <= start:
                self._first += len(held[0])
                length -= len(held.pop(0))
        joined = np.concatenate(held)
        gone = min(max(0, start - self._first), len(joined))
        self._held, self._first = joined[gone:], self._first + gone
        return self._held[: max(0, end - start)]
