"""Descriptions of sounds whose truth is known, because they are made here."""

import json
import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hark.audio.audio import Audio
from hark.engines.builtin import levels, sound
from hark.engines.builtin.sound import SoundDescription, describe

RATE = 16_000


def clock(seconds: float) -> Any:
    return np.arange(round(seconds * RATE)) / RATE


def tone(hertz: float, seconds: float = 2.0, level: float = 0.3) -> Any:
    return level * np.sin(2 * np.pi * hertz * clock(seconds))


def white(seconds: float = 3.0, level: float = 0.1) -> Any:
    return level * np.random.default_rng(0).standard_normal(round(seconds * RATE))


def pink(seconds: float = 3.0) -> Any:
    bins = np.fft.rfft(white(seconds, 1.0))
    shaped = np.fft.irfft(bins / np.sqrt(np.arange(1, len(bins) + 1)))
    return 0.1 * shaped / shaped.std()


def bell(base: float = 400.0, seconds: float = 3.0) -> Any:
    t = clock(seconds)
    partials = ((0.5, 1.5), (1.0, 1.2), (1.19, 0.9), (1.56, 0.8), (2.0, 0.7), (2.67, 0.5))
    return 0.15 * sum(np.sin(2 * np.pi * base * ratio * t) * np.exp(-t / decay) for ratio, decay in partials)


def siren(period: float = 1.5, seconds: float = 6.0) -> Any:
    hertz = 900 - 300 * np.cos(2 * np.pi * clock(seconds) / period)
    return 0.3 * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)


def clicks(*times: float, seconds: float = 3.0) -> Any:
    track = np.zeros(round(seconds * RATE))
    burst = white(0.02, 0.3) * np.exp(-clock(0.02) / 0.004)
    for time in times:
        track[round(time * RATE) :][: len(burst)] += burst
    return track


def chirp(start: float, end: float, seconds: float = 2.0) -> Any:
    t = clock(seconds)
    return 0.3 * np.sin(2 * np.pi * (start * t + (end - start) * t**2 / (2 * seconds)))


def described(samples: Any, **rest: Any) -> SoundDescription:
    return describe(np.asarray(samples, dtype=np.float32), RATE, **rest)


@pytest.mark.parametrize("scale", [1.0, 0.1, 0.03])
@pytest.mark.parametrize(
    ("samples", "kind"),
    [
        (tone(440), "steady tone"),
        (chirp(200, 2000), "rising tone"),
        (chirp(1500, 300), "falling tone"),
        (siren(), "siren"),
        (bell(), "bell"),
        (clicks(0.4, 1.0, 2.2), "bursts"),
        (white(), "noise"),
        (pink(), "noise"),
    ],
    ids=["tone", "rising", "falling", "siren", "bell", "clicks", "white", "pink"],
)
def test_kinds_at_several_levels(samples: Any, kind: str, scale: float) -> None:
    assert described(samples * scale).kind == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("bell", "bell"), ("knocks", "bursts"), ("siren", "siren"), ("noise", "noise"), ("silence", "silence")],
)
def test_the_examples(examples: Path, name: str, kind: str) -> None:
    assert sound.hear(Audio.of(examples / "sounds" / f"{name}.flac"), ()).kind == kind


def test_the_example_song(examples: Path) -> None:
    assert sound.hear(Audio.of(examples / "song.flac"), ()).kind == "music"


@pytest.mark.parametrize(("hertz", "note"), [(110, "A2"), (261.63, "C4"), (440, "A4"), (1000, "B5"), (3520, "A7")])
def test_pitch(hertz: float, note: str) -> None:
    found = described(tone(hertz))
    assert found.pitch == pytest.approx(hertz, rel=0.003)
    assert found.note == note
    assert note in found.sentence()


def test_pitch_of_a_voice_like_tone_is_its_fundamental() -> None:
    rich = sum(tone(150 * k, level=0.1 / k) for k in range(1, 20))
    assert described(rich).pitch == pytest.approx(150, rel=0.01)


def test_onsets_at_known_times() -> None:
    found = described(clicks(0.5, 1.0, 1.5, 2.0, 2.5))
    assert found.onset_times == pytest.approx((0.5, 1.0, 1.5, 2.0, 2.5), abs=0.011)
    assert found.onsets == 5
    assert found.regular
    assert "5 knocks or clicks" in found.sentence()
    assert not described(clicks(0.5, 0.9, 2.5)).regular
    assert "1 knock or click:" in described(clicks(1.2)).sentence()


def test_beeps_hold_their_level() -> None:
    found = described(tone(1000, 4.0) * (clock(4.0) % 1.0 < 0.15))
    assert (found.kind, found.onsets, found.regular) == ("beeps", 4, True)
    assert found.pitch == pytest.approx(1000, rel=0.01)


def test_a_siren_has_a_range_and_a_period() -> None:
    found = described(siren(period=1.5))
    assert found.pitch_period == pytest.approx(1.5, abs=0.05)
    assert (found.pitch_low, found.pitch_high) == (pytest.approx(600, rel=0.03), pytest.approx(1200, rel=0.03))


def test_a_string_is_no_bell() -> None:
    t = clock(2.0)
    found = described(0.2 * sum(np.sin(2 * np.pi * 220 * k * t) * np.exp(-t / 0.5) for k in (1, 2, 3, 4)))
    assert found.kind == "ringing tone"
    assert found.decay == pytest.approx(20 * math.log10(math.e) / 0.5, rel=0.1)


@pytest.mark.parametrize("mains", [50, 60])
def test_mains_hum(mains: int) -> None:
    hum = tone(mains, 4.0, 0.1) + tone(2 * mains, 4.0, 0.05) + tone(3 * mains, 4.0, 0.05) + white(4.0, 0.01)
    assert described(hum).hum == mains
    assert described(hum).kind == "hum"
    assert described(white(4.0)).hum is None


def test_level_peak_and_clipping() -> None:
    full = described(tone(440, level=1.0))
    assert full.level_dbfs == pytest.approx(-3.01, abs=0.05)
    assert full.peak_dbfs == pytest.approx(0, abs=0.05)
    assert described(tone(440, level=0.1)).level_dbfs == pytest.approx(-23.01, abs=0.05)
    assert described(tone(440, level=0.1)).clipped == 0
    clipped = described(np.clip(tone(440, level=3.0), -1, 1))
    assert clipped.clipped > 0.5
    assert "clipped" in clipped.sentence()


def test_silence_and_its_share() -> None:
    assert described(np.zeros(RATE)).sentence() == "It is silent: 1.0 s, nothing above -120 dBFS."
    assert described(np.zeros(0)).kind == "silence"
    assert "almost silent" in described(tone(440, level=3e-4)).sentence()
    half = described(np.concatenate([np.zeros(RATE), white(1.0)]))
    assert half.silence == pytest.approx(0.5, abs=0.01)
    assert "50 % silence" in half.sentence()


def test_telephone_band() -> None:
    bins = np.fft.rfft(pink(4.0))
    bins[np.fft.rfftfreq(4 * RATE, 1 / RATE) > 3600] = 0
    assert described(np.fft.irfft(bins)).telephone_band
    assert not described(pink(4.0)).telephone_band
    assert not described(tone(2000)).telephone_band


def test_speech_is_told_by_the_stretches_given(shared_data: Path) -> None:
    audio = Audio.of(shared_data / "clips" / "reading.flac")
    found = sound.hear(audio, [(0.3, 6.0), (6.5, 13.2)])
    assert found.kind == "speech"
    assert found.speech == pytest.approx(12.4 / audio.duration, abs=0.01)
    assert sound.hear(audio, ()).kind not in ("music", "siren", "bell", "bursts", "noise", "steady tone")


def test_a_sound_beside_some_speech_is_still_described() -> None:
    speech = sum(tone(120 * k, 2.0, 0.1 / k) for k in range(1, 9)) * (0.5 + 0.5 * np.sin(20 * clock(2.0)))
    found = described(np.concatenate([speech, white(8.0)]), speech=[(0.0, 2.0)])
    assert found.kind == "noise"
    assert found.speech == pytest.approx(0.2)


def test_a_few_words_in_silence_are_speech() -> None:
    words = sum(tone(120 * k, 2.0, 0.1 / k) for k in range(1, 9))
    found = described(np.concatenate([words, np.zeros(6 * RATE)]), speech=[(0.0, 2.0)])
    assert (found.kind, found.speech) == ("speech", 0.25)


@pytest.mark.parametrize("speech", [[], [(0.0, 0.4)], [(0.0, 9.0)]])
def test_a_constant_offset_is_no_error(speech: list[tuple[float, float]]) -> None:
    assert described(np.full(RATE, 0.5), speech=speech).level_dbfs == pytest.approx(-6.02, abs=0.05)


def test_to_dict_is_plain_and_says_what_it_cannot_tell() -> None:
    values = described(siren()).to_dict()
    assert json.loads(json.dumps(values))["kind"] == "siren"
    assert "audio-language model" in values["caveat"]


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float32, st.integers(0, 3000), elements=st.floats(-(2.0**120), 2.0**120, width=32)),
    st.sampled_from([8000, 11_025, 16_000, 48_000]),
)
def test_any_samples_are_described(samples: Any, rate: int) -> None:
    found = describe(samples, rate, [(0.0, 0.01), (5.0, 3.0)])
    assert found.sentence().endswith(".")
    numbers = [value for value in found.to_dict().values() if isinstance(value, float)]
    assert all(map(math.isfinite, numbers))


@pytest.mark.parametrize("seconds", [0.01, 0.03, 0.07, 0.2, 0.5, 1.1])
@pytest.mark.parametrize("make", [tone, lambda _h, s: white(s), lambda h, s: bell(h, s), lambda _h, s: siren(1.0, s)])
def test_any_length_is_described(make: Any, seconds: float) -> None:
    assert described(make(440.0, seconds)).duration == pytest.approx(seconds, abs=0.001)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40_000), st.sampled_from(["siren", "clicks"]))
def test_blocks_of_any_size_give_the_same(size: int, name: str) -> None:
    whole = {"siren": siren(1.0, 2.3), "clicks": clicks(0.3, 0.99, 1.4, seconds=2.3)}[name].astype(np.float32)
    size = max(size, 50)
    blocks = (whole[start : start + size] for start in range(0, len(whole), size))
    assert describe(blocks, RATE) == describe(whole, RATE)


def test_memory_does_not_grow_with_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "DETAIL_SECONDS", 5.0)
    block = white(1.0).astype(np.float32)

    def peak(seconds: int) -> int:
        def blocks() -> Iterator[Any]:
            for _ in range(seconds):
                yield block

        tracemalloc.start()
        found = describe(blocks(), RATE)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (found.duration, found.detail_seconds) == (seconds, 5.0)
        return used

    peak(6)
    assert peak(600) < 1.2 * peak(30)
