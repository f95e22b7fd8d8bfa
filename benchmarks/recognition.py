"""Word error rate and speed of the offline recogniser beside a plain pocketsphinx decoder; memory over hours.

python benchmarks/recognition.py [--data ../shared/data] [--limit 60] [--workers N]
python benchmarks/recognition.py --hours 0.5      # peak memory and drift of times on a stream of known pieces

Words are compared in lower case, hyphens as spaces, other punctuation left out. The plain decoder gets the whole file,
with its peak at full scale like hark's windows, and begins anew with each. A few errors more or less on one clip are
luck: "8 shifts" hears both clips with their first 0 to 8.75 ms cut off, in steps of 1.25 ms. Times are wall clock,
after both have loaded their models.
"""

from __future__ import annotations

import argparse
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pocketsphinx import Decoder

import measures
from hark.engines.builtin.recognise import Recogniser
from measures import RATE, Recording, normalised, word_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def plain(decoder: Decoder, samples: np.ndarray) -> str:
    decoder.reinit_feat()  # as a new Decoder() would begin: what it heard before changes what it hears next
    decoder.start_utt()
    decoder.process_raw((samples * (32000 / np.abs(samples).max())).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    words = [s.word for s in decoder.seg() or () if not re.fullmatch(r"<.*>|\[.*\]|\+\+.*\+\+", s.word)]
    return " ".join(re.sub(r"\(\d+\)$", "", word) for word in words)


def ours(recogniser: Recogniser, samples: np.ndarray) -> str:
    return " ".join(s.text for delta in recogniser.recognise([samples]) for s in delta.segments)


def score(recordings: list[Recording], hear: Callable[[np.ndarray], str]) -> tuple[int, float]:
    """Word errors and seconds taken."""
    errors, began = 0, time.perf_counter()
    for recording in recordings:
        errors += word_errors(normalised(recording.text), normalised(hear(recording.samples)))
    return errors, time.perf_counter() - began


def shifted(recording: Recording, samples: int) -> Recording:
    return replace(recording, samples=recording.samples[samples:])


def compare(data: Path, limit: int, workers: int | None) -> None:
    recogniser, decoder = Recogniser(workers), Decoder(loglevel="FATAL")
    two = measures.clips(data)
    for recording in two:  # load what is loaded once
        ours(recogniser, recording.samples)
    plain(decoder, two[0].samples[:RATE])
    sets = {recording.name: [recording] for recording in two} | {"two clips": two}
    sets["8 shifts"] = [shifted(recording, samples) for recording in two for samples in range(0, 160, 20)]
    sets["read_english"] = measures.labelled(data / "read_english", limit)
    print(
        f"{'':14}{'words':>6}  {'plain WER':>9} {'of time':>8}  {'our WER':>8} {'of time':>8}  {'errors':>6} {'speed'}"
    )
    for name, recordings in sets.items():
        words = sum(len(normalised(recording.text)) for recording in recordings)
        seconds = sum(recording.seconds for recording in recordings)
        before, slow = score(recordings, lambda samples: plain(decoder, samples))
        after, fast = score(recordings, lambda samples: ours(recogniser, samples))
        print(
            f"{name:14}{words:6}  {before / words:9.2f} {slow / seconds:8.2f}"
            f"  {after / words:8.2f} {fast / seconds:8.2f}  {(after - before) / before:+7.0%} {slow / fast:6.1f}x"
        )
    recogniser.close()


def resident(pid: str | int) -> int:
    """Resident memory of a process in bytes (Linux)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except (FileNotFoundError, ProcessLookupError):
        return 0


def long(data: Path, hours: float, workers: int | None) -> None:
    """Loop the clips, each after a pause of its own length, and look whether words stay where they belong."""
    recogniser = Recogniser(workers)
    two = [recording.samples for recording in measures.clips(data)]
    lap = np.concatenate([*two, np.zeros(-sum(map(len, two)) % (64 * 512), np.float32)])
    laps = max(1, round(hours * 3600 * RATE / len(lap)))
    peaks, done = [0, 0, 0], threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            now = resident("self"), sum(resident(pid) for pid in recogniser.workers)
            peaks[:] = (max(peaks[0], now[0]), max(peaks[1], now[1]), max(peaks[2], sum(now)))

    list(recogniser.recognise([lap]))
    base = resident("self") + sum(resident(pid) for pid in recogniser.workers)
    watcher = threading.Thread(target=watch)
    watcher.start()
    began, found = time.perf_counter(), []

    def stream() -> Iterator[np.ndarray]:
        for _ in range(laps):
            yield lap.copy()

    for delta in recogniser.recognise(stream()):
        found += [(segment.start, segment.text) for segment in delta.segments]
    took = time.perf_counter() - began
    done.set()
    watcher.join()
    length = len(lap) / RATE
    late = [start - (laps - 1) * length for start, _ in found if start >= (laps - 1) * length]
    middle = [start - (laps // 2) * length for start, _ in found if laps // 2 <= start / length < laps // 2 + 1]
    drift = max((abs(a - b) for a, b in zip(middle, late, strict=False)), default=float("nan"))
    print(f"{laps * length / 3600:.2f} h heard in {took:.0f} s ({took / laps / length:.2f} of audio time)")
    mib = [value / 2**20 for value in (*peaks, base)]
    print(f"peak memory: parent {mib[0]:.0f} MiB, workers {mib[1]:.0f} MiB, together {mib[2]:.0f} MiB")
    print(f"above the loaded model (after one lap): {mib[2] - mib[3]:.0f} MiB")
    print(f"segments: {len(found)}; times between the middle and the last lap drift by at most {drift * 1000:.1f} ms")
    recogniser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=measures.DATA)
    parser.add_argument("--limit", type=int, default=60, help="recordings of read_english")
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--hours", type=float, default=None)
    options = parser.parse_args()
    if options.hours:
        long(options.data, options.hours, options.workers)
    else:
        compare(options.data, options.limit, options.workers)


if __name__ == "__main__":
    main()
