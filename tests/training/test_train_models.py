"""The three architectures, and the examples they learn from."""

from __future__ import annotations

import json
import pickle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soxr

from hark.data.prepare.fbank import log_mel
from hark.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytest.importorskip("jiwer")

from hark.training import augment as change  # noqa: E402
from hark.training.ctc_generate import collapsed  # noqa: E402
from hark.training.examples import Buckets, Examples, Pool, choose, collate  # noqa: E402
from hark.training.model import HarkSpeech2TextConfig, HarkSpeech2TextForConditionalGeneration  # noqa: E402
from hark.training.recipe import Noise, SpecAugment, checked  # noqa: E402
from hark.training.report import report  # noqa: E402

ARCHITECTURES = ("transformer", "conformer", "rnn")
BANDS = 40


def made(architecture: str) -> Any:
    torch.manual_seed(5)
    config = HarkSpeech2TextConfig(
        architecture=architecture, vocab_size=20, d_model=32, encoder_layers=2, decoder_layers=2, init_std=0.3,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, conv_channels=32,
        input_feat_per_channel=BANDS, max_target_positions=64,
    )  # fmt: skip
    return HarkSpeech2TextForConditionalGeneration(config).eval()


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request: pytest.FixtureRequest) -> Any:
    return made(request.param)


def batch() -> dict[str, Any]:
    features = torch.randn(3, 90, BANDS, generator=torch.Generator().manual_seed(1))
    mask = torch.ones(3, 90, dtype=torch.long)
    mask[1, 53:] = 0
    features[1, 53:] = 5.0  # whatever is in the padding
    return {"input_features": features, "attention_mask": mask}


def test_padding_changes_nothing(model: Any) -> None:
    given = batch()
    with torch.no_grad():
        together, lengths = model.ctc_log_probs(**given)
        alone, (length,) = model.ctc_log_probs(given["input_features"][1:2, :53])
    assert int(lengths[1]) == int(length) == alone.shape[1]
    assert torch.allclose(together[1, :length], alone[0], atol=1e-4)
    wanted = model.generate(**given, max_new_tokens=8)[1]
    single = model.generate(input_features=given["input_features"][1:2, :53], max_new_tokens=8)[0]
    assert wanted[: len(single)].tolist() == single.tolist()


def test_silence_and_bands_that_are_not_used_do_no_harm(model: Any) -> None:
    features = torch.full((1, 40, BANDS + 14), float("nan"))
    features[..., 3] = torch.linspace(-1, 1, 40)
    with torch.no_grad():
        found, _ = model.ctc_log_probs(features)
        other, _ = model.ctc_log_probs(features.nan_to_num(0.0)[..., :BANDS])
    assert torch.equal(found, other)


@pytest.mark.parametrize("beams", [1, 3])
def test_what_is_kept_between_tokens_changes_nothing(model: Any, beams: int) -> None:
    how = {"max_new_tokens": 8, "num_beams": beams, "min_new_tokens": 6}
    kept, fresh = (model.generate(**batch(), **how, use_cache=cache) for cache in (True, False))
    assert kept.tolist() == fresh.tolist()
    assert len({tuple(row) for row in kept.tolist()}) > 1  # it depends on what is heard


def test_teacher_forcing_scores_what_generation_scores(model: Any) -> None:
    ids = torch.tensor([[2, 5, 9, 7], [2, 6, 6, 4], [2, 8, 4, 5]])
    given, cache = batch(), None
    with torch.no_grad():
        at_once = model(**given, decoder_input_ids=ids).logits
        states = model.model.encoder(**given)
        for place in range(ids.shape[1]):
            step = model(
                attention_mask=given["attention_mask"], encoder_outputs=states, past_key_values=cache, use_cache=True,
                decoder_input_ids=ids[:, place : place + 1],
            )  # fmt: skip
            cache = step.past_key_values
            assert torch.allclose(step.logits[:, 0], at_once[:, place], atol=1e-4)


def test_the_loss_is_that_of_both_heads(model: Any) -> None:
    labels = torch.tensor([[5, 6, 7, 2], [5, 6, 2, -100], [8, 2, -100, -100]])
    given = batch()
    with torch.no_grad():
        log_probs, lengths = model.ctc_log_probs(**given)
        targets, counts = torch.tensor([5, 6, 7, 5, 6, 8]), torch.tensor([3, 2, 1])
        ctc = torch.nn.functional.ctc_loss(log_probs.transpose(0, 1), targets, lengths, counts, blank=1)
        found = {}
        for weight in (0.0, 0.4, 1.0):
            model.config.ctc_weight = weight
            found[weight] = model(**given, labels=labels).loss
    assert found[1.0] == pytest.approx(ctc.item(), rel=1e-5)
    assert found[0.4].item() == pytest.approx(0.6 * found[0.0].item() + 0.4 * ctc.item(), rel=1e-5)


def test_a_path_of_ctc_is_read() -> None:
    assert collapsed([1, 5, 5, 1, 5, 7, 7, 1, 1], 1) == [5, 5, 7]
    assert collapsed([], 1) == []


def test_speed_on_energies_is_speed_of_samples(shared_data: Path) -> None:
    import soundfile

    samples, rate = soundfile.read(shared_data / "clips" / "reading.flac", dtype="float32")
    samples = samples[: 3 * rate]
    plain = log_mel(samples, BANDS)
    for factor in (0.9, 1.12):
        faster = log_mel(soxr.resample(samples, rate, rate / factor), BANDS)
        found = change.sped(plain, factor, BANDS)
        frames, used = min(len(faster), len(found)), BANDS - 6  # at the top there is what the other has not
        aside = change.stretched(plain, factor)[:frames, :used] - faster[:frames, :used]
        assert len(found) == pytest.approx(len(faster), abs=2)
        assert np.abs(found[:frames, :used] - faster[:frames, :used]).mean() < 0.75 * np.abs(aside).mean()


def test_noise_has_the_level_wanted() -> None:
    rng = np.random.default_rng(0)
    speech = rng.normal(5, 2, (300, BANDS)).astype(np.float32)
    added = change.noisy(speech, Noise(snr_db=(10, 10)), change.white(BANDS), rng)
    ratio = 10 * np.log10(np.exp(speech).mean() / (np.exp(added).mean() - np.exp(speech).mean()))
    assert ratio == pytest.approx(10, abs=0.1)


def test_masks_are_as_wide_as_wanted() -> None:
    spec, whole = SpecAugment(bands=1, band_width=5, times=1, time_width=50, time_share=0.1), np.ones((100, BANDS))
    for seed in range(20):
        found = change.masked(whole.astype(np.float32), spec, np.random.default_rng(seed))
        assert (found == 0).all(axis=0).sum() <= 5
        assert (found == 0).all(axis=1).sum() <= 10


class Some:
    """As `Prepared`."""

    folder = "folder"

    def __init__(self, items: list[Any], rows: list[dict[str, str]]) -> None:
        self.items, self.rows = items, rows
        self.frames = np.asarray([len(item.features) for item in items])

    def __getitem__(self, number: int) -> Any:
        return self.items[number]

    def row(self, number: int) -> dict[str, str]:
        return self.rows[number]


def prepared(count: int = 40) -> Any:
    """What `Prepared` gives: recording n lasts 10 + n frames, all n, and says token 4 + n % 3."""
    rows = [{"speaker": "ab"[number % 2], "text": "x"} for number in range(count)]
    items = [
        SimpleNamespace(features=np.full((10 + n, BANDS), n, np.float32), labels=(4 + n % 3, 2)) for n in range(count)
    ]

    return Some(items, rows)


def examples(**recipe: Any) -> Examples:
    data = {"train": [{"path": "x"}], "bins": BANDS}
    whole = checked({"data": data, "training": {"steps": 1}, "model": {"normalize": "none"}, **recipe})
    return Examples(Pool([choose(prepared(), (), 0, 60)], BANDS), whole, training=True)


def test_sequences_are_of_one_speaker_and_say_what_their_parts_say() -> None:
    found = examples(sequences={"count": [2, 4], "gap_seconds": [0.03, 0.03], "edge_seconds": [0, 0], "each_epoch": 50})
    assert len(found) == 50
    assert {len(members) for members in found._plan(0)} == {2, 3, 4}
    for place, members in enumerate(found._plan(0)):
        assert len({number % 2 for number in members}) == 1
        example = found[place]
        assert example["labels"] == [4 + number % 3 for number in members] + [2]
        assert len(example["input_features"]) == sum(10 + n for n in members) + 3 * (len(members) - 1)


def test_examples_are_drawn_anew_in_each_epoch_and_the_same_in_each_run() -> None:
    how = {"sequences": {"count": [1, 2]}, "augment": {"speed": [0.9, 1.1], "noise": {}, "spec": {}}}
    one, other = examples(**how), pickle.loads(pickle.dumps(examples(**how)))
    size = len(one)
    for index in (0, 7, 3 * size + 7):
        assert np.array_equal(one[index]["input_features"], other[index]["input_features"])
    assert not np.array_equal(one[7]["input_features"], one[3 * size + 7]["input_features"])


def test_batches_hold_what_is_of_like_length_and_all_of_it() -> None:
    found = examples()
    first, second = (list(Buckets(found, 8, lambda epoch=epoch: epoch)) for epoch in (0, 1))
    assert sorted(first) == list(range(40))
    assert sorted(second) == list(range(40, 80))
    assert [index - 40 for index in second] != first
    spread = [max(part) - min(part) for part in (first[at : at + 8] for at in range(0, 40, 8))]
    assert max(spread) < 8  # of 40


def test_a_batch_is_filled_up() -> None:
    found = collate([{"input_features": np.ones((n, BANDS), np.float32), "labels": [4] * n} for n in (2, 3)])
    assert found["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert found["labels"].tolist() == [[4, 4, -100], [4, 4, 4]]
    assert found["input_features"][0, 2].abs().sum() == 0


def test_speakers_and_lengths_are_chosen() -> None:
    assert choose(prepared(), ("a",), 0, 0.2).numbers == (0, 2, 4, 6, 8, 10)
    with pytest.raises(DataError, match="no sample of c"):
        choose(prepared(), ("c",), 0, 60)


def test_a_report_needs_a_log(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training"):
        report(tmp_path)
    (tmp_path / "checkpoint-5").mkdir()
    log = [{"step": step, "loss": 1 / (1 + step), "eval_loss": float("nan"), "<b>": step} for step in range(3)]
    (tmp_path / "checkpoint-5" / "trainer_state.json").write_text(json.dumps({"log_history": log, "global_step": 2}))
    page = report(tmp_path).read_text()
    assert "<b>&lt;b&gt;</b>" in page
    assert page.count("<polyline") == 2
    assert "nan" not in page.split("<table>")[0]
