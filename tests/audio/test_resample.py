"""Rate and channel changes against golden signals: what FFmpeg's own resampler and downmix get wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hark.audio.audio import Audio


def sweep(low: float, high: float, rate: int, seconds: float = 4.0) -> np.ndarray:
    """A linear sweep at full scale with soft ends (a click would hold every frequency)."""
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (low * time + (high - low) / (2 * seconds) * time**2)
    soft = np.minimum(1, np.minimum(time, seconds - time) / 0.2)
    return (np.sin(phase) * 0.5 * (1 - np.cos(np.pi * soft))).astype(np.float32)


def decibel(value: float) -> float:
    return 20 * float(np.log10(max(value, 1e-12)))


@pytest.mark.parametrize("rate", [44100, 48000])
def test_no_alias_of_a_sweep_above_8_khz(rate: int) -> None:
    high = sweep(8200, rate / 2 - 300, rate)
    heard = Audio.of(np.stack([high, high], 1), rate).samples(16000)
    assert decibel(float(np.abs(heard).max())) < -100


@pytest.mark.parametrize("rate", [44100, 48000])
def test_level_of_a_sweep_below_7_khz_is_kept_in_mono(rate: int) -> None:
    low = sweep(100, 7000, rate)
    heard = Audio.of(np.stack([low, low], 1), rate).samples(16000)
    steady = heard[8000:-8000]
    assert decibel(float(np.sqrt(2 * np.mean(steady**2)))) == pytest.approx(0, abs=0.05)
    assert np.abs(heard).max() <= 1.001


def test_mono_is_the_mean_of_the_channels() -> None:
    left, right = np.full(1600, 0.5, np.float32), np.full(1600, -0.25, np.float32)
    audio = Audio.of(np.stack([left, right], 1), 16000)
    assert audio.samples() == pytest.approx(0.125)
    assert audio.samples(mono=False).shape == (1600, 2)
    three = Audio.of(np.stack([left, right, right], 1), 16000)
    assert three.samples() == pytest.approx(0.0, abs=1e-7)


def test_an_impulse_stays_where_it_is() -> None:
    samples = np.zeros(48000, np.float32)
    samples[24000] = 1.0
    assert int(np.argmax(np.abs(Audio.of(samples, 48000).samples(16000)))) == 8000


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]),
    wanted=st.sampled_from([8000, 16000, 24000]),
    length=st.integers(1, 30000),
    block=st.floats(0.001, 3.0),
    channels=st.integers(1, 3),
)
def test_stream_equals_whole_whatever_the_block(
    rate: int, wanted: int, length: int, block: float, channels: int
) -> None:
    samples = np.random.default_rng(length).uniform(-1, 1, (length, channels)).astype(np.float32)
    audio = Audio.of(samples if length >= 2 * channels else np.repeat(samples, 8, 0), rate)
    whole = audio.samples(wanted)
    pieces = list(audio.stream(wanted, block_seconds=block))
    size = max(1, round(block * wanted))
    assert all(len(piece) == size for piece in pieces[:-1])
    assert np.array_equal(np.concatenate(pieces) if pieces else np.zeros(0), whole)
    assert abs(len(whole) - audio.duration * wanted) <= 1
