"""A pretrained encoder of speech and a pretrained decoder of text, made one model and trained on mixed tasks.

wav2vec 2.0, HuBERT, WavLM or Whisper hears; BART, mBART, Marian or another decoder writes: transformers'
`SpeechEncoderDecoderModel` (Li et al. 2021, arXiv:2010.12829, for translation). A tag in front of what is written,
such as `[ASR English]` or `[S2TT English French]`, tells the tasks apart; it is never learned itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    SpeechEncoderDecoderConfig,
    SpeechEncoderDecoderModel,
)

from hark.engines.transformers.native.units import load_encoder
from hark.errors import DataError, HarkError, ModelBrokenError, OutputError
from hark.training.tagged import IGNORED, TAGS, Fitting, Row, fit, heard, padded, rows, tag_of, task_of, unused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from hark.data.sample import Sample

_FROZEN = "feature_extractor"  # the convolutions of wav2vec 2.0 and its like, which few data only harm


class ComposedModel(SpeechEncoderDecoderModel):  # type: ignore[misc]  # transformers is typed loosely
    """`SpeechEncoderDecoderModel`, also with the encoder of Whisper, whose type names a model with a decoder."""

    def __init__(self, config: Any = None, encoder: Any = None, decoder: Any = None) -> None:
        if encoder is None and config is not None and config.encoder.model_type == "whisper":
            from transformers.models.whisper.modeling_whisper import WhisperEncoder

            encoder = WhisperEncoder(config.encoder)
        super().__init__(config, encoder, decoder)


def compose(encoder: Path, decoder: Path, out: Path, *, names: Mapping[str, str] | None = None, seed: int = 0) -> Path:
    """Write the folder of a model made of two; what joins them (cross attention, a projection) is random where new.

    Args:
        encoder: wav2vec 2.0 and its like (also with a CTC head), Whisper, or a model that this function made.
        decoder: BART, mBART, Marian, whose encoder is left behind; or a language model that can take cross attention.
        out: the folder to write.
        names: of languages in tags, by their code.
        seed: of what is random.

    Raises:
        ModelBrokenError: a part cannot be loaded, or is no such model.
        OutputError: the folder cannot be written, or there is something in it.
    """
    unused(out)
    torch.manual_seed(seed)
    try:
        hears, writes, words = _encoder(encoder), _decoder(decoder), AutoTokenizer.from_pretrained(decoder)
        extractor = AutoFeatureExtractor.from_pretrained(encoder)
        config = SpeechEncoderDecoderConfig.from_encoder_decoder_configs(hears.config, writes.config)
        model = ComposedModel(config=config, encoder=hears, decoder=writes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, HarkError):
            raise
        told = next(iter(str(error).splitlines()), repr(error)).rstrip(".")
        raise ModelBrokenError(f"{encoder} and {decoder} cannot be joined: {told}.", hint="docs/training.md") from error
    _say(model, words, names or {})
    try:
        model.save_pretrained(out)
        words.save_pretrained(out)
        extractor.save_pretrained(out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}.") from error
    return out


def _encoder(folder: Path) -> Any:
    kind = AutoConfig.from_pretrained(folder).model_type
    if kind == "speech-encoder-decoder":
        return ComposedModel.from_pretrained(folder).encoder
    found = load_encoder(folder, AutoModel)
    if kind == "whisper":
        return found.encoder
    if found.config.is_encoder_decoder or not hasattr(found, "_get_feature_vector_attention_mask"):
        raise ModelBrokenError(f"{folder} holds no encoder of sound.", hint="wav2vec 2.0, HuBERT, WavLM, Whisper.")
    found.config.apply_spec_augment = False  # its masks are longer than short recordings, which is then an error
    return found


def _decoder(folder: Path) -> Any:
    """The decoder of a folder, with cross attention.

    That of an encoder-decoder is taken from the whole: loaded alone, it does not find the embedding that both share.
    """
    config = AutoConfig.from_pretrained(folder)
    whole = AutoModelForSeq2SeqLM.from_pretrained(folder) if config.is_encoder_decoder else None
    config.is_decoder, config.add_cross_attention, config.tie_encoder_decoder = True, True, False
    if getattr(config, "decoder_layers", None):  # its cache has a place for each layer of the encoder that is left out
        config.encoder_layers = config.num_hidden_layers = config.decoder_layers
    if whole is None:
        found, told = AutoModelForCausalLM.from_pretrained(folder, config=config, output_loading_info=True)
        lacking = sorted(name for name in told["missing_keys"] if "cross" not in name)
        if lacking:
            raise ModelBrokenError(f"{folder} lacks weights: {lacking[0]}.", hint="Copy or download it again.")
        return found
    made = AutoModelForCausalLM.from_config(config)
    made.get_decoder().load_state_dict(whole.get_decoder().state_dict())
    made.get_output_embeddings().load_state_dict(whole.get_output_embeddings().state_dict(), strict=False)
    made.tie_weights()
    return made


def _say(model: Any, words: Any, names: Mapping[str, str]) -> None:
    """Tell both configs where a text begins and ends, and what the tags are."""
    own = model.config.decoder
    end = words.eos_token_id
    if end is None:
        raise ModelBrokenError("The tokenizer of the decoder has no end of text.", hint="It needs an eos_token.")
    pad = end if words.pad_token_id is None else words.pad_token_id
    begins = (getattr(own, "decoder_start_token_id", None), words.bos_token_id, end)
    start = next(token for token in begins if token is not None)
    for config in (model.config, model.generation_config):
        config.decoder_start_token_id, config.eos_token_id, config.pad_token_id = start, end, pad
    model.generation_config.forced_eos_token_id = model.generation_config.forced_bos_token_id = None
    model.generation_config._from_model_config = False  # noqa: SLF001 - else it is made anew when it is loaded
    model.config.task_tags = {task: TAGS[task] for task in ("transcribe", "translate")}
    model.config.task_languages = dict(names)


def train(
    folder: Path,
    samples: Iterable[Sample],
    how: Fitting,
    *,
    resume: bool = False,
    step: Callable[[int], None] = lambda _: None,
    callbacks: Sequence[Any] = (),
) -> None:
    """Train a composed model on transcripts and translations; the weights in its folder are replaced.

    The convolutions of an encoder of samples stay as they are. Recordings are read when they are learned from.

    Raises:
        DataError: a sample cannot be learned. ModelBrokenError: it is no such folder.
        OutputError: there is a checkpoint, and it is not to be gone on from.
    """
    from hark.engines.transformers.families.speech_encoder_decoder import SpeechEncoderDecoder
    from hark.engines.transformers.generation import quiet

    with quiet():
        loaded = SpeechEncoderDecoder().load(folder)
        model = loaded.model.float().train()
        if hasattr(model.encoder, _FROZEN):
            getattr(model.encoder, _FROZEN).requires_grad_(requires_grad=False)  # HuBERT has no method for it
        words = loaded.processor.tokenizer
        made = rows(samples, lambda sample: row(words, model.config, sample), step)
        fit(model, made, _collate(loaded.processor, model.config), folder, how, resume=resume, callbacks=callbacks)
        model.eval().save_pretrained(folder)


def row(words: Any, config: Any, sample: Sample) -> Row:
    """The recording of a sample, what the decoder is given, and what it learns: the answer after the tag.

    Raises:
        DataError: it cannot be asked so.
    """
    task = task_of(sample)
    if task == "text":
        raise DataError(
            f"The sample {sample.id} has no recording, and the model has no encoder of text.",
            hint="Leave such samples out; hark train audio-tokens learns from them.",
        )
    prompt = prompt_ids(words, config, task, sample.language, sample.to)
    answer = [*words(sample.target, add_special_tokens=False).input_ids, config.eos_token_id]
    given = [*prompt, *answer[:-1]]
    return {"clip": sample.clips[0], "given": given, "labels": [*[IGNORED] * (len(prompt) - 1), *answer]}


def prompt_ids(words: Any, config: Any, task: str, language: str | None, to: str | None) -> list[int]:
    """What the decoder begins with: its first token, and the tag of the task where the model has tags.

    Raises:
        DataError: a language has no name.
    """
    tags = getattr(config, "task_tags", None)
    start = config.decoder_start_token_id
    if not tags:
        return [start]
    tag = tag_of(task, language, to, tags, config.task_languages)
    return [start, *words(tag, add_special_tokens=False).input_ids]


def _collate(processor: Any, config: Any) -> Callable[[list[Row]], dict[str, Any]]:
    def collate(some: list[Row]) -> dict[str, Any]:
        sound = [heard(one["clip"], 30.0, 0.3) for one in some]
        return {
            **processor(audio=sound, padding=True),
            "decoder_input_ids": padded([one["given"] for one in some], config.pad_token_id),
            "labels": padded([one["labels"] for one in some], IGNORED),
        }

    return collate
