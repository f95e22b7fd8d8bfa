"""Language models that read audio as discrete units: Ichigo, SpeechGPT, and those made as AudioPaLM is.

Beside the language model lies `quantizer/` (docs/unit-models.md). The ids of units go into `input_ids`, so that all
the rest is that of any causal language model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

from hark.conversation.conversation import Clip, Text
from hark.engines.engine import Capabilities
from hark.engines.transformers.families.family import CHATS, TRANSCRIBING, Inputs, Loaded, Transcriber
from hark.engines.transformers.families.text import (
    ROOM,
    TextLM,
    begun,
    chat_ids,
    encoded,
    inputs,
    plain,
    positions,
)
from hark.errors import ModelBrokenError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.conversation.conversation import Conversation, Message
    from hark.engines.engine import Options
    from hark.engines.transformers.native.layout import Layout
    from hark.engines.transformers.native.units import UnitIds

CONTEXT = 2048  # tokens, where the config does not say


@dataclass(slots=True)
class Units:
    """The tokenizer, what makes units of samples, and the ids that the language model has for units.

    `feature_extractor` has the name under which the engine looks for what it should remember (see `memory.py`).
    """

    tokenizer: Any
    feature_extractor: Callable[[NDArray[Any], Any], NDArray[Any]]
    ids: UnitIds
    layout: Layout


class UnitLM(TextLM):
    """A causal language model whose vocabulary holds units of audio."""

    several_turns: ClassVar[bool] = True
    languages: ClassVar[frozenset[str] | None] = None
    transcription: ClassVar[str]  # stands before a clip that is to be written down

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question; the limit on audio is the room in the context."""
        return replace(
            CHATS,
            several_clips=self.several_turns,
            several_turns=self.several_turns,
            max_seconds=longest(config, folder),
            languages=self.languages,
        )

    def load(self, folder: Path, **how: Any) -> Loaded:
        """Load the language model and what lies in `quantizer/`.

        Raises:
            ModelBrokenError: a weight or a file is missing, or the two do not fit.
        """
        from hark.engines.transformers.native.layout import read_layout
        from hark.engines.transformers.native.units import load_quantiser, unit_ids

        words, layout, quantiser = self.words(folder), read_layout(folder), load_quantiser(folder)
        model = self.model(folder, **how)
        rows = model.get_input_embeddings().weight.shape[0]
        return Loaded(Units(words, quantiser.units, unit_ids(layout, words, quantiser.codes, rows), layout), model)

    def heard(self, loaded: Loaded, samples: NDArray[Any]) -> list[int]:
        """The ids of a clip: mono float32 at 16 kHz."""
        from hark.engines.transformers.native.units import collapsed

        units: Units = loaded.processor
        with loaded.lock:
            found = units.feature_extractor(samples, loaded.model.device).tolist()
        return units.ids.written(collapsed(found) if units.layout.collapses else found)

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Fill the template, and put the units of each clip where it is in the conversation."""
        del options
        messages = [(message.role, self.said(loaded, message)) for message in conversation.messages]
        return self._filled(loaded, messages, clips)

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Ask for a transcript as the model was trained to."""
        from hark.conversation.conversation import Conversation

        return self.write_down(loaded, Conversation(), samples, options)

    def write_down(self, loaded: Loaded, conversation: Conversation, samples: NDArray[Any], options: Options) -> Inputs:
        """Ask for a transcript as the model was trained to, after the system prompt."""
        del options
        system = [("system", plain(self.tokenizer(loaded), conversation.system))] if conversation.system else []
        return self._filled(loaded, [*system, ("user", self.wanted(loaded) + self.clip(loaded))], [samples])

    def wanted(self, loaded: Loaded) -> str:
        """What stands before a clip that is to be written down."""
        del loaded
        return self.transcription

    def clip(self, loaded: Loaded) -> str:
        """What stands for a clip in the text: the tokens around its units."""
        _, start, end = loaded.processor.layout.named
        return f"{start}{end}"

    def said(self, loaded: Loaded, message: Message) -> str:
        """The text of a message with its clips where they stand in it.

        Pieces of text that touch are made one before control tokens in them are looked for.
        """
        said = []
        for is_clip, group in groupby(message.parts, lambda part: isinstance(part, Clip)):
            if is_clip:
                said += [self.clip(loaded) for _ in group]
            else:
                text = "\n".join(part.text for part in group if isinstance(part, Text))
                said.append(plain(self.tokenizer(loaded), text))
        return "".join(said)

    def _filled(self, loaded: Loaded, messages: Sequence[tuple[str, str]], clips: list[NDArray[Any]]) -> Inputs:
        """Put the units of the clips after the tokens that begin one; a person's text gives no such token."""
        ids, notices = self.written(loaded, messages)
        (start,) = loaded.processor.ids.start
        if ids.count(start) != len(clips):
            raise ModelBrokenError(
                f"The chat template has room for {ids.count(start)} of {len(clips)} clips.",
                hint="It has to write the content of every user turn, once.",
            )
        found, waiting = list[int](), iter(clips)
        for token in ids:
            found += [token, *self.heard(loaded, next(waiting))] if token == start else [token]
        return inputs(loaded, found, notices)

    def written(self, loaded: Loaded, messages: Sequence[tuple[str, str]]) -> tuple[list[int], Any]:
        """The ids of a conversation without its units, and what is to be known about it."""
        return chat_ids(self.tokenizer(loaded), messages)

    def read(self, loaded: Loaded, ids: Any) -> str:
        """Text without units: a model may answer in them too."""
        return super().read(loaded, [token for token in ids if int(token) not in loaded.processor.ids.all])


class Ichigo(UnitLM):
    """Llama 3 with the units of WhisperVQ, and every model that takes its units in the turns of a chat template.

    Source of the prompts: homebrewltd/ichigo `demo/app.py`, and its tokenizer for torchtune.
    """

    usual_files: ClassVar[Mapping[str, Any]] = {
        "config.json": {"max_position_embeddings": 131072},
        "quantizer/units.json": {"kind": "ichigo", "quantizer": "whisper_vq"},
    }
    transcription = "Transcribe the following audio clip: "
    asks = "<|reserved_special_token_69|>"  # the token with which Ichigo is asked for a transcript

    def load(self, folder: Path, **how: Any) -> Loaded:
        """Load it; a turn of Llama 3 ends with `<|eot_id|>`, which the published generation config does not say."""
        loaded = super().load(folder, **how)
        known, config = self.tokenizer(loaded).get_vocab(), loaded.model.generation_config
        ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        config.eos_token_id = [*{*ends, known.get("<|eot_id|>")} - {None}] or None
        return loaded

    def wanted(self, loaded: Loaded) -> str:
        """The token, of models that have it."""
        return self.asks if self.asks in self.tokenizer(loaded).get_vocab() else self.transcription


class SpeechGPT(UnitLM):
    """LLaMA with units of HuBERT, asked once, about one clip, in the format it was trained with.

    Source of the format: 0nutation/SpeechGPT `speechgpt/src/infer/cli_infer.py` and README.md.
    """

    usual_files: ClassVar[Mapping[str, Any]] = {
        "quantizer/units.json": {"kind": "speechgpt", "quantizer": "kmeans", "layer": 11}
    }
    needs_template = False
    several_turns = False
    languages = frozenset({"en"})
    transcription = "Recognize this speech, this is input: "
    instruction = (
        "You are an AI assistant whose name is SpeechGPT.\n- SpeechGPT is a intrinsic cross-modal conversational "
        "language model that is developed by Fudan University.  SpeechGPT can understand and communicate fluently with "
        "human through speech or text chosen by the user.\n- It can perceive cross-modal inputs and generate "
        "cross-modal outputs.\n"
    )
    end = "<eoa>"  # of an answer; no token of its own in the published vocabulary

    def said(self, loaded: Loaded, message: Message) -> str:
        """The question, then the clip, announced as in training."""
        text = plain(self.tokenizer(loaded), message.text)
        return (f"{text} This is input: " if text and message.clips else text) + self.clip(loaded) * len(message.clips)

    def written(self, loaded: Loaded, messages: Sequence[tuple[str, str]]) -> tuple[list[int], Any]:
        """The instruction, a system prompt after it, and the turn."""
        words = self.tokenizer(loaded)
        said = {role: [text for other, text in messages if other == role] for role in ("system", "user")}
        system = "".join(f"{text}\n" for text in said["system"])
        turn = f"[Human]: {' '.join(said['user'])} <eoh>. [SpeechGPT]: "
        return [*begun(words), *encoded(words, self.instruction + system + turn)], ()

    def _filled(self, loaded: Loaded, messages: Sequence[tuple[str, str]], clips: list[NDArray[Any]]) -> Inputs:
        found = super()._filled(loaded, messages, clips)
        return replace(found, keywords={"stop_strings": [self.end], "tokenizer": self.tokenizer(loaded)})

    def read(self, loaded: Loaded, ids: Any) -> str:
        """Text up to the end of the answer; what may be the beginning of that end is held back."""
        text = super().read(loaded, ids).partition(self.end)[0]
        held = next((n for n in range(len(self.end) - 1, 0, -1) if text.endswith(self.end[:n])), 0)
        return text[: len(text) - held]


class AudioPaLM(UnitLM, Transcriber):
    """Any causal language model with a range of ids for audio, told by a tag such as `[ASR English]` what to write.

    Source of the tags: AudioPaLM (arXiv 2306.12925), section 3.4: tasks and names of languages, in plain text.
    """

    usual_files: ClassVar[Mapping[str, Any]] = {
        "quantizer/units.json": {
            "kind": "audiopalm", "quantizer": "kmeans", "layer": 11, "offset": 0, "count": 1024,
            "languages": {"en": "English"},
        },
    }  # fmt: skip
    needs_template = False

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """The tasks that have a tag, in the languages that have a name."""
        from hark.engines.transformers.native.layout import read_layout

        layout = read_layout(folder)
        tasks = {task for task in layout.tags if task != "translate" or layout.languages}
        return Capabilities(
            free_prompt=False,
            tasks=frozenset(tasks),
            options=TRANSCRIBING
            | ({"language"} if layout.languages else set())
            | ({"to"} if "translate" in tasks else set()),
            max_seconds=longest(config, folder),
            timestamps="segment",
            languages=frozenset(layout.languages) or None,
            batch_exact=True,
            streams=True,
        )

    def refuse(self, can: Capabilities, options: Options) -> None:
        """Refuse a translation that does not say into what, or into a language without a name."""
        Transcriber.refuse(self, can, options)
        if options.task == "translate" and options.to is None:
            raise UnsupportedError("A translation needs a language.", hint="Name it: to='fr', or --to fr.")

    def write_down(self, loaded: Loaded, conversation: Conversation, samples: NDArray[Any], options: Options) -> Inputs:
        """The tag, then the audio."""
        del conversation
        units: Units = loaded.processor
        names = [units.layout.languages[code] for code in (options.language, options.to) if code]
        tag = f"[{' '.join([units.layout.tags['translate' if options.task == 'translate' else 'transcribe'], *names])}]"
        words = units.tokenizer
        ids = [*begun(words), *encoded(words, tag), *units.ids.start, *self.heard(loaded, samples), *units.ids.end]
        return inputs(loaded, ids)

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Not asked anything: its capabilities say so, and `check` refuses before this is reached."""
        return self.write_down(loaded, conversation, clips[0], options)


def longest(config: Mapping[str, Any], folder: Path) -> float:
    """How many seconds of audio the context holds beside text."""
    from hark.engines.transformers.native.layout import read_layout, units_per_second

    context = positions(config) or CONTEXT
    return (context - min(ROOM, context // 4)) / units_per_second(folder, read_layout(folder))
