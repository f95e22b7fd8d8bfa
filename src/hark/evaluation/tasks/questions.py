"""Free questions about audio: exact match and F1 of words, and what a judge says where one is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hark.evaluation.metrics.answers import exact, f1, normalised
from hark.evaluation.metrics.choices import final
from hark.evaluation.task import Figure, Reply, Score, Task, ratio
from hark.evaluation.tasks.common import references
from hark.evaluation.tasks.judge import PROMPT, judged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.data.sample import Sample

_BY = "SQuAD's: lower case, no punctuation and articles; the best of several references"


@dataclass(frozen=True)
class Questions(Task):
    """Answer a question in words of one's own.

    Attributes:
        judge: a text model that says whether an answer is right: `openai:NAME@http://host:port/v1`, or a folder.
    """

    name: ClassVar[str] = "qa"
    about: ClassVar[str] = "free questions: exact match, F1 of words; a judge model"
    judge: str | None = None

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Exact match and F1; a judge that fails is noted, and its verdict is left out."""
        said, wanted = final(reply.text), references(sample)
        same, likeness = exact(said, wanted), f1(said, wanted)
        counts: dict[str, float] = {"samples": 1, "exact": int(same), "f1": likeness, "empty": int(not said)}
        error, details = 1 - likeness, {"answer": said, "references": list(wanted)}
        if self.judge:
            verdict = judged(self.judge, sample.asked.prompt, wanted, said)
            details |= {"judge": verdict.text}
            counts |= {"judged": int(verdict.right is not None), "judged right": int(verdict.right is True)}
            error = error if verdict.right is None else float(not verdict.right)
        return Score(sample.id, counts, error, normalised(said), normalised(wanted[0]), details, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """The judge's share first where there is one, with its prompt; then F1 and exact match."""
        whole = counts.get("samples", 0)
        found = (
            Figure("F1", ratio(counts.get("f1", 0), whole), better="higher", by=_BY),
            Figure("exact match", ratio(counts.get("exact", 0), whole), better="higher", by=_BY),
            Figure("no answer", ratio(counts.get("empty", 0), whole)),
        )
        if not self.judge:
            return found
        share = ratio(counts.get("judged right", 0), counts.get("judged", 0))
        by = f"judge {self.judge}, asked: {PROMPT}"
        unjudged = Figure("not judged", ratio(whole - counts.get("judged", 0), whole), better=None)
        return (Figure("right by judge", share, better="higher", by=by), *found, unjudged)
