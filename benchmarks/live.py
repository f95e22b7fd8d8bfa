"""Live sessions: how soon the answer comes, what sessions cost, whether turns are lost, and how text settles.

python benchmarks/live.py [latency phases idle sessions text] [--turns 6] [--sessions 20] [--json]

* latency: from the end of speech to the first text of the echo engine's answer, over a WebSocket and over WebRTC.
* phases: one utterance at 20 offsets of 30 ms: words cut off at its start, turns cut in two, the delay of the pause;
  beside FastRTC's `ReplyOnPause`, whose rule (fixed chunks of 0.6 s) is followed here with the same speech detector.
* idle: CPU of the server for a session in which nobody speaks, its microphone open, and closed.
* sessions: many at once at real pace: turns answered, delay, CPU.
* text: live transcripts of the offline default, its own way and by local agreement: words that changed, how far settled
  text is behind speech, how much is heard again, and how the text differs from that of the whole recording.

Speech ends where the detector (Silero v6) last finds it likely. Clients share the machine with the server.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
import websockets.asyncio.client as websockets

import hark
from hark.audio.speech import FRAME, RATE, SpeechDetector, speech
from hark.audio.turns import Ended, Turns
from hark.realtime.partial import Agreement, live
from measures import word_errors
from server import Rows, percentile, process, worked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from numpy.typing import NDArray

    from hark.engines.live import Live
    from hark.listener import Listener

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
_OWN = os.getpid()
SILENCE = 0.5  # seconds that end a turn, the default of the protocol
WIRE, PIECE = 24000, 0.04  # samples a second on the WebSocket, and seconds of an event
CHUNK, STARTED, PAUSED = 0.6, 0.2, 0.1  # FastRTC 0.0.34: chunk, speech in it that begins a turn, and that ends none
AIMS = {"WebSocket": 580.0, "WebRTC": 680.0, "cpu": 3.0}  # milliseconds; per cent of a core


def utterance() -> NDArray[np.float32]:
    return hark.Audio.of(ROOT / "examples" / "order.flac").samples(RATE)


def quiet(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * RATE), np.float32)


def spoken(samples: NDArray[np.float32]) -> tuple[float, float]:
    """Seconds at which speech begins and ends."""
    likely = np.flatnonzero(SpeechDetector().feed(samples) >= 0.5)
    return float(likely[0] * FRAME / RATE), float((likely[-1] + 1) * FRAME / RATE)


class Client:
    """A session over a WebSocket, its events with the second at which they came."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.reader = asyncio.ensure_future(self._read())

    async def say(self, samples: NDArray[np.float32]) -> float:
        """Send samples (n,) as a microphone does; the second at which the first was spoken."""
        sound = (np.clip(soxr.resample(samples, RATE, WIRE), -1, 1) * 32767).astype("<i2")
        size, begin = round(PIECE * WIRE), time.perf_counter()
        for number, at in enumerate(range(0, len(sound), size), 1):
            await asyncio.sleep(begin + number * PIECE - time.perf_counter())
            audio = base64.b64encode(sound[at : at + size].tobytes()).decode()
            await self.socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        return begin

    def after(self, kind: str, begin: float) -> list[tuple[float, dict[str, Any]]]:
        return [(at, event) for at, event in self.events if event["type"] == kind and at >= begin]

    async def answered(self, count: int) -> None:
        """Wait until so many answers are over, or ten seconds."""
        ends = time.perf_counter() + 10
        while len(self.after("response.done", 0)) < count and time.perf_counter() < ends:
            await asyncio.sleep(0.02)

    async def _read(self) -> None:
        async for message in self.socket:
            self.events.append((time.perf_counter(), json.loads(message)))


@contextlib.asynccontextmanager
async def session(url: str) -> AsyncIterator[Client]:
    address = url.replace("http", "ws") + "/v1/realtime?model=model"
    async with websockets.connect(address, compression=None) as socket:
        client = Client(socket)
        try:
            yield client
        finally:
            client.reader.cancel()


def milliseconds(values: list[float]) -> dict[str, float]:
    found = sorted(1000 * value for value in values)
    return {"median ms": statistics.median(found), "p95 ms": percentile(found, 0.95), "most ms": found[-1]}


def latency(given: argparse.Namespace) -> Rows:
    """Milliseconds from the end of speech, the silence that ends a turn (500 ms) included."""
    said = utterance()
    _, end = spoken(said)

    async def over_websocket(url: str) -> tuple[list[float], list[float]]:
        stopped, texts = [], []
        async with session(url) as client:
            for turn in range(1, given.turns + 1):
                begin = await client.say(np.concatenate((said, quiet(1.2))))
                await client.answered(turn)
                stopped.append(client.after("input_audio_buffer.speech_stopped", begin)[0][0] - begin - end)
                texts.append(client.after("response.output_text.delta", begin)[0][0] - begin - end)
        return stopped, texts

    rows: Rows = {}
    with process("hark", "echo", "") as own:
        url = own.read()
        asyncio.run(over_websocket(url))  # the first wakes the libraries
        stopped, texts = asyncio.run(over_websocket(url))
        rows["WebSocket, pause told"] = milliseconds(stopped)
        rows["WebSocket, first text"] = aimed(milliseconds(texts), "WebSocket")
        try:
            from calling import first_texts
        except ImportError:
            return rows  # without aiortc
        ended = said[: round(end * RATE)]
        texts = asyncio.run(first_texts(url, ended, turns=given.turns, model="model"))
        rows["WebRTC, first text"] = aimed(milliseconds(texts), "WebRTC")
    return rows


def aimed(row: dict[str, Any], aim: str) -> dict[str, Any]:
    return row | {"aim ms": AIMS[aim], "reached": "yes" if row["median ms"] <= AIMS[aim] else "no"}


def phases(_: argparse.Namespace) -> Rows:
    """What becomes of one utterance at 20 offsets."""
    said = utterance()
    begin, end = spoken(said)
    rows: Rows = {}
    for name, found in (("hark", _turns), ("FastRTC's rule", _chunks)):
        cut, twice, delays, lost = [], 0, [], 0
        for offset in np.arange(20) * 0.03:
            lead = 0.5 + offset
            turns = found(np.concatenate((quiet(lead), said, quiet(2.5))))
            whole = len(turns) == 1
            lost, twice = lost + (not turns), twice + (len(turns) > 1)
            cut += [max(0.0, turns[0][0] - (lead + begin))] if turns else []
            delays += [turns[0][1] - (lead + end)] if whole else []
        rows[name] = {
            "starts cut by over 50 ms": sum(value > 0.05 for value in cut),
            "most ms cut": 1000 * max(cut),
            "turns cut in two": twice,
            "lost": lost,
            "pause told after ms": 1000 * statistics.mean(delays),
            "most ms": 1000 * max(delays),
        }
    return rows


def _turns(samples: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Turns as hark finds them in blocks of 20 ms: the start of each, and the second at which its end was known."""
    turns, found = Turns(silence=SILENCE), []
    for at in range(0, len(samples), 320):
        found += [(one.start, at / RATE + 0.02) for one in turns.feed(samples[at : at + 320]) if isinstance(one, Ended)]
    return found


def _chunks(samples: NDArray[np.float32]) -> list[tuple[float, float]]:
    """As `ReplyOnPause.determine_pause` finds them: a turn begins with a chunk, and ends with one."""
    size, start, found = round(CHUNK * RATE), None, []
    for at in range(0, len(samples) - size + 1, size):
        chunk = samples[at : at + size]
        heard = sum(b - a for a, b in speech([chunk], min_speech=0.25, min_silence=2.0, padding=0.4)) / RATE
        if start is None and heard > STARTED:
            start = at / RATE
        if start is not None and heard < PAUSED:
            found.append((start, at / RATE + CHUNK))
            start = None
    return found


def idle(given: argparse.Namespace) -> Rows:
    """Per cent of a core that the server takes, over 15 seconds."""

    async def measured(url: str, pid: int, *, sends: bool) -> float:
        async with session(url) as client:
            await client.say(quiet(1))
            before, begin = worked(pid), time.perf_counter()
            await (client.say(noise) if sends else asyncio.sleep(15))
            return 100 * (worked(pid) - before) / (time.perf_counter() - begin)

    del given
    noise = np.random.default_rng(0).normal(0, 1e-3, 15 * RATE).astype(np.float32)
    rows: Rows = {}
    with process("hark", "echo", "") as own:
        url = own.read()
        for name, sends in (("microphone open", True), ("nothing is sent", False)):
            cpu = asyncio.run(measured(url, own.pid, sends=sends))
            rows[name] = {"% of a core": cpu, "aim %": AIMS["cpu"], "reached": "yes" if cpu < AIMS["cpu"] else "no"}
    return rows


def sessions(given: argparse.Namespace) -> Rows:
    """Sessions at once, each two turns, begun 70 ms apart."""
    said = utterance()
    begin, end = spoken(said)

    async def one(url: str, number: int) -> tuple[int, list[float], int]:
        await asyncio.sleep(0.07 * number)
        async with session(url) as client:
            texts, clock = [], 0.0
            cut = 0
            for turn in (1, 2):
                sound = np.concatenate((quiet(0.5), said, quiet(1.5)))
                first = await client.say(sound)
                await client.answered(turn)
                told = client.after("response.output_text.delta", first)
                texts += [told[0][0] - first - 0.5 - end] if told else []
                started = client.after("input_audio_buffer.speech_started", first)
                cut += sum(event["audio_start_ms"] / 1000 > clock + 0.5 + begin + 0.05 for _, event in started)
                clock += len(sound) / RATE
            return len(client.after("response.done", 0)), texts, cut

    async def all_of_them(url: str) -> list[tuple[int, list[float], int]]:
        return await asyncio.gather(*(one(url, number) for number in range(given.sessions)))

    with process("hark", "echo", "") as own:
        url = own.read()
        before, began = worked(own.pid), time.perf_counter()
        found = asyncio.run(all_of_them(url))
        cpu = 100 * (worked(own.pid) - before) / (time.perf_counter() - began)
    texts = [value for _, values, _ in found for value in values]
    told = {"turns": 2 * given.sessions, "answered": sum(count for count, _, _ in found)}
    return {
        f"{given.sessions} sessions": told
        | {"starts cut": sum(cut for _, _, cut in found), "% of a core": cpu}
        | (milliseconds(texts) if texts else {})
    }


def text(_: argparse.Namespace) -> Rows:
    """Words of three recordings; seconds of sound."""
    ways = {"the offline default": partial(live, shows=True), "local agreement": Agreement}
    rows: Rows = {}
    with hark.load("builtin") as listener:
        for way, make in ways.items():
            found = [_followed(make(listener), listener, samples) for samples in _speech()]
            words = sum(one["words"] for one in found)
            settled = [lag for one in found for lag in one["lags"]]
            rows[way] = {
                "settled words changed": sum(one["changed"] for one in found) / words,
                "open words changed": sum(one["wrong"] for one in found) / max(1, sum(one["shown"] for one in found)),
                "settled behind speech, s": statistics.mean(settled),
                "most, s": max(settled),
                "other words than of the whole": sum(one["edits"] for one in found) / words,
                "CPU of the time": sum(one["spent"] for one in found) / sum(len(s) / RATE for s in _speech()),
            }
    return rows


def _speech() -> Iterator[NDArray[np.float32]]:
    for name, seconds in (("order", 9.0), ("hesitant", 9.0), ("standup", 20.0)):
        yield hark.Audio.of(ROOT / "examples" / f"{name}.flac").samples(RATE)[: round(seconds * RATE)]


def _followed(writer: Live, listener: Listener, samples: NDArray[np.float32]) -> dict[str, Any]:
    """What is known of a recording, second by second, against what is known at its end."""
    steps, heard, begin = [], 0, worked(_OWN)
    for at in range(3200, len(samples), 3200):
        if writer.due((at - heard) / RATE):
            steps.append((at / RATE, writer.hear(samples[heard:at])))
            heard = at
    last = writer.finish(samples[heard:])
    writer.close()
    spent = worked(_OWN) - begin
    final, ends, lags, changed, shown, wrong = last.text.split(), _ends(last.segments), [], 0, 0, 0
    known = 0
    for now, step in [*steps, (len(samples) / RATE, last)]:
        settled, opened = step.settled.split(), step.open.split()
        changed += sum(one != other for one, other in zip(settled, final, strict=False))
        there = final[len(settled) : len(settled) + len(opened)]
        shown += len(opened)
        wrong += sum(one != other for one, other in zip(opened, there, strict=False)) + len(opened) - len(there)
        lags += [now - end for end in ends[known : len(settled)]]
        known = max(known, len(settled))
    whole = listener.transcribe(hark.Audio.of(samples, RATE)).text.split()
    return {
        "words": len(final), "changed": changed, "shown": shown, "wrong": wrong, "lags": lags, "spent": spent,
        "edits": word_errors(whole, final),
    }  # fmt: skip


def _ends(segments: Any) -> list[float]:
    """The second at which each word ends; of words without times, that of their share of the segment."""
    found: list[float] = []
    for segment in segments:
        words = segment.text.split()
        share = (segment.end - segment.start) / max(1, len(words))
        timed = [word.end for word in segment.words]
        found += timed or [segment.start + share * (number + 1) for number in range(len(words))]
    return found


def printed(name: str, rows: Rows) -> None:
    """One part as a table."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    print(f"\n| {name} | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for row, values in rows.items():
        cells = [values.get(column, "") for column in columns]
        shown = [cell if isinstance(cell, str) else f"{cell:.4g}" for cell in cells]
        print(f"| {row} | {' | '.join(shown)} |", flush=True)


PARTS = {"latency": latency, "phases": phases, "idle": idle, "sessions": sessions, "text": text}


def main() -> None:
    """Print what was measured, beside its aims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all, unless some are named")
    parser.add_argument("--turns", type=int, default=6, help="of the part latency")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = {}
    for name in given.parts or list(PARTS):
        found[name] = PARTS[name](given)
        if not given.json:
            printed(name, found[name])
    if given.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
