"""Models of a kind that hark does not know, whose folder brings Python code for transformers ("remote code")."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.families.family import CHATS, ChatAudioLM, Inputs, Loaded, chat_messages
from hark.engines.transformers.families.template import has_chat_template, read_json
from hark.errors import HarkError, ModelBrokenError, ModelError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Capabilities, Options

USUAL_SECONDS = 30.0  # of an extractor whose files do not say how much it hears
# The classes of transformers that such code can be registered with, those made for writing text first.
CLASSES = (
    "AutoModelForMultimodalLM",
    "AutoModelForSpeechSeq2Seq",
    "AutoModelForImageTextToText",
    "AutoModelForCausalLM",
    "AutoModelForSeq2SeqLM",
    "AutoModel",
)
_CONFIGS = ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json")


class RemoteCode(ChatAudioLM):
    """A chat model run by its own code, which does anything that a program of yours can; asked through its template."""

    encoder = ""  # not known

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """One clip a question: how more are given differs too much among such models."""
        del config
        chats = has_chat_template(folder)
        return replace(
            CHATS,
            system_prompt=chats,
            several_turns=chats,
            max_seconds=_seconds(folder),
            several_clips=False,
            batch_exact=False,
        )

    def load(self, folder: Path, **how: Any) -> Loaded:
        """Load the processor and the model with the code in the folder, and with none from elsewhere.

        Raises:
            ModelBrokenError: a weight is missing, or the code is not in the folder.
            ModelError: the code failed.
        """
        for name, place in code_of(folder).items():
            if "--" in place:
                raise ModelBrokenError(
                    f"The code of {folder} is not in it: its {name} is {place!r}, which lies on the Hugging Face hub.",
                    hint="hark runs no code from elsewhere; copy the file into the folder, and name it in auto_map.",
                )
        with _told(folder):
            return super().load(folder, **how)

    def processor(self, folder: Path) -> Any:
        """Load what turns text and samples into tensors."""
        import transformers

        return transformers.AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=True)

    def model(self, folder: Path, **how: Any) -> Any:
        """Load the weights into the class that the code is registered with."""
        import transformers

        named = read_json(folder / "config.json").get("auto_map") or {}
        found = next((name for name in CLASSES if name in named), None)
        if found is None:
            raise ModelBrokenError(
                f"The code of {folder} is for none of the classes that write text.",
                hint=f"auto_map in its config.json names one of {', '.join(CLASSES)}.",
            )
        return self.weights(getattr(transformers, found), folder, **{**how, "trust_remote_code": True})

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Fill the chat template, and see to it that what was given is in what the model gets.

        Raises:
            UnsupportedError: the template leaves the system prompt out, or a text holds a control token.
            ModelError: the processor made nothing of the audio, or failed.
        """
        del options
        for message in conversation.messages:
            _plain_text(loaded, message.text)
        messages = chat_messages(conversation, clips)
        with _told(loaded.model.name_or_path):
            apply = loaded.processor.apply_chat_template
            if conversation.system.strip() not in apply(messages, tokenize=False):
                raise UnsupportedError("The chat template of the model takes no system prompt.", hint="Leave it out.")
            tensors = apply(messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt")
        if clips and not any(tensor.is_floating_point() for tensor in tensors.values() if hasattr(tensor, "dtype")):
            raise ModelError(
                "The processor of the model made nothing of the audio.",
                hint="Its code may take audio in a way of its own; docs/adding-a-family.md shows how to say so.",
            )
        return Inputs(tensors)

    def run(self, loaded: Loaded, inputs: Inputs, **keywords: Any) -> Any:
        """Generate token ids with the model's own code."""
        with _told(loaded.model.name_or_path):
            return super().run(loaded, inputs, **keywords)


def code_of(folder: Path) -> dict[str, str]:
    """What the files of a folder name as code: class of transformers to `module.Class`; empty where it needs none."""
    found: dict[str, str] = {}
    for name in _CONFIGS:
        named = read_json(folder / name).get("auto_map")
        for made, place in named.items() if isinstance(named, dict) else ():
            places = place if isinstance(place, list) else [place]  # a tokenizer names a slow and a fast one
            found.update((made, place) for place in places if isinstance(place, str))
    return found


def untrusted(folder: Path, model_type: str) -> UnsupportedError:
    """The refusal to run such a folder unasked."""
    modules = sorted({f"{place.rpartition('--')[2].split('.')[0]}.py" for place in code_of(folder).values()})
    return UnsupportedError(
        f"{folder} holds a model of the kind {model_type!r}, which runs only with Python code in that folder "
        f"({', '.join(modules)}).",
        hint="Such code can read, change and send all that you can. If you have read it or trust who wrote it: "
        "--trust-remote-code (in Python trust_remote_code=True).",
    )


def _seconds(folder: Path) -> float:
    """Seconds that its extractor hears, from its own files."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        found = read_json(folder / name)
        seconds = (found.get("feature_extractor") or found).get("chunk_length")
        if isinstance(seconds, int | float) and seconds > 0:
            return float(seconds)
    return USUAL_SECONDS


def _plain_text(loaded: Loaded, text: str) -> None:
    """Code that hark does not know may take a control token in a person's text for one."""
    tokens = {*loaded.processor.tokenizer.all_special_tokens, *loaded.processor.tokenizer.get_added_vocab()}
    for token in sorted(tokens):
        if token.strip() and token in text:
            raise UnsupportedError(
                f"The text holds {token}, which is a control token of the model.", hint="Write it in another way."
            )


@contextlib.contextmanager
def _told(folder: Path | str) -> Iterator[None]:
    """Any error of code that hark does not know is an error of the model."""
    try:
        yield
    except HarkError:
        raise
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else repr(error)
        raise ModelError(
            f"The code in {folder} failed: {type(error).__name__}: {first}",
            hint="It may be for another version of transformers, or need packages of its own.",
        ) from error
