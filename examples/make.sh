#!/usr/bin/env bash
# Makes every recording in this folder again: the speech with flite, the rest with numpy.
#
#   examples/make.sh [FOLDER]     FOLDER: where the recordings go (default: this folder)
#
# Needs flite (Debian: apt-get install flite) and a Python 3.11+ with numpy and soundfile 0.13+;
# PYTHON names that Python when it is not python3.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here}
python=${PYTHON:-python3}

command -v flite >/dev/null || { echo "make.sh: flite is not installed (apt-get install flite)" >&2; exit 1; }
"$python" -c 'import numpy, soundfile' 2>/dev/null ||
    { echo "make.sh: $python lacks numpy or soundfile; set PYTHON to one that has them" >&2; exit 1; }

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { # say VOICE STRETCH TEXT WAV: one utterance; STRETCH above 1 speaks more slowly
    flite -voice "$1" --setf "duration_stretch=$2" -t "$3" -o "$4"
}

turn=0
while IFS= read -r line; do
    printf -v wav '%s/standup-%02d.wav' "$work" "$turn"
    say "${line%%: *}" 1.1 "${line#*: }" "$wav"
    turn=$((turn + 1))
done <"$here/standup.txt"
say rms 1.2 "I'm not sure I can finish this on time." "$work/hesitant.wav"
say slt 1.1 "Please make me a large coffee with two sugars." "$work/order.wav"

"$python" "$here/synthesise.py" talk "$out/standup.flac" "$work"/standup-*.wav
"$python" "$here/synthesise.py" talk "$out/hesitant.flac" "$work/hesitant.wav"
"$python" "$here/synthesise.py" talk "$out/order.flac" "$work/order.wav"
"$python" "$here/synthesise.py" song "$out/song.flac"
"$python" "$here/synthesise.py" sounds "$out/sounds"
