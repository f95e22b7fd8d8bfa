"""`transformers.pipeline("audio-text-to-text", model=...)`, for people who live there: a hark `Listener` underneath.

```python
import hark.pipelines
from transformers import pipeline

pipe = pipeline("audio-text-to-text", model="path/to/a/model")
pipe(text="What's that sound?", audio="clip.flac")  # [{"generated_text": "..."}]
```

transformers 5 has no pipeline of that name; importing this module puts one into its registry. Audio is decoded by hark,
nothing is cut silently, and an option is honoured or refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from hark.audio.audio import Audio
from hark.conversation.conversation import Conversation
from hark.conversation.huggingface_wire import read_request
from hark.conversation.messages import read_messages
from hark.engines.asking import prepared
from hark.engines.engine import Options
from hark.engines.transformers.engine import Transformers
from hark.engines.transformers.families.catalog import FAMILIES
from hark.errors import ConversationError, MissingExtraError, OptionError, UnsupportedError
from hark.listener import Listener, load

try:
    import torch
    from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig
    from transformers.pipelines import PIPELINE_REGISTRY, Pipeline

    from hark.engines.transformers.given import Folder, device_of, folder_of, given, loading
except ImportError as missing:
    raise MissingExtraError.of("hark.pipelines", "transformers") from missing

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from hark.answers.answer import Answer

TASK = "audio-text-to-text"
_LOG = logging.getLogger(__name__)
# Words of transformers for what hark has other words for.
_WORDS = {"num_beams": "beams", "stop_strings": "stop", "stop_sequence": "stop"}
_REQUEST = frozenset({"audio", "inputs", "messages", "text"})


class AudioTextToTextPipeline(Pipeline):  # type: ignore[misc]  # transformers is typed loosely
    """Text about audio: a prompt and recordings, or chat messages, or lists of such.

    Attributes:
        listener: the `Listener` underneath, for all that pipelines have no words for.
    """

    _load_processor = _load_image_processor = _load_video_processor = _load_feature_extractor = _load_tokenizer = False

    def __init__(
        self, model: Any, processor: Any = None, task: str = TASK, device: Any = None, dtype: Any = "auto",
        batch_size: int | None = None, num_workers: int | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """Made by `pipeline()`; further keywords are options of every call.

        Args:
            model: a `Folder`, a loaded model (with its `processor`), or a `Listener`.
            processor: of a loaded model.
            task: the name of the pipeline.
            device: number of a GPU (-1 is the CPU), or a name of torch; else a GPU if there is one.
            dtype: precision of the weights; that of the folder if not given.
            batch_size: how many items of a list are answered at once.
            num_workers: 0; hark decodes in the same process.
            options: see `__call__`.

        Raises:
            UnsupportedError: hark does not run such a model, or not one that somebody else has loaded.
            OptionError: it cannot be loaded so, or there is no such option.
        """
        self.task, self.binary_output = task, False
        if isinstance(model, Folder):
            if processor is not None:
                raise OptionError("hark takes the processor from the model's folder.", hint="Leave processor out.")
            self.listener = load(folder_of(model), **loading(model.how, device))
        elif isinstance(model, Listener):
            self.listener = model
        else:
            self.listener = Listener(given(model, processor, dtype))
            if device is not None:
                model.to(device_of(device))
        _, self._forward_params, self._postprocess_params = self._sanitize_parameters(
            batch_size=batch_size, num_workers=num_workers, **options
        )
        self._wanted(self._forward_params)

    def __call__(
        self, inputs: Any = None, *, text: Any = None, audio: Any = None, sampling_rate: int | None = None,
        **options: Any,
    ) -> Any:  # fmt: skip
        """Answer one question or many.

        Args:
            inputs: `{"audio", "text"}`, chat messages, audio alone, or a list, dataset or generator of such. Beside
                `text` it is the audio, beside `audio` the text.
            text: the prompt, a list of prompts, chat messages, or a list of such; without one, audio is transcribed.
            audio: anything `hark.Audio.of` takes, or a list of such: with one prompt they are all heard together, with
                a list of prompts each belongs to one.
            sampling_rate: of bare arrays.
            options: `max_new_tokens`, `generate_kwargs` (in transformers' words or those of `hark.Options`),
                `batch_size`, and `return_full_text`: chat messages come back with the answer as the last one unless it
                is False; a prompt comes before its answer if it is True.

        Returns:
            `[{"generated_text": ...}]`; a list of such for a list, an iterator of such for a dataset or generator. A
            list of prompts in `text` gives one list with a dict for each, as in other pipelines of transformers.

        Raises:
            HarkError: the audio cannot be used, the model cannot do it, or an option is wrong.
        """
        _, words, shape = self._sanitize_parameters(**options)
        ask = _Ask(self._wanted({**self._forward_params, **words}), {**self._postprocess_params, **shape})
        if inputs is not None and text is not None and audio is not None:
            raise ConversationError("There are inputs, text and audio.", hint="Give text=... and audio=... alone.")
        if inputs is not None and audio is not None:
            text = inputs
        elif inputs is not None:
            if _is_stream(inputs) or (text is None and _is_many(inputs)):
                found = self._answered((self.preprocess(item, text, sampling_rate) for item in _items(inputs)), ask)
                return found if _is_stream(inputs) else list(found)
            audio = inputs
        if isinstance(text, list) and text and not _is_message(text[0]):
            pairs = zip(_paired(text, audio), text, strict=True)
            lists = list(self._answered((self.preprocess(*pair, sampling_rate) for pair in pairs), ask))
            return [record for records in lists for record in records] if isinstance(text[0], str) else lists
        return next(self._answered([self.preprocess(audio, text, sampling_rate)], ask))

    def _answered(self, requests: Iterable[_Request], ask: _Ask) -> Iterator[list[dict[str, Any]]]:
        """Records of each request, `batch_size` of them answered at once."""
        waiting, size = iter(requests), ask.shape.get("batch_size", 1)
        while group := list(islice(waiting, size)):
            for answered in self._forward(group, **ask.options):
                yield self.postprocess(answered, ask.shape.get("return_full_text"))

    def _sanitize_parameters(
        self, batch_size: int | None = None, num_workers: int | None = None, return_full_text: bool | None = None,
        generate_kwargs: Mapping[str, Any] | None = None, **options: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:  # fmt: skip
        """Nothing for `preprocess`, options in hark's words, and the shape of what is returned."""
        if num_workers:
            raise OptionError("hark decodes in this process.", hint="Leave num_workers out.")
        if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
            raise OptionError(f"batch_size cannot be {batch_size!r}.", hint="It is a whole number from 1.")
        shape = {"batch_size": batch_size, "return_full_text": return_full_text}
        return (
            {},
            _words(options, generate_kwargs or {}),
            {key: value for key, value in shape.items() if value is not None},
        )

    def _wanted(self, words: Mapping[str, Any]) -> dict[str, Any]:
        """Options, with `do_sample` said as a temperature."""
        found = dict(words)
        sample = found.pop("do_sample", None)
        if sample and "temperature" not in found:
            own = getattr(self.model, "generation_config", None)
            found["temperature"] = getattr(own, "temperature", None) or 1.0  # the default of `generate`
        elif sample is not None and bool(found.setdefault("temperature", 0.0)) is not bool(sample):
            raise OptionError(
                f"do_sample={sample} and temperature={found['temperature']} contradict each other.",
                hint="Leave out one.",
            )
        Options.of(**found)
        return found

    def preprocess(self, inputs: Any, text: Any = None, sampling_rate: int | None = None) -> _Request:
        """One item as a conversation, with what a full text begins with."""
        if text is None and isinstance(inputs, Mapping) and inputs.keys() & _REQUEST:
            conversation, parameters = read_request(dict(inputs))
            messages = inputs.get("messages", inputs.get("inputs"))
            before = list(messages) if _is_chat(messages) else conversation.prompt
            return _Request(conversation, before, self._wanted(_words(parameters, {})))
        chat = inputs if text is None else text
        if _is_chat(chat):
            if text is not None and inputs is not None:
                raise ConversationError("There are messages and audio beside them.", hint="Put it into the messages.")
            if chat[-1].get("role") != "user":
                raise ConversationError("The last message is not the user's.", hint="hark continues no answers.")
            return _Request(read_messages(chat), list(chat), {})
        if inputs is None or not isinstance(text, str | None):
            raise ConversationError("There is no audio, or the text is no text.", hint="Give text=... and audio=...")
        clips = inputs if isinstance(inputs, list) else [inputs]
        asked = Conversation.ask(tuple(Audio.of(clip, sampling_rate) for clip in clips), text)
        return _Request(asked, text or "", {})

    def _forward(self, model_inputs: Sequence[_Request], **options: Any) -> Iterator[tuple[_Request, Answer]]:
        """Answers, those with the same options as one batch of the engine."""
        engine, can = self.listener.engine, self.listener.can
        ready = []
        for request in model_inputs:
            wanted = Options.of(**{**options, **request.options})
            ready.append((request, *prepared(engine.name, can, request.conversation, wanted)))
        for told, group in groupby(ready, lambda one: one[2]):
            requests, asked, _ = zip(*group, strict=True)
            answers = engine.generate_batch(asked, told)
            for request, answer in zip(requests, answers, strict=True):
                schema, most = told.schema, told.max_new_tokens
                yield request, schema.checked_answer(answer, engine.name, most) if schema else answer

    def postprocess(
        self, model_outputs: tuple[_Request, Answer], return_full_text: bool | None = None
    ) -> list[dict[str, Any]]:
        """The record of an answer, with what came before it where that is wanted; notices are logged."""
        request, answer = model_outputs
        for notice in answer.notices:
            _LOG.warning("%s", notice)
        before, text = request.before, answer.text
        if isinstance(before, list) and return_full_text is not False:
            return [{"generated_text": [*before, {"role": "assistant", "content": text}]}]
        return [{"generated_text": f"{before}{text}" if return_full_text else text}]

    @property
    def model(self) -> Any:
        """The model itself, its weights read now if they were not; for other engines, the engine."""
        engine = self.listener.engine
        return engine.loaded().model if isinstance(engine, Transformers) else engine

    @property
    def processor(self) -> Any:
        """The processor hark uses, None for other engines."""
        engine = self.listener.engine
        return engine.loaded().processor if isinstance(engine, Transformers) else None

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the processor, None where there is none."""
        return getattr(self.processor, "tokenizer", None)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return getattr(self.model, "device", torch.device("cpu"))

    def save_pretrained(self, save_directory: str | os.PathLike[str], **_: Any) -> None:
        """Not possible: hark may have changed the weights while it loaded them.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(f"hark does not write to {save_directory}.", hint="Copy the model's folder.")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.listener.engine.name!r})"


@dataclass(frozen=True, slots=True)
class _Request:
    conversation: Conversation
    before: str | list[Any]  # the prompt, or the messages as they were given
    options: dict[str, Any]  # its own, of a request with parameters


@dataclass(frozen=True, slots=True)
class _Ask:
    options: dict[str, Any]
    shape: dict[str, Any]


def _words(options: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Options in hark's words, without those that say nothing."""
    found: dict[str, Any] = {}
    for name, value in [*options.items(), *more.items()]:
        if value is not None:
            word = _WORDS.get(name, name)
            if word in found:
                raise OptionError(f"{word} is set twice.", hint="Set it in generate_kwargs or beside it.")
            found[word] = value
    return found


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and "role" in value


def _is_chat(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and _is_message(value[0])


def _is_stream(value: Any) -> bool:
    return isinstance(value, Iterator | torch.utils.data.Dataset)


def _is_many(value: Any) -> bool:
    """A list of items; a pair of a rate and samples is one."""
    return isinstance(value, list) and not _is_chat(value)


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, torch.utils.data.Dataset) and hasattr(value, "__len__"):
        return (value[number] for number in range(len(value)))
    return value  # type: ignore[no-any-return]


def _paired(text: Sequence[Any], audio: Any) -> Sequence[Any]:
    """The audio of each prompt: as many, or one for all of them."""
    if not isinstance(audio, list):
        return [audio] * len(text)
    if len(audio) != len(text):
        raise ConversationError(
            f"There are {len(text)} texts and {len(audio)} recordings.", hint="Give as many of each, or one recording."
        )
    return audio


for _kind in FAMILIES:  # `pipeline()` reads a model's config before it asks us, and must know its kind
    if _kind not in CONFIG_MAPPING:
        AutoConfig.register(_kind, type("HarkConfig", (PreTrainedConfig,), {"model_type": _kind}))
PIPELINE_REGISTRY.register_pipeline(TASK, AudioTextToTextPipeline, pt_model=Folder, type="multimodal")
