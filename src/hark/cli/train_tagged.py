"""`hark train audio-tokens` and `hark train transfer`: models that learn mixed tasks, begun with pretrained ones."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.cli import options as o
from hark.cli.show import out, out_json, reporting
from hark.cli.train_progress import progress
from hark.errors import MissingExtraError, ModelBrokenError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hark.training.tagged import Fitting

Data = Annotated[list[Path], typer.Argument(metavar="DATA", help="Data sets, in any format of hark data.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")]
Language = Annotated[
    list[str] | None, typer.Option("--language", help="What a language is called in tags, as en=English; several.")
]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="How to train: steps=1000, batch_size=8, learning_rate=0.0001, ...; several."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")]


def audio_tokens(
    data: Data,
    folder: Out,
    language_model: Annotated[
        Path | None,
        typer.Option("--language-model", help="The folder of a causal language model, which learns to hear."),
    ] = None,
    encoder: Annotated[Path | None, typer.Option("--encoder", help="The folder of HuBERT or wav2vec 2.0.")] = None,
    layer: Annotated[int | None, typer.Option("--layer", min=1, help="Whose output is clustered, from 1.")] = None,
    units: Annotated[int, typer.Option("--units", min=2, help="How many units of audio there are to be.")] = 500,
    centres: Annotated[
        Path | None, typer.Option("--centres", help="Centres of k-means (.npy, .bin); else they are learned of DATA.")
    ] = None,
    language: Language = None,
    settings: Setting = None,
    resume: Resume = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Teach a language model to transcribe and translate: tokens for units of audio, as in AudioPaLM."""
    with reporting(as_json=as_json), _working(quiet=quiet) as (callbacks, step):
        from hark.training import audio_tokens as work
        from hark.training.tagged import samples_of

        how = _fitting(settings)
        if not (folder / "quantizer").is_dir():
            if language_model is None or encoder is None or layer is None:
                raise OptionError(
                    f"{folder} is no model yet.", hint="Say what it is made of: --language-model, --encoder, --layer."
                )
            names = _names(language)
            _check(data, names)
            found = _centres(centres, encoder, layer, units, data)
            work.extend(language_model, encoder, layer, found, folder, names=names, seed=how.seed)
        else:
            _already(folder, language_model=language_model, encoder=encoder, centres=centres, language=language)
        work.train(folder, samples_of(data), how, resume=resume, step=step, callbacks=callbacks)
        _done(folder, how, as_json=as_json)


def transfer(
    data: Data,
    folder: Out,
    encoder: Annotated[
        Path | None, typer.Option("--encoder", help="The folder of wav2vec 2.0, HuBERT, WavLM or Whisper.")
    ] = None,
    decoder: Annotated[Path | None, typer.Option("--decoder", help="The folder of BART, mBART or Marian.")] = None,
    language: Language = None,
    settings: Setting = None,
    resume: Resume = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Join a pretrained encoder of speech with a pretrained decoder of text, and train them on DATA."""
    with reporting(as_json=as_json), _working(quiet=quiet) as (callbacks, step):
        from hark.training import transfer as work
        from hark.training.tagged import samples_of

        how = _fitting(settings)
        if not (folder / "config.json").is_file():
            if encoder is None or decoder is None:
                raise OptionError(f"{folder} is no model yet.", hint="Say what it is made of: --encoder, --decoder.")
            names = _names(language)
            _check(data, names)
            work.compose(encoder, decoder, folder, names=names, seed=how.seed)
        else:
            _already(folder, encoder=encoder, decoder=decoder, language=language)
        work.train(folder, samples_of(data), how, resume=resume, step=step, callbacks=callbacks)
        _done(folder, how, as_json=as_json)


def _already(folder: Path, **given: Any) -> None:
    """Refuse what is said about parts of a model that is there."""
    said = next((name for name, value in given.items() if value), None)
    if said:
        raise OptionError(
            f"{folder} holds a model: --{said.replace('_', '-')} would change nothing.",
            hint="Leave it out to train that model on; or name another --out.",
        )


def _check(data: list[Path], names: dict[str, str]) -> None:
    """Refuse what cannot be learned before anything is made: all samples are read, and no recording."""
    from hark.errors import DataError
    from hark.training.tagged import TAGS, samples_of, tag_of, task_of

    count = 0
    for sample in samples_of(data):
        tag_of(task_of(sample), sample.language, sample.to, TAGS, names)
        count += 1
    if not count:
        raise DataError("There is no sample to learn from.", hint="hark data check says what there is.")


def _names(language: list[str] | None) -> dict[str, str]:
    from hark.training.tagged import languages

    return languages(language or ())


def _centres(file: Path | None, encoder: Path, layer: int, units: int, data: list[Path]) -> Any:
    from hark.engines.transformers.native.published import read_centres
    from hark.training.audio_tokens import centres
    from hark.training.tagged import samples_of

    if file is None:
        return centres(encoder, layer, (clip for sample in samples_of(data) for clip in sample.clips), units)
    if not file.is_file():
        raise ModelBrokenError(f"There is no {file}.", hint="Leave it out to learn centres of the recordings.")
    return read_centres(file)


def _fitting(settings: list[str] | None) -> Fitting:
    """How to train, of texts such as `steps=100`."""
    import yaml
    from pydantic import ValidationError

    from hark.training.tagged import Fitting

    pairs = [text.partition("=") for text in settings or ()]
    try:
        return Fitting.model_validate({name.strip(): yaml.safe_load(value) for name, _, value in pairs})
    except (ValidationError, yaml.YAMLError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": ("",), "msg": str(error)}
        place = ".".join(map(str, first["loc"]))
        raise OptionError(
            f"--set {place}: {first['msg']}.", hint=f"Settings are {', '.join(Fitting.model_fields)}."
        ) from error


@contextlib.contextmanager
def _working(*, quiet: bool) -> Iterator[tuple[list[Any], Callable[[int], None]]]:
    """Show how far it is, and keep what transformers tells programmers off the terminal."""
    try:
        from hark.engines.transformers.generation import quiet as silence
    except ImportError as error:
        raise MissingExtraError.of("Training", "train") from error
    with silence(), progress(quiet=quiet) as (callbacks, step):
        yield callbacks, step


def _done(folder: Path, how: Fitting, *, as_json: bool) -> None:
    if as_json:
        out_json({"folder": str(folder), "steps": how.steps})
    else:
        out(f"{folder}: trained for {how.steps} steps; curves in {folder / 'report.html'}")
