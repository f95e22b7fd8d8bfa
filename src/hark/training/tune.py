"""Fine-tuning on one screen: a model and a data set in, an adapter or a tuned model out."""

from __future__ import annotations

import importlib.util
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hark.data.asking import asking
from hark.data.reading import read
from hark.engines.catalog import resolve
from hark.engines.loading import Loading
from hark.engines.transformers.engine import Transformers, read_config
from hark.errors import DataError, MissingExtraError, OptionError, UnsupportedError
from hark.training.tune_examples import Example, digest, examples
from hark.training.tune_folder import Folder
from hark.training.tune_settings import Tuning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hark.data.source import Bad
    from hark.training.tune_memory import Estimate

# By the name of the family: why it is not tuned.
_NOT_TUNED = {
    "VoxtralRealtime": "it writes a token for each 80 ms, and data sets do not say when each word is spoken",
    "Classifier": "it writes no text",
    "HarkSpeech2Text": "`hark train` made it, and trains it further by another recipe",
    "Timed": "it writes by CTC or transducer, and is not asked",
}


@dataclass(frozen=True, slots=True)
class Data:
    """What a model learns from.

    Attributes:
        path: the data set; form, audio: as of `hark.data.read`.
        prompt: what is asked where a sample asks nothing.
        judged: a data set to evaluate with; share: else this share of the samples is held back for that.
        bad: called with each entry that cannot be read, which is then left out.
    """

    path: Path
    form: str | None = None
    audio: Path | None = None
    prompt: str | None = None
    judged: Path | None = None
    share: float = 0.0
    bad: Callable[[Bad], None] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise OptionError(f"The share to evaluate with cannot be {self.share}.", hint="It is from 0 to under 1.")
        if self.share and self.judged:
            raise OptionError("There is a data set to evaluate with, and a share to hold back.", hint="Give one.")

    def split(self, engine: Transformers, seed: int) -> tuple[list[Example], list[Example]]:
        """The examples to learn, and those to evaluate with, which share no sample.

        Raises:
            DataError: there are none, or one cannot be used with this model.
        """
        learned = self._read(self.path, engine)
        judged = self._read(self.judged, engine) if self.judged else []
        if self.share:
            groups: dict[str, list[Example]] = {}
            for example in learned:
                groups.setdefault(example.id.partition("#")[0], []).append(example)
            names = sorted(groups)
            random.Random(seed).shuffle(names)  # noqa: S311 - no secret
            held = set(names[: max(1, round(self.share * len(names)))])
            judged = [example for name in names if name in held for example in groups[name]]
            learned = [example for example in learned if example.id.partition("#")[0] not in held]
        if not learned:
            raise DataError(f"There is nothing to learn in {self.path}.", hint="`hark data check` says what it holds.")
        return learned, judged

    def _read(self, path: Path, engine: Transformers) -> list[Example]:
        found = read(path, self.form, audio=self.audio, bad=self.bad)
        return list(examples(asking(found, self.prompt), engine, self.bad))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, before any weights are loaded.

    Attributes:
        engine: the model.
        learned, judged: the examples.
        tuning: how it is tuned.
        about: the same as plain values, by which a run that was stopped is known again.
    """

    engine: Transformers
    learned: list[Example]
    judged: list[Example]
    tuning: Tuning
    about: dict[str, Any]

    @property
    def memory(self) -> Estimate:
        """About how much memory it takes."""
        from hark.training.tune_memory import estimate

        return estimate(self.engine, [*self.learned, *self.judged], self.tuning)


def plan(model: str, data: Data, tuning: Tuning | None = None, **how: Any) -> Plan:
    """Read the data and put a run together; nothing is loaded.

    Args:
        model: a folder of transformers weights, or its name.
        data: what to learn, and to evaluate with.
        tuning: how.
        how: fields of `hark.engines.loading.Loading`, such as `device`, `dtype`, `quantize`.

    Raises:
        UnsupportedError: the model cannot be tuned.
        DataError: the data set cannot be read, or asks what the model cannot be asked.
        OptionError: a setting is wrong.
        MissingExtraError: the extra `train` is not installed.
    """
    tuning = tuning or Tuning()
    engine = opened(model, tuning, **how)
    learned, judged = data.split(engine, tuning.seed)
    if (tuning.best or tuning.patience) and not judged:
        raise OptionError("Nothing tells which checkpoint is best.", hint="Give data to evaluate with: --eval.")
    about = {
        "model": str(engine.folder.resolve()),
        "model_type": read_config(engine.folder)["model_type"],
        "settings": tuning.model_dump(mode="json"),
        "loading": {"dtype": engine.loading.dtype, "quantize": engine.loading.quantize},
        "data": {"learned": len(learned), "judged": len(judged), "digest": digest([*learned, *judged])},
    }
    return Plan(engine, learned, judged, tuning, about)


def opened(model: str, tuning: Tuning, **how: Any) -> Transformers:
    """The engine of a model that is to be tuned; its weights are not loaded yet.

    Raises:
        UnsupportedError: it cannot be tuned.
        OptionError: it cannot be tuned so.
        MissingExtraError: the extra `train` is not installed.
    """
    _installed()
    found = resolve(model)
    if found.kind != "transformers" or found.folder is None:
        raise UnsupportedError(
            f"{found.name} cannot be tuned: hark has no weights of it that can be trained.",
            hint="Name a folder of a transformers model; `hark models` lists kinds.",
        )
    loading = replace(Loading.of(**how), cache_mb=0)  # what is remembered of a recording changes with the weights
    if tuning.method == "full" and loading.quantize:
        raise OptionError("Quantized weights cannot be trained.", hint="Tune an adapter: --lora.")
    if tuning.method == "full" and loading.dtype == "auto":
        loading = replace(loading, dtype="float32")  # small steps are lost in the 8 bits of bfloat16
    engine = Transformers(found.name, found.folder, loading)
    kinds = [kind.__name__ for kind in type(engine.family).__mro__]
    for kind, why in _NOT_TUNED.items():
        if kind in kinds:
            raise UnsupportedError(f"{found.name} cannot be tuned: {why}.", hint="docs/tuning.md lists what can be.")
    return engine


def tune(
    planned: Plan, folder: Path, tell: Callable[[dict[str, float], int, int], None] | None = None
) -> dict[str, Any]:
    """Train as planned, into a folder; a run that was stopped goes on. Returns what `tune.json` says in the end.

    The folder holds the adapter as peft writes it (or the tuned model), `tune.json`, `report.html` and `tensorboard/`.

    Raises:
        OutputError: the folder belongs to something else, or cannot be written.
        ModelError: there is not enough memory, or the model failed.
        DataError: an example cannot be heard, or is more than the model holds.
    """
    from hark.training.report import report
    from hark.training.tune_run import Run
    from hark.training.tune_saving import save

    place = Folder(folder, planned.about)
    try:
        checkpoint = place.claim()
        run = Run(planned.engine, planned.learned, planned.judged, planned.tuning, folder, tell or _silent)
        model = run.train(checkpoint)
        save(model, planned.engine, planned.tuning, folder)
        right = run.right()
        told = {"steps": run.steps} | ({} if right is None else {"exact": right})
        report(folder)
        place.finish(**told)
    finally:
        place.release()
    return planned.about | told


def _silent(figures: dict[str, float], done: int, count: int) -> None:
    del figures, done, count


def _installed() -> None:
    if any(importlib.util.find_spec(package) is None for package in ("peft", "torch", "transformers", "tensorboard")):
        raise MissingExtraError.of("Tuning", "train")
