"""Questions about audio with answers to choose from: accuracy by the string match of MMAU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hark.evaluation.metrics.choices import bare, final, letter_match, string_match
from hark.evaluation.task import Figure, Reply, Request, Score, Task, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities

_ASK = "Choose one of these options, and answer with its words and nothing else:\n"


@dataclass(frozen=True)
class Choice(Task):
    """Choose the right answer of several; an answer that never came is wrong."""

    name: ClassVar[str] = "choice"
    about: ClassVar[str] = "questions with answers to choose from: accuracy by MMAU's string match"

    def lacks(self, sample: Sample) -> str | None:
        """The right answer, and at least two to choose from."""
        if len(sample.choices) < 2:
            return "choices"
        return None if sample.target else "an answer to compare with"

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """The question, with the choices where it does not list them itself."""
        del can
        asked = sample.asked
        said = asked.prompt.casefold()
        if all(bare(choice).casefold() in said for choice in sample.choices):
            return Request(asked)
        return Request(asked.with_prompt(_ASK + "\n".join(sample.choices)))

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Right or wrong, by the official match and by the one that takes letters."""
        said, right = final(reply.text), sample.target or ""
        choices = list(sample.choices)
        if right not in choices:  # "(B) dog", of "cat" and "dog"
            right, choices = bare(right), [bare(choice) for choice in choices]
        official = string_match(right, said, choices)
        letters = letter_match(right, said, choices)
        counts = {"samples": 1, "right": int(official), "right by letter": int(letters), "empty": int(not said)}
        return Score(
            sample.id, counts, 1 - official, said, right, {"choices": choices, "right by letter": letters}, reply.error
        )

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """Accuracy of all samples, those without an answer included."""
        whole = counts.get("samples", 0)
        match = "MMAU's string match; thinking left out; no answer is wrong"
        return (
            Figure("accuracy", ratio(counts.get("right", 0), whole), better="higher", by=match),
            Figure(
                "accuracy, letters too", ratio(counts.get("right by letter", 0), whole), better="higher",
                by=f"{match}; the letter of a choice stands for it",
            ),
            Figure("no answer", ratio(counts.get("empty", 0), whole)),
        )  # fmt: skip
