"""How long hark takes to start, beside importing faster-whisper: wall seconds of whole processes, median of N runs.

python benchmarks/startup.py [--runs 10]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import hark": ["-c", "import hark"],
    "hark --help": ["-m", "hark", "--help"],
    "hark models": ["-m", "hark", "models"],
    "import faster_whisper": ["-c", "import faster_whisper"],
}


def seconds(arguments: list[str]) -> float:
    """Wall seconds of one process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure in turn, so that a machine that slows down slows all alike, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs + 1):
        for name, arguments in COMMANDS.items():
            found[name].append(seconds(arguments))
    medians = {name: statistics.median(times[1:]) for name, times in found.items()}  # the first run fills caches
    peer = medians["import faster_whisper"]
    print(f"{'':24}{'median s':>10}{'of import faster_whisper':>28}")
    for name, median in medians.items():
        print(f"{name:24}{median:10.3f}{median / peer:28.2f}")


if __name__ == "__main__":
    main()
