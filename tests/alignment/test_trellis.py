"""The best path through a trellis: against every path there is, and on times that are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hark.alignment.trellis import Span, align, needed

BLANK = 0


def collapsed(path: tuple[int, ...]) -> list[int]:
    """What CTC reads from labels by frame: runs are one, and blanks are nothing."""
    return [label for label, _ in itertools.groupby(path) if label != BLANK]


def on_path(spans: list[Span], labels: list[int], frames: int) -> tuple[int, ...]:
    path = [BLANK] * frames
    for span, label in zip(spans, labels, strict=True):
        path[span.first : span.after] = [label] * (span.after - span.first)
    return tuple(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_path_is_the_best_of_all_paths(data: st.DataObject) -> None:
    frames, vocabulary = data.draw(st.integers(1, 6)), data.draw(st.integers(2, 4))
    labels = data.draw(st.lists(st.integers(1, vocabulary - 1), min_size=1, max_size=4))
    seed = data.draw(st.integers(0, 10**6))
    scores = np.random.default_rng(seed).standard_normal((frames, vocabulary)) * 3
    likely = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    possible = [p for p in itertools.product(range(vocabulary), repeat=frames) if collapsed(p) == labels]
    found = align(likely, labels, BLANK)
    if not possible:
        assert found is None
        assert frames < needed(labels)
        return
    assert found is not None
    best = max(sum(likely[t, label] for t, label in enumerate(path)) for path in possible)
    path = on_path(found, labels, frames)
    assert path in possible
    assert sum(likely[t, label] for t, label in enumerate(path)) == pytest.approx(best)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 12)), min_size=1, max_size=60),
    st.integers(0, 10**6),
)
def test_known_times_are_found(said: list[tuple[int, int, int]], seed: int) -> None:
    labels, spans, path = [], [], []
    for label, length, pause in said:
        path += [BLANK] * pause
        spans.append((len(path), len(path) + length))
        labels.append(label)
        path += [label] * length
    noise = np.random.default_rng(seed).random((len(path), 10)) * 0.05
    noise[np.arange(len(path)), path] = 0.0
    noise[np.arange(len(path)), path] = 1 - noise.sum(axis=1)
    found = align(np.log(noise), labels, BLANK)
    assert found is not None
    assert [(span.first, span.after) for span in found] == spans
    assert all(span.probability > 0.5 for span in found)


def test_equal_labels_are_kept_apart_by_a_blank() -> None:
    likely = np.log(np.array([[0.1, 0.9]] * 5))
    first, second = align(likely, [1, 1], BLANK) or []
    assert first.after < second.first


def test_no_labels_and_too_few_frames() -> None:
    likely = np.log(np.full((2, 3), 1 / 3))
    assert align(likely, [], BLANK) == []
    assert align(likely, [1, 1], BLANK) is None
    assert align(likely[:0], [1], BLANK) is None
    assert align(likely[:1], [2], BLANK) == [Span(0, 1, pytest.approx(1 / 3))]


def test_memory_does_not_grow_with_frames_times_labels() -> None:
    import tracemalloc

    frames, labels = 6000, [1 + n % 7 for n in range(1500)]
    likely = np.log(np.random.default_rng(0).dirichlet(np.ones(8), frames))
    tracemalloc.start()
    try:
        assert align(likely, labels, BLANK) is not None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * 2**20  # 18 MiB with a byte for each
