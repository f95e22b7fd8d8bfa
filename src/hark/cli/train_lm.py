"""`hark train lm`: an n-gram language model of what is likely to be said."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.cli import options as o
from hark.cli.show import console, out, out_json, printable, reporting
from hark.errors import OptionError

if TYPE_CHECKING:
    from hark.training.language_model import Attributes
    from hark.training.ngram import NGram


class Smoothing(StrEnum):
    """How probability is kept for words that were not seen."""

    kneser_ney = "kneser-ney"
    witten_bell = "witten-bell"


def lm(
    texts: Annotated[
        list[Path], typer.Argument(metavar="TEXT", help="Text (.txt) with a sentence on each line, or data sets.")
    ],
    to: Annotated[Path | None, typer.Option("--to", help="The ARPA file to write; .arpa.gz compresses it.")] = None,
    model: Annotated[
        Path | None, typer.Option("--for", help="The folder of a recogniser that is to use it from now on.")
    ] = None,
    order: Annotated[int, typer.Option("--order", min=1, max=10, help="Words looked at, the next one included.")] = 3,
    smoothing: Annotated[
        Smoothing, typer.Option(help="witten-bell suits a few hundred sentences.")
    ] = Smoothing.kneser_ney,
    pieces: Annotated[
        bool, typer.Option("--pieces", help="Model the tokens of the recogniser in place of words.")
    ] = False,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Make text lower case.")] = False,
    weight: Annotated[float | None, typer.Option(min=0, help="How much it counts, for --for (0.5).")] = None,
    bonus: Annotated[float | None, typer.Option(help="Added for each word or token, for --for (1.5).")] = None,
    unknown: Annotated[
        float | None, typer.Option(max=0, help="Added to log10 of a word it does not know, for --for (-10).")
    ] = None,
    test: Annotated[Path | None, typer.Option("--test", help="Held-back text, to tell the perplexity of.")] = None,
    as_json: o.Json = False,
) -> None:
    """Estimate an n-gram language model, and have a recogniser use it: docs/training.md."""
    with reporting(as_json=as_json):
        told = _attributes(model, {"alpha": weight, "beta": bonus, "unk_score_offset": unknown}, pieces=pieces)
        if to is None and model is None:
            raise OptionError("Nothing is said of where the model goes.", hint="--to lm.arpa, or --for MODEL, or both.")
        made, perplexity = _made(texts, test, order, smoothing.value, lowercase=lowercase, of=model if pieces else None)
        wrote = _write(made, to, model, told)
        counts = [sum(len(gram) == length for gram in made.table) for length in range(1, made.order + 1)]
        if as_json:
            out_json({"files": wrote, "ngrams": counts, "fallback_discounts": made.fallen, "perplexity": perplexity})
            return
        if made.fallen:
            orders = ", ".join(map(str, made.fallen))
            _note(f"too little text to estimate discounts of order {orders}; 0.5, 1 and 1.5 are taken.")
        out(f"{', '.join(wrote)}: {' + '.join(map(str, counts))} n-grams")
        if perplexity is not None:
            out(f"perplexity of {test}: {perplexity:.2f}")


def _attributes(model: Path | None, given: dict[str, float | None], *, pieces: bool) -> Attributes:
    from hark.training.language_model import Attributes

    said = {name: value for name, value in given.items() if value is not None}
    if model is None and (said or pieces):
        raise OptionError(
            "--weight, --bonus, --unknown and --pieces are about a recogniser.", hint="Name its folder: --for MODEL."
        )
    if pieces:
        said = {"beta": 0.0, **said}  # it would be added for every token
    return Attributes.model_validate(said)


def _made(
    texts: list[Path], test: Path | None, order: int, smoothing: Any, *, lowercase: bool, of: Path | None
) -> tuple[NGram, float | None]:
    from hark.training.language_model import sentences
    from hark.training.ngram import estimate

    skipped: list[str] = []
    how: dict[str, Any] = {"lowercase": lowercase, "pieces": _tokenizer(of) if of else None, "skipped": skipped.append}
    made = estimate((words for path in texts for words in sentences(path, **how)), order, smoothing)
    perplexity = made.perplexity(sentences(test, **how)) if test else None
    if skipped:
        _note(f"sentences left out, which the recogniser cannot write: {len(skipped)}, such as {skipped[0]!r}.")
    return made, perplexity


def _note(text: str) -> None:
    with contextlib.suppress(OSError):
        console(stderr=True).print(f"note: {printable(text)}", style="dim")


def _tokenizer(folder: Path) -> Any:
    from hark.engines.transformers.engine import read_config
    from hark.engines.transformers.families.catalog import family_of
    from hark.engines.transformers.families.family import Loaded
    from hark.errors import UnsupportedError

    family = family_of(str(read_config(folder)["model_type"]), folder=folder)
    if family is None:
        raise UnsupportedError(f"{folder} holds no recogniser that hark runs.", hint="hark models lists them.")
    return family.tokenizer(Loaded(family.processor(folder), None))


def _write(made: NGram, to: Path | None, model: Path | None, told: Attributes) -> list[str]:
    from hark.engines.transformers.engine import read_config
    from hark.training.arpa import write_arpa
    from hark.training.language_model import write_beside

    wrote = []
    if model is not None:
        read_config(model)  # it is a model
        wrote.append(str(write_beside(made, model, told)))
    if to is not None:
        write_arpa(made, to)
        wrote.append(str(to))
    return wrote
