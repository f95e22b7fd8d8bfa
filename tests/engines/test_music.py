"""Key, tempo, meter and sections of songs made here, of the example song, and of sounds that have neither."""

import runpy
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hark.audio.audio import Audio
from hark.engines.builtin import music
from hark.engines.builtin.music_loudness import integrated_loudness
from hark.errors import MissingExtraError

SONGS = runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "songs.py"))
RATE = 22_050


@pytest.fixture(autouse=True)
def _librosa() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("librosa")


@pytest.mark.parametrize(
    ("tonic", "mode", "tempo", "key"),
    [
        (0, "major", 100, "C major"),
        (4, "minor", 84, "E minor"),
        (10, "major", 120, "Bb major"),
        (8, "minor", 132, "G# minor"),
    ],
)
def test_songs(tonic: int, mode: str, tempo: float, key: str) -> None:
    found = music.analyse(SONGS["song"](tonic, mode, tempo, 12.0), RATE)
    assert found.key == key
    assert found.tempo == pytest.approx(tempo, rel=0.02)
    assert found.other_tempi == pytest.approx((tempo / 2, tempo * 2), rel=0.02)
    steps = np.diff(found.beats)
    assert np.median(steps) == pytest.approx(60 / tempo, rel=0.02)
    assert f"key is {key}" in found.sentence() or f"probably {key}" in found.sentence()
    assert f"{tempo:.0f} beats per minute" in found.sentence()
    assert found.to_dict()["key"] == key


def test_the_example(examples: Path) -> None:
    found = music.hear(Audio.of(examples / "song.flac"))
    assert found.key == "G major"
    assert found.tempo == pytest.approx(96, rel=0.01)
    assert found.reasons == ()


def test_tuning() -> None:
    found = music.analyse(SONGS["song"](2, "major", 100, 8.0, tuning_cents=30), RATE)
    assert found.key == "D major"
    assert found.tuning_cents == pytest.approx(30, abs=6)


def test_rate_and_level_make_no_difference() -> None:
    song = SONGS["song"](7, "major", 108, 10.0)
    one, other = music.analyse(song, RATE), music.analyse(song[::2] * 0.01, RATE // 2)
    assert (one.key, round(one.tempo or 0)) == (other.key, round(other.tempo or 0)) == ("G major", 108)
    assert one.loudness_dbfs - other.loudness_dbfs == pytest.approx(40, abs=1)


def _noise(seconds: float) -> Any:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


def _tone(seconds: float) -> Any:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("sound", [_noise(8), _tone(8)])
def test_noise_and_a_tone_have_neither(sound: Any) -> None:
    found = music.analyse(sound, RATE)
    assert (found.key, found.tempo) == (None, None)
    assert len(found.reasons) == 2
    assert "no key" in found.sentence()
    assert "no tempo" in found.sentence()


def test_clicks_have_a_tempo_but_no_key() -> None:
    clicks = np.zeros(10 * RATE, np.float32)
    clicks[:: RATE // 2] = 0.9
    found = music.analyse(clicks, RATE)
    assert found.key is None
    assert found.tempo == pytest.approx(120, rel=0.02)


@pytest.mark.parametrize(
    "samples", [np.zeros(0), np.zeros(10), np.zeros(5 * RATE), _tone(0.5), np.full(RATE * 3, np.nan)]
)
def test_nothing_to_tell(samples: Any) -> None:
    found = music.analyse(samples.astype(np.float32), RATE)
    assert (found.key, found.tempo) == (None, None)
    assert "too short" in found.sentence() or "silent" in found.sentence()


def test_speech_has_no_key_and_no_tempo(shared_data: Path) -> None:
    found = music.hear(Audio.of(shared_data / "clips" / "reading.flac"))
    assert (found.key, found.tempo) == (None, None)


def test_only_the_first_minutes_are_analysed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "LIMIT_SECONDS", 6.0)
    found = music.analyse(np.concatenate([SONGS["song"](0, "major", 120, 6.0), _noise(20)]), RATE)
    assert found.seconds == 6.0
    assert found.key == "C major"
    assert "first 6 s" in found.notices[0]


def test_keys_are_ranked_by_their_own_profiles() -> None:
    scale = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], dtype=float)
    ranked = music.rank_keys(scale + 0.5 * np.eye(12)[0])
    assert len(ranked) == 24
    assert ranked[0][1] == "C major"
    assert music.rank_keys(np.roll(scale + 0.5 * np.eye(12)[0], 6))[0][1] == "F# major"


def test_without_librosa_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(MissingExtraError) as caught:
        music.analyse(_tone(3), RATE)
    assert "hark-audio[music]" in caught.value.hint


@pytest.mark.parametrize(("meter", "seed", "tempo"), [("4/4", 31, 170.0), ("3/4", 32, 130.0), ("6/8", 33, 70.0)])
def test_meter_tempo_and_bars(meter: str, seed: int, tempo: float) -> None:
    made = SONGS["piece"](seed, meter=meter, tempo=tempo, seconds=14, snr_db=20)
    found = music.analyse(made.samples, RATE)
    assert (found.meter, found.key) == (meter, made.key)
    assert found.tempo == pytest.approx(tempo, rel=0.01)
    hits = [min(abs(bar - other) for other in found.bars) < 0.07 for bar in made.bars[1:-1]]
    assert np.mean(hits) > 0.9


def test_sections_and_chords() -> None:
    made = SONGS["piece"](8, form="ABA", key=(7, "major"), tempo=170.0, seconds=11)
    found = music.analyse(made.samples, RATE)
    assert [section.label for section in found.sections] == ["A", "B", "A"]
    assert [s.start for s in found.sections[1:]] == pytest.approx([start for _, start, _ in made.sections[1:]], abs=0.3)
    assert found.sections[0].start == 0
    assert found.sections[-1].end == pytest.approx(found.seconds, abs=0.01)
    chords = [chord for section in found.sections for chord in section.chords]
    assert len(chords) == len(found.bars)
    assert np.mean([one == other for one, other in zip(chords, made.chords, strict=False)]) > 0.8


@pytest.mark.parametrize(("channels", "lufs"), [(1, -23.0), (2, -20.0)])
def test_loudness_is_that_of_the_standard(channels: int, lufs: float) -> None:
    """ITU-R BS.1770: a tone of 997 Hz at 0 dBFS in one channel is at -3.01 LKFS."""
    rate = 44_100
    tone = 10 ** ((-23 + 3.01) / 20) * np.sin(2 * np.pi * 997 * np.arange(5 * rate) / rate)
    sound = np.repeat(tone[:, None], channels, axis=1).astype(np.float32)
    assert integrated_loudness(Audio.of(sound, rate)) == pytest.approx(lufs, abs=0.1)


def test_loudness_leaves_silence_out() -> None:
    rate = 48_000
    tone = 0.1 * np.sin(2 * np.pi * 997 * np.arange(4 * rate) / rate)
    alone = integrated_loudness(Audio.of(tone.astype(np.float32), rate))
    padded = integrated_loudness(Audio.of(np.pad(tone, (0, 10 * rate)).astype(np.float32), rate))
    assert alone is not None
    assert padded == pytest.approx(alone, abs=0.4)  # blocks that are half silent count
    assert integrated_loudness(Audio.of(np.zeros(rate, np.float32), rate)) is None
    assert integrated_loudness(Audio.of(tone[: rate // 5].astype(np.float32), rate)) is None
