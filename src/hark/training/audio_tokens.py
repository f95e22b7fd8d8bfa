"""A causal language model that learns to hear: its vocabulary gets a token for each unit of audio (AudioPaLM).

The result is a folder of the family `audiopalm` (docs/unit-models.md). Rubenstein et al. 2023, "AudioPaLM: a large
language model that can speak and listen" (arXiv:2306.12925): the embedding grows by the units, all of the model is
trained on mixed tasks told apart by tags; text to text is one of them, so that what was known of languages helps.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from hark.errors import DataError, ModelBrokenError
from hark.training.tagged import IGNORED, TAGS, Fitting, Row, fit, heard, padded, rows, tag_of, task_of, unused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.audio.audio import Audio
    from hark.data.sample import Sample
    from hark.engines.transformers.families.family import Loaded

FRAMES = 200_000  # at most, of which centres are learned; 50 are a second


def centres(
    encoder: Path, layer: int, clips: Iterable[Audio], codes: int, *, seed: int = 0, most: int = FRAMES
) -> NDArray[Any]:
    """Learn the units: centres (codes, width) of k-means over the frames of one layer of HuBERT or wav2vec 2.0.

    Args:
        encoder: its folder, as transformers saves it.
        layer: counted from 1.
        clips: recordings; as many as have `most` frames are heard.
        codes: how many units there are to be.
        seed: of the centres to begin with.
        most: frames that are clustered.

    Raises:
        DataError: there are fewer frames than units.
        ModelBrokenError: the encoder cannot be loaded, or has no such layer.
    """
    import numpy as np
    from sklearn.cluster import MiniBatchKMeans

    some: list[NDArray[Any]] = []
    count = 0
    for frames in _frames(encoder, layer, clips):
        some.append(frames)
        count += len(frames)
        if count >= most:
            break
    if count < codes:
        raise DataError(f"There are {count} frames to make {codes} units of.", hint="More recordings, or fewer units.")
    found = MiniBatchKMeans(codes, random_state=seed, batch_size=max(1024, 2 * codes), n_init=3)
    return np.asarray(found.fit(np.concatenate(some)[:most]).cluster_centers_, np.float32)


def _frames(encoder: Path, layer: int, clips: Iterable[Audio]) -> Iterable[NDArray[Any]]:
    import numpy as np
    import torch

    from hark.audio.audio import RATE
    from hark.engines.transformers.native.kmeans import KMeans
    from hark.engines.transformers.native.units import pieces
    from hark.errors import OptionError

    if layer < 1:
        raise OptionError(f"There is no layer {layer}.", hint="They are counted from 1.")
    width = json.loads((encoder / "config.json").read_text())["hidden_size"] if encoder.is_dir() else 1
    model = KMeans.of(encoder, np.zeros((1, width), np.float32), layer)
    for clip in clips:
        for piece in pieces(model.prepared(clip.samples(RATE)), model.longest, model.step):
            with torch.inference_mode():
                yield model.encoder(piece[None], output_hidden_states=True).hidden_states[layer][0].numpy()


def extend(
    language_model: Path,
    encoder: Path,
    layer: int,
    units: NDArray[Any],
    out: Path,
    *,
    names: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Path:
    """Write a copy of a causal language model whose last tokens are units of audio, with what makes them beside it.

    New rows of the embedding are drawn about the mean of the others, as transformers does it.

    Args:
        language_model: its folder.
        encoder: the folder of HuBERT or wav2vec 2.0.
        layer: whose output is clustered, counted from 1.
        units: centres (codes, width).
        out: the folder to write.
        names: of languages in tags, by their code.
        seed: of the new rows.

    Raises:
        ModelBrokenError: a part cannot be loaded, or they do not fit.
        OutputError: the folder cannot be written, or there is something in it.
    """
    import numpy as np
    import torch
    from transformers import AutoModelForCausalLM

    from hark.engines.convert import Wishes, convert
    from hark.engines.transformers.engine import read_config
    from hark.engines.transformers.families.units import AudioPaLM

    unused(out)
    read_config(language_model)
    words = AudioPaLM().words(language_model)
    try:
        model = AutoModelForCausalLM.from_pretrained(language_model, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelBrokenError(f"{language_model} holds no causal language model: {error}.") from error
    if words.eos_token_id is None:
        raise ModelBrokenError(f"The tokenizer in {language_model} has no end of text.", hint="It needs an eos_token.")
    torch.manual_seed(seed)
    rows = model.get_input_embeddings().weight.shape[0]
    model.resize_token_embeddings(max(rows, len(words)) + len(units))
    try:
        model.save_pretrained(out)
        words.save_pretrained(out)
        np.save(out / "centres.npy", units)
        convert(out, out, Wishes(out / "centres.npy", encoder, "audiopalm", layer))
        (out / "centres.npy").unlink()
        _describe(out / "quantizer" / "units.json", names or {})
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return out


def _describe(path: Path, names: Mapping[str, str]) -> None:
    """Say how tasks and languages are called."""
    told = json.loads(path.read_text(encoding="utf-8"))
    told["tags"] = {task: TAGS[task] for task in ("transcribe", "translate")}
    told["languages"] = dict(names)
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def train(
    folder: Path,
    samples: Iterable[Sample],
    how: Fitting,
    *,
    resume: bool = False,
    step: Callable[[int], None] = lambda _: None,
    callbacks: Sequence[Any] = (),
) -> None:
    """Train a folder of the family `audiopalm` on mixed tasks: transcripts, translations, and text to text.

    The weights in the folder are replaced when it is over. Units of all recordings are made first.

    Raises:
        DataError: a sample cannot be learned. ModelBrokenError: it is no such folder.
        OutputError: there is a checkpoint, and it is not to be gone on from.
    """
    from hark.engines.transformers.engine import read_config
    from hark.engines.transformers.families.units import AudioPaLM
    from hark.engines.transformers.generation import quiet
    from hark.engines.transformers.native.layout import read_layout

    if read_layout(folder).kind != "audiopalm":
        raise ModelBrokenError(
            f"{folder} is no model of the kind audiopalm.", hint="hark train audio-tokens makes one."
        )
    with quiet():
        loaded = AudioPaLM().load(folder)
        longest = AudioPaLM().capabilities(read_config(folder), folder).max_seconds
        made = rows(samples, lambda sample: row(loaded, sample, longest), step)
        model = loaded.model.float().train()
        fit(model, made, _collate(loaded), folder, how, resume=resume, callbacks=callbacks)
        model.eval().save_pretrained(folder)


def row(loaded: Loaded, sample: Sample, longest: float | None = None) -> Row:
    """A sample as the model is asked about it, with the answer after it; only the answer is learned.

    `longest` is how many seconds it hears at once.

    Raises:
        DataError: it cannot be asked so.
    """
    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Options
    from hark.engines.transformers.families.text import begun, encoded, plain
    from hark.engines.transformers.families.units import AudioPaLM
    from hark.errors import UnsupportedError

    task, layout, words = task_of(sample), loaded.processor.layout, loaded.processor.tokenizer
    tag = tag_of(task, sample.language, sample.to, {**TAGS, **layout.tags}, layout.languages)
    if task == "text":
        asked = [*begun(words), *encoded(words, f"{tag} {plain(words, sample.conversation.prompt or '')}")]
    else:
        to = sample.to if task == "translate" else None
        options = Options(task=task, language=sample.language if layout.languages else None, to=to)
        family = AudioPaLM()
        samples = heard(sample.clips[0], longest, family.pause_seconds)
        try:
            given = family.write_down(loaded, Conversation(), samples, options)
        except UnsupportedError as error:
            raise DataError(f"The sample {sample.id}: {error.message}", hint=error.hint) from error
        asked = given.tensors["input_ids"][0].tolist()
    answer = [*words(sample.target, add_special_tokens=False).input_ids, words.eos_token_id]
    return {"input_ids": [*asked, *answer], "labels": [*[IGNORED] * len(asked), *answer]}


def _collate(loaded: Loaded) -> Callable[[list[Row]], dict[str, Any]]:
    words = loaded.processor.tokenizer
    fill = words.eos_token_id if words.pad_token_id is None else words.pad_token_id

    def collate(some: list[Row]) -> dict[str, Any]:
        return {
            "input_ids": padded([one["input_ids"] for one in some], fill),
            "attention_mask": padded([[1] * len(one["input_ids"]) for one in some], 0),
            "labels": padded([one["labels"] for one in some], IGNORED),
        }

    return collate
