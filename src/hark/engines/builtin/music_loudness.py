"""Loudness as broadcasters measure it: integrated loudness of ITU-R BS.1770-5 (2023), in LUFS.

Two filters (a shelf for the head, a high-pass), blocks of 0.4 s that overlap by three quarters, an absolute gate at -70
LUFS and a relative one 10 LU below. The coefficients are the standard's own, for 48 kHz.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hark.audio.audio import Audio
    from hark.engines.builtin.music_features import Values

_RATE = 48_000
_STEP = _RATE // 10  # a quarter of a block
_FILTERS = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621),
)
_SURROUND = {5: (1, 1, 1, 1.41, 1.41), 6: (1, 1, 1, 0, 1.41, 1.41)}  # left, right, centre(, low), and two behind


def integrated_loudness(audio: Audio) -> float | None:
    """LUFS of a whole recording, channels as they are; None where nothing passes the gates, or it is under 0.4 s.

    Raises:
        AudioError: the recording cannot be decoded.
    """
    from scipy.signal import sosfilt

    channels = audio.channels
    state = np.zeros((len(_FILTERS), 2, channels))
    steps: list[Values] = []
    rest = np.zeros((0, channels))
    for block in audio.stream(rate=_RATE, mono=False):
        clean = np.nan_to_num(block.astype(np.float64), posinf=0.0, neginf=0.0)
        weighted, state = sosfilt(np.array(_FILTERS), clean, axis=0, zi=state)
        joined = np.concatenate([rest, weighted])
        count = len(joined) // _STEP
        steps.extend(np.square(joined[: count * _STEP]).reshape(count, _STEP, channels).mean(axis=1))
        rest = joined[count * _STEP :]
    if len(steps) < 4:
        return None
    powers = np.array(steps) @ np.array(_SURROUND.get(channels, (1,) * channels), dtype=np.float64)
    return _gated(np.convolve(powers, np.full(4, 0.25), mode="valid"))


def _gated(blocks: Values) -> float | None:
    heard = blocks[_lufs(blocks) > -70.0]
    if not len(heard):
        return None
    loud = heard[_lufs(heard) > _lufs(heard.mean()) - 10.0]
    return round(float(_lufs(loud.mean())), 1)


def _lufs(power: Values) -> Values:
    return np.asarray(-0.691 + 10 * np.log10(np.maximum(power, 1e-15)))
