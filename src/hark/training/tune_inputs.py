"""From an example to tensors: the inputs that the family makes at inference, and after them the answer's tokens.

A language model's prompt is rendered with the beginning of the answer, and the tokens of the answer and of its end are
appended; only these have labels. No chat template has to know how an answer looks, and no prefix has to be found again
in a text that was rendered as a whole. A decoder begins with the tokens that `generate` would give it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.families.family import RATE, Transcriber, context
from hark.engines.transformers.families.text import encoded, plain, positions
from hark.engines.transformers.reuse import TEXT_KEYS
from hark.errors import DataError, HarkError
from hark.training.tune_examples import stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hark.engines.transformers.engine import Transformers
    from hark.engines.transformers.families.family import Inputs
    from hark.training.tune_examples import Example

IGNORED = -100  # the label of a token that is not learned, as torch's cross entropy has it
MASKS = frozenset({"attention_mask"})


@dataclass(slots=True)
class Maker:
    """Makes the tensors of examples, one at a time."""

    engine: Transformers
    _prefixes: dict[str, list[int]] = field(default_factory=dict)

    def __call__(self, example: Example) -> dict[str, Any]:
        """The keywords of the model's `forward`: tensors (1, n), with `labels`.

        Raises:
            DataError: the recording cannot be heard by this model, or all of it is more than the model holds.
        """
        try:
            inputs = self._inputs(example)
            if self.engine.loaded().model.config.is_encoder_decoder:
                return self._decoded(example, inputs)
            return self._appended(example, inputs)
        except DataError:
            raise
        except HarkError as error:
            raise DataError(f"{example.id}: {error.message}", hint=error.hint) from error

    def _inputs(self, example: Example) -> Inputs:
        family, loaded = self.engine.family, self.engine.loaded()
        clips = [self._samples(clip, example) for clip in example.asked.clips]
        if example.options.task is not None:
            told = type(family).__name__ in TOLD
            options = replace(example.options, language=None) if told else example.options
            return family.write_down(loaded, example.asked, clips[0], options)
        return family.ask(loaded, example.asked, clips, example.options)

    def _samples(self, clip: Any, example: Example) -> NDArray[Any]:
        """What the model would be given of a clip: of a transcript, the stretch that holds speech."""
        import numpy as np

        samples, most = clip.samples(RATE), self.engine.can.max_seconds
        if example.options.task is not None:
            samples = stretch(samples, self.engine)
        if most is not None and len(samples) > most * RATE:
            raise DataError(f"{example.id}: {clip.name} is longer than it said.", hint="`hark data check` finds such.")
        lacking = round(self.engine.family.shortest_seconds * RATE) - len(samples)
        return np.pad(samples, (0, lacking)) if lacking > 0 else samples

    def _appended(self, example: Example, inputs: Inputs) -> dict[str, Any]:
        """The prompt, the answer after it, and labels of the answer alone."""
        import torch

        tensors = dict(inputs.tensors)
        answer = torch.tensor([[*self.written(example), *self.ends()]])
        for name in TEXT_KEYS & tensors.keys():
            kind = torch.ones_like(answer) if name in MASKS else torch.zeros_like(answer)
            added = answer if name == "input_ids" else kind.to(tensors[name].dtype)
            tensors[name] = torch.cat([tensors[name], added], dim=-1)
        config = self.engine.loaded().model.config
        most, taken = context(config) or positions(config), tensors["input_ids"].shape[-1]
        if most and taken > most:
            raise DataError(
                f"{example.id} takes {taken} tokens with its answer, and the model holds {most}.",
                hint="Leave it out, or cut the recording into pieces.",
            )
        unlearned = torch.full((1, taken - answer.shape[-1]), IGNORED)
        return tensors | {"labels": torch.cat([unlearned, answer], dim=-1)}

    def _decoded(self, example: Example, inputs: Inputs) -> dict[str, Any]:
        """The decoder's beginning and the answer as its input, the same one token further on as labels."""
        import torch

        begin = self._beginning(example, inputs)
        forced = inputs.keywords.get("forced_bos_token_id")
        text = [*([forced] if forced is not None else []), *self.written(example)]
        labels = [IGNORED] * (len(begin) - 1) + [*text, *self.ends()]
        if forced is not None:
            labels[len(begin) - 1] = IGNORED  # it is not the model's choice
        if example.options.language and len(begin) > 2:
            labels[0] = begin[1]  # Whisper's token of the language, which it has to tell where nobody names it
        decoder = torch.tensor([[*begin, *text]])
        most = self.engine.family.most_tokens(self.engine.loaded(), inputs, example.options)
        if most and decoder.shape[-1] > most + len(begin):
            raise DataError(
                f"{example.id}: its text takes {decoder.shape[-1]} tokens, and the model writes {most}.",
                hint="Cut the recording into pieces with their own text: rows with `start` and `end`.",
            )
        return {**inputs.tensors, "decoder_input_ids": decoder, "labels": torch.tensor([labels])}

    def written(self, example: Example) -> list[int]:
        """The tokens of an answer without what ends it; control tokens in its text are the text they look like."""
        family, text = self.engine.family, example.answer
        loaded = self.engine.loaded()
        words = family.tokenizer(loaded)
        before = BEGINNINGS.get(type(family).__name__, _nothing)(example, loaded)
        after = ENDINGS.get(type(family).__name__, "")
        begun: list[int] = words(before.control, add_special_tokens=False).input_ids if before.control else []
        said = before.text + text + after
        if not hasattr(words, "added_tokens_encoder"):  # Mistral's own: all of a text is text to it
            return [*begun, *words.encode(said, add_special_tokens=False)]
        return [*begun, *encoded(words, plain(words, said))]

    def ends(self) -> list[int]:
        """The token that ends an answer: of those that stop the model, the one that its chat template writes."""
        loaded, family = self.engine.loaded(), self.engine.family
        told = loaded.model.generation_config.eos_token_id
        if told is None:
            told = loaded.model.config.eos_token_id
        stops = told if isinstance(told, list) else [told]
        words = family.tokenizer(loaded)
        if len(stops) > 1 and not isinstance(family, Transcriber):
            names = {stop: words.convert_ids_to_tokens(stop) for stop in stops}
            rendered = _rendered(loaded.processor, words)
            found = sorted((rendered.find(name), stop) for stop, name in names.items() if name and name in rendered)
            if found:
                return [found[0][1]]
        return [words.eos_token_id if words.eos_token_id in stops else stops[0]]

    def _beginning(self, example: Example, inputs: Inputs) -> list[int]:
        """The tokens that `generate` gives the decoder to begin with, which may depend on what it hears."""
        named = bool(example.options.language or "tgt_lang" in inputs.keywords)
        several = getattr(self.engine.loaded().model.generation_config, "is_multilingual", False)
        key = repr(sorted(inputs.keywords.items())) if named or not several else example.id
        if key not in self._prefixes:
            self._prefixes[key] = self._asked(inputs)
        return self._prefixes[key]

    def _asked(self, inputs: Inputs) -> list[int]:
        """Begin to generate, and stop before the first token is chosen."""
        import torch
        from transformers import LogitsProcessor, LogitsProcessorList

        from hark.engines.transformers.generation import quiet

        class SeenError(Exception):
            pass

        class Look(LogitsProcessor):  # type: ignore[misc]  # transformers is typed loosely
            def __call__(self, input_ids: Any, scores: Any) -> Any:
                del scores
                raise SeenError(input_ids[0].tolist())

        loaded = self.engine.loaded()
        training = loaded.model.training
        loaded.model.eval()
        tensors = inputs.tensors.to(loaded.model.device, dtype=loaded.model.dtype)
        given = type(inputs)(tensors, inputs.keywords)
        try:
            with quiet(), torch.no_grad():
                self.engine.family.run(
                    loaded, given, logits_processor=LogitsProcessorList([Look()]), max_new_tokens=1, num_beams=1
                )
        except SeenError as seen:
            found: list[int] = seen.args[0]
            return found
        finally:
            loaded.model.train(training)
        raise DataError("The model does not say how its decoder begins.", hint="Such models cannot be tuned.")


@dataclass(frozen=True, slots=True)
class Beginning:
    """What stands before an answer: control tokens, and text."""

    control: str = ""
    text: str = ""


def _nothing(example: Example, loaded: Any) -> Beginning:
    del example, loaded
    return Beginning()


def _space(example: Example, loaded: Any) -> Beginning:
    """Whisper's texts begin with a space: github.com/openai/whisper, decoding.py, and its vocabulary."""
    del example, loaded
    return Beginning(text=" ")


def _language(example: Example, loaded: Any) -> Beginning:
    """`language English<asr_text>`, which Qwen3-ASR writes; `None` is its word for a language that is not known."""
    from transformers.models.qwen3_asr.processing_qwen3_asr import LANGUAGE_CODE_TO_NAME

    del loaded
    return Beginning(f"language {LANGUAGE_CODE_TO_NAME.get(example.options.language, 'None')}<asr_text>")


# By the name of the family: what its answers begin with, and the text that ends them before the end of all text.
BEGINNINGS = {"Whisper": _space, "Qwen3ASR": _language}
ENDINGS = {"SpeechGPT": "<eoa>"}
TOLD = frozenset({"Qwen3ASR"})  # the language is part of the answer, and not asked for


def _rendered(processor: Any, words: Any) -> str:
    """What the chat template writes after an answer; empty where it takes no such conversation."""
    from jinja2 import TemplateError

    mark = "an answer"
    said = [("user", "a question"), ("assistant", mark)]
    for made in (
        [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said],
        [{"role": role, "content": text} for role, text in said],
    ):
        for source in (processor, words):
            try:
                rendered: str = source.apply_chat_template(made, tokenize=False)
            except (TemplateError, ValueError, TypeError, AttributeError, KeyError):
                continue
            if mark in rendered:
                return rendered.partition(mark)[2]
    return ""
