"""A folder of CTranslate2 Whisper weights: what it can do, told without loading it, and loading it, never fetching."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from hark.engines import models
from hark.errors import ModelBrokenError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from hark.engines.loading import Loading

_AGAIN = "Download or copy the model again."
_MULTILINGUAL = 51865  # words of the smallest multilingual vocabulary; CTranslate2 tells them apart the same way


def named_languages(name: str) -> frozenset[str]:
    """The languages of a size of Whisper that is not here."""
    if name.endswith(".en"):
        return frozenset({"en"})
    third = any(part in name for part in ("large-v3", "turbo")) or name.endswith(":large")
    return models.LANGUAGES if third else models.LANGUAGES - {"yue"}


def languages(folder: Path) -> frozenset[str]:
    """The languages of a folder, from its vocabulary.

    Raises:
        ModelBrokenError: a file is missing or empty, or the vocabulary cannot be read; the message names it.
    """
    if lacks := models.missing(folder):
        raise ModelBrokenError(f"{folder / lacks[0]} is missing or empty.", hint=_AGAIN)
    words = _vocabulary(next(folder.glob("vocabulary.*")))
    if len(words) < _MULTILINGUAL:
        return frozenset({"en"})
    return frozenset(code for code in models.LANGUAGES if f"<|{code}|>" in words)


def _vocabulary(path: Path) -> set[str]:
    try:
        text = path.read_text(encoding="utf-8")
        return set(json.loads(text) if path.suffix == ".json" else text.split("\n"))
    except (OSError, ValueError, TypeError) as error:
        raise ModelBrokenError(f"{path} cannot be read: {error}.", hint=_AGAIN) from error


def refuse(name: str, loading: Loading) -> None:
    """Refuse what CTranslate2 has no way to honour.

    Raises:
        OptionError: it is asked for.
    """
    loading.refuse(name, frozenset({"device", "dtype", "quantize"}))
    if loading.quantize == "int4":
        raise OptionError(f"{name} cannot be loaded in int4.", hint="CTranslate2 has int8.")
    if loading.device.startswith(("mps", "xpu")):
        raise OptionError(f"{name} cannot be loaded on {loading.device}.", hint="CTranslate2 has cpu and cuda.")


def load(folder: Path, loading: Loading) -> Any:
    """The folder as a `faster_whisper.WhisperModel`.

    Raises:
        ModelBrokenError: a file is missing, damaged, or does not belong to the others; the message names it.
    """
    languages(folder)  # a missing tokenizer.json would be fetched from the network by faster-whisper
    ctranslate2 = import_ctranslate2()
    _refuse_absent(ctranslate2, loading)
    from faster_whisper import WhisperModel

    level = ctranslate2.get_log_level()
    ctranslate2.set_log_level(40)  # it tells every user of a float16 model that the processor wants float32
    try:
        model = WhisperModel(
            str(folder), **_placed(loading), compute_type=_precision(loading), cpu_threads=_threads(),
            local_files_only=True,
        )  # fmt: skip
    except Exception as error:  # tokenizers raises nothing more precise
        raise ModelBrokenError(f"{_culprit(folder, error)} cannot be loaded: {error}", hint=_AGAIN) from error
    finally:
        ctranslate2.set_log_level(level)
    _belongs_together(model, folder)
    return model


def _refuse_absent(ctranslate2: Any, loading: Loading) -> None:
    """Refuse a device or a precision that this machine has not."""
    cuda = ctranslate2.get_cuda_device_count()
    if loading.device.startswith("cuda") and not cuda:
        raise OptionError("CTranslate2 finds no CUDA device.", hint="Leave device out, or set it to cpu.")
    kind = "cuda" if cuda and loading.device != "cpu" else "cpu"
    known = ctranslate2.get_supported_compute_types(kind)
    if _precision(loading) not in ("default", *known):
        raise OptionError(
            f"{_precision(loading)} cannot be computed on {kind}.", hint=f"It has {', '.join(sorted(known))}."
        )


def _placed(loading: Loading) -> dict[str, Any]:
    device, _, number = loading.device.partition(":")
    return {"device": device} | ({"device_index": int(number)} if number else {})


def _precision(loading: Loading) -> str:
    """In CTranslate2's words: `int8_float16` computes with int8 weights in float16."""
    precision = "default" if loading.dtype == "auto" else loading.dtype
    if loading.quantize:
        return loading.quantize if precision == "default" else f"{loading.quantize}_{precision}"
    return precision


def import_ctranslate2() -> Any:
    """CTranslate2, imported so that its threads sleep while they wait.

    Its OpenMP reads the environment once, when it is loaded. Its threads otherwise spin, and where other programs use
    the same cores everything becomes slower by a factor of ten to a hundred.
    """
    given = os.environ.get("OMP_WAIT_POLICY")
    os.environ["OMP_WAIT_POLICY"] = given or "passive"
    try:
        import ctranslate2
    finally:
        if given is None:
            del os.environ["OMP_WAIT_POLICY"]
    return ctranslate2


def _threads() -> int:
    """CTranslate2's own default of four threads, but no more than there are cores; `OMP_NUM_THREADS` overrides it."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if os.environ.get("OMP_NUM_THREADS") else min(4, usable)


def _culprit(folder: Path, error: Exception) -> Path:
    """The file that is damaged: the first that cannot be read by itself, else one the error names, else the weights."""
    import tokenizers

    for path in (folder / "config.json", folder / "preprocessor_config.json"):
        try:
            json.loads(path.read_text(encoding="utf-8") if path.exists() else "{}")
        except ValueError:
            return path
    try:
        tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception:  # noqa: BLE001 - it raises nothing more precise
        return folder / "tokenizer.json"
    named = [path for path in sorted(folder.iterdir()) if path.stem in str(error)]
    return named[0] if named else folder / "model.bin"


def _belongs_together(model: Any, folder: Path) -> None:
    bands = model.feature_extractor.mel_filters.shape[0]
    if model.model.n_mels != bands:
        raise ModelBrokenError(
            f"{folder / 'preprocessor_config.json'} is missing or wrong: it says {bands} mel bands, "
            f"and the weights hear {model.model.n_mels}.",
            hint=_AGAIN,
        )
    needed = ["<|startoftranscript|>", "<|endoftext|>", "<|notimestamps|>"]
    needed += ["<|transcribe|>", "<|translate|>", "<|en|>"] if model.model.is_multilingual else []
    for token in needed:
        if model.hf_tokenizer.token_to_id(token) is None:
            raise ModelBrokenError(f"{folder / 'tokenizer.json'} is not Whisper's: it has no {token}.", hint=_AGAIN)
