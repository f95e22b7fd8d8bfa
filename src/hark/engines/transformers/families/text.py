"""Language models that read text alone: what unit models are built on, and what a transcriber can be joined with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hark.answers.answer import Notice
from hark.engines.engine import Capabilities
from hark.engines.transformers.families.family import GENERATION, Family, Inputs, Loaded, beyond
from hark.errors import ModelBrokenError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.conversation.conversation import Conversation, Message
    from hark.engines.engine import Options

FOLDED = Notice("method", "This model's template takes no system prompt; it was put before the first question.")
POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len")  # how configs call the length of the context
ROOM = 2048  # tokens kept free for text, where there are four times as many


class Words(NamedTuple):
    """What turns text into ids."""

    tokenizer: Any


class TextLM(Family):
    """A causal language model with a chat template, asked in text; it hears nothing."""

    model_class = "AutoModelForCausalLM"
    echoes_prompt = True
    needs_template = True

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question in several turns; no audio, and so no task of its own."""
        del config, folder
        return Capabilities(
            free_prompt=True,
            tasks=frozenset(),
            options=GENERATION,
            system_prompt=True,
            several_turns=True,
            batch_exact=True,
            streams=True,
        )

    def processor(self, folder: Path) -> Any:
        """Load the tokenizer.

        Raises:
            ModelBrokenError: it cannot be loaded, or has no chat template where one is needed.
        """
        return Words(self.words(folder))

    def words(self, folder: Path) -> Any:
        """The tokenizer of a folder."""
        from transformers import AutoTokenizer

        try:
            words = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:  # TypeError: it lacks its vocabulary
            first = next(iter(str(error).splitlines()), repr(error))
            raise ModelBrokenError(
                f"The tokenizer in {folder} cannot be loaded: {first.rstrip('.')}.",
                hint="The folder of a language model holds tokenizer.json, or the files it is made of.",
            ) from error
        if self.needs_template and not words.chat_template:
            raise ModelBrokenError(
                f"The tokenizer in {folder} has no chat template.",
                hint="Models that were made for conversations have one, in chat_template.jinja or "
                "tokenizer_config.json; base models do not.",
            )
        return words

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Fill the chat template with the text of the conversation; clips are not heard."""
        del clips, options
        ids, notices = chat_ids(self.tokenizer(loaded), [(m.role, self.said(loaded, m)) for m in conversation.messages])
        return inputs(loaded, ids, notices)

    def said(self, loaded: Loaded, message: Message) -> str:
        """The text of a message, control tokens in it marked as the text they are."""
        return plain(self.tokenizer(loaded), message.text)

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Refuse.

        Raises:
            UnsupportedError: always.
        """
        del loaded, samples, options
        raise UnsupportedError("This model hears nothing.", hint="Join it with one that transcribes.")

    def most_tokens(self, loaded: Loaded, inputs: Inputs, options: Options) -> int | None:
        """What is left of the context."""
        del options
        most = positions(loaded.model.config)
        return most - int(inputs.tensors["input_ids"].shape[-1]) if most else None


def text_family(config: Mapping[str, Any], folder: Path) -> TextLM:
    """The family of a folder with a language model that reads text; it is never reached for audio.

    Raises:
        UnsupportedError: its config says that it is something else.
    """
    named = config.get("architectures") or ["CausalLM"]
    if not any(end in named[0] for end in ("CausalLM", "LMHeadModel")):
        raise UnsupportedError(
            f"{folder} holds a {named[0]}, which is no language model.",
            hint="A folder whose config.json names a ...ForCausalLM is one.",
        )
    return TextLM()


def positions(config: Any) -> int | None:
    """The length of a model's context, of its config (an object, or the values of its `config.json`)."""
    for name in POSITIONS:
        found = config.get(name) if hasattr(config, "get") else getattr(config, name, None)
        if isinstance(found, int) and found > 0:
            return found
    return None


def inputs(loaded: Loaded, ids: list[int], notices: tuple[Notice, ...] = ()) -> Inputs:
    """Ids as tensors (1, n).

    Raises:
        UnsupportedError: they leave no room for an answer.
    """
    import torch
    from transformers import BatchFeature

    most = positions(loaded.model.config)
    if most and len(ids) >= most:
        raise beyond(len(ids), most)
    tensor = torch.tensor([ids])
    return Inputs(BatchFeature({"input_ids": tensor, "attention_mask": torch.ones_like(tensor)}), notices=notices)


def plain(tokenizer: Any, text: str) -> str:
    """A person's text, every added token in it (special or not) marked, for `encoded` to keep it text."""
    from transformers.utils.chat_template_utils import mark_control_tokens

    added = sorted((name for name in tokenizer.get_added_vocab() if not name.isspace()), key=len, reverse=True)
    marked: str = mark_control_tokens(text, re.compile("|".join(map(re.escape, added)) or "(?!)"))
    return marked


def encoded(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text whose parts of a person went through `plain`; control tokens in the rest are such."""
    from transformers.utils.chat_template_utils import encode_marked_chat

    ids: list[int] = encode_marked_chat(tokenizer, text)
    return ids


def begun(tokenizer: Any) -> list[int]:
    """The token that begins every text, where the tokenizer puts one there by itself."""
    return [token for token in tokenizer("").input_ids if token == tokenizer.bos_token_id]


def chat_ids(tokenizer: Any, messages: Sequence[tuple[str, str]]) -> tuple[list[int], tuple[Notice, ...]]:
    """Fill the chat template with roles and texts (each gone through `plain`), and begin the answer.

    A system prompt that the template refuses, or leaves out, is put before the first question, with a notice.
    """
    from jinja2 import TemplateError

    system = "\n".join(text for role, text in messages if role == "system").strip()
    try:
        rendered = _rendered(tokenizer, messages)
        if system in rendered:
            return encoded(tokenizer, rendered), ()
    except TemplateError:
        if not system:
            raise
    rest: list[tuple[str, str]] = [(role, text) for role, text in messages if role != "system"]
    first = next(number for number, (role, _) in enumerate(rest) if role == "user")
    rest[first] = ("user", f"{system}\n\n{rest[first][1]}")
    return encoded(tokenizer, _rendered(tokenizer, rest)), (FOLDED,)


def _rendered(tokenizer: Any, messages: Sequence[tuple[str, str]]) -> str:
    rendered: str = tokenizer.apply_chat_template(
        [{"role": role, "content": text} for role, text in messages], add_generation_prompt=True, tokenize=False
    )
    return rendered
