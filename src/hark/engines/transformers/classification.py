"""A recording in stretches that a classifier can hear, the labels of each, and those of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Delta, Notice, Usage
from hark.answers.transcript import Segment
from hark.engines.transformers.families.classify import several_hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from hark.audio.audio import Audio
    from hark.engines.transformers.families.classify import Classifier
    from hark.engines.transformers.families.family import Loaded

TOP = 5
SILENT = 1e-4  # the peak of full scale (-80 dB) under which nothing can be heard


def classify(family: Classifier, loaded: Loaded, clip: Audio, top: int | None = None) -> Iterator[Delta]:
    """The `top` labels of each stretch as segments, best first, as soon as it is heard; then those of the whole.

    The whole is the mean over time where the model chooses one label, and the highest score of any stretch where
    several may hold: a bell that rings once in an hour was heard all the same. It is the text, one label a line, and
    the `data`: `[{"label", "score"}]`.
    """
    import torch

    from hark.engines.transformers.generation import quiet

    top, rate, labels = top or TOP, loaded.processor.sampling_rate, loaded.model.config.id2label
    whole = _Whole(several=several_hold(loaded))
    for samples in stretches(clip.stream(rate), family.most_samples(loaded)):
        with loaded.lock, quiet(), torch.inference_mode():
            scores = family.scores(loaded, samples)
        start = whole.samples / rate
        whole.add(scores, samples)
        end = whole.samples / rate
        segments = (
            Segment(label, round(start, 3), round(end, 3), confidence=score)
            for label, score in best(scores, labels, top)
        )
        yield Delta(segments=tuple(segments), heard=end)
    found = best(whole.scores(), labels, top)
    yield Delta(
        "\n".join(f"{label}: {score:.2f}" for label, score in found),
        notices=(*clip.notices, *_notices(clip, labels, whole)),
        usage=Usage(whole.samples / rate),
        data=[{"label": label, "score": score} for label, score in found],
    )


@dataclass(slots=True)
class _Whole:
    """The scores of a whole recording, as its stretches come."""

    several: bool
    stretches: int = 0
    samples: int = 0
    peak: float = 0.0
    kept: Any = 0.0  # (labels,): the highest scores, or their sums weighted by samples

    def add(self, scores: NDArray[Any], samples: NDArray[Any]) -> None:
        import numpy as np

        self.stretches += 1
        self.samples += len(samples)
        self.peak = max(self.peak, float(abs(samples).max(initial=0.0)))
        self.kept = np.maximum(self.kept, scores) if self.several else self.kept + scores * len(samples)

    def scores(self) -> Any:
        return self.kept if self.several else self.kept / self.samples


def stretches(blocks: Iterable[NDArray[Any]], most: int) -> Iterator[NDArray[Any]]:
    """Blocks of samples as stretches of `most` samples; the last two are equally long, so that none is a mere scrap."""
    import numpy as np

    held: NDArray[Any] = np.zeros(0, dtype=np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= 2 * most:
            yield held[:most]
            held = held[most:]
    if len(held) > most:
        half = (len(held) + 1) // 2
        yield held[:half]
        held = held[half:]
    if len(held):
        yield held


def best(scores: Any, labels: dict[int, str], top: int) -> list[tuple[str, float]]:
    """The best labels with their scores, in the order of their scores."""
    order = scores.argsort(kind="stable")[::-1][:top]
    return [(labels[int(index)], round(float(scores[index]), 4)) for index in order]


def _notices(clip: Audio, labels: dict[int, str], whole: _Whole) -> Iterator[Notice]:
    if whole.stretches > 1:
        text = f"{clip.name} is longer than the model hears at once; it was heard in {whole.stretches} stretches."
        yield Notice("split", text)
    if whole.peak < SILENT:
        yield Notice("silence", f"Nothing can be heard in {clip.name}; the labels mean nothing.")
    if all(label == f"LABEL_{index}" for index, label in labels.items()):
        yield Notice("model", "The config of this model gives its labels no names (id2label).")
