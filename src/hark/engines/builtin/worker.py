"""A process that recognises speech: windows come in on stdin, words go out on stdout, until stdin ends.

pocketsphinx holds the interpreter's lock while it works, so only processes use several cores. This file is run as a
script and imports nothing of hark, so that a worker is ready as soon as its model is read. Its argument, where there is
one, holds settings of pocketsphinx over the usual ones, as JSON.

A request is 4 bytes, the length in big-endian order, and as many bytes of 16-bit little-endian mono samples at 16 kHz;
or, where the settings hold `"cepstra": true`, of the features themselves, 32-bit floats, 13 a frame of 10 ms.
A reply is 4 bytes, the length, and as many bytes of JSON: a list of words, or an object with `error`.

Where the settings hold `"live": true`, a window comes in pieces: each request begins with a letter, `b` for the first
piece of a window and `c` for what continues it, and the reply is the text so far.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from pocketsphinx import Decoder

LENGTH = struct.Struct(">I")
# Wider beams and a heavier language model than pocketsphinx's own find more words; fewer states at once pay for them.
SETTINGS: dict[str, Any] = {
    "loglevel": "FATAL",
    "lw": 8,
    "silprob": 0.05,
    "beam": 1e-80,
    "wbeam": 1e-60,
    "maxhmmpf": 10000,
}


def main() -> None:
    """Serve windows until there are no more."""
    # Ctrl-C reaches the whole process group; whether the work is over is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = os.fdopen(0, "rb")
    replies = os.fdopen(os.dup(1), "wb")
    # Nothing that a library prints may get between the replies.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        settings = json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")
        cepstra, live = settings.pop("cepstra", False), settings.pop("live", False)
        decoder = make_decoder(**settings)
        work = Follower(decoder).follow if live else partial(decode, decoder, cepstra=cepstra)
        while (window := receive(requests)) is not None:
            send(replies, json.dumps(reply(work, window)).encode())
    except BrokenPipeError:  # the parent is gone
        os._exit(0)


def make_decoder(**changes: Any) -> Decoder:
    """The recogniser with hark's settings."""
    from pocketsphinx import Decoder

    decoder = Decoder(**(SETTINGS | changes))
    # Its noise removal loses words, more so in noise, and lets each window change the words of the next. The model's
    # own settings file turns it on over what the constructor was given.
    decoder.config["remove_noise"] = False
    decoder.reinit_feat()
    return decoder


def reply(work: Callable[[bytes], Any], window: bytes) -> Any:
    """What comes of a window, or what went wrong."""
    try:
        return work(window)
    except Exception as error:  # noqa: BLE001 - the parent raises it
        return {"error": f"{type(error).__name__}: {error}"}


def decode(decoder: Decoder, window: bytes, *, cepstra: bool = False) -> list[list[Any]]:
    """Recognise a window; each word as [text, first frame, last frame, acoustic score, LM score, LM order, posterior].

    Frames are 10 ms; scores are probabilities as pocketsphinx gives them.
    """
    decoder.start_utt()
    try:
        (decoder.process_cep if cepstra else decoder.process_raw)(window, no_search=False, full_utt=True)
    finally:
        decoder.end_utt()
    return [[s.word, s.start_frame, s.end_frame, s.ascore, s.lscore, s.lback, s.prob] for s in decoder.seg() or ()]


class Follower:
    """Recognises a window as it comes; what it says may change with each piece."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self._begun = False

    def follow(self, piece: bytes) -> str:
        """Hear a piece, and give the text of all of the window so far, as pocketsphinx writes it.

        The means of the features are taken from the first piece: those that pocketsphinx begins with are of other
        recordings, and cost one word in seven.
        """
        decoder, samples = self.decoder, piece[1:]
        if piece[:1] == b"b":
            if self._begun:
                decoder.end_utt()
            decoder.start_utt()
            decoder.process_raw(samples, no_search=True, full_utt=True)
            decoder.end_utt()
            decoder.set_cmn(decoder.get_cmn(False))
            decoder.start_utt()
            self._begun = True
        decoder.process_raw(samples, no_search=False, full_utt=False)
        found = decoder.hyp()
        return found.hypstr if found else ""


def receive(stream: BinaryIO) -> bytes | None:
    """The next message; None when the other side is gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


def send(stream: BinaryIO, message: bytes) -> None:
    """Write a message."""
    stream.write(LENGTH.pack(len(message)) + message)
    stream.flush()


if __name__ == "__main__":
    main()
