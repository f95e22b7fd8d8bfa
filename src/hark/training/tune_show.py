"""The first batch as the model will see it: every token, which of them are learned, and where audio stands."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.reuse import audio_token
from hark.training.tune_batch import Alike
from hark.training.tune_inputs import IGNORED, Maker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.training.tune import Plan
    from hark.training.tune_examples import Example


def show(planned: Plan) -> Iterator[dict[str, Any]]:
    """For each example of the first batch its tokens, as `to_text` writes them; the weights are loaded for that.

    Each has `id`, `seconds` of audio, `tensors` (shapes by name), `tokens`: a list of `{"id", "text", "count",
    "learned"}`, in which equal tokens that follow each other are one, and `unknown`: learned tokens that the vocabulary
    lacks.

    Raises:
        DataError: an example cannot be heard, or is more than the model holds.
    """
    from hark.engines.transformers.generation import quiet

    make = Maker(planned.engine)
    batch = planned.tuning.batch if planned.engine.can.batch_exact else 1
    order = Alike([example.tokens for example in planned.learned], planned.tuning.batch, planned.tuning.seed)
    for number in list(order)[:batch]:
        with quiet():
            shown = _shown(planned.learned[number], make)
        yield shown


def _shown(example: Example, make: Maker) -> dict[str, Any]:
    tensors = make(example)
    loaded = make.engine.loaded()
    words, audio = make.engine.family.tokenizer(loaded), audio_token(loaded)
    ids = tensors["decoder_input_ids" if "decoder_input_ids" in tensors else "input_ids"][0].tolist()
    labels = tensors["labels"][0].tolist()
    if "decoder_input_ids" in tensors:  # labels are one token further on
        ids, labels = [*ids, labels[-1]], [IGNORED, *labels]
    pairs = [(token, label != IGNORED) for token, label in zip(ids, labels, strict=True)]
    tokens = []
    for (token, learned), group in groupby(pairs):
        count = len(list(group))
        tokens.append(
            {
                "id": token,
                "text": words.decode([token]),
                "count": count,
                "learned": learned,
                "audio": token == audio,
            }
        )
    unknown = getattr(words, "unk_token_id", None)
    return {
        "id": example.id,
        "seconds": round(sum(clip.duration for clip in example.asked.clips), 3),
        "tensors": {name: list(value.shape) for name, value in tensors.items() if hasattr(value, "shape")},
        "tokens": tokens,
        "unknown": sum(token == unknown and learned for token, learned in pairs) if unknown is not None else 0,
    }


def to_text(shown: dict[str, Any]) -> str:
    """One example as lines for a terminal: what is given, and after `learned:` what is to be written."""
    shapes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shown["tensors"].items())
    lines = [f"{shown['id']}: {shown['seconds']} s of audio; {shapes}"]
    for learned, group in groupby(shown["tokens"], lambda token: token["learned"]):
        some = list(group)
        count = sum(token["count"] for token in some)
        lines.append(f"  {'learned' if learned else 'given'}, {count} tokens:")
        lines.append("    " + "".join(_token(token) for token in some))
        lines.append("    " + " ".join(_number(token) for token in some))
    if shown["unknown"]:
        lines.append(f"  {shown['unknown']} learned tokens are unknown to the model: letters that it cannot write.")
    return "\n".join(lines)


def _token(token: dict[str, Any]) -> str:
    text = token["text"].replace("\n", "\\n")
    return f"<{token['count']} x audio>" if token["audio"] else text * token["count"]


def _number(token: dict[str, Any]) -> str:
    return str(token["id"]) if token["count"] == 1 else f"{token['id']}*{token['count']}"
