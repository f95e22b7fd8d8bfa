"""What turns a conversation into the tensors of an Ultravox: the language model's chat template, Whisper's features."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from jinja2 import TemplateError
from transformers import AddedToken, AutoTokenizer, BatchFeature, WhisperFeatureExtractor

from hark.engines.transformers.native import ultravox_folder
from hark.engines.transformers.native.ultravox import UltravoxConfig
from hark.errors import ModelBrokenError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE = 16000
HOP = 160  # samples from one frame to the next
HALVED = 2  # the encoder gives one frame for two
# Stands for a clip while the template is filled; in no vocabulary, and taken out of what people write.
CLIP = "\U000f4a11clip\U000f4a12"
WRITTEN = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")


class UltravoxProcessor:
    """The tokenizer of the language model, and the features of its encoder.

    Attributes:
        tokenizer: of prompts and answers; audio_token_id: what stands in `input_ids` for an embedding of audio.
    """

    def __init__(self, tokenizer: Any, config: Any) -> None:
        self.tokenizer = tokenizer
        self.audio_token_id = spare_token(tokenizer, config.get_text_config().vocab_size)
        # Whisper's extractor is the same for all sizes but for the number of mel bands.
        self.feature_extractor = WhisperFeatureExtractor(feature_size=config.audio_config.num_mel_bins)
        self._longest = config.audio_config.max_source_positions * HALVED
        self._frames = config.stack_factor * HALVED  # in one embedding
        self._words = copy.deepcopy(tokenizer)
        # Not special, and in no template: so it is a token in a message, where special tokens are kept as text.
        self._words.add_tokens([AddedToken(CLIP, special=False, normalized=False)])
        self._clip = self._words.convert_tokens_to_ids(CLIP)

    @classmethod
    def of(cls, folder: Path) -> UltravoxProcessor:
        """Load the tokenizer, from the folder or from that of its language model.

        Raises:
            ModelNotFoundError: the language model is not on this machine.
            ModelBrokenError: there is no tokenizer, or it has no chat template or no spare token.
        """
        config = UltravoxConfig.of(folder)
        sources = ultravox_folder.places(folder, config.to_dict())
        found = [place for place in sources if any((place / name).is_file() for name in WRITTEN)]
        if not found:
            raise ModelBrokenError(f"There is no tokenizer in {sources[-1]}.", hint="Copy or download it again.")
        read = [
            AutoTokenizer.from_pretrained(
                place, config=config.text_config, local_files_only=True, trust_remote_code=False, padding_side="left"
            )
            for place in found
        ]
        templates = [words.chat_template for words in read if words.chat_template]
        if not templates:
            raise ModelBrokenError(f"The tokenizer in {found[0]} has no chat template.", hint="Download it again.")
        read[0].chat_template = templates[0]
        if read[0].pad_token is None:
            read[0].pad_token = read[0].eos_token
        return cls(read[0], config)

    def apply_chat_template(
        self,
        conversation: list[Any],
        *,
        tokenize: bool = True,
        return_dict: bool = True,
        return_tensors: str = "pt",
        sanitize_control_tokens: bool = True,
        processor_kwargs: Any = None,
        **told: Any,
    ) -> Any:
        """Tensors of a conversation, or of several (padded at the left), as transformers' processors give them.

        `input_ids` and `attention_mask` (n, tokens), and, where there is audio, `input_features` (stretches, mel,
        frames) with their mask: stretches of up to 30 s, in the order of the text. Control tokens in a person's text
        stay text. `told` goes to the template.

        Raises:
            UnsupportedError: the template refuses the conversation.
        """
        del processor_kwargs  # texts are always padded at the left
        if not (tokenize and return_dict and return_tensors == "pt" and sanitize_control_tokens):
            raise ValueError("Conversations are given as torch tensors, with control tokens in texts kept as text.")
        several = conversation if isinstance(conversation[0], list) else [conversation]
        clips = [part["audio"] for messages in several for part in _parts(messages) if part["type"] == "audio"]
        stretches = [self._stretches(clip) for clip in clips]
        waiting = iter(sum(-(-piece.shape[-1] // self._frames) for piece in pieces) for pieces in stretches)
        rows = [{"input_ids": self._ids(messages, waiting, told)} for messages in several]
        found = dict(self.tokenizer.pad(rows, padding_side="left", return_tensors="pt"))
        return BatchFeature({**found, **_stacked([piece for pieces in stretches for piece in pieces])})

    def _ids(self, messages: list[dict[str, Any]], tokens: Any, told: dict[str, Any]) -> list[int]:
        """Token ids of a conversation; each clip takes the next number of `tokens`."""
        written = [{"role": message["role"], "content": _written(message)} for message in messages]
        # Where a template knows how to make its model think aloud first, it is told not to: Ultravox answers at once.
        told = {"enable_thinking": False, **told}
        try:
            ids = self._words.apply_chat_template(
                written, tokenize=True, return_dict=False, sanitize_control_tokens=True, **told
            )
        except TemplateError as error:
            raise UnsupportedError(
                f"The chat template of the model refuses this conversation: {error}.",
                hint="Leave out the system prompt, or ask each question by itself.",
            ) from error
        found: list[int] = []
        for known in ids:
            found += [self.audio_token_id] * next(tokens) if known == self._clip else [known]
        return found

    def _stretches(self, samples: NDArray[Any]) -> list[Any]:
        """Log-mel features (mel, frames) of a clip, in stretches of 30 s and what is left."""
        features = self.feature_extractor(
            samples,
            sampling_rate=RATE,
            padding="longest",
            pad_to_multiple_of=HOP,
            truncation=False,
            return_tensors="pt",
        )["input_features"][0]
        return list(features.split(self._longest, dim=-1))


def spare_token(tokenizer: Any, vocabulary: int) -> int:
    """A token id with an embedding that no text can have, to stand for audio.

    The published code takes the token that ends a text, which occurs in conversations, and remembers the places.

    Raises:
        ModelBrokenError: there is none.
    """
    if len(tokenizer) < vocabulary:
        return len(tokenizer)
    template = str(tokenizer.chat_template)
    used = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    spare = [
        number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special and number < vocabulary and number not in used and token.content not in template
    ]
    if not spare:
        raise ModelBrokenError("The tokenizer has no token to spare for audio.", hint="Download the model again.")
    return int(max(spare))


def _parts(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for message in messages if not isinstance(message["content"], str) for part in message["content"]]


def _written(message: dict[str, Any]) -> str:
    """The content of a message as one text, as the templates of language models want it."""
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return "\n".join(CLIP if part["type"] == "audio" else _cleaned(part["text"]) for part in parts)


def _cleaned(text: str) -> str:
    for letter in (CLIP[0], CLIP[-1]):
        text = text.replace(letter, "")
    return text


def _stacked(pieces: list[Any]) -> dict[str, Any]:
    """Features of all stretches filled up to the longest, and the mask that tells which frames are theirs."""
    if not pieces:
        return {}
    lengths = torch.tensor([piece.shape[-1] for piece in pieces])
    longest = int(lengths.max())
    return {
        "input_features": torch.stack([torch.nn.functional.pad(p, (0, longest - p.shape[-1])) for p in pieces]),
        "input_features_mask": (torch.arange(longest) < lengths[:, None]).long(),
    }
