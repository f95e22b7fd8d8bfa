"""What a family of models is, and the bases most of them need: chat models, and transcribers."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from hark.engines.engine import Capabilities
from hark.engines.transformers.grammar import Grammars
from hark.errors import ModelBrokenError, OptionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.answers.answer import Notice
    from hark.answers.transcript import Segment
    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Options
    from hark.engines.live import Live

    Working = Callable[[], AbstractContextManager["Loaded"]]

RATE = 16000
GENERATION = frozenset(
    {"temperature", "top_p", "max_new_tokens", "beams", "seed", "stop", "schema"}
)  # options of every `generate`
TRANSCRIBING = GENERATION - {"schema"}  # those of models that write down, and are asked nothing
FILLS_UP = 1.0  # `pause_seconds` of families that take as long for a word as for 30 s: fewer, longer stretches
STRETCHED = frozenset({"linear", "dynamic", "yarn"})  # rotary embeddings whose config names the length before it
CHATS = Capabilities(  # of most language models that hear; each says how long
    free_prompt=True,
    options=GENERATION,
    system_prompt=True,
    several_clips=True,
    several_turns=True,
    timestamps="segment",
    batch_exact=True,
    streams=True,
)
TRAINING_ONLY = frozenset({"masked_spec_embed"})  # weights that published checkpoints lack, and hearing does not use


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model and its processor in memory; the lock is held while the model works, never while text is waited for.

    `scorer` is the language model beside a recogniser (`hark.training.fusion.Scorer`), if there is one.
    """

    processor: Any
    model: Any
    lock: Any = field(default_factory=threading.Lock)
    grammars: Grammars = field(default_factory=Grammars)
    scorer: Any = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model is given: tensors by name, and keywords for its `generate`."""

    tensors: Any  # a BatchFeature of transformers
    keywords: dict[str, Any] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()  # what a person should know about how they were made


class Family(ABC):
    """How one family of models wants to be loaded, asked and read; it holds no state.

    Attributes:
        model_class: the class of transformers that loads it.
        shortest_seconds: shorter audio is filled up with silence to this length.
        echoes_prompt: whether `generate` gives the prompt's tokens back before its own.
        usual_files: what a published folder says about what its model can do, by the name of the file: only for the
            table of families, and only what `capabilities` reads.
        target_positions: the field of the config that says how many tokens the decoder has positions for.
        pause_seconds: pauses this long part the stretches of speech that are written down one by one.
        margin_seconds: what is heard before and after each of them, at most half a pause.
        encoder: the path of the module that hears; what it gave for a clip is kept (see `reuse.py`).
    """

    model_class: ClassVar[str]
    shortest_seconds: ClassVar[float] = 0.1
    echoes_prompt: ClassVar[bool] = True
    target_positions: ClassVar[str] = "max_target_positions"
    usual_files: ClassVar[Mapping[str, Any]] = {}
    pause_seconds: ClassVar[float] = 0.3
    margin_seconds: ClassVar[float] = 0.12
    encoder: ClassVar[str | None] = None

    @abstractmethod
    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """What a model of this family can do, told from its `config.json` alone."""

    @abstractmethod
    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Put a conversation into inputs; `clips` are its clips in order, mono float32 at 16 kHz."""

    @abstractmethod
    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Put one stretch of speech (mono float32 at 16 kHz) into inputs that make the model write it down."""

    def write_down(self, loaded: Loaded, conversation: Conversation, samples: NDArray[Any], options: Options) -> Inputs:
        """Like `transcribe`, for families that mind what else the conversation says; the others do not see it."""
        del conversation
        return self.transcribe(loaded, samples, options)

    def refuse(self, can: Capabilities, options: Options) -> None:  # noqa: B027 - most refuse nothing more
        """Refuse what capabilities cannot say, before anything is loaded."""

    def load(self, folder: Path, **how: Any) -> Loaded:
        """Load the processor and the model from a folder, and from nowhere else.

        Raises:
            ModelBrokenError: a weight or a file is missing.
        """
        return Loaded(self.processor(folder), self.model(folder, **how))

    def processor(self, folder: Path) -> Any:
        """Load what turns text and samples into tensors."""
        import transformers

        # Said outright: left open, the library asks at the terminal whether to run code that lies in the folder.
        return transformers.AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)

    def architecture(self) -> Any:
        """The class that loads it."""
        import transformers

        return getattr(transformers, self.model_class)

    def model(self, folder: Path, **how: Any) -> Any:
        """Load the weights; one that is missing is an error, never a random number."""
        return self.weights(self.architecture(), folder, **how)

    def weights(self, made: Any, folder: Path, **how: Any) -> Any:
        """Load the weights into a model of the class `made`.

        Raises:
            ModelBrokenError: one is missing, or of another shape.
        """
        model, found = made.from_pretrained(folder, local_files_only=True, output_loading_info=True, **how)
        missing = {name for name in found["missing_keys"] if name.rpartition(".")[2] not in TRAINING_ONLY}
        lacking = sorted({*missing, *(name for name, *_ in found["mismatched_keys"])})
        if lacking:
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            raise ModelBrokenError(
                f"The folder {folder} lacks weights: {', '.join(lacking[:3])}{more}.",
                hint="Copy or download the model again; it would answer at random.",
            )
        return model.eval()

    def refuse_other_heads(self, config: Mapping[str, Any], folder: Path) -> None:
        """Refuse a folder whose config says that it is for something else than text.

        Raises:
            UnsupportedError: its `architectures` do not name the class of the family.
        """
        named = config.get("architectures") or [self.model_class]
        if self.model_class not in named:
            raise UnsupportedError(
                f"{folder} holds a {named[0]}, which writes no text of what is said.",
                hint=f"A folder whose config.json names {self.model_class} does.",
            )

    def timed(self, loaded: Loaded, inputs: Inputs) -> Segment | None:
        """What is said in the inputs, written down at once, with seconds from their start.

        None, of most families: they write token by token, and `run` is called.
        """
        del loaded, inputs
        return None

    def live(self, working: Working, options: Options) -> Live | None:
        """What writes down a turn while it is spoken; None, of most families: they hear whole stretches.

        `working` gives the loaded model, for as long as nothing else may use it.
        """
        del working, options
        return None

    def most_tokens(self, loaded: Loaded, inputs: Inputs, options: Options) -> int | None:
        """The most tokens it can write (the prompt of a decoder takes up to 8 positions); None: no limit of its own."""
        del inputs, options
        positions = getattr(loaded.model.config, self.target_positions, None)
        return positions - 8 if positions else None

    def run(self, loaded: Loaded, inputs: Inputs, **keywords: Any) -> Any:
        """Generate token ids (1, n)."""
        found = loaded.model.generate(**inputs.tensors, **inputs.keywords, **keywords)
        return getattr(found, "sequences", found)

    def read(self, loaded: Loaded, ids: Any) -> str:
        """Token ids (n,), without the prompt's, to text."""
        text: str = self.tokenizer(loaded).decode(ids, skip_special_tokens=True)
        return text

    def transcript(self, loaded: Loaded, text: str) -> tuple[str, str | None]:
        """What was said, and the code of its language if the model tells it, of the text of one stretch of speech."""
        del loaded
        return text.strip(), None

    def tokenizer(self, loaded: Loaded) -> Any:
        """The tokenizer of the answer."""
        return loaded.processor.tokenizer


class ChatAudioLM(Family):
    """A language model that hears: asked through its chat template, with arrays of samples in the messages."""

    transcription_prompt: ClassVar[str] = "Transcribe the speech word for word. Write nothing else."
    encoder = "model.audio_tower"

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Fill the chat template; control tokens in a person's text stay text.

        Raises:
            UnsupportedError: the template knows no such order of turns.
        """
        from jinja2 import TemplateError

        del options
        messages = chat_messages(conversation, clips)
        try:
            tensors = loaded.processor.apply_chat_template(
                messages,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"text_kwargs": {"padding": True, "padding_side": "left"}},
                sanitize_control_tokens=True,
            )
        except TemplateError as error:
            raise UnsupportedError(
                f"The chat template of the model takes no such conversation: {str(error).rstrip('.')}.",
                hint="Questions and answers take turns; put what belongs together into one question.",
            ) from error
        return Inputs(tensors)

    def most_tokens(self, loaded: Loaded, inputs: Inputs, options: Options) -> int | None:
        """What is left of the context.

        Raises:
            UnsupportedError: nothing is left.
        """
        del options
        most, ids = context(loaded.model.config), inputs.tensors.get("input_ids")
        taken = 0 if ids is None else int(ids.shape[-1])
        if most and taken >= most:
            raise beyond(taken, most)
        return most - taken if most else None

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Ask for a transcript in words."""
        from hark.conversation.conversation import Conversation

        return self.write_down(loaded, Conversation(), samples, options)

    def write_down(self, loaded: Loaded, conversation: Conversation, samples: NDArray[Any], options: Options) -> Inputs:
        """Ask for a transcript in words, after the system prompt."""
        from hark.audio.audio import Audio
        from hark.conversation.conversation import Conversation as Said

        asked = Said.ask((Audio.of(samples, RATE),), self.transcription_prompt, conversation.system or None)
        return self.ask(loaded, asked, [samples], options)


class Transcriber(Family):
    """A model that only writes down (or translates) what it hears."""

    echoes_prompt = False

    def load(self, folder: Path, **how: Any) -> Loaded:
        """Load it, and the language model beside it, if there is one.

        Raises:
            ModelBrokenError: a weight or a file is missing, or the language model cannot be read.
        """
        from hark.training.language_model import beside

        loaded = super().load(folder, **how)
        return replace(loaded, scorer=beside(folder, self.tokenizer(loaded)))

    def refuse(self, can: Capabilities, options: Options) -> None:
        """Refuse a language wanted that the model does not write.

        Raises:
            UnsupportedError: it does not translate into it, or a transcript is wanted in another language.
        """
        if options.to is None:
            return
        if options.task != "translate":
            raise UnsupportedError("A transcript is in the language spoken.", hint="Translate to get another language.")
        if options.to not in self.targets(can):
            known = ", ".join(sorted(self.targets(can)))
            raise UnsupportedError(f"The model cannot translate to {options.to!r}.", hint=f"It writes {known}.")

    def targets(self, can: Capabilities) -> frozenset[str]:
        """The languages it translates into."""
        return can.languages or frozenset()

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Not asked anything: its capabilities say so, and `check` refuses before this is reached."""
        del conversation
        return self.transcribe(loaded, clips[0], options)

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Hand over the samples."""
        tensors = loaded.processor(audio=samples, sampling_rate=RATE, return_tensors="pt")
        return Inputs(tensors, self.keywords(loaded, options))

    def keywords(self, loaded: Loaded, options: Options) -> dict[str, Any]:
        """What `generate` is told about the language and the task."""
        del loaded, options
        return {}


def context(config: Any) -> int | None:
    """The most tokens a chat model holds, of its config; None where it says nothing."""
    told = config.get_text_config(decoder=True)
    most = getattr(told, "max_position_embeddings", None)
    rope = getattr(told, "rope_parameters", None) or {}
    if most and rope.get("rope_type") in STRETCHED:
        most = int(max(most, (rope.get("original_max_position_embeddings") or most) * (rope.get("factor") or 1)))
    return most


def beyond(taken: int, most: int) -> UnsupportedError:
    """What is said where a conversation leaves no room for an answer."""
    return UnsupportedError(
        f"The conversation takes {taken} tokens, and the model holds {most}.",
        hint="Ask about less audio or with fewer words, or begin a new conversation.",
    )


def no_language(options: Options) -> None:
    """Refuse a language for a question, where only a request for a transcript can name one.

    Raises:
        OptionError: a language is set.
    """
    if options.language is not None:
        raise OptionError(
            "This model takes a language for a plain transcript only.", hint="Name the language in words instead."
        )


def chat_messages(conversation: Conversation, clips: list[NDArray[Any]]) -> list[dict[str, Any]]:
    """Messages as transformers' chat templates take them, each clip an array."""
    from hark.conversation.conversation import Text

    waiting = iter(clips)
    return [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": part.text}
                if isinstance(part, Text)
                else {"type": "audio", "audio": next(waiting)}
                for part in message.parts
            ],
        }
        for message in conversation.messages
    ]
