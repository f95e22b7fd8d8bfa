"""What bytes are, told by their content and never by a file's ending."""

from __future__ import annotations

PLAYLISTS = {
    b"#EXTM3U": "an m3u playlist",
    b"ffconcat": "an ffconcat playlist",
    b"v=0": "an SDP description",
    b"[playlist]": "a PLS playlist",
    b"[InternetShortcut]": "an Internet shortcut",
    b"<?xml": "XML",
    b"<MPD": "a DASH manifest",
    b"<svg": "an SVG image",
    b"<smil": "a SMIL playlist",
    b"<asx": "an ASX playlist",
    b"<!doctype html": "a web page (HTML)",
    b"<html": "a web page (HTML)",
    b"version https://git-lfs": "a Git LFS pointer (the audio itself was not downloaded)",
}
MAGIC = {
    b"%PDF": "a PDF",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"PK\x03\x04": "a ZIP archive",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\x1f\x8b": "gzip-compressed data",
    b"BZh": "bzip2-compressed data",
    b"\xfd7zXZ": "xz-compressed data",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x7fELF": "a program (ELF)",
    b"MZ": "a Windows program",
    b"SQLite format 3": "an SQLite database",
    b"MThd": "a MIDI file (notes, not sound)",
    b"\x80\x02": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x93NUMPY": "a NumPy array file",
    b"ADIF": "AAC in the retired ADIF form",
}
_AUDIO = (
    b"RIFF",
    b"RF64",
    b"fLaC",
    b"OggS",
    b"ID3",
    b"FORM",
    b".snd",
    b"caff",
    b"\x1aE\xdf\xa3",
    b"#!AMR",
    b"FLV",
    b"wvpk",
)
_CONTROLS = bytes(byte for byte in range(32) if byte not in (9, 10, 12, 13, 27))  # which no text has
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def not_audio(head: bytes) -> str | None:
    """What the first bytes of a file show it to be when that is no audio ("a PDF"), else None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP image"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for start, what in PLAYLISTS.items():
        if text[: len(start)].lower() == start.lower():
            return what
    for start, what in MAGIC.items():
        if head.startswith(start):
            return what
    if head and not head.strip(b"\0"):
        return "nothing but zero bytes"
    return "text" if _is_text(head) else None


def is_audio(head: bytes) -> bool:
    """Do the first bytes carry the mark of an audio or video container?"""
    mpeg = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    return (head.startswith(_AUDIO) and head[8:12] != b"WEBP") or head[4:8] == b"ftyp" or mpeg


def _is_text(head: bytes) -> bool:
    if head.startswith(_UTF16) and head[3:4] == b"\0":
        return True
    if len(head.translate(None, _CONTROLS)) < len(head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and error.start > 0
    return bool(head)
