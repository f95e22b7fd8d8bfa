"""Orders in noise, heard offline, and the front end they go through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import hark
from hark.engines.builtin import noise
from hark.engines.builtin.worker import make_decoder

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16000
ORDER = {"size": "large", "drink": "coffee", "sugar": "two sugars"}


def test_the_front_end_computes_what_pocketsphinx_computes(order: hark.Audio, tmp_path: Path) -> None:
    samples = (order.samples()[: 2 * RATE] * 30000).astype("<i2")
    decoder = make_decoder(lm=None, keyphrase="coffee", mfclogdir=str(tmp_path))
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
    decoder.end_utt()
    (written,) = tmp_path.iterdir()
    expected = np.frombuffer(written.read_bytes()[4:], ">f4").reshape(-1, 13)
    found = noise.log_mel(samples.astype(float)) @ noise.cosines().T
    assert abs(len(found) - len(expected)) <= 1  # pocketsphinx fills the last frame up
    np.testing.assert_allclose(found, expected[: len(found)], atol=1e-3)


def test_the_network_is_the_one_that_was_trained() -> None:
    torch = pytest.importorskip("torch")
    weights = noise._weights()
    layers = {"a": torch.nn.GRU(25, 64, bidirectional=True), "b": torch.nn.GRU(128, 48, bidirectional=True)}
    spectrum = np.random.default_rng(0).normal(12, 4, (50, 25))
    hidden = torch.tensor((spectrum - spectrum.mean()) / noise.SCALE, dtype=torch.float32)
    for name, layer in layers.items():
        own = {key[2:]: torch.tensor(value) for key, value in weights.items() if key.startswith(f"{name}.")}
        layer.load_state_dict(own)
        hidden = layer(hidden)[0].detach()
    expected = (hidden.numpy() @ weights["o.weight"].T + weights["o.bias"]) * noise.SCALE
    np.testing.assert_allclose(noise.correction(spectrum), expected, atol=1e-3)


def test_noise_is_taken_out_of_an_order(order: hark.Audio) -> None:
    rng = np.random.default_rng(1)
    clean = order.samples() / np.abs(order.samples()).max() + rng.standard_normal(len(order.samples())) * 1e-3
    mixed = clean + rng.standard_normal(len(clean)) * 0.05

    def plain(samples: np.ndarray) -> np.ndarray:
        return noise.log_mel(samples * 25000) @ noise.cosines().T

    def away(found: np.ndarray) -> float:  # as the recogniser sees it, which takes the means out
        difference = found - plain(clean)
        return float(np.square(difference - difference.mean(axis=0)).mean())

    assert away(noise.cepstra((mixed * 25000).astype(np.int16))) < 0.6 * away(plain(mixed))


def test_an_order_is_understood_in_hiss(order: hark.Audio, examples: Path) -> None:
    clean = order.samples() / np.abs(order.samples()).max()
    hiss = np.random.default_rng(2).standard_normal(len(clean)) * 0.03
    with hark.load("builtin") as listener:
        found = listener.command(hark.Audio.of((clean + hiss).astype(np.float32), RATE), examples / "coffee_maker.yaml")
    assert found.slots == ORDER
