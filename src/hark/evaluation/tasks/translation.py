"""Speech translation: BLEU and chrF, with the signatures of sacreBLEU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hark.evaluation.metrics import translations
from hark.evaluation.task import Figure, Reply, Request, Score, Task
from hark.evaluation.tasks.common import Question, references, transcription

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities

_GAP, _REFERENCES, _VARYING = ": ", "references ", -1


@dataclass(frozen=True)
class Translation(Task):
    """Write down what is said in another language; compared as written, capitals and punctuation included.

    Attributes:
        tokenize: a tokeniser of sacreBLEU; None takes the one of each sample's target language.
        question: whose question is asked.
    """

    name: ClassVar[str] = "translation"
    about: ClassVar[str] = "speech translation: BLEU and chrF"
    tokenize: str | None = None
    question: Question = "data"

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """The question of the sample, or a translation."""
        return transcription(sample, can, self.question, "translate")

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Statistics of n-grams; the error is how much chrF lacks."""
        cut = self.tokenize or translations.tokenizer(sample.to)
        wanted = references(sample)
        found = translations.statistics(reply.text, wanted, cut)
        own = translations.score("chrf", found)
        counts = {f"{cut}{_GAP}{name}" if name.startswith("bleu") else name: value for name, value in found.items()}
        counts |= {"samples": 1, f"{_REFERENCES}{len(wanted)}": 1}
        details = {"references": list(wanted[1:])} if wanted[1:] else {}
        return Score(sample.id, counts, 1 - own / 100, reply.text, wanted[0], details | {"chrF2": own}, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """BLEU, one for each tokeniser that was used, and chrF2; the signature says how."""
        several = {int(name.removeprefix(_REFERENCES)) for name in counts if name.startswith(_REFERENCES)}
        number = several.pop() if len(several) == 1 else _VARYING
        cuts = sorted({name.partition(_GAP)[0] for name in counts if _GAP in name})
        found = []
        for cut in cuts:
            own = {name.removeprefix(cut + _GAP): v for name, v in counts.items() if name.startswith(cut + _GAP)}
            by = translations.signature("bleu", number, cut)
            name = "BLEU" if len(cuts) == 1 else f"BLEU ({cut})"
            found.append(Figure(name, translations.score("bleu", own, cut), "points", "higher", by))
        by = translations.signature("chrf", number)
        chrf = translations.score("chrf", counts) if cuts else None
        return (*found, Figure("chrF2", chrf, "points", "higher", by))
