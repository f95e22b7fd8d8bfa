"""The share of spoken orders that are fully right (the intent and every slot), clean and in kitchen noise.

python benchmarks/commands.py [--data ../shared/data/commands] [--half tune|test] [--model builtin] [--snr power]

The halves are the recordings in the order of their names, every other one: settings were tuned on the first. Noise is
mixed in as those who published the recordings do: a random piece of the noise, scaled so that the loudest 128 ms of it
are so many decibels below the loudest 128 ms of the speech. `--snr power` compares the mean powers instead.
With `--others N`, N sentences of read_english, which are no orders, are heard instead; half of their speakers were in
view when the refusal was tuned.

Published: https://github.com/Picovoice/speech-to-intent-benchmark, on the full set, with steps of 3 dB.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import hark
import measures
from hark.tasks.command.grammar import Grammar
from measures import RATE

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = (None, 24, 18, 12, 6)  # dB; None is clean
FRAME = 2048
PUBLISHED = {
    "Picovoice Rhino": 97.6,
    "Microsoft LUIS": 89.9,
    "IBM Watson": 86.8,
    "Amazon Lex": 84.5,
    "Google Dialogflow": 77.6,
}


def loudest(samples: np.ndarray) -> float:
    count = len(samples) // FRAME
    return float(np.square(samples[: count * FRAME]).reshape(count, FRAME).sum(axis=1).max())


def mean(samples: np.ndarray) -> float:
    return float(np.square(samples).mean())


def noisy(speech: np.ndarray, noise: np.ndarray, level: float, power: Callable[..., float], seed: int) -> np.ndarray:
    first = np.random.RandomState(seed).randint(0, len(noise) - len(speech))
    piece = noise[first : first + len(speech)]
    scale = np.sqrt(power(speech) / power(piece) / 10 ** (level / 10))
    return (speech + piece * scale).astype(np.float32)


def others(folder: Path, grammar: Grammar, model: str, count: int) -> None:
    """How much of what is no order is taken for one."""
    recordings = measures.labelled(folder, count)
    with hark.load(model) as listener:
        taken = [one for one in recordings if listener.command(hark.Audio.of(one.samples, RATE), grammar)]
    print(f"{len(taken)} of {len(recordings)} sentences were taken for an order: {len(taken) / len(recordings):.1%}")
    for one in taken:
        print(f"  {one.text!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=measures.DATA / "commands")
    parser.add_argument("--half", choices=("tune", "test"), default=None, help="else both")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--snr", choices=("loudest", "power"), default="loudest")
    parser.add_argument("--limit", type=int, default=None, help="recordings of each half")
    parser.add_argument("--others", type=int, default=None, help="sentences that are no orders, instead")
    parser.add_argument("--verbose", action="store_true", help="show what went wrong")
    options = parser.parse_args()
    lines = (options.data / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["audio"])
    grammar = Grammar.of(options.data / "coffee_maker.yaml")
    if options.others:
        others(options.data.parent / "read_english", grammar, options.model, options.others)
        return
    noise = measures.load(options.data / "kitchen_noise.flac")
    power = loudest if options.snr == "loudest" else mean
    print(f"{'':6}{'':>9} {'right':>7} {'refused':>8} {'wrong':>7} {'of audio time':>14}")
    with hark.load(options.model) as listener:
        for half in [options.half] if options.half else ["tune", "test"]:
            chosen = list(enumerate(rows[half == "test" :: 2][: options.limit]))
            shares = []
            for level in LEVELS:
                right = refused = 0
                seconds, began = 0.0, time.perf_counter()
                for number, row in chosen:
                    samples = measures.load(options.data / row["audio"])
                    seconds += len(samples) / RATE
                    if level is not None:
                        samples = noisy(samples, noise, level, power, number)
                    found = listener.command(hark.Audio.of(samples, RATE), grammar)
                    good = (found.intent, found.slots) == (row["intent"], row["slots"])
                    right += good
                    refused += not found.understood
                    if options.verbose and not good:
                        print(f"  {row['slots']} heard as {found}, {found.confidence}")
                shares.append(right / len(chosen))
                name = "clean" if level is None else f"{level} dB"
                count = len(chosen)
                print(
                    f"{half:6}{name:>9} {right / count:7.1%} {refused / count:8.1%} "
                    f"{1 - (right + refused) / count:7.1%} {(time.perf_counter() - began) / seconds:14.2f}",
                    flush=True,
                )
            print(f"{half:6}{'6 to 24':>9} {np.mean(shares[1:]):7.1%}")
    print("\nPublished, mean over 6 to 24 dB: " + ", ".join(f"{name} {share} %" for name, share in PUBLISHED.items()))


if __name__ == "__main__":
    main()
