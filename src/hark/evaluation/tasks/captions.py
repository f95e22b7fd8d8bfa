"""Captions of sounds: CIDEr-D and ROUGE-L."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from hark.evaluation.metrics.captions import cider_d, rouge_l, tokens
from hark.evaluation.task import Figure, Reply, Request, Score, Task, ratio
from hark.evaluation.tasks.common import references

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities

_ASK = "Describe what is heard in one sentence."
_BY = "coco-caption's; words cut like the Penn Treebank's, by rule"


@dataclass(frozen=True)
class Captions(Task):
    """Say in a sentence what is heard; a sample may list several `references` or `captions`."""

    name: ClassVar[str] = "caption"
    about: ClassVar[str] = "captions: CIDEr-D and ROUGE-L"

    def lacks(self, sample: Sample) -> str | None:
        """A caption."""
        return None if references(sample) else "a caption to compare with"

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """The question of the sample, or one for a sentence."""
        del can
        asked = sample.asked
        return Request(asked if asked.prompt.strip() else asked.with_prompt(_ASK))

    def score(self, sample: Sample, reply: Reply) -> Score:
        """ROUGE-L; CIDEr-D needs the references of all, and comes when the scores are settled."""
        said, wanted = tokens(reply.text), [tokens(one) for one in references(sample)]
        rouge = rouge_l(said, wanted)
        counts = {"samples": 1, "rouge": rouge, "empty": int(not said)}
        details = {"answer": reply.text, "references": [" ".join(one) for one in wanted], "ROUGE-L": rouge}
        return Score(sample.id, counts, 1 - rouge, " ".join(said), " ".join(wanted[0]), details, reply.error)

    def settled(self, scores: Sequence[Score]) -> Sequence[Score]:
        """With CIDEr-D; how rare words are is told by the references of all samples, also for a part of them."""
        found = cider_d(
            [score.prediction.split() for score in scores],
            [[one.split() for one in score.details["references"]] for score in scores],
        )
        return [
            replace(score, counts={**score.counts, "cider": cider}, details={**score.details, "CIDEr-D": cider})
            for score, cider in zip(scores, found, strict=True)
        ]

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """CIDEr-D, 0..10 (often printed times 100 elsewhere), and ROUGE-L."""
        whole = counts.get("samples", 0)
        cider = ratio(counts["cider"], whole) if "cider" in counts else None
        return (
            Figure("CIDEr-D", cider, "points", "higher", f"{_BY}; 0 to 10; words are as rare as in all references"),
            Figure("ROUGE-L", ratio(counts.get("rouge", 0), whole), better="higher", by=_BY),
            Figure("no answer", ratio(counts.get("empty", 0), whole)),
        )
