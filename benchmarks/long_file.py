"""A 3-hour file streamed to 16 kHz mono: how much memory it takes, and how much more than a short one.

python benchmarks/long_file.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from sounds import write

RUN = """
import json, resource, sys, time
from hark.audio.audio import Audio
def peak():
    # A child of fork and exec inherits the ru_maxrss of its parent on Linux; VmHWM is its own.
    try:
        return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes
start = peak()
begin = time.process_time()
samples = sum(len(block) for block in Audio.of(sys.argv[1]).stream())
print(json.dumps(dict(seconds=samples / 16000, cpu=time.process_time() - begin, grown=peak() - start, peak=peak())))
"""


def made(path: Path, seconds: int) -> Path:
    """A file of that length; MP3, slow to encode, is a minute put end to end, as MP3 may be."""
    if path.suffix != ".mp3" or seconds <= 60:
        return write(path, seconds)
    minute = write(path.with_name("minute.mp3"), 60).read_bytes()
    with path.open("wb") as file:
        for _ in range(seconds // 60):
            file.write(minute)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--kinds", default="mp3,flac,m4a")
    given = parser.parse_args()
    print("growth counts the decoders too, which are loaded on the first use\n")
    print("| file | seconds | CPU s | growth MiB | peak MiB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for kind in given.kinds.split(","):
            for seconds in (60, round(given.hours * 3600)):
                path = made(Path(folder) / f"{seconds}.{kind}", seconds)
                done = subprocess.run(
                    [sys.executable, "-c", RUN, str(path)], capture_output=True, text=True, check=True
                )
                got = json.loads(done.stdout)
                print(
                    f"| {kind} | {got['seconds']:.0f} | {got['cpu']:.1f} | {got['grown']:.0f} | {got['peak']:.0f} |",
                    flush=True,
                )
                path.unlink()


if __name__ == "__main__":
    main()
