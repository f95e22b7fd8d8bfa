"""Searches, against all paths and texts counted one by one."""

from __future__ import annotations

import itertools
import math
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import hark
from hark.audio.windows import windows
from hark.errors import ModelBrokenError, OptionError, OutputError
from hark.training.decoding import Hypothesis, attention_scores, ctc_prefix_beam, ctc_scores, joint
from hark.training.fusion import CausalWords, Pieces, ShallowFusion, Shared, Words
from hark.training.language_model import Attributes, write_beside
from hark.training.ngram import estimate
from hark.training.spelling import Spelling
from tiny import ctc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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


# --- models of hark, with and without a language model beside them


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import Wav2Vec2ForCTC

    folder = ctc.tiny_wav2vec2(tmp_path_factory.mktemp("recogniser") / "wav2vec2")
    model = Wav2Vec2ForCTC.from_pretrained(folder)
    with torch.no_grad():
        model.lm_head.weight *= 0.1  # a random model is too sure of what it says for a search to find more
        model.lm_head.bias[4] = 0.5
    model.save_pretrained(folder)
    return folder


def beside(folder: Path, to: Path, text: Sequence[str], **attributes: float) -> Path:
    """A copy of a recogniser with a language model of words beside it."""
    shutil.copytree(folder, to)
    write_beside(estimate([line.split() for line in text], 2, "witten-bell"), to, Attributes(**attributes))
    return to


def test_beams_of_a_ctc_model_find_likelier_texts(recogniser: Path, order: hark.Audio) -> None:
    clip = order[0:1.5]
    with hark.load(str(recogniser)) as listener:
        greedy, wide = listener.transcribe(clip), listener.transcribe(clip, beams=8)
        engine: Any = listener.engine
        likely = engine.family.emissions(engine.loaded(), next(iter(windows([clip.samples(16000)]))).samples)
        texts = [tuple(map(ctc.LETTERS.index, said.text.upper().replace(" ", "|"))) for said in (greedy, wide)]
        assert listener.transcribe(clip, beams=1).text == greedy.text
    scores = ctc_scores(likely, texts, 0)
    assert greedy.text != wide.text
    assert scores[1] > scores[0]
    assert all(one.end <= other.start for one, other in itertools.pairwise(wide.words))
    assert " ".join(word.text for word in wide.words) == wide.text


def test_a_language_model_beside_a_ctc_model_says_what_is_written(
    recogniser: Path, tmp_path: Path, order: hark.Audio
) -> None:
    clip = order[0:1.5]
    folder = beside(recogniser, tmp_path / "with", ["p y", "y p y x"], alpha=3.0, beta=2.0)
    with hark.load(str(folder)) as listener:
        said = listener.transcribe(clip)
        wide = listener.transcribe(clip, beams=32)
    assert {*said.text.lower().split()} <= {"p", "y", "x"}
    assert {*wide.text.lower().split()} <= {"p", "y", "x"}
    assert [word.text for word in said.words] == said.text.split()


def test_a_language_model_beside_an_encoder_decoder_says_what_is_written(tmp_path: Path, order: hark.Audio) -> None:
    from tiny.speech_to_text import tiny_speech_to_text

    folder = tiny_speech_to_text(tmp_path / "plain")
    with hark.load(str(folder)) as listener:
        plain = listener.transcribe(order, max_new_tokens=12, beams=3).text
        engine: Any = listener.engine
        tokenizer = engine.family.tokenizer(engine.loaded())
    pieces = [tokenizer.tokenize(line) for line in ("a b c", "a b")]
    write_beside(estimate(pieces, 3, "witten-bell"), folder, Attributes(alpha=50.0, beta=0.0))
    with hark.load(str(folder)) as listener:
        fused = listener.transcribe(order, max_new_tokens=12, beams=3).text
    assert fused in ("a b", "a b c")
    assert fused != plain


def test_what_cannot_be_used_beside_a_model_is_told(recogniser: Path, tmp_path: Path, order: hark.Audio) -> None:
    folder = beside(recogniser, tmp_path / "broken", ["a b"])
    for name, text, what in (
        ("attrs.json", '{"alpha": 1, "gamma": 2}', "gamma|extra|Extra"),
        ("lm.arpa", "nothing", "line 1"),
        ("other.arpa", "", "several"),
    ):
        (folder / "language_model" / name).write_text(text)
        with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match=what):
            listener.transcribe(order)
        if name == "attrs.json":
            (folder / "language_model" / name).unlink()
    foreign = beside(recogniser, tmp_path / "binary", ["a b"])
    (foreign / "language_model" / "5gram.bin").write_bytes(b"mmap")
    with pytest.raises(OutputError, match="another language model"):
        write_beside(estimate([["a"]], 1), foreign, Attributes())


# --- causal language models


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny.units import tiny_text

    return tiny_text(tmp_path_factory.mktemp("causal") / "lm")


def test_a_causal_model_of_the_same_tokens_is_asked_for_each(causal: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(causal)
    shared = Shared(model, 0, 4, weight=0.7, bonus=0.1)
    said = [(10, 11, 12), (), (30,)]
    for text, row, end in zip(said, shared.tokens(said), shared.ends(said), strict=True):
        with torch.no_grad():
            likely = model(torch.tensor([[0, *text]])).logits[0, -1].log_softmax(-1).numpy()
        assert row == pytest.approx(0.7 * likely + 0.1, abs=1e-4)
        assert end == pytest.approx(0.7 * likely[4], abs=1e-4)


def test_fusion_with_a_causal_model_pulls_a_search_to_its_text(speech_to_text: Any) -> None:
    """A language model that knows one text alone, at growing weight; at weight 0 nothing changes."""
    model, given, _, _ = speech_to_text

    class OneText:
        device = torch.device("cpu")

        def __call__(self, input_ids: Any) -> Any:
            logits = torch.zeros(*input_ids.shape, 31)
            for row, ids in enumerate(input_ids.tolist()):
                for place in range(len(ids)):
                    logits[row, place, [5, 6, 7, 2, 2, 2, 2, 2][min(place, 7)]] = 30.0
            return SimpleNamespace(logits=logits)

    def said(weight: float) -> list[int]:
        fused = ShallowFusion(Shared(OneText(), 2, 2, weight), [2])
        found = model.generate(**given, num_beams=4, max_new_tokens=8, logits_processor=[fused])
        return list(found[0].tolist())

    plain = model.generate(**given, num_beams=4, max_new_tokens=8)[0].tolist()
    assert said(0.0) == plain
    assert plain[1:5] != [5, 6, 7, 2]
    assert said(5.0)[1:5] == [5, 6, 7, 2]


def test_a_causal_model_of_other_tokens_is_asked_for_words(causal: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, words = AutoModelForCausalLM.from_pretrained(causal), AutoTokenizer.from_pretrained(causal)
    scored = CausalWords(model, words)
    ids = torch.tensor(
        [[words.bos_token_id, *words("so it is", add_special_tokens=False).input_ids, words.eos_token_id]]
    )
    with torch.no_grad():
        likely = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None]).sum()
    text = ["<s>", "so", "it", "is", "</s>"]
    assert sum(scored.score(text[n], text[:n]) for n in range(1, 5)) == pytest.approx(float(likely), abs=1e-3)


def test_pieces_are_scored_by_their_names() -> None:
    names = ("<pad>", "\u2581a", "b", "\u2581b")
    spelling = Spelling(names, (b"", b" a", b"b", b" b"))
    model = estimate([["\u2581a", "b"], ["\u2581b"]], 2)
    pieces = Pieces(model, spelling, weight=2.0, bonus=0.5)
    row = pieces.tokens([(1,)])[0]
    assert row[0] == min(row)
    assert row[2] == pytest.approx(2 * model.score("b", ["\u2581a"]) + 0.5)
    assert pieces.ends([(0, 1, 2)])[0] == pytest.approx(2 * model.score("</s>", ["b"]))


def test_tokens_of_all_kinds_spell_words() -> None:
    letters = Spelling(("|", "a", "b"), (b" ", b"a", b"b"))
    assert letters.words((1, 2, 0, 2)) == (("ab", "b"), True)
    assert letters.words((1, 0)) == (("a",), False)
    assert letters.words(()) == ((), False)
    cut = Spelling(("x", "y"), ("é".encode()[:1], "é".encode()[1:]))
    assert cut.words((0, 1)) == (("é",), True)
