"""A live session over WebRTC, as OpenAI's Realtime API has it: sound on a track of Opus, events on a data channel."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from aiortc import (
    InvalidStateError,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamError

from hark.audio.audio import RATE
from hark.errors import RequestError, TooLargeError
from hark.realtime.events import EventError
from hark.realtime.ice import LOOPBACK
from hark.realtime.items import new_id
from hark.realtime.offers import checked
from hark.realtime.telling import about

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from aioice import Candidate, Connection
    from aiortc import MediaStreamTrack, RTCDataChannel
    from av.audio.frame import AudioFrame
    from numpy.typing import NDArray

    from hark.realtime.ice import Network
    from hark.realtime.session import Session

CHANNEL = "oai-events"
# The one of aiortc is meant for sound that is played: it holds back 80 ms, and for good 280 ms once a packet got lost.
JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_IN_ORDER = 8  # packets that are waited for to come into order
_OPUS_RATE = 48000
_STALLED = 1.0  # seconds without a packet after which nothing was said; those of a bad network come in less
_LONGEST_GAP = 10.0  # seconds of lost packets that are made up for, so that times stay true
_AHEAD = 30.0  # seconds of sound more than have passed: no microphone does that
_MOST_UNREAD = 16 * 2**20  # bytes of events that wait to be read
_MOST_UNSENT = 256 * 1024  # bytes of events on their way to the client
_CLOSING_SECONDS = 5.0


class Call:
    """One client's connection.

    Args:
        network: where it may be reached.

    Attributes:
        id: what clients hang up by.
    """

    def __init__(self, network: Network) -> None:
        self.id = new_id("rtc")
        self.network = network
        servers = [RTCIceServer(one.url, one.username, one.password) for one in network.servers]
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._peer.on("datachannel", self._opened)
        self._peer.on("connectionstatechange", self._changed)
        self._channel: RTCDataChannel | None = None
        self._open, self._sent, self._over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._unread = asyncio.Queue[str | bytes]()
        self._unread_bytes = 0
        self._track: MediaStreamTrack | None = None
        self._heard_of = asyncio.get_running_loop().time()
        self._busy = asyncio.Lock()  # a session takes one thing at a time
        self._full = False

    async def answer(self, offer: str, client: str | None = None) -> str:
        """The SDP that answers an offer, which came from the address `client`.

        Raises:
            RequestError: it is no offer of sound and events.
        """
        offer, sounds = checked(offer, self.network, client)
        if sounds:
            self._expect_sound()
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        except Exception as error:  # its library raises whatever a line makes it stumble over
            raise RequestError("The SDP cannot be answered.", hint="Is it an offer?", param="sdp") from error
        self._gather_where_wanted()
        await self._peer.setLocalDescription()
        for one in self._peer.getReceivers():
            self._track = one.track
        return self._peer.localDescription.sdp

    def _expect_sound(self) -> None:
        one = self._peer.addTransceiver("audio", direction="recvonly")
        codecs = RTCRtpReceiver.getCapabilities("audio").codecs  # type: ignore[union-attr]
        one.setCodecPreferences([codec for codec in codecs if codec.mimeType == "audio/opus"])
        setattr(one.receiver, JITTER_BUFFER, JitterBuffer(_IN_ORDER, prefetch=1))

    def _gather_where_wanted(self) -> None:
        """Have ICE use the addresses wanted: it leaves out loopback by itself, and takes all others."""
        assert self._peer.sctp is not None  # noqa: S101 - the offer has events; all that it has is bundled with them
        gatherer = self._peer.sctp.transport.transport.iceGatherer
        keep_to(gatherer._connection, self.network.addresses)  # noqa: SLF001 - there is no other way to it

    async def write(self, event: dict[str, Any]) -> None:
        """Send an event, as soon as the client is connected and takes it."""
        await self._open.wait()
        assert self._channel is not None  # noqa: S101 - it is open
        while self._channel.bufferedAmount > _MOST_UNSENT:
            self._sent.clear()
            await self._sent.wait()
        try:
            try:
                self._channel.send(_packed(event))
            except ValueError:  # larger than what the client said it takes
                error = EventError(f"The event {event['type']} is larger than your data channel takes.")
                self._channel.send(_packed({"type": "error", "event_id": new_id("event"), "error": about(error)}))
        except InvalidStateError:
            self._over.set()

    async def run(self, session: Session, *others: Coroutine[Any, Any, Any], idle: float) -> None:
        """Carry events and sound until the client leaves, is not heard of for `idle` seconds, or one of `others` ends.

        A client that sends more than anybody can say or read is cut off.

        Raises:
            Exception: whatever the others raise.
        """
        tasks = [asyncio.ensure_future(one) for one in (self._events(session), self._watch(idle), *others)]
        if self._track is not None:
            tasks.append(asyncio.ensure_future(self._sound(session, self._track)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                with contextlib.suppress(TooManyError):
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Hang up."""
        self._over.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._peer.close()

    # what the library tells

    def _changed(self) -> None:
        if self._peer.connectionState in ("failed", "closed"):
            self._over.set()

    def _opened(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL or self._channel is not None:
            channel.close()  # nobody would read it
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = _MOST_UNSENT // 2
        channel.on("bufferedamountlow", self._sent.set)
        channel.on("message", self._take)
        channel.on("close", self._over.set)
        self._open.set()

    def _take(self, message: str | bytes) -> None:
        self._heard_of = asyncio.get_running_loop().time()
        self._unread_bytes += len(message)
        if self._unread_bytes > _MOST_UNREAD:
            self._over.set()
        else:
            self._unread.put_nowait(message)

    # what goes on

    async def _events(self, session: Session) -> None:
        while True:
            message = await self._unread.get()
            self._unread_bytes -= len(message)
            async with self._busy:
                await session.receive(message)

    async def _watch(self, idle: float) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            while (left := self._heard_of + idle - loop.time()) > 0:
                await asyncio.wait_for(self._over.wait(), left)
                return

    async def _sound(self, session: Session, track: MediaStreamTrack) -> None:
        loop, sound = asyncio.get_running_loop(), Sound()
        while True:
            frame = await _next(track)
            if frame is not None:
                self._heard_of = loop.time()
                await self._hear(session, sound.of(frame, loop.time()))
            elif session.settings.audio.input.turn_detection:  # or a turn that was begun would never end
                await self._hear(session, sound.quiet(_STALLED))

    async def _hear(self, session: Session, samples: NDArray[np.float32]) -> None:
        try:
            async with self._busy:
                await session.hear(samples)
            self._full = False
        except TooLargeError as error:  # nobody commits the turn: it is told once, not with each packet
            if not self._full:
                await session.fail(error)
            self._full = True


class Sound:
    """Makes of the frames of a track what a session hears; what got lost on the way is silence of the same length."""

    def __init__(self) -> None:
        self._resampler = soxr.ResampleStream(_OPUS_RATE, RATE, 1, "float32", "MQ")  # as `Decoder`: no long filter
        self._due: int | None = None  # the time of the next frame, at 48 kHz
        self._begun, self._heard = 0.0, 0

    def of(self, frame: AudioFrame, now: float) -> NDArray[np.float32]:
        """The samples (n,) at 16 kHz of a frame that comes at a time in seconds.

        Raises:
            TooManyError: there is more sound than there was time to say it.
        """
        at = frame.pts or 0
        if self._due is None:
            self._begun, self._due = now, at
        self._heard += frame.samples
        if self._heard / _OPUS_RATE > now - self._begun + _AHEAD:
            raise TooManyError
        lost = min(max(0, at - self._due), round(_LONGEST_GAP * _OPUS_RATE))
        self._due = at + frame.samples
        stereo = frame.to_ndarray()[0]  # 16 bits, one after the other: aiortc decodes all Opus so
        mono = (stereo[0::2].astype(np.float32) + stereo[1::2]) * np.float32(0.5 / 32768)
        if lost:
            mono = np.concatenate((np.zeros(lost, np.float32), mono))
        return np.asarray(self._resampler.resample_chunk(mono), np.float32)

    def quiet(self, seconds: float) -> NDArray[np.float32]:
        """The samples (n,) at 16 kHz of a time in which no frame came; none before the first."""
        if self._due is None:
            return np.zeros(0, np.float32)
        self._due += round(seconds * _OPUS_RATE)
        return np.zeros(round(seconds * RATE), np.float32)


class TooManyError(Exception):
    """The client sends more than anybody can say or read."""


async def _next(track: MediaStreamTrack) -> AudioFrame | None:
    """The next frame of a track; None where none came for a while, or none will ever."""
    try:
        async with asyncio.timeout(_STALLED):
            frame: Any = await track.recv()
            return frame  # type: ignore[no-any-return]
    except TimeoutError:
        return None
    except MediaStreamError:
        await asyncio.sleep(_STALLED)
        return None


def keep_to(connection: Connection, wanted: Sequence[str] | None) -> None:
    """Have a connection of ICE use these addresses of this machine; None: all it has, or loopback."""
    gather = connection.get_component_candidates

    async def gathered(component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        found = addresses or list(LOOPBACK) if wanted is None else list(wanted)
        return await gather(component, found, timeout)

    connection.get_component_candidates = gathered  # type: ignore[method-assign]


def _packed(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))
