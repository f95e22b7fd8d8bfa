"""10 minutes of mp3, m4a, flac and wav to 16 kHz mono: hark beside librosa.load and faster-whisper's decode_audio.

    python benchmarks/decoding.py            # librosa is left out where it is not installed

Each loader runs in a process of its own. Cold: CPU seconds of a new process that loads the file once, imports included.
Warm: the least CPU seconds of three further loads. Ratios are to hark's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from sounds import write

LOADERS = {
    "hark": "from hark.audio.audio import Audio\ndef load(path): return Audio.of(path).samples()",
    "decode_audio": "from faster_whisper.audio import decode_audio as load",
    "librosa.load": "import librosa\ndef load(path): return librosa.load(path, sr=16000)[0]",
}
RUN = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
def peak():
    # A child of fork and exec inherits the ru_maxrss of its parent on Linux; VmHWM is its own.
    try:
        return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes
{loader}
load(sys.argv[1])
cold = time.process_time()
times = []
for _ in range(int(sys.argv[2])):
    begin = time.process_time()
    size = len(load(sys.argv[1]))
    times.append(time.process_time() - begin)
print(json.dumps(dict(cold=cold, warm=min(times), peak=peak(), size=size)))
"""


def measure(loader: str, path: Path, runs: int) -> dict[str, float] | None:
    """What it took, or None where the loader cannot read the file."""
    command = [sys.executable, "-c", RUN.replace("{loader}", LOADERS[loader]), str(path), str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    packages = {"decode_audio": "faster_whisper", "librosa.load": "librosa", "hark": "hark"}
    loaders = [name for name in LOADERS if importlib.util.find_spec(packages[name])]
    print(f"{given.minutes} minutes, 44.1 kHz stereo -> 16 kHz mono\n")
    print("| file | loader | cold CPU s | ratio | warm CPU s | ratio | peak MiB | samples |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("mp3", "m4a", "flac", "wav"):
            path = write(Path(folder) / f"long.{kind}", given.minutes * 60)
            ours: dict[str, float] = {}
            for name in loaders:
                got = measure(name, path, given.runs)
                if got is None:
                    print(f"| {kind} | {name} | cannot read it | | | | | |", flush=True)
                    continue
                ours = ours or got
                times = " | ".join(f"{got[how]:.2f} | {got[how] / ours[how]:.2f}" for how in ("cold", "warm"))
                print(f"| {kind} | {name} | {times} | {got['peak']:.0f} | {got['size']:.0f} |", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
