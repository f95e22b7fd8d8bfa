"""How many frames a file's header promises, read apart from the decoders, which silently correct it."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

# Writers that stream to a pipe cannot go back to fill the length in; they leave one of these, or one close to it.
_UNKNOWN_FROM = 0x7FFF0000
_XING = {(3, False): 36, (3, True): 21, (2, False): 21, (2, True): 13}  # (version is 1?, mono) -> offset of the tag
_TAG_ROOM = 4096


def promised_frames(file: BinaryIO) -> int | None:
    """Frames a WAV or AIFF header promises, or None where it does not say (or cannot know)."""
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return _wav(file)
    if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        return _aiff(file)
    return None


def _wav(file: BinaryIO) -> int | None:
    align, plain = 0, False
    while len(chunk := file.read(8)) == 8:
        kind, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if kind == b"fmt " and size >= 16:
            fmt = file.read(16)
            code, align = struct.unpack("<H", fmt[:2])[0], struct.unpack("<H", fmt[12:14])[0]
            plain = code in (1, 3, 6, 7, 0xFFFE)  # PCM, float, A-law, mu-law, extensible: a fixed size per frame
            size -= 16
        if kind == b"data":
            known = plain and align and 0 < size < _UNKNOWN_FROM
            return size // align if known else None
        file.seek(size + size % 2, os.SEEK_CUR)
    return None


def _aiff(file: BinaryIO) -> int | None:
    while len(chunk := file.read(8)) == 8:
        kind, size = chunk[:4], struct.unpack(">I", chunk[4:])[0]
        if kind == b"COMM" and size >= 6:
            frames: int = struct.unpack(">HI", file.read(6))[1]
            return frames if 0 < frames < _UNKNOWN_FROM else None
        file.seek(size + size % 2, os.SEEK_CUR)
    return None


def mpeg_is_whole(file: BinaryIO) -> bool:
    """Does an MP3 carry a Xing/Info header whose size in bytes is that of the file?

    Only then does libmpg123 know the true length; without it, or when files were put end to end, it stops too early,
    and when the file broke off, it prints warnings.
    """
    size = file.seek(0, os.SEEK_END)
    start = _after_id3(file)
    file.seek(start)
    frame = file.read(64)
    if len(frame) < 64 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return False
    at = _XING.get((3 if frame[1] >> 3 & 3 == 3 else 2, frame[3] >> 6 == 3), 36)
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        return False
    flags = struct.unpack(">I", frame[at + 4 : at + 8])[0]
    if flags & 3 != 3:
        return False
    length: int = struct.unpack(">I", frame[at + 12 : at + 16])[0]
    return start + length <= size <= start + length + _TAG_ROOM


def _after_id3(file: BinaryIO) -> int:
    start = 0
    while True:
        file.seek(start)
        tag = file.read(10)
        if len(tag) < 10 or tag[:3] != b"ID3":
            return start
        start += 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]) + (10 if tag[5] & 0x10 else 0)


def ogg_is_plain(file: BinaryIO) -> bool:
    """Is an Ogg file one whole stream: not several in a chain or side by side, and its last page not cut off?"""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    first = file.read(27)
    file.seek(max(0, size - 2**17))
    tail = file.read()
    at = tail.rfind(b"OggS")
    page = tail[at:]
    if at < 0 or len(first) < 27 or len(page) < 27 or first[14:18] != page[14:18]:
        return False
    second = _second_page(file)
    return 27 + page[26] + sum(page[27 : 27 + page[26]]) <= len(page) and second[5:6] != b"\x02"


def ogg_breaks_off(file: BinaryIO) -> bool:
    """Does the last page of an Ogg file promise more bytes than there are?"""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**17))
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    return len(page) < 27 or 27 + page[26] + sum(page[27 : 27 + page[26]]) > len(page)


def _second_page(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(27)
    file.seek(27)
    table = file.read(head[26])
    file.seek(27 + len(table) + sum(table))
    return file.read(6)
