"""Speech recognition: word and character error rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hark.evaluation.metrics import normalise
from hark.evaluation.metrics.words import character_edits, rows, word_edits
from hark.evaluation.task import Figure, Reply, Request, Score, Task, ratio
from hark.evaluation.tasks.common import Question, language, transcription

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities


@dataclass(frozen=True)
class Recognition(Task):
    """Write down what is said.

    Attributes:
        normaliser: see `hark.evaluation.metrics.normalise.NORMALISERS`.
        question: whose question is asked.
    """

    name: ClassVar[str] = "asr"
    about: ClassVar[str] = "speech recognition: word and character error rates"
    normaliser: str = "plain"
    question: Question = "data"

    def __post_init__(self) -> None:
        normalise.normaliser(self.normaliser)

    def lacks(self, sample: Sample) -> str | None:
        """A transcript; an empty one says that nobody speaks."""
        return "a transcript to compare with" if sample.target is None else None

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """The question of the sample, or a transcript."""
        return transcription(sample, can, self.question)

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Errors in words and in characters; in languages without spaces, characters are aligned."""
        made = normalise.normaliser(self.normaliser)
        reference, said = made(sample.target or ""), made(reply.text)
        words = word_edits(reference, said)
        unspaced = language(sample.language) in normalise.UNSPACED
        if unspaced:
            reference, said = reference.replace(" ", ""), said.replace(" ", "")
        letters = character_edits(reference, said)
        shown = rows(letters, reference, said) if unspaced else rows(words, reference.split(), said.split())
        main = letters if unspaced else words
        counts = {
            "samples": 1,
            "words": words.length,
            "word errors": words.errors,
            "substitutions": words.substitutions,
            "deletions": words.deletions,
            "insertions": words.insertions,
            "characters": letters.length,
            "character errors": letters.errors,
            "unspaced": int(unspaced),
            "wrong": int(main.errors > 0),
        }
        error = main.errors / max(1, main.length)
        return Score(sample.id, counts, error, said, reference, {"alignment": shown}, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """WER and CER, of languages without spaces CER first; the share of samples with an error; kinds of errors."""
        by = normalise.signature(self.normaliser)
        words = counts.get("words", 0)
        rate = Figure("WER", ratio(counts.get("word errors", 0), words), by=by)
        letters = Figure("CER", ratio(counts.get("character errors", 0), counts.get("characters", 0)), by=by)
        unspaced = counts.get("unspaced", 0) > counts.get("samples", 0) / 2
        wrong = Figure("sentence error rate", ratio(counts.get("wrong", 0), counts.get("samples", 0)), by=by)
        kinds = (
            Figure(name, ratio(counts.get(name, 0), words), by=by)
            for name in ("substitutions", "deletions", "insertions")
        )
        return (*((letters, rate) if unspaced else (rate, letters)), wrong, *kinds)
