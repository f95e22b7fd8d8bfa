"""Encoders with a classification head, against transformers' own pipeline and their known traps."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.engines.engine import Options
from hark.engines.transformers.classification import stretches
from hark.engines.transformers.families.catalog import CLASSIFIERS
from hark.errors import ModelBrokenError, OptionError, UnsupportedError
from tiny.classify import LABELS, tiny_classifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

transformers = pytest.importorskip("transformers")
RATE = 16000


@pytest.fixture(scope="module", params=CLASSIFIERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier(tmp_path_factory.mktemp("classify") / request.param, request.param)


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier(tmp_path_factory.mktemp("classify") / "one")


def scores(answer: hark.Answer) -> dict[str, float]:
    return {item["label"]: item["score"] for item in answer.data}


def plain(folder: Path, samples: Any, **options: Any) -> dict[str, float]:
    pipe = transformers.pipeline("audio-classification", model=str(folder), **options)
    return {item["label"]: item["score"] for item in pipe(samples)}


# torch warns about masks in WavLM, which hark leaves out where they say nothing.
@pytest.mark.filterwarnings("ignore:Support for mismatched")
def test_scores_are_those_of_transformers_own_pipeline(
    folder: Path, listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio
) -> None:
    heard = [scores(listener.classify(clip)) for clip in (order, hesitant)]
    for clip, found in zip((order, hesitant), heard, strict=True):
        assert found == pytest.approx(plain(folder, clip.samples(RATE)), abs=2e-4)
        assert list(found.values()) == sorted(found.values(), reverse=True)
        assert set(found) == set(LABELS)
        assert sum(found.values()) == pytest.approx(1, abs=1e-3)
    assert max(abs(heard[0][label] - heard[1][label]) for label in LABELS) > 0.005


def test_nothing_of_a_long_recording_is_cut_and_times_are_true(listener: hark.Listener, examples: Path) -> None:
    clip = hark.Audio.of(examples / "standup.flac")
    answer = listener.classify(clip, top=2)
    edges = list(dict.fromkeys((segment.start, segment.end) for segment in answer.evidence))
    assert edges[0][0] == 0
    assert edges[-1][1] == pytest.approx(clip.duration, abs=0.002)
    assert answer.usage.audio_seconds == pytest.approx(clip.duration, abs=0.002)
    assert [start for start, _ in edges[1:]] == [end for _, end in edges[:-1]]
    most = listener.can.max_seconds or 0
    assert all(most / 2 - 0.01 <= end - start <= most + 0.001 for start, end in edges)
    assert len(answer.evidence) == 2 * len(edges)
    assert "split" in {notice.kind for notice in answer.notices}
    start, end = edges[1]
    alone = listener.classify(clip[start:end], top=4)
    (same,) = {s.confidence for s in answer.evidence if (s.start, s.text) == (start, alone.evidence[0].text)}
    assert same == pytest.approx(alone.evidence[0].confidence, abs=0.01)


def test_a_hundredth_of_a_second_is_heard(listener: hark.Listener) -> None:
    click = hark.Audio.of(np.full(RATE // 100, 0.1, dtype=np.float32), RATE)
    answer = listener.classify(click)
    assert len(answer.data) == 4
    assert answer.evidence[0].end == pytest.approx(0.01, abs=0.002)


def test_half_precision_gives_about_the_same(folder: Path, listener: hark.Listener, order: hark.Audio) -> None:
    with hark.load(str(folder), dtype="bfloat16") as half:
        assert scores(half.classify(order)) == pytest.approx(scores(listener.classify(order)), abs=0.08)


def test_batch_equals_single(listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio) -> None:
    conversations = [hark.Conversation.ask((clip,)) for clip in (order, hesitant)]
    together = listener.engine.generate_batch(conversations, Options(task="classify"))
    assert [answer.data for answer in together] == [listener.classify(clip).data for clip in (order, hesitant)]


def test_a_missing_head_is_an_error_and_never_random(folder: Path, tmp_path: Path, order: hark.Audio) -> None:
    """Published emotion models whose head has other names load with random numbers in transformers."""
    from safetensors.numpy import load_file, save_file

    other = tmp_path / "headless"
    shutil.copytree(folder, other)
    weights = {k: v for k, v in load_file(other / "model.safetensors").items() if not k.startswith("classifier")}
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    with hark.load(str(other)) as broken, pytest.raises(ModelBrokenError, match="lacks weights: classifier"):
        broken.classify(order)


def changed(folder: Path, copy: Path, **values: Any) -> Path:
    shutil.copytree(folder, copy)
    path = copy / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return copy


def test_several_labels_may_hold_where_the_config_says_so(wav2vec2: Path, tmp_path: Path, examples: Path) -> None:
    """Each then has a score of its own, and the whole has the highest of any stretch."""
    several = changed(wav2vec2, tmp_path / "several", problem_type="multi_label_classification")
    clip = hark.Audio.of(examples / "order.flac")
    with hark.load(str(several)) as listener:
        found = scores(listener.classify(clip))
        answer = listener.classify(examples / "standup.flac")
    assert found == pytest.approx(plain(several, clip.samples(RATE)), abs=2e-4)
    assert sum(found.values()) != pytest.approx(1, abs=0.05)
    highest = {label: max(s.confidence or 0 for s in answer.evidence if s.text == label) for label in LABELS}
    assert scores(answer) == pytest.approx(highest)


def test_the_whole_is_the_mean_over_time_where_one_label_holds(wav2vec2: Path, examples: Path) -> None:
    with hark.load(str(wav2vec2)) as listener:
        answer = listener.classify(examples / "standup.flac")
    for label, score in scores(answer).items():
        parts = [(s.end - s.start, s.confidence or 0) for s in answer.evidence if s.text == label]
        assert score == pytest.approx(sum(a * b for a, b in parts) / sum(a for a, _ in parts), abs=1e-3)


def test_silence_is_told_and_so_are_labels_without_names(wav2vec2: Path, tmp_path: Path, order: hark.Audio) -> None:
    def kinds(folder: Path, clip: Any) -> set[str]:
        with hark.load(str(folder)) as listener:
            return {notice.kind for notice in listener.classify(clip).notices}

    nameless = changed(wav2vec2, tmp_path / "nameless", id2label={str(n): f"LABEL_{n}" for n in range(4)})
    assert kinds(wav2vec2, hark.Audio.of(np.zeros(RATE, dtype=np.float32), RATE)) == {"silence"}
    assert kinds(wav2vec2, order) == set()
    assert kinds(nameless, order) == {"model"}


def test_audio_of_another_rate_is_resampled_to_the_extractors(
    wav2vec2: Path, tmp_path: Path, order: hark.Audio
) -> None:
    eight = tmp_path / "eight"
    shutil.copytree(wav2vec2, eight)
    path = eight / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sampling_rate": 8000}))
    with hark.load(str(eight)) as listener:
        found = listener.classify(order)
    assert found.evidence[0].end == pytest.approx(order.duration, abs=0.001)
    assert scores(found) == pytest.approx(plain(eight, order.samples(8000)), abs=2e-4)


@pytest.mark.parametrize(
    "ask",
    [
        lambda listener, clip: listener.ask(clip),
        lambda listener, clip: listener.ask(clip, "What?"),
        lambda listener, clip: listener.transcribe(clip),
        lambda listener, clip: listener.ask([clip, clip], task="classify"),
        lambda listener, clip: listener.ask(clip, task="classify", temperature=0.5),
        lambda listener, clip: listener.classify(clip, ["a", "b"]),
    ],
)
def test_a_classifier_is_asked_for_its_labels_alone(
    wav2vec2: Path, order: hark.Audio, ask: Callable[[hark.Listener, hark.Audio], Any]
) -> None:
    with hark.load(str(wav2vec2)) as listener, pytest.raises(UnsupportedError) as refusal:
        ask(listener, order)
    assert refusal.value.hint


@pytest.mark.parametrize("values", [{"problem_type": "regression"}, {"id2label": {"0": "arousal"}}])
def test_a_head_that_gives_a_number_is_refused(wav2vec2: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match="gives a number"):
        hark.load(str(changed(wav2vec2, tmp_path / "number", **values)))


def test_a_model_without_labels_says_what_to_use(order: hark.Audio) -> None:
    with hark.load("builtin") as builtin:
        with pytest.raises(UnsupportedError, match="no labels of its own") as refusal:
            builtin.classify(order)
        assert "classification head" in refusal.value.hint
        with pytest.raises(UnsupportedError, match="among given labels"):
            builtin.classify(order, ["a", "b"])
        for labels in ([], ["one"], ["same", "same"], "angry", ["", "b"]):
            with pytest.raises(OptionError, match="two different texts"):
                builtin.classify(order, labels)


def test_stretches_hold_every_sample_once_and_none_is_a_scrap() -> None:
    for length in (1, 9, 10, 11, 19, 20, 21, 29, 30, 31, 95):
        samples = np.arange(length)
        blocks = [samples[start : start + 7] for start in range(0, length, 7)]
        found = list(stretches(blocks, 10))
        assert np.concatenate(found).tolist() == samples.tolist()
        assert all(len(part) <= 10 for part in found)
        assert min(map(len, found)) >= min(length, 5)
