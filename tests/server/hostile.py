"""Makes recordings that are broken or mean harm: `python hostile.py FOLDER` writes them, always the same.

Those that name something else to open name a file (`canary`) and an address (`url`), so that a test can watch both.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import sys
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import soundfile
from hostile_parts import apart, box, endless_flac, id3, numbered, packed, patched, pcm_wav, with_reference

if TYPE_CHECKING:
    from collections.abc import Callable

_RATE = 16000
_NOISE = (np.random.default_rng(1).standard_normal(_RATE) * 0.1).astype(np.float32)


def good() -> bytes:
    """A recording that nothing is wrong with: one second."""
    return _sound("WAV")


def _sound(form: str, subtype: str | None = None) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, _NOISE, _RATE, format=form, subtype=subtype)
    return out.getvalue()


def _ffmpeg(form: str, codec: str, rate: int = 48000, apart: int = 0) -> bytes:
    """One third of a second; packets that are `apart` seconds from each other where that is given."""
    out = io.BytesIO()
    with av.open(out, "w", format=form, options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 64000
        size = 960 if codec == "libopus" else 1024
        convert = av.AudioResampler(format=stream.codec_context.format.name, layout="mono", rate=rate, frame_size=size)
        frame = av.AudioFrame.from_ndarray(_NOISE[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = rate
        pieces = [*convert.resample(frame), *convert.resample(None), None]
        for number, packet in enumerate(packet for piece in pieces for packet in stream.encode(piece)):
            if apart:
                packet.pts = packet.dts = int(number * apart / packet.time_base)
            container.mux(packet)
    return out.getvalue()


def _large_picture() -> bytes:
    """A video whose pictures would take more than a gigabyte each."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska", options={"fflags": "+bitexact"}) as container:
        sound, stream = (
            container.add_stream("pcm_s16le", rate=48000, layout="mono"),
            container.add_stream("mjpeg", rate=5),
        )
        stream.width, stream.height, stream.pix_fmt = 320, 320, "yuvj420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((480, 320), np.uint8), format="yuvj420p")
        container.mux(stream.encode(picture))
        frame = av.AudioFrame.from_ndarray((_NOISE[np.newaxis] * 9999).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = 48000
        container.mux(sound.encode(frame))
        for one in (sound, stream):
            container.mux(one.encode(None))
    return patched(out.getvalue(), b"\xff\xc0", 3, struct.pack(">HH", 30000, 30000))


@cache
def seeds() -> dict[str, bytes]:
    """A good recording in each of many forms."""
    plain = {form.lower(): _sound(form) for form in ("WAV", "FLAC", "MP3", "AIFF", "CAF", "W64", "AU", "RF64")}
    coded = {
        "m4a": _ffmpeg("ipod", "aac"), "mov": _ffmpeg("mov", "pcm_s16le"), "mkv": _ffmpeg("matroska", "pcm_s16le"),
        "webm": _ffmpeg("webm", "libopus"), "wma": _ffmpeg("asf", "wmav2"), "ts": _ffmpeg("mpegts", "aac"),
        "avi": _ffmpeg("avi", "pcm_s16le"), "flv": _ffmpeg("flv", "aac"), "wv": _ffmpeg("wv", "wavpack"),
        "ogg": numbered(_sound("OGG")), "nut": _ffmpeg("nut", "pcm_s16le"), "aac": _ffmpeg("adts", "aac"),
        "opus": _ffmpeg("ogg", "libopus"),
    }  # fmt: skip
    return plain | coded | {"adpcm.wav": _sound("WAV", "IMA_ADPCM"), "gsm.wav": _sound("WAV", "GSM610")}


def truncated() -> dict[str, bytes]:
    """Recordings that break off, anywhere."""
    return {
        f"{size}.{name}": data[:size]
        for name, data in seeds().items()
        for size in (1, 4, 13, 47, 200, len(data) // 2, len(data) - 1)
    }


def flipped(each: int = 4) -> dict[str, bytes]:
    """Recordings with some bits turned over, most of them near the beginning."""
    random = np.random.default_rng(2)
    return {f"{number}.{name}": mutated(data, random) for name, data in seeds().items() for number in range(each)}


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """The same with a few bytes changed, and now and then a stretch doubled, left out or put elsewhere."""
    found = bytearray(data)
    for _ in range(random.integers(1, 30)):
        end = 120 if random.random() < 0.6 else len(found)
        at = int(random.integers(0, min(end, len(found))))
        found[at] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF, int(random.integers(256)), found[at] ^ 1 << at % 8]))
    if random.random() < 0.3:
        start, stop = sorted(random.integers(0, len(found), 2).tolist())
        piece = bytes(found[start:stop][:5000])
        del found[start : start + int(random.integers(0, 2)) * len(piece)]
        at = int(random.integers(0, len(found) + 1))
        found[at:at] = piece
    return bytes(found)


@cache
def lying() -> dict[str, bytes]:
    """Headers that promise what is not there, or make no sense."""
    found = {
        f"{name}.wav": pcm_wav(**what)
        for name, what in {
            "long": {"size": 0x7FFE0000}, "huge": {"size": 0xFFFFFFF0}, "none": {"size": 0},
            "channels": {"channels": 65535}, "1025": {"channels": 1025}, "nochannels": {"channels": 0},
            "slow": {"rate": 1}, "99": {"rate": 99}, "still": {"rate": 0}, "fast": {"rate": 0xFFFFFFFF},
            "6MHz": {"rate": 6_144_001}, "bits": {"bits": 255}, "nobits": {"bits": 0}, "align": {"align": 0},
            "format": {"code": 0xABCD}, "float": {"code": 3}, "adpcm": {"code": 17, "align": 1}, "mp3": {"code": 85},
            "fmt": {"fmt_size": 0xFFFFFFF0}, "thousands": {"channels": 3000, "align": 6000, "count": 3000 * 20},
        }.items()
    }  # fmt: skip
    flac, m4a, mp3, ogg = (seeds()[name] for name in ("flac", "m4a", "mp3", "ogg"))
    return found | {
        "promise.flac": flac[:21] + b"\xff" * 5 + flac[26:],
        "blocks.flac": flac[:8] + bytes(4) + flac[12:],
        "metadata.flac": flac[:4] + b"\x00\xff\xff\xff" + flac[8:],
        "comments.flac": flac[:4] + b"\x04\0\0\x08" + b"\xff" * 8 + flac[4:],
        "table.m4a": patched(m4a, b"stsz", 8, b"\xff\xff\xff\xff"),
        "chunks.m4a": patched(m4a, b"stco", 4, b"\x7f\xff\xff\xff"),
        "runs.m4a": patched(m4a, b"stts", 4, b"\x0f\xff\xff\xff"),
        "still.m4a": patched(m4a, b"mdhd", 12, bytes(4)),
        "ages.m4a": patched(m4a, b"mdhd", 16, b"\xff\xff\xff\xfe"),
        "box.m4a": patched(m4a, b"moov", -4, b"\xff\xff\xff\xff"),
        "endless.m4a": patched(m4a, b"moov", -4, bytes(4)),
        "deep.m4a": m4a[:28] + _nested(2000),
        "gaps.m4a": patched(m4a, b"stts", 12, struct.pack(">I", 48000 * 3500)),
        "gaps.mkv": _ffmpeg("matroska", "pcm_s16le", apart=3000),  # with an hour of silence between
        "fewgaps.mkv": _ffmpeg("matroska", "pcm_s16le", apart=10),
        "tracks.m4a": apart(m4a, 400),
        "codec.m4a": m4a.replace(b"mp4a", b"\xff\xff\xff\xff"),
        "id3.mp3": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + mp3,
        "xing.mp3": mp3.replace(b"Xing", b"Xing").replace(b"Info", b"Xing\0\0\0\x0f\xff\xff\xff\xff", 1),
        "pages.ogg": ogg[:26] + b"\xff" * 300 + ogg[26:],
        "granule.ogg": ogg[:6] + b"\xff" * 8 + ogg[14:],
        "chain.ogg": ogg[:200] * 3000,
        "rate.aiff": patched(seeds()["aiff"], b"COMM", 12, b"\x7f\xff" + b"\xff" * 8),
        "channels.aiff": patched(seeds()["aiff"], b"COMM", 4, b"\x7f\xff"),
        "start.au": b".snd" + struct.pack(">5I", 0xFFFFFFFF, 0xFFFFFFFF, 3, 8000, 1) + bytes(500),
        "channels.au": b".snd" + struct.pack(">5I", 24, 0xFFFFFFFF, 3, 8000, 1000) + bytes(20000),
        "rate.caf": patched(seeds()["caf"], b"desc", 8, struct.pack(">d", 1e300)),
        "nan.caf": patched(seeds()["caf"], b"desc", 8, struct.pack(">d", float("nan"))),
    }  # fmt: skip


def _nested(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = box(b"moov", inner)
    return inner


@cache
def bombs() -> dict[str, bytes]:
    """Small files that would be large."""
    zeros = bytes(20_000_000)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("a.wav"), zeros, zipfile.ZIP_DEFLATED)
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as file:
        file.writestr(zipfile.ZipInfo("a.zip"), archive.getvalue() * 10, zipfile.ZIP_DEFLATED)
    return {
        "hours.flac": endless_flac(100 * 3600),  # which says so
        "hidden.flac": endless_flac(100 * 3600, said=0),
        "modest.flac": endless_flac(100 * 3600, said=8000),
        "a.zip": archive.getvalue(), "twice.zip": twice.getvalue(), "a.wav.gz": gzip.compress(zeros, mtime=0),
        "a.bz2": bz2.compress(zeros), "a.xz": lzma.compress(zeros),
        "cmov.mov": packed(zlib.compress(zeros), 20_000_000), "lie.mov": packed(zlib.compress(zeros), 0xFFFFFFF0),
        "loop.mov": packed(zlib.compress(packed(b"", 8)[28:]), 100),
        "id3.mp3": id3(b"TXXX", struct.pack(">I", 0x0F7F7F7F) + zlib.compress(zeros), flags=0x0009),
        "picture.mkv": _large_picture(),
        "picture.mp3": id3(b"APIC", b"\0image/png\0\3\0" + bytes(3_000_000)),
    }  # fmt: skip


PLAYLISTS = {
    "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
    "key.m3u8": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n',
    "map.m3u8": '#EXTM3U\n#EXT-X-MAP:URI="{target}"\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n',
    "master.m3u8": '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="{target}"\n'
    "#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
    "a.m3u": "{target}\n",
    "a.ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "bare.ffconcat": "file '{target}'\n",
    "concat.txt": "concat:{target}|{target}",
    "subfile.txt": "subfile,,start,0,end,0,,:{target}",
    "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    "a=control:{target}",
    "a.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    '<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "bare.mpd": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{target}</BaseURL></MPD>',
    "a.smil": '<smil><body><audio src="{target}"/></body></smil>',
    "a.ism": '<?xml version="1.0"?><SmoothStreamingMedia><StreamIndex Url="{target}"/></SmoothStreamingMedia>',
    "a.xspf": '<?xml version="1.0"?><playlist><trackList><track><location>{target}</location></track></trackList>'
    "</playlist>",
    "a.pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    "a.asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "a.asf": "[Reference]\r\nRef1={target}\r\n",
    "a.ram": "{target}\r\n--stop--\r\n",
    "a.qtl": '<?xml version="1.0"?><?quicktime type="application/x-quicktime-media-link"?><embed src="{target}"/>',
    "xxe.svg": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "{target}">]><svg>&x;</svg>',
    "a.avs": 'WavSource("{target}")\n',
    "a.vpy": 'import vapoursynth\nopen("{target}").read()\n',
    "lavfi.txt": "amovie={target}",
    "a.ffmeta": ";FFMETADATA1\ntitle={target}\n",
    "a.url": "[InternetShortcut]\nURL={target}\n",
    "a.rtsp": "rtsp://127.0.0.1:{port}/a",
    "a.pickle": "cos\nsystem\n(S'cat {target}'\ntR.",
}


def playlists(canary: str, url: str) -> dict[str, bytes]:
    """Texts that name other things to open, plain and in disguise."""
    port = url.rpartition(":")[2].split("/")[0]
    found: dict[str, bytes] = {}
    for name, text in PLAYLISTS.items():
        for kind, target in (("path", canary), ("file", f"file://{canary}"), ("url", url), ("data", f"crypto:{url}")):
            found[f"{kind}.{name}"] = text.format(target=target, port=port).encode()
        found |= {f"{kind}.{name}.mp3": data for kind, data in _disguised(found[f"url.{name}"], name).items()}
    return found


def _disguised(text: bytes, name: str) -> dict[str, bytes]:
    if not name.startswith(("a.m3u", "a.ffconcat", "a.sdp", "a.mpd")):
        return {}
    empty = b"ID3\x04\0\0\0\0\0\0"
    return {
        "bom": b"\xef\xbb\xbf" + text, "blank": b"\n \t\r\n" + text, "nul": b"\0" + text,
        "utf16": text.decode().encode("utf-16"),
        "id3": empty + text, "many id3": empty * 500 + text, "riff": b"RIFF\xff\0\0\0WAVE" + text,
        "wav": pcm_wav(sound=text), "amr": b"#!AMR\n" + text, "flac": b"fLaC" + text, "ogg": b"OggS" + text,
        "mp4": box(b"ftyp", b"isom\0\0\0\0isom") + box(b"mdat", text), "adts": b"\xff\xf1" + text,
        "far": bytes(5000) + text, "tail": _sound("MP3") + text, "upper": text.upper(),
    }  # fmt: skip


def references(canary: str, url: str) -> dict[str, bytes]:
    """Containers that may point out of themselves."""
    found: dict[str, bytes] = {}
    for kind, target in (("path", canary), ("url", url), ("file", f"file://{canary}")):
        found |= {f"{kind}.{name}": data for name, data in with_reference(seeds(), target).items()}
    return found


def oddities() -> dict[str, bytes]:
    """Nothing, noise, and files that are two things at once."""
    random = np.random.default_rng(3)
    wav, mp3 = seeds()["wav"], seeds()["mp3"]
    archive = io.BytesIO(wav)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(zipfile.ZipInfo("a"), "b")
    found = {f"{size}.random": random.bytes(size) for size in (1, 2, 3, 16, 100, 4096, 70_000, 500_000)}
    magics = (
        b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3\4", b"FORM", b".snd", b"caff", b"\x1aE\xdf\xa3", b"#!AMR\n", b"FLV\1",
        b"wvpk", b"MAC ", b"TTA1", b"MPCK", b"MP+\7", b"tBaK", b"BONK", b"OSQ ", b"qoaf", b"\x0bwF\x13",
        b"\x7f\xfe\x80\1",
        b"0&\xb2u\x8ef\xcf\x11", b"\x06\x0e+4\x02\x05\1\1\r\1\2", b"nut/multimedia container\0", b"\0\0\0\x20ftypisom",
        b"DSD ", b"FRM8", b"NIST_1A\n   1024\n", b"Creative Voice File\x1a", b"ajkg", b".RMF", b"VQF",
        b"\x80\0\0\x20", b"G@\0\x10",
    )  # fmt: skip
    found |= {f"{number}.magic": magic + random.bytes(3000) for number, magic in enumerate(magics)}
    return found | {
        "empty.wav": b"", "zeros.wav": bytes(100_000), "ones.mp3": b"\xff" * 100_000, "text.wav": b"hello " * 1000,
        "zip.wav": archive.getvalue(), "pdf.mp3": b"%PDF-1.7\n%" + mp3, "gif.wav": b"GIF89a" + wav,
        "html.mp3": b"<!--" + mp3 + b"--><script>1</script>", "jpeg.mp3": b"\xff\xd8\xff\xe0" + mp3,
        "elf": b"\x7fELF" + wav,
        "shell.mp3": b"#!/bin/sh\ncat /etc/passwd\n" + mp3, "two.wav": wav + wav, "mp3.wav": wav + mp3,
        "sync.mp3": b"\xff\xfb\x90\x64" * 20000, "commas.txt": b"\0".join([b"a"] * 5000),
    }  # fmt: skip


def corpus(canary: str, url: str) -> dict[str, Callable[[], dict[str, bytes]]]:
    """All kinds of recordings by name; each is made when it is asked for."""
    return {
        "truncated": truncated, "flipped": flipped, "lying": lying, "bombs": bombs, "oddities": oddities,
        "playlists": lambda: playlists(canary, url), "references": lambda: references(canary, url),
    }  # fmt: skip


def main() -> None:
    """Write all of them into a folder."""
    for kind, make in corpus("/etc/hostname", "http://127.0.0.1:9/a.wav").items():
        folder = Path(sys.argv[1]) / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in make().items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
