"""CTC and attention together, in models of all three architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import hark
from hark.training.decoding import ctc_scores
from hark.training.joint import search
from hark.training.language_model import Attributes, beside, write_beside
from hark.training.model import HarkSpeech2TextConfig, HarkSpeech2TextForConditionalGeneration
from hark.training.ngram import estimate
from tiny.speech_to_text import tiny_speech_to_text

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16000


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random model of each architecture, whose CTC head and decoder are of different minds."""
    from transformers import Speech2TextProcessor

    plain = tiny_speech_to_text(tmp_path_factory.mktemp("plain") / "model")
    processor, made = Speech2TextProcessor.from_pretrained(plain), {}
    for architecture in ("transformer", "conformer", "rnn"):
        torch.manual_seed(1)
        config = HarkSpeech2TextConfig(
            architecture=architecture, vocab_size=31, d_model=16, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
            conv_channels=16, init_std=0.3, max_target_positions=64, decoding="joint", ctc_weight=0.4,
        )  # fmt: skip
        model = HarkSpeech2TextForConditionalGeneration(config)
        with torch.no_grad():
            model.ctc_head.bias[1] = 3.0  # blanks, or no text would fit
        model.generation_config.max_new_tokens = 6
        made[architecture] = tmp_path_factory.mktemp("joint") / architecture
        model.save_pretrained(made[architecture])
        processor.save_pretrained(made[architecture])
    return made


def _given(folder: Path, *seconds: float) -> tuple[Any, Any]:
    from transformers import Speech2TextProcessor

    sound = [
        np.random.default_rng(n).normal(0, 0.1, round(RATE * length)).astype(np.float32)
        for n, length in enumerate(seconds)
    ]
    given = Speech2TextProcessor.from_pretrained(folder)(
        audio=sound, sampling_rate=RATE, return_tensors="pt", padding=True
    )
    return HarkSpeech2TextForConditionalGeneration.from_pretrained(folder).eval(), given


@pytest.mark.parametrize("architecture", ["transformer", "conformer", "rnn"])
def test_texts_of_both_searches_are_scored_by_both_heads(folders: dict[str, Path], architecture: str) -> None:
    model, given = _given(folders[architecture], 0.6)
    (found,) = search(model, **given, beams=4)
    log_probs, _ = model.ctc_log_probs(**given)
    texts = [one.tokens for one in found]
    assert [one.ctc for one in found] == pytest.approx(ctc_scores(log_probs[0].detach().numpy(), texts, 1).tolist())
    for one in found:
        ids = torch.tensor([[2, *one.tokens, 2]])
        with torch.no_grad():
            likely = model(**given, decoder_input_ids=ids[:, :-1]).logits[0].log_softmax(-1)
        assert one.attention == pytest.approx(float(likely.gather(1, ids[0, 1:, None]).sum()), abs=1e-3)
        if one.ctc > -np.inf:
            assert one.score == pytest.approx(0.4 * one.ctc + 0.6 * one.attention, abs=1e-3)
    written = model.generate(**given, decoding="attention", num_beams=4)[0].tolist()
    assert tuple(token for token in written if token not in (1, 2)) in texts
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
def test_a_batch_finds_what_each_finds_alone(folders: dict[str, Path], architecture: str) -> None:
    model, given = _given(folders[architecture], 0.6, 0.4)
    together = search(model, **given, beams=3)
    ids = model.generate(**given, num_beams=3)
    for row, frames in enumerate(given["attention_mask"].sum(-1).tolist()):
        alone = search(model, given["input_features"][row : row + 1, :frames], beams=3)
        assert together[row][0].tokens == alone[0][0].tokens
        assert together[row][0].score == pytest.approx(alone[0][0].score, abs=1e-3)
        assert tuple(token for token in ids[row].tolist() if token not in (1, 2)) == alone[0][0].tokens
    short = model.generate(**given, num_beams=3, max_length=3, synced_gpus=False)
    assert short.shape[1] <= 3
    with pytest.raises(ValueError, match="temperature"):
        model.generate(**given, temperature=0.5)


def test_hark_writes_with_both_heads_and_a_language_model(folders: dict[str, Path], order: hark.Audio) -> None:
    folder = folders["rnn"]
    with hark.load(str(folder)) as listener:
        assert listener.can.timestamps == "word"
        plain = listener.transcribe(order[0.2:1.4], beams=4)
        engine: Any = listener.engine
        tokenizer = engine.family.tokenizer(engine.loaded())
    assert [word.text for word in plain.words] == plain.text.split()
    write_beside(estimate([tokenizer.tokenize("ab cab")], 2, "witten-bell"), folder, Attributes(alpha=9.0, beta=0.0))
    assert beside(folder, tokenizer) is not None
    with hark.load(str(folder)) as listener:
        fused = listener.transcribe(order[0.2:1.4], beams=4).text
    assert fused != plain.text
    assert set(fused) <= set("abc ")
