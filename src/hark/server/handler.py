"""`EndpointHandler` for Hugging Face Inference Endpoints: what the server's doors do, without a server.

A repository's `handler.py` is `from hark.server.handler import EndpointHandler`; its `requirements.txt`
names `hark-audio[serve]`. The
toolkit (github.com/huggingface/huggingface-inference-toolkit) makes one with the folder of the repository, calls it
with the JSON of each request (the bytes of a recording are its `inputs`), and answers what it raises with 400 and
`{"error": str(error)}`.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Answer, as_far
from hark.errors import CutOffError, HarkError, RequestError
from hark.listener import load
from hark.server import huggingface_wire as wire
from hark.server.config import Config
from hark.server.media import Media

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.conversation.conversation import Conversation


class EndpointHandler:
    """Answers requests of audio-text-to-text, automatic-speech-recognition and audio-classification."""

    def __init__(self, path: str = "") -> None:
        """Load the model that `HARK_MODEL` names, else the one in the folder `path`, else hark's default.

        Raises:
            ModelNotFoundError: there is no such model on this machine.
        """
        self.listener = load(os.environ.get("HARK_MODEL") or path or None)
        self.media = Media(Config())
        self._free = threading.Lock()  # the toolkit calls from several threads

    def __call__(self, data: Mapping[str, Any]) -> Any:
        """Answer one request: `{"inputs": bytes | base64 | {"audio", "text"}, "parameters"?}`.

        Addresses and paths in it are refused.

        Raises:
            RequestError: it is malformed, or asks for what cannot be done; the message says what to do instead.
            ModelError: the model failed.
        """
        try:
            asked = wire.read(dict(data), self.listener.can, self.media.named)
            if asked.stream:
                raise RequestError("An endpoint with a handler does not stream.", hint="Leave out stream.")
            self.media.heard([clip for one in asked.conversations for clip in one.clips])
            with self._free:
                answers = [self._answer(one, asked.options) for one in asked.conversations]
            return asked.result(answers)
        except HarkError as error:
            if error.http_status >= 500 or not error.hint:
                raise
            raise RequestError(f"{error.message} {error.hint}") from error  # the toolkit shows no hints

    def _answer(self, conversation: Conversation, options: dict[str, Any]) -> Answer:
        try:
            return Answer.of(self.listener.answer(conversation, **options))
        except CutOffError as error:
            return as_far(error)

    def close(self) -> None:
        """Let go of the model and of the processes that decode."""
        self.listener.close()
        self.media.close()
