"""A model hears a recording again and again as it grows: as an encoder-decoder, or as in a live session."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hark.audio.audio import RATE
from hark.errors import OptionError, UnsupportedError
from hark.training.online import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hark.engines.engine import Options
    from hark.engines.transformers.engine import Transformers
    from hark.engines.transformers.families.family import Inputs, Loaded
    from hark.listener import Listener
    from hark.training.online import Ids, Policy

Text = tuple[int, str]
_SEARCHES = ("beams", "temperature", "top_p", "seed", "stop", "timestamps")  # of options; tokens are the likeliest here


def texts(
    listener: Listener, samples: NDArray[Any], policy: Policy, options: dict[str, Any]
) -> tuple[str, Iterator[Text]]:
    """How it is done (`tokens` or `live`), and after each chunk the sample it ends with and the text written by then.

    Raises:
        UnsupportedError: the model does not know the policy, or the recording is longer than it hears at once.
        OptionError: there is no such option, or it is one of a search.
    """
    from hark.audio.audio import Audio
    from hark.conversation.conversation import Conversation
    from hark.engines.asking import prepared
    from hark.engines.engine import Options

    engine: Any = listener.engine
    told = Options.of(**{"task": "transcribe", **options})
    if not _forces(engine):
        if policy.wait:
            raise UnsupportedError(
                f"{engine.name} cannot be told to go on from its own tokens, which {policy.name} needs.",
                hint="An encoder-decoder of transformers can; local-agreement works with every model.",
            )
        return "live", _live(listener, samples, policy, {name: options[name] for name in options if name != "task"})
    for name in _SEARCHES:
        if getattr(told, name) is not None:
            raise OptionError(f"Streaming takes no {name}: it writes the likeliest token.", hint="Leave it out.")
    prepared(engine.name, engine.can, Conversation.ask((Audio.of(b"\0", name="recording"),)), told)
    engine.family.refuse(engine.can, told)
    most = engine.can.max_seconds
    if most is not None and len(samples) > most * RATE:
        raise UnsupportedError(
            f"The recording lasts {len(samples) / RATE:.0f} s; {engine.name} hears {most:.0f} s at once.",
            hint="Stream a piece: audio[0:20].",
        )
    return "tokens", _tokens(Rehearing(engine, samples, told), policy)


def _forces(engine: Any) -> bool:
    """Whether it is an encoder-decoder that writes token by token."""
    from hark.engines.transformers.engine import Transformers
    from hark.engines.transformers.families.ctc import Timed

    if not isinstance(engine, Transformers) or isinstance(engine.family, Timed):
        return False
    config = engine.loaded().model.config
    return bool(config.is_encoder_decoder) and getattr(config, "decoding", "attention") == "attention"


def _tokens(hear: Rehearing, policy: Policy) -> Iterator[Text]:
    done: Ids = ()
    for end, new in written(policy, hear, policy.ends(len(hear.samples), RATE)):
        done += new
        yield end, hear.text(done)


def _live(listener: Listener, samples: NDArray[Any], policy: Policy, options: dict[str, Any]) -> Iterator[Text]:
    from hark.realtime.partial import live

    heard, start = live(listener, **options), 0
    try:
        for end in policy.ends(len(samples), RATE):
            take = heard.finish if end == len(samples) else heard.hear
            yield end, take(samples[start:end]).settled
            start = end
    finally:
        heard.close()


class Rehearing:
    """What an encoder-decoder writes after the tokens that it is forced to begin with."""

    def __init__(self, engine: Transformers, samples: NDArray[Any], options: Options) -> None:
        self.samples, self._engine, self._options = samples, engine, options

    def __call__(self, end: int, done: Ids, most: int | None) -> Ids:
        """The tokens that follow `done` in the first `end` samples: at most so many, without the one that ends all."""
        import torch

        from hark.engines.transformers.failing import failing
        from hark.engines.transformers.generation import fused, quiet

        loaded, family = self._engine.loaded(), self._engine.family
        forced, seen, keywords = Forced(done), Seen(), fused(loaded)
        keywords["logits_processor"] = [*keywords.get("logits_processor", ()), forced]
        with failing(self._engine.name), loaded.lock, quiet(), torch.inference_mode():
            inputs = self._inputs(loaded, end)
            limit = self._limit(family.most_tokens(loaded, inputs, self._options), loaded.model)
            room = limit if most is None else min(limit, len(done) + most)
            if room <= len(done):
                return ()
            keywords |= {"max_new_tokens": room, "num_beams": 1, "do_sample": False, "stopping_criteria": [seen]}
            family.run(loaded, inputs, **keywords)
        found, ends = seen.ids[forced.start + len(done) :], ends_of(loaded.model)
        return tuple(found[: next((n for n, token in enumerate(found) if token in ends), len(found))])

    def _inputs(self, loaded: Loaded, end: int) -> Inputs:
        import numpy as np

        from hark.conversation.conversation import Conversation

        family, samples = self._engine.family, self.samples[:end]
        filled = np.pad(samples, (0, max(0, round(family.shortest_seconds * RATE) - len(samples))))
        inputs = family.write_down(loaded, Conversation(), filled, self._options)
        return replace(inputs, tensors=inputs.tensors.to(loaded.model.device, dtype=loaded.model.dtype))

    def text(self, done: Ids) -> str:
        """Tokens as text."""
        loaded, family = self._engine.loaded(), self._engine.family
        return family.transcript(loaded, family.read(loaded, list(done)))[0]

    def _limit(self, most: int | None, model: Any) -> int:
        from hark.engines.transformers.generation import DEFAULT_TOKENS

        wished = self._options.max_new_tokens or model.generation_config.max_new_tokens or DEFAULT_TOKENS
        return min(limit for limit in (wished, most) if limit)


class Forced:
    """A logits processor that has the first tokens be given ones; what the decoder began with is before them."""

    def __init__(self, ids: Ids) -> None:
        self.ids, self.start = ids, -1

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Leave one token possible as long as some are to be forced."""
        if self.start < 0:
            self.start = input_ids.shape[1]
        place = input_ids.shape[1] - self.start
        if place >= len(self.ids):
            return scores
        only = scores.new_full(scores.shape, float("-inf"))
        only[:, self.ids[place]] = 0.0
        return only


class Seen:
    """A stopping criterion that stops nothing, and has seen all ids: what `generate` returns leaves some out."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """Remember the ids of the first row."""
        import torch

        del scores
        self.ids = input_ids[0].tolist()
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def ends_of(model: Any) -> list[int]:
    """The ids that end a text."""
    ends = model.generation_config.eos_token_id
    return ends if isinstance(ends, list) else [ends]
