"""Audio: path, URL, data URI, bytes, file object, array or video -> one lazy, hashable value."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from hark.audio.sources import source_of
from hark.errors import AudioEmptyError, AudioError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hark.answers.answer import Notice
    from hark.audio.readers import Reader

RATE = 16000
_RATES = range(100, 768_001)
_FOREVER = 1e12  # seconds


class _Recording:
    """What an Audio and its slices share: the source, and what was learned of it."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.name: str = source.name
        self.notices: dict[str, Notice] = {}
        self._lock = threading.RLock()
        self._id = ""
        self._info: tuple[int, int, int | None] | None = None
        self._counted: int | None = None

    @property
    def id(self) -> str:
        with self._lock:
            self._id = self._id or self.source.digest()
            return self._id

    @property
    def info(self) -> tuple[int, int, int | None]:
        """Native rate, channels, and frames the container says there are."""
        with self._lock:
            if self._info is None:
                self.reader().close()
            return cast("tuple[int, int, int | None]", self._info)

    def reader(self) -> Reader:
        reader = cast("Reader", self.source.reader())
        self._info = (reader.rate, reader.channels, reader.frames)
        self._counted = self._counted or reader.counted
        return reader

    def frames(self) -> int:
        """How many frames there are: counted, else as the container says, else counted now."""
        said = self._counted or self.info[2]
        if said is None:
            for _ in self.blocks(0, None):
                pass
            said = self._counted
        return said or 0

    def blocks(self, start: int, stop: int | None) -> Iterator[NDArray[np.float32]]:
        from hark.audio.decode import Pass

        reader = self.reader()
        decoding = Pass(reader, self.name)
        try:
            yield from decoding.blocks(start, stop)
        finally:
            self._counted = decoding.counted or self._counted
            self.notices.update(decoding.notices)
            reader.close()


@dataclass(frozen=True, slots=True, eq=False, repr=False, weakref_slot=True)
class Audio:
    """Something that can be heard: lazy, immutable, equal to another when the content is the same.

    Make one with `Audio.of`; cut it with `audio[2.5:10]` (seconds). Nothing is fetched or decoded before it is needed.

    Attributes:
        start: where it begins in the clock of the whole recording, in seconds.
        stop: where it ends there, None for the end of the recording.
    """

    _recording: _Recording
    start: float = 0.0
    stop: float | None = field(default=None)

    @classmethod
    def of(cls, source: Any, rate: int | None = None, *, name: str | None = None) -> Audio:
        """Make an Audio of whatever can be heard.

        Args:
            source: an Audio (returned as it is); a path; a `file:`, `http:`, `https:` or `data:` address; base64 text;
                bytes; a binary file object (read now); an array or tensor, (n,), (n, channels) or (channels, n), floats
                in [-1, 1] or integers (scaled by their type); a (rate, array) pair; a dict with `array` or `raw` and
                `sampling_rate`, or `bytes`, or `path`.
            rate: samples per second, for arrays only.
            name: how messages and prompts call it; by default the file's name, the address, or the kind of source.

        Raises:
            AudioNotFoundError: no such file; the hint offers names close to it.
            AudioUnreadableError: a folder, no permission, or nothing that can be heard.
            AudioEmptyError: no bytes, or no samples. AudioTooLargeError: more than `settings.max_bytes`.
            AudioError: an array without a rate, or of a shape or type that cannot be told.
        """
        return source if isinstance(source, Audio) else cls(_Recording(source_of(source, rate, name)))

    @property
    def name(self) -> str:
        """How messages and prompts call it: file name, address, `array`, `bytes`, `stdin`."""
        return self._recording.name

    @property
    def id(self) -> str:
        """The sha256 of the content, in hex: of the file's bytes, or of the samples; a slice derives its own."""
        whole = self._recording.id
        if not self.start and self.stop is None:
            return whole
        return hashlib.sha256(f"{whole} {self.start!r} {self.stop!r}".encode()).hexdigest()

    @property
    def rate(self) -> int:
        """Native samples per second."""
        return self._recording.info[0]

    @property
    def channels(self) -> int:
        """Native number of channels."""
        return self._recording.info[1]

    @property
    def duration(self) -> float:
        """Seconds: counted once it was decoded to its end, before that what the container says."""
        first, stop = self._range()
        frames = self._recording.frames()
        return max(0, min(frames, frames if stop is None else stop) - first) / self.rate

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was found while decoding: that the file breaks off, that samples were cleaned."""
        return tuple(self._recording.notices.values())

    def samples(self, rate: int = RATE, *, mono: bool = True) -> NDArray[np.float32]:
        """Decode it whole: float32, (n,) in mono, else (n, channels).

        Raises:
            AudioError: see `stream`.
        """
        from hark.audio.resample import joined

        seconds = 0.0
        if self._recording.info[2] is not None:
            seconds = min(self.duration, 3600.0)  # a header may lie; beyond an hour the array grows as it fills
        blocks, channels = self._converted(rate, mono)
        whole = joined(blocks, int((seconds + 1) * rate), channels)
        return whole[:, 0] if mono else whole

    def stream(
        self, rate: int = RATE, *, mono: bool = True, block_seconds: float = 10.0
    ) -> Iterator[NDArray[np.float32]]:
        """Decode it in blocks of equal length (the last is shorter), in flat memory.

        Mono is the mean of the channels. Blocks put together equal `samples()` exactly, whatever their length.

        Raises:
            AudioUnreadableError: not audio, or nothing in it can be decoded. AudioEmptyError: no samples.
            AudioTooLargeError: longer than `settings.max_seconds`. FetchError: the address cannot be fetched.
        """
        from hark.audio.resample import even

        if not (isinstance(block_seconds, int | float) and 0 < block_seconds < _FOREVER):
            raise OptionError(f"block_seconds cannot be {block_seconds!r}.", hint="Give seconds above 0.")
        blocks, _ = self._converted(rate, mono)
        for block in even(blocks, max(1, round(block_seconds * rate))):
            yield block[:, 0] if mono else block

    def to_wav(self) -> bytes:
        """The sound as a WAV file, 16-bit PCM, mono, 16 kHz; what lies beyond full scale is clipped."""
        import io
        import wave

        import numpy as np

        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            for block in self.stream(RATE):
                scaled = np.clip(np.rint(block * np.float32(32768.0)), -32768, 32767)
                file.writeframes(scaled.astype("<i2").tobytes())
        return out.getvalue()

    def channel(self, number: int) -> Audio:
        """One of its channels, counted from 0, as a mono Audio of its own.

        Raises:
            OptionError: it has no such channel.
        """
        from hark.audio.channel import ChannelSource

        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < self.channels:
            raise OptionError(f"{self.name} has no channel {number!r}.", hint=f"It has {self.channels}, from 0.")
        return Audio(_Recording(ChannelSource(self._recording.source, number)), self.start, self.stop)

    def _converted(self, rate: int, mono: bool) -> tuple[Iterator[NDArray[np.float32]], int]:
        from hark.audio.resample import resampled, to_mono

        if isinstance(rate, bool) or not isinstance(rate, int | float) or rate not in _RATES:
            raise OptionError(f"A rate of {rate!r} Hz cannot be given.", hint="Give a whole number from 100 to 768000.")
        first, stop = self._range()
        if stop is not None and stop <= first:
            raise AudioEmptyError(f"There is nothing between {self.start} s and {self.stop} s of {self.name}.")
        blocks = self._some(self._recording.blocks(first, stop))
        channels = 1 if mono else self.channels
        native = (to_mono(block) for block in blocks) if mono else blocks
        return resampled(native, channels, self.rate, int(rate)), channels

    def _some(self, blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """The blocks; a slice that begins after the end of the recording is an error, not silence."""
        empty = True
        for block in blocks:
            empty = False
            yield block
        if empty:
            raise AudioEmptyError(f"{self.name} ends before {self.start} s.", hint=f"It lasts {self.duration:.2f} s.")

    def _range(self) -> tuple[int, int | None]:
        return round(self.start * self.rate), None if self.stop is None else round(self.stop * self.rate)

    def __getitem__(self, part: slice) -> Audio:
        """Cut out `audio[from:to]`, in seconds from its own start; negative ones count from the end."""
        if not isinstance(part, slice) or part.step is not None:
            raise AudioError("Audio is cut as audio[from:to], in seconds.", hint="For example audio[2.5:10].")
        begin = self._seconds(part.start, 0.0)
        end = self._seconds(part.stop, None)
        start = self.start + cast("float", begin)
        stops = [stop for stop in (self.stop, None if end is None else self.start + end) if stop is not None]
        return Audio(self._recording, start, max(start, min(stops)) if stops else None)

    def _seconds(self, given: Any, default: float | None) -> float | None:
        if given is None:
            return default
        try:
            seconds = float(given)
        except (TypeError, ValueError) as error:
            raise AudioError(f"{given!r} is no number of seconds.", hint="For example audio[2.5:10].") from error
        if seconds != seconds:
            raise AudioError("NaN is no number of seconds.", hint="For example audio[2.5:10].")
        if seconds >= _FOREVER:
            return default if default is None else _FOREVER
        return max(0.0, seconds + self.duration) if seconds < 0 else seconds

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Audio):
            return NotImplemented
        same = self._recording is other._recording and (self.start, self.stop) == (other.start, other.stop)
        return same or self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        cut = f", {self.start:g} s to {'the end' if self.stop is None else f'{self.stop:g} s'}"
        return f"Audio({self.name!r}{cut if self.start or self.stop is not None else ''})"
