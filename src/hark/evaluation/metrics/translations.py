"""BLEU and chrF by sacreBLEU, from statistics of sentences that add up to those of a corpus.

Sources: Papineni et al. 2002; Popović 2015; Post 2018, arXiv:1804.08771.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from hark.errors import MissingExtraError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Languages that sacreBLEU must cut into words; all others are written with spaces, which its 13a takes.
_TOKENIZERS = {"zh": "zh", "yue": "zh", "ja": "char", "th": "char", "lo": "char", "km": "char", "my": "char"}


def tokenizer(language: str | None) -> str:
    """The tokeniser of BLEU for a language; characters where sacreBLEU would need further packages."""
    return _TOKENIZERS.get((language or "").lower().partition("-")[0], "13a")


def statistics(prediction: str, references: Sequence[str], tokenize: str = "13a") -> dict[str, float]:
    """Counts of one sentence, which add up: `bleu 0` ... `bleu 9` and `chrf 0` ... `chrf 17`."""
    bleu, chrf = metric("bleu", tokenize), metric("chrf")
    wanted = [[one] for one in references]
    counts = {f"bleu {n}": v for n, v in enumerate(bleu._extract_corpus_statistics([prediction], wanted)[0])}  # noqa: SLF001 - sacreBLEU's own way to resample, which has no public name
    chrf_counts = chrf._extract_corpus_statistics([prediction], wanted)[0]  # noqa: SLF001 - see above
    return counts | {f"chrf {n}": v for n, v in enumerate(chrf_counts)}


def score(name: str, counts: Mapping[str, float], tokenize: str = "13a") -> float:
    """BLEU or chrF2, 0..100, of added counts."""
    values = [int(counts[f"{name} {n}"]) for n in range(sum(key.startswith(f"{name} ") for key in counts))]
    return float(metric(name, tokenize)._aggregate_and_compute([values]).score)  # noqa: SLF001 - see above


def signature(name: str, references: int, tokenize: str = "13a") -> str:
    """SacreBLEU's signature, which says how a score was made."""
    made = metric(name, tokenize)
    made.num_refs = references
    return str(made.get_signature())


@cache
def metric(name: str, tokenize: str = "13a") -> Any:
    """SacreBLEU's metric.

    Raises:
        MissingExtraError: sacreBLEU is not installed.
        OptionError: it has no such tokeniser, or not the packages of it.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtraError.of("BLEU", "evaluate") from error
    if name == "chrf":
        return CHRF()
    if tokenize not in BLEU.TOKENIZERS:
        raise OptionError(f"There is no tokeniser {tokenize!r}.", hint=f"There are {', '.join(BLEU.TOKENIZERS)}.")
    try:
        return BLEU(tokenize=tokenize, force=True)
    except (ImportError, RuntimeError, OSError) as error:
        hint = "Choose another, such as char; or install what it needs: pip install 'sacrebleu[ja]' or [ko]."
        raise OptionError(f"The tokeniser {tokenize} cannot be used: {error}.", hint=hint) from error
