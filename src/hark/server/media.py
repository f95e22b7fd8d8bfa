"""Audio in requests: nobody's path is opened, no address is fetched that was not allowed, and limits hold."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from hark.audio.audio import Audio
from hark.errors import RequestError, TooLargeError
from hark.server.urls import Urls

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from hark.server.config import Config


_TAKEN = "Send base64, or a data URI (data:audio/wav;base64,...); paths are never opened."


class Media:
    """Makes an Audio of what clients send."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.urls = Urls(config)

    def upload(self, file: BinaryIO | bytes, name: str) -> Audio:
        """The audio in an uploaded file."""
        return Audio.of(file, name=name)

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
        if given.startswith("data:"):
            return Audio.of(given, name=name)
        if given[:8].lower().startswith(("http://", "https://")):
            return Audio.of(self.urls.source(given, name))
        try:
            return Audio.of(base64.b64decode("".join(given.split()), validate=True), name=name or "audio")
        except ValueError:
            raise RequestError("The audio is no base64.", hint=_TAKEN) from None

    def heard(self, clips: Sequence[Audio]) -> None:
        """Decode clips, in a process that can be killed, before a model is asked; blocks until that is done.

        Raises:
            TooLargeError: there are too many, or they last too long.
            AudioError: one cannot be used.
        """
        if len(clips) > self.config.max_clips:
            raise TooLargeError(f"There are {len(clips)} recordings; the server takes {self.config.max_clips}.")

    def close(self) -> None:
        """End the processes that decode."""
