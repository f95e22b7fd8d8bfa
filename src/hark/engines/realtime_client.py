"""A WebSocket to a server that writes down speech while it comes: in OpenAI's protocol, which is hark's too, or vLLM's.

OpenAI (https://developers.openai.com/api/docs/guides/realtime-transcription): PCM at 24 kHz, and a commit ends a turn.
vLLM (`vllm/entrypoints/openai/realtime`): PCM at 16 kHz; a commit begins, and a `final` one ends, all there is.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from hark.engines.openai_client import Client, RefusalError, error_of, explained, key_for, redacted, said_in
from hark.errors import MissingExtraError, ModelError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

RATE = 16000
_OPENING_SECONDS = 10.0
_BLINK = 0.25  # seconds to wait for an event before looking whether the text is still wanted
_LARGEST_EVENT = 16 * 2**20
_STATUS = {"invalid_api_key": 401, "insufficient_quota": 429, "rate_limit_exceeded": 429}  # of codes of errors


class Connection:
    """An open session with a realtime server.

    Args:
        name: how the model is named to people.
        url: the base address, with http or https, as `openai_client.parsed` gives it.
        timeout: seconds that the server may be silent.

    Raises:
        HarkError: the server was not reached, or does not let this client in.
        MissingExtraError: the library for WebSockets is not installed.
    """

    def __init__(self, name: str, url: str, *, timeout: float) -> None:
        self.name, self.url = name, url
        self._timeout = timeout
        self._open = contextlib.ExitStack()
        self._socket = self._opened()

    def _opened(self) -> Any:
        try:
            from websockets.exceptions import InvalidStatus, WebSocketException
            from websockets.sync.client import connect
        except ImportError as error:
            raise MissingExtraError.of("A realtime server", "realtime") from error
        key = key_for(self.url)
        address = f"ws{self.url.removeprefix('http')}/realtime?intent=transcription"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            way = connect(
                address, additional_headers=headers, max_size=_LARGEST_EVENT, open_timeout=_OPENING_SECONDS,
                ping_timeout=self._timeout, close_timeout=1.0,
            )  # fmt: skip
            return self._open.enter_context(way)
        except InvalidStatus as error:
            answer = error.response
            said, code, param = said_in((answer.body or b"").decode("utf-8", "replace"))
            raise self.refused(RefusalError(answer.status_code, said, code=code, param=param)) from None
        except (OSError, WebSocketException) as error:  # TimeoutError among them
            hint = "Is the server running, and the address right?"
            raise ModelError(f"{self.url} was not reached: {error}.", hint=hint) from error

    def close(self) -> None:
        """Leave."""
        self._open.close()

    def tell(self, kind: str, **fields: Any) -> None:
        """Send an event.

        Raises:
            ModelError: the connection is gone.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            self._socket.send(json.dumps({"type": kind, **fields}))
        except ConnectionClosed as error:
            raise self._broken(error) from error

    def events(self, *, wait: bool) -> Iterator[dict[str, Any]]:
        """The events that are there; with `wait`, endless, an empty one now and then while there is none.

        Raises:
            HarkError: what the server says is wrong; or it left, is silent for too long, or sends what is no event.
        """
        from websockets.exceptions import ConnectionClosed

        since = time.monotonic()
        while True:
            try:
                text = self._socket.recv(timeout=_BLINK if wait else 0)
            except TimeoutError:
                if not wait:
                    return
                if time.monotonic() - since > self._timeout:
                    hint = "Is the model still loading?"
                    raise ModelError(f"{self.url} did not answer within {self._timeout:g} s.", hint=hint) from None
                yield {}
                continue
            except ConnectionClosed as error:
                raise self._broken(error) from error
            since = time.monotonic()
            yield self._event(text)

    def until(self, kind: str) -> dict[str, Any]:
        """The next event of a kind; those before it are let go.

        Raises:
            HarkError: as `events`.
        """
        return next(event for event in self.events(wait=True) if event.get("type") == kind)

    def refused(self, refusal: RefusalError) -> Exception:
        """The error of hark that a refusal means."""
        refusal.said = redacted(refusal.said, self.url)[:500]
        with contextlib.closing(Client(self.url, timeout=_OPENING_SECONDS, backoff=0.1)) as client:
            return explained(refusal, self.name, client)

    def _event(self, text: str | bytes) -> dict[str, Any]:
        try:
            event = json.loads(text)
        except ValueError as error:
            raise ModelError(f"{self.url} sent something that is no event.") from error
        if not isinstance(event, dict):
            raise ModelError(f"{self.url} sent something that is no event.")
        if event.get("type") == "error" or str(event.get("type")).endswith("transcription.failed"):
            raise self.refused(_refusal(event))
        return event

    def _broken(self, error: Any) -> ModelError:
        closed = error.rcvd
        why = f" ({closed.code} {closed.reason})".replace(" )", ")") if closed else ""
        said = redacted(f"{self.url} closed the connection before all text was there{why}.", self.url)
        return ModelError(said, hint="Does the server's log say why?")


class Dictation(ABC):
    """Speech on its way up, and its text on the way down, turn after turn.

    Attributes:
        text: of the turn so far.
        over: whether all of the turn's text is there.
        tokens: in and out, of all turns; None where the server counts none.
    """

    rate: ClassVar[int]
    several: ClassVar[bool]  # may one connection carry several turns?

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.text, self.over = "", False
        self.tokens: tuple[int, int] | None = None

    @classmethod
    def of(cls, connection: Connection, model: str, language: str | None) -> Dictation:
        """Greet the server, and choose the model.

        Raises:
            HarkError: it has no such model, or does not answer.
        """
        greeting = connection.until("session.created")
        kind = OpenAIDictation if isinstance(greeting.get("session"), dict) else VllmDictation
        dictation = kind(connection)
        dictation.settle(model, language)
        return dictation

    @abstractmethod
    def settle(self, model: str, language: str | None) -> None:
        """Say what is wanted."""

    def begin(self) -> None:
        """A turn begins."""
        import soxr

        self.text, self.over = "", False
        self._resampler = soxr.ResampleStream(RATE, self.rate, 1, "float32") if self.rate != RATE else None

    def hear(self, samples: NDArray[np.float32], *, last: bool = False) -> None:
        """Send samples (n,) at 16 kHz of the turn."""
        import numpy as np

        if self._resampler:
            samples = self._resampler.resample_chunk(samples, last=last)
        if len(samples):
            data = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype("<i2").tobytes()
            self.connection.tell("input_audio_buffer.append", audio=base64.b64encode(data).decode())

    @abstractmethod
    def end(self) -> None:
        """The turn is over: nothing more of it comes."""

    def read(self, *, wait: bool) -> Iterator[str]:
        """The text that is there by now, or with `wait` all of the turn, piece by piece; some are empty.

        Raises:
            HarkError: the server failed.
        """
        if wait and self.over:
            return
        for event in self.connection.events(wait=wait):
            yield self._take(event)
            if self.over:
                return

    @abstractmethod
    def _take(self, event: dict[str, Any]) -> str:
        """The new text in an event."""

    def _more(self, new: str) -> str:
        self.text += new
        return new

    def _done(self, text: Any, usage: Any) -> str:
        """All is said; what the text begins with was told before, where the server words it as it did."""
        if not isinstance(text, str):
            raise ModelError(f"{self.connection.url} sent a transcript without text.")
        self.over = True
        new = text[len(self.text) :] if text.startswith(self.text) else ""
        self.text = text
        self._count(usage if isinstance(usage, dict) else {})
        return new

    def _count(self, usage: dict[str, Any]) -> None:
        for names in (("input_tokens", "output_tokens"), ("prompt_tokens", "completion_tokens")):
            if all(isinstance(usage.get(name), int) for name in names):
                before = self.tokens or (0, 0)
                self.tokens = (before[0] + usage[names[0]], before[1] + usage[names[1]])


class OpenAIDictation(Dictation):
    """Turns of a transcription session of OpenAI's Realtime API (GA)."""

    rate, several = 24000, True
    _item: str | None = None

    def settle(self, model: str, language: str | None) -> None:
        """Say what is wanted."""
        wanted = {"model": model} | ({"language": language} if language else {})
        heard = {
            "format": {"type": "audio/pcm", "rate": self.rate},
            "transcription": wanted,
            "turn_detection": None,
        }
        session = {"type": "transcription", "audio": {"input": heard}}
        self.connection.tell("session.update", session=session)
        self.connection.until("session.updated")

    def end(self) -> None:
        """The turn is over."""
        import numpy as np

        self.hear(np.zeros(0, np.float32), last=True)
        self.connection.tell("input_audio_buffer.commit")

    def _take(self, event: dict[str, Any]) -> str:
        kind = str(event.get("type")).removeprefix("conversation.item.input_audio_transcription.")
        if kind == "delta":
            return self._more(str(event.get("delta") or ""))
        return self._done(event.get("transcript"), event.get("usage")) if kind == "completed" else ""


class VllmDictation(Dictation):
    """The one turn of a connection to vLLM; of several, commits would race with the end of the one before."""

    rate, several = RATE, False

    def settle(self, model: str, language: str | None) -> None:
        """Say what is wanted."""
        if language:
            said = f"{self.connection.name} cannot honour the option language: its server's protocol has none."
            raise UnsupportedError(said, hint="Leave it out.", param="language")
        self.connection.tell("session.update", model=model)

    def begin(self) -> None:
        """A turn begins."""
        super().begin()
        self.connection.tell("input_audio_buffer.commit")

    def end(self) -> None:
        """The turn is over."""
        self.connection.tell("input_audio_buffer.commit", final=True)

    def _take(self, event: dict[str, Any]) -> str:
        kind = event.get("type")
        if kind == "transcription.delta":
            return self._more(str(event.get("delta") or ""))
        return self._done(event.get("text"), event.get("usage")) if kind == "transcription.done" else ""


def _refusal(event: dict[str, Any]) -> RefusalError:
    about = event.get("error")
    about = about if isinstance(about, dict) else {"code": event.get("code")}
    code, param = str(about.get("code") or ""), str(about.get("param") or "").rpartition(".")[2]
    theirs: Literal[400, 500] = 500 if about.get("type") == "server_error" or code == "processing_error" else 400
    return RefusalError(_STATUS.get(code, theirs), error_of(event) or "no reason given", code=code, param=param)
