"""Say the digits in made voices, as further speakers to learn from: there are only a few real ones.

    apt install flite espeak-ng
    python recipes/digits_voices.py data/digits

Adds `voices.jsonl` and its recordings, 8 kHz, cut to what is said. flite's voices are recordings of people, at several
speeds and pitches; those of espeak-ng are formants by rule, in accents of English and, with the spelling of other
languages, as people from there may say it.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = 8000
WORDS = "zero one two three four five six seven eight nine".split()
SPELLED = {
    "fr": "zirau ouane tou sri faure faïve sixe sévène éïte naïne".split(),
    "de": "siro wann tuh ssri fohr faif six sewen äit nain".split(),
    "es": "siro uan tu zri for faiv six seven eit nain".split(),
    "it": "ziro uan tu tri for faiv six seven eit nain".split(),
    "nl": "ziro wan toe srie foor faif siks zeven eet nain".split(),
    "pl": "ziroł łan tu sri for fajw siks sewen ejt najn".split(),
}
ENGLISH = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-gb-x-gbcwmd", "en-gb-x-gbclan")
ODD = ("robo", "robot", "whisper", "demonic", "storm", "tweaky", "croak", "fast")  # nobody speaks so


def main(out: Path) -> None:
    """Write `voices.jsonl` and the folder `voices`."""
    for program in ("flite", "espeak-ng"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed: apt install flite espeak-ng")
    folder, rows = out / "voices", []
    folder.mkdir(parents=True, exist_ok=True)
    for number, (voice, word, command) in enumerate(said()):
        samples = spoken(command)
        if samples is None:
            continue
        path = folder / f"{number:05d}.flac"
        soundfile.write(path, samples, RATE)
        rows.append({"audio": f"voices/{path.name}", "speaker": voice, "text": word})
    (out / "voices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(f"{len(rows)} recordings of {len({row['speaker'] for row in rows})} voices")


def said() -> Iterator[tuple[str, str, list[str]]]:
    """The name of each voice, a word, and the command that says it in WAV on its output."""
    recorded, slower = ("kal16", "awb", "rms", "slt"), (0.8, 1, 1.2)
    flite = [(voice, f"duration_stretch={stretch}", "") for voice in recorded for stretch in slower]
    for pitch in (80, 130, 180, 230):
        stretch = f"duration_stretch={0.85 + pitch / 600:.2f}"
        flite += [(voice, stretch, f"int_f0_target_mean={pitch}") for voice in ("kal", "kal16")]
    for voice, stretch, pitch in flite:
        how = ["--setf", stretch, *(["--setf", pitch] if pitch else [])]
        for word in WORDS:
            yield f"flite {voice} {pitch}", word, ["flite", "-voice", voice, *how, "-t", word, "-o", "/dev/stdout"]
    rng, languages = np.random.default_rng(0), (*ENGLISH, *SPELLED)
    for number, variant in enumerate(variants()):
        for turn in range(2):
            language = languages[(number + 6 * turn) % len(languages)]
            for word, spelling in zip(WORDS, SPELLED.get(language, WORDS), strict=True):
                speed, pitch = rng.integers(110, 185), rng.integers(20, 75)
                command = ["espeak-ng", "-v", f"{language}+{variant}", "-s", str(speed), "-p", str(pitch), "--stdout"]
                yield f"espeak-ng {variant} {language}", word, [*command, spelling]


def variants() -> list[str]:
    """The variants of espeak-ng that people might sound like."""
    told = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True).stdout
    folder = Path(told.partition("Data at:")[2].strip()) / "voices" / "!v"
    return sorted(path.name for path in folder.iterdir() if not any(odd in path.name.lower() for odd in ODD))


def spoken(command: list[str]) -> np.ndarray | None:
    """Samples without the silence around them; None where nothing is said."""
    done = subprocess.run(command, capture_output=True, check=False)
    try:
        samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    except soundfile.LibsndfileError:
        return None
    samples = soxr.resample(samples, rate, RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max(initial=0))
    if len(loud) < RATE // 20 or np.abs(samples).max() < 0.01:
        return None
    return samples[max(0, loud[0] - RATE // 50) : loud[-1] + RATE // 50]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
