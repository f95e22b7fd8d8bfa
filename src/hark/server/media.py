"""Audio in requests: nobody's path is opened, no address is fetched that was not allowed, and limits hold."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_to_bytes

from hark.audio import base64_text
from hark.audio.audio import Audio
from hark.audio.isolated import IsolatedSource, OpenSource
from hark.audio.isolated_pool import Decoders, Limits
from hark.audio.sources import BytesSource, FileSource
from hark.errors import RequestError, TooLargeError
from hark.server.threads import is_unwanted
from hark.server.urls import Urls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from hark.server.config import Config


_DECODE_SECONDS = 120.0  # four hours of speech take a core a quarter of that
_TAKEN = "Send base64, or a data URI (data:audio/wav;base64,...); paths are never opened."


class Media:
    """Makes an Audio of what clients send; whatever is in it is looked into by processes of their own.

    Attributes:
        on_heard: called with the seconds that it took to decode the clips of a request.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.on_heard: Callable[[float], object] = float
        self.urls = Urls(config)
        seconds = min(_DECODE_SECONDS, config.deadline_seconds)
        limits = Limits(seconds=config.max_seconds, wall_seconds=seconds)
        self.decoders = Decoders(limits, unwanted=is_unwanted)

    def warm(self) -> None:
        """Start the processes that decode before the first request comes; blocks until they are ready."""
        self.decoders.warm()

    def upload(self, file: BinaryIO | bytes, name: str) -> Audio:
        """The audio in an uploaded file, which may be closed then; what lies on disk is not copied.

        Raises:
            AudioError: it is empty, or too large.
        """
        if isinstance(file, bytes):
            return self._isolated(BytesSource(file, name))
        # `fileno` of a SpooledTemporaryFile would put it on disk; `name` is a number when it is there already.
        if getattr(file, "name", None) is None:
            file.seek(0)
            return self._isolated(BytesSource(file.read(), name))
        return self._isolated(OpenSource(file, name))

    def named(self, given: Any, rate: Any = None, name: str | None = None) -> Audio:
        """The audio that a JSON request holds or names: base64, a data URI, or an address; called like `Audio.of`.

        Raises:
            RequestError: it is a path, or an address that may not be fetched, or nothing that can be heard.
            AudioError: it is empty, or broken.
        """
        if isinstance(given, bytes):
            return self.upload(given, name or "audio")
        if not isinstance(given, str) or rate is not None:
            raise RequestError("Audio in JSON is text.", hint=_TAKEN)
        if given[:5].lower() == "data:":
            return self.upload(_of_data_uri(given), name or given.partition(",")[0][:40])
        if given[:8].lower().startswith(("http://", "https://")):
            return self._isolated(self.urls.source(given, name))
        return self.upload(_of_base64(given), name or "audio")

    def _isolated(self, source: FileSource) -> Audio:
        return Audio.of(IsolatedSource(source, self.decoders))

    def heard(self, clips: Sequence[Audio]) -> None:
        """Decode clips, in a process that can be killed, before a model is asked; blocks until that is done.

        Raises:
            TooLargeError: there are too many, or they last too long.
            AudioError: one cannot be used. OutputError: there is no room for what is decoded.
        """
        begun = time.perf_counter()
        if len(clips) > self.config.max_clips:
            raise TooLargeError(
                f"There are {len(clips)} recordings; the limit is {self.config.max_clips}.", hint="Ask about fewer."
            )
        seconds = 0.0
        for clip in clips:
            seconds += clip.duration
            if seconds > self.config.max_seconds:
                raise TooLargeError(
                    f"The recordings last longer than the limit of {self.config.max_seconds:.6g} seconds in all.",
                    hint="Ask about fewer at once, or cut them.",
                )
        self.on_heard(time.perf_counter() - begun)

    def close(self) -> None:
        """End the processes that decode."""
        self.decoders.close()


def _of_base64(text: str) -> bytes:
    with contextlib.suppress(ValueError):
        return base64_text.decode(text)
    with contextlib.suppress(ValueError):  # some write lines
        return base64_text.decode("".join(text.split()))
    raise RequestError("The audio is no base64.", hint=_TAKEN)


def _of_data_uri(text: str) -> bytes:
    """The bytes in a data URI (RFC 2397)."""
    head, comma, body = text.partition(",")
    if not comma:
        raise RequestError("The data URI has no data: no comma in it.", hint=_TAKEN)
    return _of_base64(unquote(body)) if head.endswith(";base64") else unquote_to_bytes(body)
