"""Searches, against all paths and texts counted one by one."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hark.errors import OptionError
from hark.training.decoding import Hypothesis, attention_scores, ctc_prefix_beam, ctc_scores, joint
from hark.training.fusion import Words
from hark.training.ngram import estimate
from hark.training.spelling import Spelling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BLANK = 0
LETTERS = ("", " ", "a", "b")


def _random(frames: int, seed: int) -> NDArray[np.float64]:
    values = np.random.default_rng(seed).normal(size=(frames, len(LETTERS)))
    found: NDArray[np.float64] = values - np.log(np.exp(values).sum(1, keepdims=True))
    return found


def _by_path(likely: NDArray[np.float64]) -> dict[tuple[int, ...], float]:
    """The probability of each text: all paths are read one by one."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(likely.shape[1]), repeat=len(likely)):
        text = tuple(token for token, _ in itertools.groupby(path) if token != BLANK)
        found[text] = found.get(text, 0.0) + math.exp(sum(row[token] for row, token in zip(likely, path, strict=True)))
    return found


def _scorer(weight: float = 1.0, bonus: float = 0.0) -> Words:
    text = ["a b", "a b", "ab a", "b", "a b a"]
    return Words(
        estimate([line.split() for line in text], 2), Spelling(LETTERS, tuple(map(str.encode, LETTERS))), weight, bonus
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_wide_search_finds_the_probability_of_every_text(seed: int) -> None:
    likely = _random(5, seed)
    every = _by_path(likely)
    found = ctc_prefix_beam(likely, BLANK, beams=10_000, least=-math.inf)
    assert {one.tokens: pytest.approx(math.exp(one.ctc)) for one in found} == every
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    texts = list(every)
    assert np.exp(ctc_scores(likely, texts, BLANK)) == pytest.approx([every[text] for text in texts])


def test_a_language_model_ranks_with_the_sound() -> None:
    likely, scorer = _random(5, 11), _scorer(2.0, 0.3)
    every = {text: math.log(sound) + scorer.whole(text) for text, sound in _by_path(likely).items()}
    found = ctc_prefix_beam(likely, BLANK, beams=10_000, least=-math.inf, scorer=scorer)
    assert {one.tokens: pytest.approx(one.score) for one in found} == every
    best = max(every, key=lambda text: every[text])
    assert found[0].tokens == best
    assert best != ctc_prefix_beam(likely, BLANK, beams=10_000, least=-math.inf)[0].tokens
    assert ctc_prefix_beam(likely, BLANK, beams=12, scorer=scorer)[0].tokens == best  # a narrow one finds it, too


def test_words_are_scored_once_each_and_with_the_end() -> None:
    scorer = _scorer(0.5, 2.0)
    space, a, b = 1, 2, 3
    said = math.fsum([scorer.model.score("a", ["<s>"]), scorer.model.score("b", ["<s>", "a"])])
    end = scorer.model.score("</s>", ["<s>", "a", "b"])
    assert scorer.whole((a, space, b)) == pytest.approx(0.5 * (said + end) + 2 * 2.0)
    assert scorer.whole((a, space, b, space)) == pytest.approx(0.5 * (said + end) + 2 * 2.0)
    assert scorer.whole(()) == pytest.approx(0.5 * scorer.model.score("</s>", ["<s>"]))


def test_one_beam_of_no_frames_says_nothing() -> None:
    assert [one.tokens for one in ctc_prefix_beam(np.zeros((0, 4)), BLANK)] == [()]
    with pytest.raises(OptionError, match="0 texts"):
        ctc_prefix_beam(_random(2, 0), BLANK, beams=0)


@pytest.fixture(scope="module")
def speech_to_text(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny encoder-decoder, what it is given, and its processor."""
    import torch
    from transformers import Speech2TextForConditionalGeneration, Speech2TextProcessor

    from tiny.speech_to_text import tiny_speech_to_text

    folder = tiny_speech_to_text(tmp_path_factory.mktemp("decoding") / "model")
    model = Speech2TextForConditionalGeneration.from_pretrained(folder).eval()
    processor = Speech2TextProcessor.from_pretrained(folder)
    sound = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    given = processor(audio=sound, sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        heard = {"encoder_outputs": model.model.encoder(**given), "attention_mask": given["attention_mask"]}
    return model, given, heard, processor


def test_attention_scores_are_those_of_each_text_alone(speech_to_text: Any) -> None:
    import torch

    model, given, heard, _ = speech_to_text
    texts = [(5, 6, 7), (), (9,)]
    wanted = []
    for text in texts:
        said = torch.tensor([[2, *text, 2]])
        with torch.inference_mode():
            likely = model(**given, decoder_input_ids=said[:, :-1]).logits[0].log_softmax(-1)
        wanted.append(float(likely.gather(1, said[0, 1:, None]).sum()))
    assert attention_scores(model, heard, texts, [2]) == pytest.approx(wanted, abs=1e-3)
    assert len(set(wanted)) == 3


def test_joint_scores_follow_the_weight() -> None:
    likely = _random(6, 3)
    texts = [(2,), (3,), (2, 3)]
    attention = np.array([-1.0, -9.0, -4.0])
    by_ctc = ctc_scores(likely, texts, BLANK)

    def order(weight: float, **more: Any) -> list[Sequence[int]]:
        ranked = joint([Hypothesis(text) for text in texts], likely, attention, BLANK, ctc_weight=weight, **more)
        return [one.tokens for one in ranked]

    assert order(0.0) == [(2,), (2, 3), (3,)]
    assert order(1.0) == [texts[n] for n in np.argsort(-by_ctc)]
    half = joint([Hypothesis(text) for text in texts], likely, attention, BLANK, ctc_weight=0.5)
    assert {one.tokens: one.score for one in half} == pytest.approx(
        dict(zip(texts, (0.5 * by_ctc + 0.5 * attention).tolist(), strict=True))
    )
    assert order(0.0, length_bonus=20.0)[0] == (2, 3)
    assert order(0.0, scorer=_scorer(50.0))[0] == max(texts, key=_scorer(50.0).whole)
    with pytest.raises(OptionError, match="weight"):
        order(1.5)
