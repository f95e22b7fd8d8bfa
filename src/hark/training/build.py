"""From a recipe to data, model and processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import Speech2TextFeatureExtractor, Speech2TextProcessor, Speech2TextTokenizer

from hark.data.prepare.prepare import Wishes, prepare
from hark.data.prepared import Prepared
from hark.errors import DataError, ModelBrokenError
from hark.training.examples import Examples, Pool, choose
from hark.training.model import HarkSpeech2TextConfig, HarkSpeech2TextForConditionalGeneration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hark.training.recipe import Recipe, Source


def prepared(source: Source, recipe: Recipe, out: Path, vocab: str, step: Callable[[int], None]) -> Prepared:
    """A source as features and labels: as it is where it is prepared, else prepared into `out`.

    Raises:
        DataError: it has other bands than the recipe says, or cannot be read.
    """
    path = Path(source.path)
    if (path / "prepared.json").is_file():
        found = Prepared(path, "none")
    else:
        data = recipe.data
        wishes = Wishes(vocab, data.bins, longest=data.max_seconds, lowercase=data.lowercase)
        prepare(path, out, wishes, step=step)
        found = Prepared(out, "none")
    bins = found.about["settings"]["bins"]
    if bins != recipe.data.bins:
        raise DataError(f"{path} has {bins} bands, and data.bins is {recipe.data.bins}.")
    return found


def folders(recipe: Recipe, out: Path, step: Callable[[int], None] = lambda _: None) -> dict[str, list[Prepared]]:
    """All sources of a recipe, by what they are for; the vocabulary is that of the first to be learned from.

    Raises:
        DataError: one has another vocabulary, other bands, or cannot be read.
    """
    found: dict[str, list[Prepared]] = {}
    known: dict[str, Prepared] = {}
    vocab = recipe.data.vocab
    for use in ("train", "dev", "test"):
        found[use] = []
        for number, source in enumerate(getattr(recipe.data, use)):
            if source.path not in known:
                known[source.path] = prepared(source, recipe, out / "data" / f"{use}-{number}", vocab, step)
            found[use].append(known[source.path])
            vocab = str(found["train"][0].folder)
    pieces = {(each.folder / "vocab.json").read_bytes() for each in known.values()}
    if len(pieces) > 1:
        raise DataError(
            "The data sets were prepared with different vocabularies.",
            hint="hark data prepare --vocab FOLDER takes that of another folder.",
        )
    return found


def examples(recipe: Recipe, use: str, prepared: Sequence[Prepared], noise: Any = None) -> Examples | None:
    """The examples for `train`, `dev` or `test`; None where the recipe names no data for it.

    Raises:
        DataError: none of its samples can be used.
    """
    data, training = recipe.data, use == "train"
    shortest, longest = (data.min_seconds, data.max_seconds) if training else (0.0, float("inf"))
    chosen = [
        choose(each, source.speakers, shortest, longest)
        for source, each in zip(getattr(data, use), prepared, strict=True)
    ]
    if not chosen:
        return None
    return Examples(Pool(chosen, recipe.model.used_bins or data.bins), recipe, noise, training=training)


def noise(recipe: Recipe, out: Path) -> Any:
    """The energies of the recordings of noise that a recipe names; None where it names none.

    Raises:
        DataError: they cannot be read.
    """
    wanted = recipe.augment.noise
    if wanted is None or wanted.data is None:
        return None
    vocab = str(folders(recipe, out)["train"][0].folder)
    found = prepared(wanted.data, recipe, out / "data" / "noise", vocab, lambda _: None)
    return np.concatenate([found[number].features for number in range(len(found))])


def processor(recipe: Recipe, vocabulary: Path) -> Speech2TextProcessor:
    """What makes features as the model learned them, and text of its ids."""
    how = recipe.model.normalize
    extractor = Speech2TextFeatureExtractor(
        feature_size=recipe.data.bins,
        num_mel_bins=recipe.data.bins,
        do_ceptral_normalize=how in ("utterance", "mean"),
        normalize_vars=how == "utterance",
    )
    tokenizer = Speech2TextTokenizer(str(vocabulary / "vocab.json"), str(vocabulary / "sentencepiece.bpe.model"))
    return Speech2TextProcessor(extractor, tokenizer)


def model(recipe: Recipe, pieces: int, train: Prepared) -> HarkSpeech2TextForConditionalGeneration:
    """The model of a recipe, at random but for what it takes from another.

    Raises:
        ModelBrokenError: the encoder to begin with has other sizes, or its folder no such model.
    """
    said = recipe.model
    torch.manual_seed(recipe.training.seed)
    config = HarkSpeech2TextConfig(
        vocab_size=pieces,
        architecture=said.architecture,
        d_model=said.d_model,
        encoder_layers=said.encoder_layers,
        decoder_layers=said.decoder_layers,
        encoder_attention_heads=said.heads,
        decoder_attention_heads=said.heads,
        encoder_ffn_dim=said.encoder_ffn_dim,
        decoder_ffn_dim=said.decoder_ffn_dim,
        dropout=said.dropout,
        attention_dropout=said.attention_dropout,
        encoder_layerdrop=said.layerdrop,
        num_conv_layers=len(said.conv_kernel_sizes),
        conv_kernel_sizes=list(said.conv_kernel_sizes),
        conv_channels=said.conv_channels,
        conformer_kernel_size=said.conformer_kernel_size,
        input_feat_per_channel=said.used_bins or recipe.data.bins,
        ctc_weight=said.ctc_weight,
        label_smoothing=said.label_smoothing,
        init_std=said.init_std,
        decoding=recipe.decoding.method,
        max_source_positions=round(recipe.data.max_seconds * 100),
        max_target_positions=said.max_target_positions,
    )
    made = HarkSpeech2TextForConditionalGeneration(config)
    if said.normalize == "global":
        _statistics(made, train)
    if said.encoder_from is not None:
        _begin_with(made, said.encoder_from)
    made.generation_config._from_model_config = False  # noqa: SLF001 - else what is set is lost when it is loaded
    made.generation_config.max_new_tokens = recipe.decoding.max_tokens
    if recipe.decoding.method == "attention":
        made.generation_config.num_beams = recipe.decoding.beams
    return made


def _statistics(model: HarkSpeech2TextForConditionalGeneration, train: Prepared) -> None:
    said = json.loads((train.folder / "cmvn.json").read_text())
    encoder = model.model.encoder
    bands = len(encoder.feature_mean)
    encoder.feature_mean.copy_(torch.tensor(said["mean"][:bands]))
    encoder.feature_scale.copy_(1 / torch.tensor(said["std"][:bands]))


def _begin_with(model: HarkSpeech2TextForConditionalGeneration, folder: str) -> None:
    try:
        other = HarkSpeech2TextForConditionalGeneration.from_pretrained(folder, local_files_only=True)
        model.model.encoder.load_state_dict(other.model.encoder.state_dict())
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelBrokenError(
            f"The encoder of {folder} cannot be begun with: {str(error).splitlines()[0]}.",
            hint="It has to be a folder of hark train, of the same architecture and sizes of its encoder.",
        ) from error
