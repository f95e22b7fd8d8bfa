"""One hearing, many questions: each clip is encoded once, and of a prompt only what is new is worked through.

A prompt's keys and values (its KV cache) depend on nothing but the tokens and clips before them, so that those of an
earlier request hold for the longest prefix that both share. What an encoder gave for a clip is kept beside them, for
prompts that share no prefix, such as under another system prompt.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.memory import Memory, remember_features, remembered, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hark.engines.transformers.families.family import Family, Inputs, Loaded
    from hark.engines.transformers.generation import Counted

TEXT_KEYS = frozenset({"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"})  # one for each token
SHARED = 0.75  # of a kept prompt's tokens in a longer one, from which on the longer takes its place
LENGTH_DEPENDENT = frozenset({"longrope", "dynamic"})  # rotary embeddings that change beyond a length


@dataclass(frozen=True, slots=True)
class Heard:
    """The clips of a request: their digests, and how to make the tensors of all but the first `n`."""

    clips: tuple[str, ...]
    rest: Callable[[int], Mapping[str, Any]]
    separable: bool  # does each clip give the same when it is encoded alone?
    known: int = 0  # how often features were remembered: of models that read units, the clips not heard again


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tokens of a request, those of audio named after the clips; `spans` are where clips begin and end."""

    keys: list[Any]
    spans: list[tuple[int, int]]
    clips: int

    @classmethod
    def of(cls, ids: list[int], audio_token: int | None, heard: Heard) -> Prompt:
        """Tell which tokens belong to which clip, and hold all for one where that cannot be told."""
        places = [place for place, token in enumerate(ids) if token == audio_token]
        starts = [place for place in places if place == 0 or ids[place - 1] != audio_token]
        ends = [place + 1 for place in places if place + 1 == len(ids) or ids[place + 1] != audio_token]
        spans = list(zip(starts, ends, strict=True))
        names = list(heard.clips)
        if places and not (heard.separable and len(spans) == len(names)):
            spans, names = [(places[0], places[-1] + 1)], ["+".join(names)]
        keys: list[Any] = list(ids)
        for (start, end), name in zip(spans, names, strict=False):
            keys[start:end] = [name if token == audio_token else token for token in ids[start:end]]
        return cls(keys, spans, len(heard.clips))

    def covered(self, length: int) -> tuple[int, int]:
        """How many clips a prefix of this length holds, and the length without a clip that it holds in part."""
        whole = sum(end <= length for _, end in self.spans)
        partly = [start for start, end in self.spans if start < length < end]
        clips = self.clips if whole and whole == len(self.spans) else whole if len(self.spans) == self.clips else 0
        return clips, min([length, *partly])


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """The keys and values of a prompt and its answer."""

    keys: list[Any]
    cache: Any

    def common(self, keys: list[Any]) -> int:
        """How many tokens it shares with the beginning of others."""
        pairs = enumerate(zip(self.keys, keys, strict=False))
        return next((place for place, (one, other) in pairs if one != other), min(len(self.keys), len(keys)))


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where a request can begin: a cache of its own, the tokens and clips in it, and what it was taken from."""

    cache: Any
    tokens: int = 0
    clips: int = 0
    source: Any = None


class Reuse:
    """What one loaded model remembers; used by one generation at a time, under the model's lock."""

    def __init__(self, loaded: Loaded, megabytes: int) -> None:
        self.memory = Memory(megabytes * 2**20)
        self._numbers = itertools.count()
        self._extractor = remember_features(loaded.processor, self.memory) if megabytes else None

    def known(self) -> int:
        """How often this thread was given features that were remembered."""
        return self._extractor.known if self._extractor else 0

    def run(
        self, family: Family, heard: Heard, counted: Counted, loaded: Loaded, inputs: Inputs, **keywords: Any
    ) -> Any:
        """Generate token ids (1, n) like `family.run`, with as little work as what is remembered allows."""
        prompt = _prompt(loaded, inputs, heard)
        keeps = self.memory.limit > 0 and _plain(family, loaded, inputs, prompt, keywords)
        start = self._start(loaded, inputs, prompt) if keeps else Start(None)
        tensors = self._tensors(inputs, heard, start.clips)
        given = {} if start.cache is None else {"past_key_values": start.cache}
        if start.tokens:
            straighten(loaded.model)
        with self._hearing(family, loaded, heard.clips[start.clips :], counted):
            ids = family.run(loaded, replace(inputs, tensors=tensors), **given, **keywords)
        counted.cached_tokens += start.tokens
        counted.cached_clips += start.clips or units_known(inputs, heard)
        if start.cache is not None:
            self._keep(loaded, prompt.keys + ids[0, len(prompt.keys) :].tolist(), start)
        return ids

    def prefix(
        self, family: Family, loaded: Loaded, rows: Sequence[Inputs], heard: Heard, counted: Counted,
        keywords: Mapping[str, Any],
    ) -> Start | None:  # fmt: skip
        """What several questions about the same clips begin with, worked through once; None if not all of the clips.

        `counted` is told what was remembered already. The cache is one that may be changed.
        """
        prompts = [_prompt(loaded, row, heard) for row in rows]
        first, shortest = Prefix(prompts[0].keys, None), min(len(prompt.keys) for prompt in prompts)
        shared = min(shortest - 1, *(first.common(prompt.keys) for prompt in prompts))
        clips, length = prompts[0].covered(shared)
        if clips < len(heard.clips) and not _reads(rows[0]):
            return None
        plain = (_plain(family, loaded, row, prompt, keywords) for row, prompt in zip(rows, prompts, strict=True))
        if not length or not all(plain):
            return None
        start = self._start(loaded, rows[0], prompts[0], length)
        placed = "position_ids" in inspect.signature(loaded.model.forward).parameters
        if len({len(prompt.keys) for prompt in prompts}) > 1 and (any(start.cache.is_sliding) or not placed):
            return None  # a window would hold what pads the rows, or positions would count it
        self._prefill(family, loaded, rows[0], heard, counted, start, length)
        known = Prefix(prompts[0].keys[:length], start.cache)
        self._keep(loaded, known.keys, start)
        return Start(_cropped(known, length), length, clips)

    def knows(self, family: Family, loaded: Loaded, inputs: Inputs, heard: Heard) -> bool:
        """Is there a prefix of a prompt that spares hearing?"""
        prompt = _prompt(loaded, inputs, heard)
        if not _plain(family, loaded, inputs, prompt, {}):
            return False
        start = self._start(loaded, inputs, prompt)
        return start.clips > 0 or start.tokens > len(prompt.keys) / 2

    def _prefill(
        self, family: Family, loaded: Loaded, inputs: Inputs, heard: Heard, counted: Counted, start: Start, length: int
    ) -> None:
        """Work through the rest of the first tokens of a prompt: a generation of one token stops after them."""
        counted.cached_tokens += start.tokens
        counted.cached_clips += start.clips or units_known(inputs, heard)
        if start.tokens == length:
            return
        tensors = self._tensors(inputs, heard, start.clips)
        cut = {name: value[:, :length] if name in TEXT_KEYS else value for name, value in tensors.items()}
        given = replace(inputs, tensors=type(tensors)(cut))
        if start.tokens:
            straighten(loaded.model)
        with self._hearing(family, loaded, heard.clips[start.clips :], counted):
            family.run(loaded, given, past_key_values=start.cache, max_new_tokens=1, do_sample=False)

    @contextlib.contextmanager
    def _hearing(self, family: Family, loaded: Loaded, clips: tuple[str, ...], counted: Counted) -> Iterator[None]:
        """Keep what the encoder gives for clips, and count those it need not hear again."""
        module = _submodule(loaded.model, family.encoder) if self.memory.limit else None
        with remembered(module, clips, self.memory) as encoding:
            yield
        counted.cached_clips += len(clips) if encoding.remembered else 0

    def _tensors(self, inputs: Inputs, heard: Heard, clips: int) -> Any:
        """The tensors without those of the first clips."""
        if not clips:
            return inputs.tensors
        rest = heard.rest(clips) if clips < len(heard.clips) else {}
        found = {name: value for name, value in inputs.tensors.items() if name in TEXT_KEYS}
        found |= {name: value for name, value in rest.items() if name not in TEXT_KEYS}
        return type(inputs.tensors)(found)

    def _start(self, loaded: Loaded, inputs: Inputs, prompt: Prompt, most: int | None = None) -> Start:
        """The longest prefix that is kept and spares hearing a clip, or any where no tensors hold audio."""
        best = Start(_empty(loaded))
        for source, prefix in self.memory.values(Prefix):
            clips, tokens = prompt.covered(min(prefix.common(prompt.keys), most or len(prompt.keys) - 1))
            if tokens > best.tokens and (clips or _reads(inputs)) and _can_crop(prefix, tokens):
                best = Start(prefix, tokens, clips, source)
        if not best.tokens:
            return best
        self.memory.get(best.source)  # used
        return replace(best, cache=_cropped(best.cache, best.tokens))

    def _keep(self, loaded: Loaded, keys: list[Any], start: Start) -> None:
        """Keep the keys and values of a request, in place of those that it grew out of."""
        length = start.cache.get_seq_length()
        if not 0 < length <= len(keys) or _beyond(loaded, length):
            return
        size = sum(size_of(vars(layer)) for layer in start.cache.layers)
        grown_from = self.memory.get(start.source)
        self.memory.put(("prefix", next(self._numbers)), Prefix(keys[:length], start.cache), size)
        if grown_from is not None and start.tokens >= SHARED * len(grown_from.keys) and size <= self.memory.limit:
            self.memory.drop(start.source)


def _prompt(loaded: Loaded, inputs: Inputs, heard: Heard) -> Prompt:
    return Prompt.of(inputs.tensors["input_ids"][0].tolist(), audio_token(loaded), heard)


def audio_token(loaded: Loaded) -> int | None:
    """The id of the token that stands for audio; None where there is none."""
    config = loaded.model.config
    for place in (config, getattr(config, "audio_config", None)):
        found = getattr(place, "audio_token_id", None)
        if isinstance(found, int):
            return found
    return None


def _beyond(loaded: Loaded, length: int) -> bool:
    """Is a text so long that its tokens' positions are embedded otherwise than in shorter ones?"""
    config = loaded.model.config.get_text_config(decoder=True)
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = {rope.get("rope_type"), *(kind.get("rope_type") for kind in rope.values() if isinstance(kind, dict))}
    usual = getattr(config, "original_max_position_embeddings", None) or rope.get("original_max_position_embeddings")
    return bool(kinds & LENGTH_DEPENDENT) and length > (usual or config.max_position_embeddings)


def _plain(family: Family, loaded: Loaded, inputs: Inputs, prompt: Prompt, keywords: Mapping[str, Any]) -> bool:
    """Can keys and values be kept? Not of beams, nor of a model that is not known or has a cache of its own kind."""
    wished = loaded.model.generation_config
    return (
        (keywords.get("num_beams") or wished.num_beams or 1) == 1
        and wished.cache_implementation is None
        and wished.use_cache is not False
        and bool((prompt.spans and family.encoder) or _reads(inputs))
        and not _beyond(loaded, len(prompt.keys))
    )


def units_known(inputs: Inputs, heard: Heard) -> int:
    """How many clips were read as units that were remembered."""
    return min(heard.known, len(heard.clips)) if _reads(inputs) else 0


def _reads(inputs: Inputs) -> bool:
    """Is all audio in the tokens themselves?"""
    return not set(inputs.tensors) - TEXT_KEYS


def _empty(loaded: Loaded) -> Any:
    """The cache that `generate` would make, but that layers with a sliding window can be taken back."""
    from transformers import DynamicCache

    cache = DynamicCache(config=loaded.model.config.get_text_config(decoder=True))
    if any(cache.is_sliding):
        cache.activate_past_recording()
    return cache


def _can_crop(prefix: Prefix, tokens: int) -> bool:
    """Can all after so many tokens be taken away? A layer with a sliding window may have forgotten what came before."""
    if tokens == len(prefix.keys):
        return True
    slid = [layer for layer in prefix.cache.layers if getattr(layer, "is_sliding", False) and layer.is_initialized]
    return prefix.cache.is_croppable and all(
        len(prefix.keys) - layer.keys.shape[-2] <= max(0, tokens - layer.sliding_window + 1) for layer in slid
    )


def _cropped(prefix: Prefix, tokens: int) -> Any:
    """A copy of a cache up to so many tokens. Plain layers put new tensors in place of theirs, and share until then."""
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    cache = copy.copy(prefix.cache)
    plain = (DynamicLayer, DynamicSlidingWindowLayer)
    cache.layers = [copy.copy(item) if type(item) in plain else copy.deepcopy(item) for item in prefix.cache.layers]
    if tokens < len(prefix.keys):
        cache.crop(tokens - len(prefix.keys))
    return cache


def straighten(model: Any) -> None:
    """Models with positions in three dimensions keep by how much those of the last prompt ran ahead: of audio, by 0."""
    import torch

    for module in (model, getattr(model, "model", model)):
        if getattr(module, "rope_deltas", None) is not None:
            module.rope_deltas = torch.zeros_like(module.rope_deltas[:1])


def _submodule(model: Any, path: str | None) -> Any:
    try:
        return model.get_submodule(path) if path else None
    except AttributeError:
        return None
