"""What can be measured of one recording, in a worker process."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hark.errors import AudioEmptyError, AudioNotFoundError, HarkError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hark.data.place import Place

_FULL_SCALE = 0.999
_BLOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One recording.

    Attributes:
        seconds, rate, channels: how long it is, and its own format.
        level: its root mean square in dB below full scale; minus infinity is digital silence.
        clipped: the share of samples that stand at full scale, three or more in a row.
        digest: of its samples, so that copies in other containers are the same.
        trouble: what is wrong with it (`missing`, `empty`, `unreadable`, `truncated`), and the sentence that says so.
    """

    seconds: float = 0.0
    rate: int = 0
    channels: int = 0
    level: float = -math.inf
    clipped: float = 0.0
    digest: bytes = b""
    trouble: tuple[str, str] | None = None


def hear(place: Place) -> Heard:
    """Decode a recording to its end and measure it."""
    try:
        return _measured(place)
    except AudioNotFoundError as error:
        return Heard(trouble=("missing", error.message))
    except AudioEmptyError as error:
        return Heard(trouble=("empty", error.message))
    except (HarkError, OSError, ValueError, MemoryError) as error:
        return Heard(trouble=("unreadable", str(error) or type(error).__name__))


def crashed(place: Place) -> Heard:
    """What is said of a recording that its decoder does not survive."""
    return Heard(trouble=("unreadable", f"{place.name or 'The recording'} crashes its decoder."))


def _measured(place: Place) -> Heard:
    import numpy as np

    audio = place.audio()
    rate, channels = audio.rate, audio.channels
    count, energy, clipped = 0, 0.0, 0
    digest = hashlib.sha256(f"{rate}".encode())
    for block in audio.stream(rate, mono=False, block_seconds=_BLOCK_SECONDS):
        count += len(block)
        energy += float(np.square(block, dtype=np.float64).sum())
        clipped += _clipped(block)
        whole = np.clip(np.rint(block.mean(axis=1) * 32768), -32768, 32767)
        digest.update(whole.astype("<i2").tobytes())
    mean = energy / (count * channels)
    cut = next((notice.text for notice in audio.notices if notice.kind == "truncated"), None)
    return Heard(
        seconds=count / rate,
        rate=rate,
        channels=channels,
        level=10 * math.log10(mean) if mean > 0 else -math.inf,
        clipped=clipped / (count * channels),
        digest=digest.digest()[:16],
        trouble=("truncated", cut) if cut else None,
    )


def _clipped(block: NDArray[np.float32]) -> int:
    full = abs(block) >= _FULL_SCALE
    return int((full[:-2] & full[1:-1] & full[2:]).sum())
