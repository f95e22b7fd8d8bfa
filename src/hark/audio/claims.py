"""How many frames a file's header promises, read apart from the decoders, which silently correct it."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

# Writers that stream to a pipe cannot go back to fill the length in; they leave one of these, or one close to it.
_UNKNOWN_FROM = 0x7FFF0000


def promised_frames(file: BinaryIO) -> int | None:
    """Frames a WAV or AIFF header promises, or None where it does not say (or cannot know)."""
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return _wav(file)
    if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        return _aiff(file)
    return None


def wav_is_open(file: BinaryIO) -> bool:
    """Was a WAV file left with a length of 0 although sound follows? libsndfile finds nothing in it, FFmpeg all."""
    file.seek(12)
    _, size = _wav_data(file)
    following = file.read(4)
    return size == 0 and len(following) == 4 and following not in (b"LIST", b"id3 ", b"ID3 ", b"bext", b"JUNK", b"fact")


def _wav(file: BinaryIO) -> int | None:
    align, size = _wav_data(file)
    return size // align if align and size and size < _UNKNOWN_FROM else None


def _wav_data(file: BinaryIO) -> tuple[int, int | None]:
    """Bytes per frame (0 where they vary) and bytes of sound, as the header says; the file then stands at the sound."""
    align = 0
    while len(chunk := file.read(8)) == 8:
        kind, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if kind == b"data":
            return align, size
        if kind == b"fmt " and size >= 16:
            fmt = file.read(16)
            if len(fmt) < 16:
                break
            plain = struct.unpack("<H", fmt[:2])[0] in (1, 3, 6, 7, 0xFFFE)  # PCM, float, A-law, mu-law, extensible
            align = struct.unpack("<H", fmt[12:14])[0] if plain else 0
            size -= 16
        file.seek(size + size % 2, os.SEEK_CUR)
    return 0, None


def _aiff(file: BinaryIO) -> int | None:
    while len(chunk := file.read(8)) == 8:
        kind, size = chunk[:4], struct.unpack(">I", chunk[4:])[0]
        if kind == b"COMM" and size >= 6:
            common = file.read(6)
            frames: int = struct.unpack(">HI", common)[1] if len(common) == 6 else 0
            return frames if 0 < frames < _UNKNOWN_FROM else None
        file.seek(size + size % 2, os.SEEK_CUR)
    return None


def mpeg_is_counted(file: BinaryIO) -> bool:
    """Does an MP3 begin with a Xing/Info header, so that its length is known and not guessed from the bit rate?"""
    at = 0
    while True:
        file.seek(at)
        tag = file.read(10)
        if len(tag) < 10 or tag[:3] != b"ID3":
            break
        at += 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]) + (10 if tag[5] & 0x10 else 0)
    file.seek(at)
    frame = file.read(64)
    return b"Xing" in frame or b"Info" in frame


def ogg_is_plain(file: BinaryIO) -> bool:
    """Does an Ogg file hold one stream only, not several in a chain or side by side?"""
    file.seek(0)
    begins, kept = 0, b""
    while begins < 2 and (chunk := file.read(2**20)):
        begins += (kept + chunk).count(b"OggS\0\2")  # a page that begins a stream (RFC 3533)
        kept = chunk[-5:]
    return begins == 1


def ogg_breaks_off(file: BinaryIO) -> bool:
    """Does the last page of an Ogg file promise more bytes than there are?"""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**17))
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    return len(page) < 27 or 27 + page[26] + sum(page[27 : 27 + page[26]]) > len(page)
