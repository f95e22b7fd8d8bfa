"""Trains the network of hark/engines/builtin/noise.py, and writes its weights.

python benchmarks/denoiser.py noise.npz [--data ../shared/data] [--minutes 5] [--versions 18] [--start noise.npz]

It hears the orders that benchmarks/commands.py tunes on, and 50 sentences of half of the speakers of read_english,
mixed with noise: pieces of the first half of the kitchen noise, noise of random colours, clatter, and many voices at
once. Its aim is the same speech without the noise. It needs torch, and no GPU.

The weights in hark come from two such rounds on one core: `--versions 8 --minutes 1.25`, then with `--start` from those
`--versions 18 --minutes 5.5`. How many steps fit into a minute differs, and so do the weights.
"""

from __future__ import annotations

import argparse
import json
import struct
import time
from pathlib import Path

import numpy as np
import pocketsphinx
import soxr
import torch
from torch.nn import GRU, Linear, Module

import measures
from commands import loudest, noisy
from hark.audio.speech import speech as stretches
from hark.engines.builtin.noise import SCALE, cosines, log_mel

FRAMES, BATCH, LEARNING_RATE, WARM_UP = 160, 32, 2.5e-3, 30
FASTER = 0.95  # as command.py hears it
SHARES = (1.0, 0.5, 0.25)  # of the loss: cepstra, their differences, the differences of those
rng = np.random.default_rng(0)


class Network(Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = GRU(25, 64, batch_first=True, bidirectional=True)
        self.b = GRU(128, 48, batch_first=True, bidirectional=True)
        self.o = Linear(96, 25)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        return self.o(self.b(self.a(spectra)[0])[0])


def coloured(count: int) -> np.ndarray:
    hertz = np.fft.rfftfreq(count, 1 / measures.RATE) + 30
    shape = hertz ** -rng.uniform(0, 1.2)
    for _ in range(rng.integers(0, 4)):
        middle = np.exp(rng.uniform(np.log(100), np.log(6000)))
        shape *= 1 + rng.uniform(0, 6) * np.exp(-(np.log(hertz / middle) ** 2) / 0.05)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * shape, count)
    if rng.random() < 0.5:  # its level wanders
        turns = max(3, count // 6000)
        noise *= np.exp(np.interp(np.arange(count), np.linspace(0, count, turns), rng.uniform(-1.2, 1.2, turns)))
    return noise / noise.std()


def clatter(count: int) -> np.ndarray:
    noise = coloured(count) * 0.15
    for _ in range(rng.poisson(count / measures.RATE * 2)):
        first = rng.integers(0, count)
        seconds = np.arange(min(count - first, rng.integers(1000, 10000))) / measures.RATE
        struck = 0.6 * rng.standard_normal(len(seconds))
        for _ in range(rng.integers(2, 9)):
            hertz = np.exp(rng.uniform(np.log(400), np.log(7000)))
            struck += rng.uniform(0.2, 1) * np.sin(2 * np.pi * hertz * seconds)
        noise[first : first + len(seconds)] += struck * np.exp(-seconds * rng.uniform(8, 60)) * rng.uniform(0.3, 2)
    return noise / noise.std()


def cut(samples: np.ndarray, count: int) -> np.ndarray:
    samples = np.tile(samples, 1 + count // len(samples) + 1)
    first = rng.integers(0, len(samples) - count)
    return samples[first : first + count].astype(float)


def babble(count: int, voices: list[np.ndarray]) -> np.ndarray:
    return sum(cut(voices[rng.integers(len(voices))], count) for _ in range(rng.integers(3, 7)))


def kitchen(count: int, recorded: np.ndarray) -> np.ndarray:
    noise = cut(recorded, count)
    if rng.random() < 0.3:
        noise = noise[::-1]
    if rng.random() < 0.3:
        noise = noise + cut(recorded, count) * rng.uniform(0.2, 1)
    if rng.random() < 0.5:  # brighter or duller
        noise = np.append(noise[0], noise[1:] - rng.uniform(-0.6, 0.6) * noise[:-1])
    return noise


def heard(samples: np.ndarray, peak: float) -> np.ndarray:
    faint = rng.standard_normal(len(samples)) * 1e-3
    return log_mel(np.clip(samples / peak + faint, -1, 1) * 32000).astype(np.float32)


def pair(speech: np.ndarray, recorded: np.ndarray, voices: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Log-mel spectra (frames, 25) with noise and without."""
    speed = rng.choice([1.0, 1.0, 0.93, 1.07])
    speech = soxr.resample(speech, 1.0, FASTER * speed, quality="QQ").astype(float)
    level = rng.uniform(-2, 26) if rng.random() > 0.08 else 50.0
    kinds = [lambda n: kitchen(n, recorded), coloured, clatter, lambda n: babble(n, voices)]
    noise = kinds[rng.choice(4, p=[0.5, 0.2, 0.15, 0.15])](len(speech) + 1)
    mixed = noisy(speech, noise, level, loudest, 0)
    loud, quiet = float(np.abs(mixed).max()), float(np.abs(speech).max())
    return heard(mixed, loud), heard(speech, quiet) + np.float32(2 * np.log(quiet / loud))


def pairs(data: Path, versions: int) -> list[tuple[np.ndarray, np.ndarray]]:
    def rows(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (data / name / "labels.jsonl").read_text(encoding="utf-8").splitlines()]

    orders = sorted(data / "commands" / row["audio"] for row in rows("commands"))[::2]
    speakers = set(sorted({row["speaker"] for row in rows("read_english")})[::2])
    read = [data / "read_english" / row["audio"] for row in rows("read_english") if row["speaker"] in speakers][:50]
    voices = [measures.load(path) for path in read]
    spoken = []
    for samples in [*map(measures.load, orders), *voices]:
        found = list(stretches([samples], padding=0))
        spoken.append(samples[max(0, found[0].start - 4800) : found[-1].end + 4800] if found else samples[:0])
    recorded = measures.load(data / "commands" / "kitchen_noise.flac")
    recorded = recorded[: len(recorded) // 2]
    chosen = [(samples, version) for version in range(versions) for samples in spoken if len(samples) > 8000]
    return [pair(samples, recorded, voices) for samples, _ in chosen]


def deviations() -> list[torch.Tensor]:
    """Mean deviations of the acoustic model's Gaussians in cepstra, their differences, and the differences of those."""
    stored = (Path(pocketsphinx.get_model_path("en-us")) / "en-us" / "variances").read_bytes()
    first = stored.index(b"endhdr\n") + 11  # after the mark of the byte order
    books, streams, gaussians, *widths = struct.unpack_from("<6i", stored, first)
    values = np.frombuffer(stored, "<f4", books * streams * gaussians * widths[0], first + 28)
    mean = values.reshape(books, streams, gaussians, widths[0]).mean((0, 2))
    return [torch.tensor(np.sqrt(stream)) for stream in mean]


def batch(given: list[tuple[np.ndarray, np.ndarray]]) -> torch.Tensor:
    """Stretches of pairs, with noise and without: (2, batch, frames, 25), the mean with noise at zero."""
    found = []
    for number in rng.integers(0, len(given), BATCH):
        both = np.stack(given[number]) - given[number][0].mean()
        first = rng.integers(0, max(1, both.shape[1] - FRAMES))
        both = both[:, first : first + FRAMES]
        found.append(np.pad(both, ((0, 0), (0, FRAMES - both.shape[1]), (0, 0)), mode="wrap"))
    return torch.tensor(np.stack(found, axis=1))


def train(network: Network, given: list[tuple[np.ndarray, np.ndarray]], seconds: float) -> None:
    transform, units = torch.tensor(cosines(), dtype=torch.float32), deviations()
    optimizer = torch.optim.Adam(network.parameters())
    began, step = time.monotonic(), 0
    while (done := (time.monotonic() - began) / seconds) < 1:
        rate = LEARNING_RATE * min(1.0, (step + 1) / WARM_UP) * (1 - done) + 2e-5
        for group in optimizer.param_groups:
            group["lr"] = rate
        mixed, clean = batch(given)
        wrong = (mixed + network(mixed / SCALE) * SCALE - clean) @ transform.T
        change = wrong[:, 4:] - wrong[:, :-4]
        parts = (wrong, change, change[:, 2:] - change[:, :-2])
        loss = sum(share * ((part / unit) ** 2).mean() for share, part, unit in zip(SHARES, parts, units, strict=True))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(f"{step} steps, {time.monotonic() - began:.0f} s: {loss.item():.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=measures.DATA)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--versions", type=int, default=18, help="of each recording, with other noise")
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()
    global rng  # one stream of random numbers for all noise
    rng = np.random.default_rng(options.seed)
    torch.manual_seed(options.seed)
    network = Network()
    if options.start:
        with np.load(options.start) as stored:
            network.load_state_dict({name: torch.tensor(stored[name].astype(np.float32)) for name in stored.files})
    train(network, pairs(options.data, options.versions), options.minutes * 60)
    weights = {name: value.numpy().astype(np.float16) for name, value in network.state_dict().items()}
    np.savez_compressed(options.output, **weights)


if __name__ == "__main__":
    main()
