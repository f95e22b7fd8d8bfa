"""What is said in a turn, written down while it is said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from hark.audio.audio import RATE
from hark.engines.live import Live, Partial
from hark.errors import HarkError, ModelError
from hark.realtime.items import new_id
from hark.realtime.partial import STEP, live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hark.listener import Listener
    from hark.realtime.items import Item
    from hark.realtime.session import Model, Session

_log = logging.getLogger("hark")
_KIND = "conversation.item.input_audio_transcription."


class Transcription:
    """The text of one turn, told as it settles."""

    def __init__(self, session: Session, item: Item, model: Model, language: str | None) -> None:
        self.session, self.item, self.model = session, item, model
        self._options: dict[str, Any] = {"language": language} if language else {}
        self._live: Live | None = None
        self._told, self._heard = "", 0  # samples
        self._busy: asyncio.Task[Any] | None = None

    def hear(self, seconds: float, samples: Callable[[], NDArray[np.float32]]) -> None:
        """Hear the turn so far, if that is worth it by now: it is so long, and `samples` gives (n,) at 16 kHz."""
        waiting = seconds - self._heard / RATE
        due = self._live.due(waiting) if self._live else waiting >= STEP
        if due and (self._busy is None or self._busy.done()):
            self._busy = self.session.spawn(self._early(samples()))

    def stop(self) -> None:
        """Nobody wants it any more."""
        self.session.spawn(self._stopped())

    async def finish(self, whole: NDArray[np.float32], start: float) -> None:
        """The turn is over: tell the rest of its text; `whole` are all of its samples, from `start` (seconds) on."""
        try:
            if self._busy:
                await asyncio.wait({self._busy})
            found = await self._hear(whole, last=True)
        except HarkError as error:
            await self._failed(error)
        except Exception as error:  # noqa: BLE001 - the session goes on
            failed = ModelError("The server failed.")
            failed.__cause__ = error
            await self._failed(failed)
        else:
            self.item.transcript = found.text
            for one in found.segments:
                times = {"start": round(start + one.start, 3), "end": round(start + one.end, 3)}
                await self._tell("segment", id=new_id("seg"), **times, text=one.text, speaker=one.speaker or "")
            usage = {"type": "duration", "seconds": round(len(whole) / RATE, 3)}
            await self._tell("completed", transcript=found.text, usage=usage)
        finally:
            self.close()

    async def _stopped(self) -> None:
        if self._busy:
            self._busy.cancel()
            await asyncio.wait({self._busy})
        self.close()

    def close(self) -> None:
        """Let go of what the model holds for it."""
        if self._live:
            self._live.close()

    async def _early(self, samples: NDArray[np.float32]) -> None:
        with contextlib.suppress(Exception):  # whatever fails fails again at the end, and is told then
            await self._hear(samples, last=False)

    async def _hear(self, samples: NDArray[np.float32], *, last: bool) -> Partial:
        def once(listener: Listener) -> Iterator[Partial]:
            self._live = self._live or live(listener, **self._options)
            new, self._heard = samples[self._heard :], len(samples)
            yield self._live.finish(new) if last else self._live.hear(new)

        found = Partial()
        async with contextlib.aclosing(self.model.run(once)) as steps:
            async for step in steps:
                found = step
        if told := found.settled[len(self._told) :]:
            self._told = found.settled
            await self._tell("delta", delta=told)
        return found

    async def _failed(self, error: HarkError) -> None:
        if error.http_status >= 500:
            _log.error("A turn could not be written down.", exc_info=error)
        await self._tell("failed", error=self.session.about(error))

    async def _tell(self, kind: str, **fields: Any) -> None:
        await self.session.tell(_KIND + kind, item_id=self.item.id, content_index=0, **fields)
