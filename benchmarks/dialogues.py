"""Dialogues put together from single utterances, with the turns that are in them."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import measures
from hark.speakers.turns import Turn
from measures import RATE

SENTENCES = """
We agreed to move the release to Friday because the tests are not finished yet.
Please send me the report before the end of the week.
The old man walked slowly down the road and sat under a large tree.
Can you tell me what time the train leaves tomorrow morning?
I think we should talk to the customer before we change the price.
She put the letter on the kitchen table and went out without a word.
The weather was cold and there was snow on the mountains.
He asked for a glass of water and two pieces of bread.
There are three open questions.
My sister bought a new car last month but she does not like the color.
Turn off the lights in the living room and close the front door.
We went to the market to buy apples, milk and some fresh fish.
No, not yet.
Yes, I think so.
The doctor told her to stay in bed for three days.
Let us start with the budget and then look at the plan for next year.
""".strip().splitlines()
# Half of the synthetic voices for tuning, the other half for the report.
VOICES = (
    ("flite rms", "flite slt", "espeak en-us", "espeak en-gb+f3", "espeak en-gb-scotland+m3"),
    ("flite awb", "flite kal16", "espeak en-gb-x-rp+m7", "espeak en-us+f2", "espeak en-029+f5"),
)


@dataclass(frozen=True)
class Dialogue:
    """A recording of some speakers, mono, and who speaks when."""

    name: str
    samples: np.ndarray
    rate: int
    turns: tuple[Turn, ...]


def read(folder: Path) -> dict[str, list[np.ndarray]]:
    """The utterances of each speaker, at 16 kHz, trimmed of what is silent."""
    pools: dict[str, list[np.ndarray]] = {}
    for row in (json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()):
        pools.setdefault(row["speaker"], []).append(trimmed(measures.load(folder / row["audio"])))
    return pools


def synthetic(voices: tuple[str, ...]) -> dict[str, list[np.ndarray]]:
    """Sentences by flite and espeak-ng (Debian packages); voices of programs that are not here are left out."""
    pools: dict[str, list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        for voice in voices:
            program, _, kind = voice.partition(" ")
            for text in SENTENCES:
                flite = ["flite", "-voice", kind, "-t", text, "-o", path]
                command = flite if program == "flite" else ["espeak-ng", "-v", kind, "-w", path, text]
                try:
                    subprocess.run(command, check=True, capture_output=True)
                except (OSError, subprocess.CalledProcessError):
                    break
                pools.setdefault(voice, []).append(trimmed(measures.load(path)))
    return pools


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Without what lies 35 dB under the loudest 20 ms at either end."""
    size = RATE // 50
    level = np.array([np.mean(samples[at : at + size] ** 2) for at in range(0, len(samples), size)])
    loud = np.flatnonzero(level > level.max() * 10**-3.5)
    return samples[loud[0] * size : (loud[-1] + 1) * size]


def spoken(
    pools: dict[str, list[np.ndarray]], speakers: int, seed: int, *, longest: int, seconds: float = 60.0
) -> tuple[np.ndarray, tuple[Turn, ...]]:
    """A dialogue: turns of 1 to `longest` utterances, 50 to 250 ms between these, 100 to 800 ms between turns.

    Nobody speaks twice in a row, all speak, each at a level of their own (+-3 dB) over noise at -60 dB of full scale.
    No utterance is heard twice: what nobody has is not made up, and the dialogue ends when somebody has none left.
    """
    random = np.random.default_rng(seed)
    cast = [str(who) for who in random.permutation(sorted(pools))[:speakers]]
    gains = dict(zip(cast, 10 ** (random.uniform(-3, 3, speakers) / 20), strict=True))
    stock = {who: list(random.permutation(len(pools[who]))) for who in cast}
    pieces, turns, at, last = [np.zeros(RATE // 2, np.float32)], [], RATE // 2, ""
    while at < seconds * RATE and all(stock.values()):
        silent = [who for who in cast if who not in {turn.speaker for turn in turns}]
        others = silent or [who for who in cast if who != last or speakers == 1]
        last = others[random.integers(len(others))]
        for _ in range(random.integers(1, longest + 1)):
            if not stock[last]:
                break
            said = pools[last][stock[last].pop()]
            said = said / (np.abs(said).max() + 1e-9) * 0.5 * gains[last]
            pause = np.zeros(int(random.uniform(0.05, 0.25) * RATE))
            pieces += [said, pause]
            turns += [Turn((at + start) / RATE, (at + end) / RATE, last) for start, end in voiced(said)]
            at += len(said) + len(pause)
        pieces.append(np.zeros(int(random.uniform(0.1, 0.6) * RATE)))
        at += len(pieces[-1])
    samples = np.concatenate(pieces)
    return (samples + random.normal(0, 1e-3, len(samples))).astype(np.float32), joined(turns)


def voiced(samples: np.ndarray) -> list[tuple[int, int]]:
    """Where somebody speaks in an utterance: all but pauses of 0.3 s and more, 35 dB under its loudest 20 ms."""
    size = RATE // 50
    level = np.array([np.mean(samples[at : at + size] ** 2) for at in range(0, len(samples), size)])
    loud = np.flatnonzero(level > level.max() * 10**-3.5)
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > 0.3 * RATE / size) + 1)
    return [(int(part[0]) * size, min(len(samples), int(part[-1] + 1) * size)) for part in parts]


def joined(turns: list[Turn]) -> tuple[Turn, ...]:
    """Turns of one speaker with less than 0.3 s between them as one, as people mark them."""
    made: list[Turn] = []
    for turn in turns:
        if made and made[-1].speaker == turn.speaker and turn.start - made[-1].end < 0.3:
            turn = Turn(made.pop().start, turn.end, turn.speaker)
        made.append(turn)
    return tuple(made)
