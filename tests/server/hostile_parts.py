"""Pieces of containers, written by hand: what no encoder would write."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any


def pcm_wav(*, sound: bytes = b"", **header: int) -> bytes:
    """A WAV file whose header says whatever it is told to."""
    data = sound or bytes(range(256)) * (header.get("count", 32000) * 2 // 256)
    channels, rate, bits = header.get("channels", 1), header.get("rate", 16000), header.get("bits", 16)
    align = header.get("align", 2 * channels & 0xFFFF)
    fmt = struct.pack("<HHIIHH", header.get("code", 1), channels, rate, rate * 2 & 0xFFFFFFFF, align, bits)
    chunk = b"fmt " + struct.pack("<I", header.get("fmt_size", len(fmt))) + fmt
    chunk += b"data" + struct.pack("<I", header.get("size", len(data))) + data
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WAVE" + chunk


def box(kind: bytes, body: bytes) -> bytes:
    """A box of an MP4 file (ISO/IEC 14496-12)."""
    return struct.pack(">I", len(body) + 8) + kind + body


def patched(data: bytes, after: bytes, offset: int, new: bytes) -> bytes:
    """The same with bytes put over those at an offset from the end of a mark; before the mark it counts from there."""
    at = data.index(after)
    at += len(after) + offset if offset >= 0 else offset
    return data[:at] + new + data[at + len(new) :]


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """The boxes that lie next to each other."""
    found = []
    while data:
        size = struct.unpack(">I", data[:4])[0]
        found.append((data[4:8], data[8:size]))
        data = data[size:]
    return found


def inside(data: bytes, path: list[bytes], change: Any) -> bytes:
    """The same boxes with the body of one of them, found by its path, changed."""
    out = b""
    for kind, body in boxes(data):
        if kind == path[0]:
            out += box(kind, change(body) if len(path) == 1 else inside(body, path[1:], change))
        else:
            out += box(kind, body)
    return out


def apart(m4a: bytes, count: int) -> bytes:
    """An MP4 file with its one track many times over; its index lies at the end."""

    def often(moov: bytes) -> bytes:
        return b"".join(box(kind, body) * (count if kind == b"trak" else 1) for kind, body in boxes(moov))

    return inside(m4a, [b"moov"], often)


def packed(compressed: bytes, said: int) -> bytes:
    """A QuickTime file whose index is compressed."""
    inner = box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", said) + compressed)
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", box(b"cmov", inner))


def id3(frame: bytes, body: bytes, flags: int = 0) -> bytes:
    """An ID3v2.4 tag with one frame."""
    inner = frame + _synchsafe(len(body)) + struct.pack(">H", flags) + body
    return b"ID3\x04\0\0" + _synchsafe(len(inner)) + inner


def _synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


@cache
def _flac_frames(blocks: int) -> bytes:
    """Frames of 65535 samples of silence, 8 kHz mono, 8 bits: a dozen bytes each (RFC 9639)."""
    out = bytearray()
    for number in range(blocks):
        # Sync; size given in 16 bits, 8 kHz; one channel, 8 bits; the number; the size.
        head = b"\xff\xf8\x74\x02" + _utf8(number) + b"\xff\xfe"
        frame = head + bytes([_crc(head, 8, 0x07)]) + b"\0\0"  # a constant subframe: 0
        out += frame + struct.pack(">H", _crc(frame, 16, 0x8005))
    return bytes(out)


def numbered(ogg: bytes) -> bytes:
    """An Ogg file whose stream has the number 1, not a random one (RFC 3533)."""
    out = b""
    while ogg:
        size = 27 + ogg[26] + sum(ogg[27 : 27 + ogg[26]])
        page, ogg = ogg[:14] + b"\1\0\0\0" + ogg[18:22] + bytes(4) + ogg[26:size], ogg[size:]
        out += page[:22] + struct.pack("<I", _crc(page, 32, 0x04C11DB7)) + page[26:]
    return out


def endless_flac(seconds: int, said: int | None = None) -> bytes:
    """Hours of silence in few bytes; `said` is how many samples the header promises, 0 for a secret."""
    blocks = seconds * 8000 // 65535
    total = blocks * 65535 if said is None else said
    # Block sizes, frame sizes unknown, 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of samples, MD5 unknown.
    info = struct.pack(">HH", 65535, 65535) + bytes(6) + (8000 << 44 | 7 << 36 | total).to_bytes(8, "big") + bytes(16)
    return b"fLaC\x80\0\0\x22" + info + _flac_frames(blocks)


def _utf8(number: int) -> bytes:
    return chr(number).encode("utf-8", "surrogatepass") if number < 0x110000 else b""


@cache
def _table(bits: int, polynomial: int) -> list[int]:
    found = []
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> bits - 1 & 1 else 0)
        found.append(value & (1 << bits) - 1)
    return found


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    table, value = _table(bits, polynomial), 0
    for byte in data:
        value = (value << 8 ^ table[value >> bits - 8 ^ byte]) & (1 << bits) - 1
    return value


def with_reference(seeds: dict[str, bytes], target: str) -> dict[str, bytes]:
    """Good recordings in which something points to a target."""
    to = target.encode()
    m4a, mov, wav, flac = seeds["m4a"], seeds["mov"], seeds["wav"], seeds["flac"]
    dref = [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"]

    def entry(kind: bytes, body: bytes) -> Any:
        return lambda _: struct.pack(">II", 0, 1) + box(kind, bytes(4) + body)

    alias = struct.pack(">4sHHH", bytes(4), 150 + len(to), 2, 0) + bytes(140) + struct.pack(">hH", 18, len(to)) + to
    rdrf = box(b"rmra", box(b"rmda", box(b"rdrf", bytes(4) + b"url " + struct.pack(">I", len(to)) + to)))
    picture = struct.pack(">II", 3, 3) + b"-->" + bytes(4) + bytes(16) + struct.pack(">I", len(to)) + to
    script = b"\1\0\1\0" + struct.pack("<H", 3) + "URL".encode("utf-16-le") + bytes(4) + to
    return {
        "url.m4a": inside(m4a, dref, entry(b"url ", to + b"\0")),
        "urn.m4a": inside(m4a, dref, entry(b"urn ", to + b"\0" + to + b"\0")),
        "alis.mov": inside(mov, dref, entry(b"alis", alias)),
        "rsrc.mov": inside(mov, dref, entry(b"rsrc", alias)),
        "rmra.mov": box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", rdrf),
        "both.mov": inside(mov, [b"moov"], lambda moov: rdrf + moov),
        "picture.flac": flac[:4] + b"\x06" + len(picture).to_bytes(3, "big") + picture + flac[4:],
        "apic.mp3": id3(b"APIC", b"\0-->\0\3\0" + to) + seeds["mp3"],
        "link.mp3": id3(b"LINK", b"TIT2" + to + b"\0") + seeds["mp3"],
        "list.wav": _with_chunk(wav, b"LIST", b"adtlfile" + struct.pack("<I", len(to)) + to),
        "plst.wav": _with_chunk(wav, b"LIST", b"INFOISRC" + struct.pack("<I", len(to)) + to),
        "ixml.wav": _with_chunk(wav, b"iXML", b'<!DOCTYPE a [<!ENTITY x SYSTEM "%s">]><a>&x;</a>' % to),
        "link.wav": _with_chunk(wav, b"link", to),
        "attached.mkv": _attached(seeds["mkv"], b"#EXTM3U\n#EXTINF:1,\n" + to),
        "segment.mkv": _linked(seeds["mkv"], to),
        "script.wma": _asf(seeds["wma"], bytes.fromhex("301afb1e620bd011a39b00a0c90348f6"), script),
        "banner.wma": _asf(seeds["wma"], bytes.fromhex("fab3112223bdd211b4b700a0c955fc6e"), bytes(8) + to),
        "locator.mxf": _mxf(to),
    }  # fmt: skip


def _with_chunk(wav: bytes, kind: bytes, body: bytes) -> bytes:
    body += b"\0" * (len(body) % 2)
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(wav) - 8 + len(chunk)) + wav[8:12] + chunk + wav[12:]


def _element(number: bytes, body: bytes) -> bytes:
    """An EBML element (RFC 8794), its size in eight bytes."""
    return number + (1 << 56 | len(body)).to_bytes(8, "big") + body


def _attached(mkv: bytes, what: bytes) -> bytes:
    """A Matroska file with a further file in it (RFC 9559); what follows its end is read as long as it fits."""
    file = _element(b"\x46\x6e", b"a.m3u8") + _element(b"\x46\x60", b"application/x-mpegURL")
    file += _element(b"\x46\x5c", what) + _element(b"\x46\xae", b"\1")
    return _in_segment(mkv, _element(b"\x19\x41\xa4\x69", _element(b"\x61\xa7", file)))


def _linked(mkv: bytes, to: bytes) -> bytes:
    """A Matroska file that says which file comes before it and which after."""
    info = _element(b"\x3c\x83\xab", to) + _element(b"\x3e\x83\xbb", to) + _element(b"\x3e\xb9\x23", bytes(16))
    return _in_segment(mkv, _element(b"\x15\x49\xa9\x66", info))


def _in_segment(mkv: bytes, element: bytes) -> bytes:
    at = mkv.index(b"\x18\x53\x80\x67") + 4
    size = int.from_bytes(mkv[at : at + 8], "big") + len(element)
    return mkv[:at] + size.to_bytes(8, "big") + element + mkv[at + 8 :]


def _asf(wma: bytes, kind: bytes, body: bytes) -> bytes:
    """An ASF file with one object more in its header."""
    extra = kind + struct.pack("<Q", 24 + len(body)) + body
    size, count = struct.unpack("<QI", wma[16:28])
    return wma[:16] + struct.pack("<QI", size + len(extra), count + 1) + wma[28:30] + extra + wma[30:]


def _mxf(to: bytes) -> bytes:
    """The beginning of an MXF file (SMPTE ST 377-1) whose essence lies elsewhere: a partition and a network locator."""

    def klv(key: str, body: bytes) -> bytes:
        return bytes.fromhex("060e2b34" + key) + b"\x83" + len(body).to_bytes(3, "big") + body

    partition = struct.pack(">HHIQQQQQIQI", 1, 3, 1, 0, 0, 0, 200, 0, 0, 0, 0)
    partition += bytes.fromhex("060e2b34040101010d01020101010900") + struct.pack(">II", 0, 16)
    text = to.decode().encode("utf-16-be")
    locator = struct.pack(">HH", 0x3C0A, 16) + bytes(16) + struct.pack(">HH", 0x4001, len(text)) + text
    head = klv("020501010d01020101020400", partition)
    return head + klv("025301010d01010101013200", locator) + bytes(2000)
