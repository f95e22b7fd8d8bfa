"""HTTP with a server that speaks OpenAI's protocol: its address, the key, retries, errors, event streams."""

from __future__ import annotations

import contextlib
import email.utils
import json
import os
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx2

from hark.errors import ModelError, ModelNotFoundError, OptionError, SettingsError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.errors import HarkError

OPENAI = "https://api.openai.com/v1"
_HUGGING_FACE = "router.huggingface.co"
_RETRIES = 3
_RETRIED = frozenset({429, 502, 503, 504})
_LONGEST_WAIT = 60.0  # seconds; a server that asks for more is told to the person instead
_LARGEST_EVENT = 64 * 2**20
_UNREACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ReadError, httpx2.WriteError)
_OPTIONS = {"max_tokens": "max_new_tokens", "max_completion_tokens": "max_new_tokens"}
_OF_OPTIONS = frozenset({*_OPTIONS, "temperature", "top_p", "seed", "stop", "language"})


class RefusalError(Exception):
    """An answer of the server other than success; it never leaves the engine: `explained` makes hark's error of it."""

    def __init__(self, status: int, said: str, *, code: str = "", param: str = "", wait: float | None = None) -> None:
        super().__init__(said)
        self.status, self.said, self.code, self.param, self.wait = status, said, code, param, wait

    @property
    def no_model(self) -> bool:
        """Is it the model that is not there, rather than the address?"""
        missing = r"model\b.*(not exist|not found|no access)|(no such|unknown|invalid) model"
        return self.code == "model_not_found" or bool(re.search(missing, self.said, re.IGNORECASE))


def parsed(name: str) -> tuple[str, str]:
    """The model and the base address in `openai:MODEL@http://host:port/v1`, or `realtime:...`; no network is touched.

    Without an address it is the one in `OPENAI_BASE_URL`, else OpenAI's own; an address without a path means `/v1`.
    That of a realtime server may begin with `ws` or `wss`, too, and is given as `http` or `https`.

    Raises:
        ModelNotFoundError: it names no model, or the address is none that can be used.
    """
    kind = "realtime" if name[:9].lower() == "realtime:" else "openai"
    scheme = "(https?|wss?)" if kind == "realtime" else "https?"
    match = re.fullmatch(rf"{kind}:(?P<model>.*?)(?:@(?P<url>{scheme}://.*))?", name, re.DOTALL | re.IGNORECASE)
    model = match["model"].strip() if match else ""
    if match is None or not model or "://" in model:
        raise ModelNotFoundError("The name of a model on a server is incomplete.", hint=_HOW[kind])
    address = re.sub(r"^\s*ws", "http", match["url"] or "", flags=re.IGNORECASE)
    address = address or os.environ.get("OPENAI_BASE_URL") or OPENAI
    try:
        url = httpx2.URL(address.strip())
    except (httpx2.InvalidURL, ValueError) as error:
        raise ModelNotFoundError(f"The address of {model}'s server is malformed.", hint=_HOW[kind]) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ModelNotFoundError(f"The address of {model}'s server is no http address.", hint=_HOW[kind])
    if url.userinfo or url.query or url.fragment:  # names are shown and logged: nothing secret may be in them
        raise ModelNotFoundError(f"The address of {model}'s server may not hold a password or query.", hint=_HOW[kind])
    path = url.path.rstrip("/") or "/v1"
    return model, str(url.copy_with(path=path))


_KEYS = "keys are read from OPENAI_API_KEY (or HF_TOKEN) alone."
_HOW = {
    "openai": f"Write openai:MODEL@http://host:port/v1; {_KEYS}",
    "realtime": f"Write realtime:MODEL@ws://host:port/v1; {_KEYS}",
}


def key_for(url: str) -> str:
    """The key for a server, from the environment; empty where there is none.

    Raises:
        SettingsError: it holds characters that no key has.
    """
    variable = "HF_TOKEN" if httpx2.URL(url).host == _HUGGING_FACE else "OPENAI_API_KEY"
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):  # the library would show it in its error
        raise SettingsError(f"{variable} holds characters that no key has.", hint="Copy the key again.")
    return key


def redacted(said: str, url: str) -> str:
    """The words of a server without the key for it: some repeat what they were sent."""
    key = key_for(url)
    return said.replace(key, "***") if len(key) > 4 else said


class Client:
    """Sends requests to one server; the key is read from the environment for each, and kept nowhere.

    Args:
        url: the base address, as `parsed` gives it.
        timeout: seconds that the server may be silent.
        backoff: seconds before the first retry; each further one waits twice as long.
    """

    def __init__(self, url: str, *, timeout: float, backoff: float) -> None:
        self.url = url
        self._timeout, self._backoff = timeout, backoff
        self._http: httpx2.Client | None = None
        self._opening = threading.Lock()

    @contextlib.contextmanager
    def post(self, path: str, **body: Any) -> Iterator[httpx2.Response]:
        """Send a request; gives the answer, unread. Leaving the block closes its connection if it is not read.

        Raises:
            RefusalError: the server answered with another status than success.
            ModelError: it was not reached, was silent for too long, or broke off.
        """
        response = self._sent("POST", path, body)
        try:
            yield response
        except httpx2.TimeoutException as error:
            raise self._silent() from error
        except httpx2.RequestError as error:
            raise ModelError(f"The connection to {self.url} broke off before the answer was complete.") from error
        except ModelError as error:
            raise type(error)(redacted(error.message, self.url), hint=error.hint) from None
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{self.url} answered in a shape that is not OpenAI's.") from error
        finally:
            response.close()

    def models(self) -> list[str]:
        """The names of the server's models; empty where it does not tell."""
        try:
            response = self._sent("GET", "models", {})
            with contextlib.closing(response):
                return [str(model["id"]) for model in json.loads(response.read())["data"]]
        except (RefusalError, ModelError, httpx2.RequestError, ValueError, KeyError, TypeError):
            return []

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        with self._opening:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def _sent(self, method: str, path: str, body: dict[str, Any]) -> httpx2.Response:
        for attempt in range(_RETRIES + 1):
            pause = self._backoff * 2**attempt
            try:
                http = self._opened()
                request = http.build_request(method, f"{self.url}/{path}", headers=self._headers(), **body)
                response = http.send(request, stream=True)
            except (*_UNREACHED, httpx2.RemoteProtocolError) as error:
                if attempt == _RETRIES:
                    raise ModelError(
                        f"{self.url} was not reached: {error}.", hint="Is the server running, and the address right?"
                    ) from error
            except httpx2.TimeoutException as error:  # not sent again: the server may be at work on it
                raise self._silent() from error
            except httpx2.RequestError as error:
                raise ModelError(f"{self.url} cannot be asked: {type(error).__name__}.") from error
            else:
                if response.is_success:
                    return response
                refusal = self._refusal(response)
                if attempt == _RETRIES or not _passes(refusal):
                    raise refusal
                pause = pause if refusal.wait is None else refusal.wait
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _opened(self) -> httpx2.Client:
        with self._opening:
            if self._http is None:
                timeout = httpx2.Timeout(self._timeout, connect=10.0)
                self._http = httpx2.Client(timeout=timeout, follow_redirects=False)
            return self._http

    def _headers(self) -> dict[str, str]:
        headers = {"user-agent": "hark", "accept": "application/json, text/event-stream"}
        return headers | ({"authorization": f"Bearer {key}"} if (key := key_for(self.url)) else {})

    def _refusal(self, response: httpx2.Response) -> RefusalError:
        with contextlib.closing(response):
            try:
                body = response.read().decode("utf-8", "replace")
            except httpx2.RequestError:
                body = ""
        said, code, param = said_in(body)
        if (place := response.headers.get("location")) and response.is_redirect:
            said = f"it has moved to {place.split('?')[0]}"
        again = response.headers.get("x-should-retry") != "false" and code != "insufficient_quota"
        wait = _wait(response.headers) if again else float("inf")
        return RefusalError(response.status_code, redacted(said, self.url)[:500], code=code, param=param, wait=wait)

    def _silent(self) -> ModelError:
        return ModelError(f"{self.url} did not answer within {self._timeout:g} s.", hint="Is the model still loading?")


def _passes(refusal: RefusalError) -> bool:
    return refusal.status in _RETRIED and (refusal.wait is None or refusal.wait <= _LONGEST_WAIT)


def _wait(headers: Any) -> float | None:
    """The seconds a server asks to wait: `Retry-After-Ms`, or `Retry-After` in seconds or as a date (RFC 9110)."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        after = headers.get("retry-after", "")
        if after.replace(".", "", 1).isdigit():
            return float(after)
        return max(0.0, email.utils.parsedate_to_datetime(after).timestamp() - time.time()) if after else None
    except ValueError:
        return None


def said_in(body: str) -> tuple[str, str, str]:
    """The message, code and parameter of an error in any of the shapes there are; else the text itself."""
    try:
        values = json.loads(body)
    except ValueError:
        values = body
    found = error_of(values) if isinstance(values, dict) else None
    if body.lstrip().startswith("<"):  # a page for browsers
        body = ""
    about = values.get("error", values) if isinstance(values, dict) else None  # older vLLM: not in an object of its own
    about = about if isinstance(about, dict) else {}
    text = " ".join((found or body).split())
    return text, str(about.get("code") or ""), str(about.get("param") or "")


def error_of(values: dict[str, Any]) -> str | None:
    """The message of an error: `{"error": {"message"}}`, `{"error": text}`, `{"detail"}` or `{"message"}`."""
    error = values.get("error") or values.get("detail")
    if error is None and (values.get("object") == "error" or values.get("type") == "error" or "choices" not in values):
        error = values.get("message")
    if isinstance(error, dict):
        error = error.get("message") or error
    return None if not error else error if isinstance(error, str) else json.dumps(error)


def events(response: httpx2.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream, or the one object of an answer that is none; an empty dict stands for their end.

    Raises:
        ModelError: the server tells of an error in the middle, or what it sends is not JSON.
    """
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        for event in httpx2.EventSource(response, max_event_size=_LARGEST_EVENT):
            if event.data.strip() == "[DONE]":
                yield {}
                return
            if event.data.strip():
                yield _object(event.data)
    else:
        yield _object(response.read().decode("utf-8", "replace"))
        yield {}


def _object(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ModelError(f"The server answered with something that is not JSON: {text[:80]!r}.") from error
    if not isinstance(values, dict):
        raise ModelError("The server answered with JSON that is no object.")
    if values.get("error") or values.get("type") == "error":
        raise ModelError(f"The server failed while it answered: {error_of(values)}.")
    return values


def explained(refusal: RefusalError, name: str, client: Client) -> HarkError:
    """The error of hark that a refusal means, with the server's own words."""
    status, said = refusal.status, refusal.said.rstrip(".") or f"status {refusal.status}"
    if status in (401, 403):
        return ModelError(f"{client.url} does not let you in: {said}.", hint="Set OPENAI_API_KEY (or HF_TOKEN).")
    if status == 404 or (refusal.no_model and status < 500):
        there = client.models()
        hint = f"It has {', '.join(there[:20])}." if there else "Does the address end where the protocol begins (/v1)?"
        return ModelNotFoundError(f"The server has no such model for {name}: {said}.", hint=hint)
    if refusal.param in _OF_OPTIONS:
        return OptionError(f"{name} refuses {_OPTIONS.get(refusal.param, refusal.param)}: {said}.")
    if status in (400, 413, 415, 422):
        return UnsupportedError(f"{name} cannot do that: {said}.", hint="`hark models` lists what can be used here.")
    if status == 429:
        wait = f" It asks to wait {refusal.wait:.0f} s." if refusal.wait and refusal.wait < float("inf") else ""
        return ModelError(f"{name} has too much to do, or your quota is used up: {said}.{wait}", hint="Try later.")
    return ModelError(f"{name} failed (status {status}): {said}.")
