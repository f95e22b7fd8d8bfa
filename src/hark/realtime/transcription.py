"""What is said in a turn, written down while it is said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from hark.audio.audio import RATE
from hark.errors import HarkError, ModelError
from hark.realtime.partial import STEP, Agreement, Partial

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hark.listener import Listener
    from hark.realtime.items import Item
    from hark.realtime.session import Session

_log = logging.getLogger("hark")


class Transcription:
    """The text of one turn, told as it settles."""

    def __init__(self, session: Session, item: Item) -> None:
        self.session, self.item = session, item
        wanted = session.settings.audio.input.transcription
        language = wanted.language if wanted else None
        self._agreement = Agreement(**({"language": language} if language else {}))
        self._told, self._heard = "", 0
        self._busy: asyncio.Task[Any] | None = None

    def hear(self, samples: NDArray[np.float32]) -> None:
        """Hear the samples (n,) at 16 kHz of the turn so far, if that is worth it by now."""
        if len(samples) - self._heard >= STEP * RATE and (self._busy is None or self._busy.done()):
            self._heard = len(samples)
            self._busy = self.session.spawn(self._hear(samples, last=False))

    async def finish(self, whole: NDArray[np.float32]) -> None:
        """The turn is over: tell the rest of its text; `whole` are all of its samples."""
        about = {"item_id": self.item.id, "content_index": 0}
        try:
            if self._busy:
                await asyncio.wait({self._busy})
            found = await self._hear(whole, last=True)
        except HarkError as error:
            await self._failed(error)
        except Exception:  # noqa: BLE001 - the session goes on
            _log.exception("A turn could not be written down.")
            await self._failed(ModelError("The server failed."))
        else:
            self.item.transcript = found.text
            usage = {"type": "duration", "seconds": round(len(whole) / RATE, 3)}
            kind = "conversation.item.input_audio_transcription.completed"
            await self.session.tell(kind, **about, transcript=found.text, usage=usage)

    async def _hear(self, samples: NDArray[np.float32], *, last: bool) -> Partial:
        def once(listener: Listener) -> Iterator[Partial]:
            yield self._agreement.hear(listener, samples, last=last)

        found = Partial()
        async with contextlib.aclosing(self.session.model.run(once)) as steps:
            async for step in steps:
                found = step
        new = found.settled[len(self._told) :]
        if new:
            self._told = found.settled
            kind = "conversation.item.input_audio_transcription.delta"
            await self.session.tell(kind, item_id=self.item.id, content_index=0, delta=new)
        return found

    async def _failed(self, error: HarkError) -> None:
        about = {"type": "server_error" if error.http_status >= 500 else "invalid_request_error", "code": None}
        kind = "conversation.item.input_audio_transcription.failed"
        told = {**about, "message": str(error), "param": None}
        await self.session.tell(kind, item_id=self.item.id, content_index=0, error=told)
