"""A tiny Whisper with random weights, as the CTranslate2 folder that faster-whisper loads; made without torch.

The vocabulary has the shape and the numbers of the real one, by which libraries tell an English-only from a
multilingual model: 50,257 words (51,865 with the special tokens), the last of which is empty, or one less for English
only. The weights come from a fixed seed, and are large enough (0.3) that the text depends on the audio.
"""

from __future__ import annotations

import json
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from hark.engines.models import LANGUAGES
from hark.engines.whisper_folder import import_ctranslate2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIM, MELS, LAYERS, HEADS = 16, 80, 2, 2
WORDS = 50257
# So spread, one word stands out (or the library would try again at other temperatures), and what is heard weighs most.
SPREADS = {"projection": 2.0, "linear2 of 3": 1.0}
ENDING = 30.0  # a bias towards the end of the text, which then has about ten words


def tiny_whisper(folder: Path, *, english: bool = False, seed: int = 0) -> Path:
    """Write the folder: model.bin, config.json, vocabulary.json, tokenizer.json, preprocessor_config.json."""
    import_ctranslate2()
    from ctranslate2.specs.whisper_spec import WhisperSpec

    folder.mkdir(parents=True)
    words, specials = _words(english), _specials()
    vocabulary = [*words, *specials, *(f"<|{number * 0.02:.2f}|>" for number in range(1501))]
    spec = WhisperSpec(LAYERS, HEADS, LAYERS, HEADS)
    number = {word: index for index, word in enumerate(vocabulary)}
    _fill(spec, "", np.random.default_rng(seed), len(vocabulary))
    spec.decoder.projection.bias = np.zeros(len(vocabulary), np.float32)
    spec.decoder.projection.bias[number["<|endoftext|>"]] = ENDING
    spec.register_vocabulary(vocabulary)
    spec.config.lang_ids = [number[f"<|{code}|>"] for code in _languages()] if not english else []
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [220, number["<|endoftext|>"]]
    spec.config.alignment_heads = [[LAYERS - 1, head] for head in range(HEADS)]
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    _tokenizer(words, specials).save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": MELS}))
    return folder


def _languages() -> list[str]:
    return sorted(LANGUAGES - {"yue"})


def _words(english: bool) -> list[str]:
    """The 256 bytes of byte-level BPE, made-up words of two and three syllables, and, if multilingual, an empty one."""
    syllables = ["".join(pair) for pair in product("bdfgklmnprstvz", "aeiou")]
    made_up: Iterator[str] = ("Ġ" + "".join(some) for size in (2, 3) for some in product(syllables, repeat=size))
    return [*sorted(pre_tokenizers.ByteLevel.alphabet()), *islice(made_up, WORDS - 257), *([] if english else [""])]


def _specials() -> list[str]:
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    return [f"<|{name}|>" for name in ("endoftext", "startoftranscript", *_languages(), *tasks)]


def _tokenizer(words: list[str], specials: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab={word: index for index, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(special, special=True) for special in specials])
    return tokenizer


def _fill(spec: Any, name: str, random: np.random.Generator, vocabulary: int) -> None:
    """Give every layer its weights; which shape they have is told by the names on the way."""
    if "gamma" in vars(spec):
        spec.gamma, spec.beta = np.ones(DIM, np.float32), np.zeros(DIM, np.float32)
    elif "encodings" in vars(spec):
        spec.encodings = _normal(random, 1500, DIM) if "encoder" in name else _normal(random, 448, DIM, spread=2.0)
    elif "weight" in vars(spec):
        shape = _shape(name, vocabulary)
        spread = next((spread for end, spread in SPREADS.items() if end in name), 0.3)
        spec.weight = _normal(random, *shape, spread=spread)
        if "embeddings" not in name and "projection" not in name:
            spec.bias = np.zeros(shape[0], np.float32)
    else:
        for child, value in vars(spec).items():
            for index, one in enumerate(value if isinstance(value, list) else [value]):
                if hasattr(one, "__dict__"):
                    several = f"{child}{index} of {len(value)}" if isinstance(value, list) else child
                    _fill(one, f"{name}/{several}", random, vocabulary)


def _normal(random: np.random.Generator, *shape: int, spread: float = 0.3) -> np.ndarray:
    return (random.standard_normal(shape) * spread).astype(np.float32)


def _shape(name: str, vocabulary: int) -> tuple[int, ...]:
    shapes = {
        "conv1": (DIM, MELS, 3),
        "conv2": (DIM, DIM, 3),
        "embeddings": (vocabulary, DIM),
        "projection": (vocabulary, DIM),
        "ffn/linear_0": (4 * DIM, DIM),
        "ffn/linear_1": (DIM, 4 * DIM),
        "linear0 of 2": (3 * DIM, DIM),
        "linear1 of 2": (DIM, DIM),
        "linear0 of 3": (DIM, DIM),
        "linear1 of 3": (2 * DIM, DIM),
        "linear2 of 3": (DIM, DIM),
    }
    return next(shape for end, shape in shapes.items() if end in name)
