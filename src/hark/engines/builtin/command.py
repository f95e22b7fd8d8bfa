"""Commands heard offline: a grammar's automaton drives pocketsphinx, so that nothing but commands can be recognised.

A phrase that fills a slot is one word to the recogniser, with the pronunciations of its words joined: that is more
exact than word by word, and the search stays small. What sounds unlike any command is not understood.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hark.answers.answer import Delta, Notice, Usage
from hark.audio.speech import RATE, speech
from hark.engines.builtin.noise import cepstra
from hark.engines.builtin.pool import Call, Found, Pool
from hark.engines.builtin.pronouncing import check, pronunciations
from hark.errors import OptionError, UnsupportedError
from hark.tasks.command.parse import parsed, walked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hark.audio.audio import Audio
    from hark.engines.engine import Options
    from hark.tasks.command.automaton import Automaton, Symbol
    from hark.tasks.command.grammar import Grammar

_METHOD = Notice("method", "Heard offline by pocketsphinx (English), which knew the grammar and nothing else.")
_KEPT = 2  # grammars whose recogniser is kept ready
_DITHER = 1e-3  # of the peak: digital silence, which the acoustic model never met, spoils the means of the features
# Heard 5 to 6 % faster, 5 more of 101 noisy orders of the half tuned on were right; 6 % slower lost 9 of 68.
_FASTER = 0.95
_PADDING = 4800  # samples around speech
_SHORTEST = 1600  # samples: in 100 ms there is no command
_VARIANT = re.compile(r"\(\d+\)$")
# Logistic regression of "this is a command" on what `likelihood` measures, first the constant: half of the orders of
# `commands` in kitchen noise of 6, 12 and 18 dB and clean, against half of the speakers of read_english and digits,
# public speeches and the noise alone.
_WEIGHTS = np.array([13.32, 5.71, -4.41])
SURE = 0.35  # below that it is not understood: about 1 order in 50 is lost so, and 1 of 10 other sentences gets through
SETTINGS: dict[str, Any] = {"lm": None, "beam": 1e-64, "pbeam": 1e-64, "wbeam": 1e-48, "lw": 6.5}


class Commands:
    """Recognises the commands of grammars; several threads may use it at once."""

    def __init__(self) -> None:
        self._ready: OrderedDict[Grammar, _Recogniser] = OrderedDict()
        self._lock = threading.Lock()

    def generate(self, clips: tuple[Audio, ...], options: Options) -> Iterator[Delta]:
        """The one command in a recording, as plain values in `data`.

        Raises:
            OptionError: there is no grammar, or one without the task, or it holds words that cannot be pronounced.
            UnsupportedError: there are several recordings.
        """
        if options.grammar is None or options.task != "command":
            raise OptionError(
                "The task command and a grammar go together.", hint="Give both: task='command', grammar=..."
            )
        if len(clips) > 1:
            raise UnsupportedError("A command is one recording.", hint="Ask about each on its own.")
        samples = clips[0].samples()
        seconds = len(samples) / RATE
        found = {"intent": None, "slots": {}, **self.hear(samples, options.grammar)}
        notices = (_METHOD, *clips[0].notices)
        yield Delta(found["text"], (), notices, seconds, Usage(seconds), "en", found)

    def hear(self, samples: NDArray[np.float32], grammar: Grammar) -> dict[str, Any]:
        """The command in samples (n,), mono at 16 kHz, by the names of the fields of a `Command`.

        Raises:
            OptionError: the grammar holds words that cannot be pronounced.
            ModelError: the recogniser failed.
        """
        start, end = _spoken(samples)
        found = self._recogniser(grammar).hear(samples[start:end])
        return {**found, "start": round(start / RATE, 3), "end": round(end / RATE, 3)}

    def close(self) -> None:
        """End the worker processes; they are started again when next needed."""
        with self._lock:
            while self._ready:
                self._ready.popitem()[1].close()

    def _recogniser(self, grammar: Grammar) -> _Recogniser:
        with self._lock:
            found = self._ready.pop(grammar, None)
            if found is None or not found.pool.mine:  # None, or after a fork
                found = _Recogniser(grammar)
            self._ready[grammar] = found
            if len(self._ready) > _KEPT:
                self._ready.popitem(last=False)  # what still works for another thread ends with its last user
            return found


class _Recogniser:
    """Recognises the commands of one grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self.automaton = grammar.automaton
        self.symbols = tuple(dict.fromkeys(symbol for leads in self.automaton.arcs for symbol in leads))
        words, graph = _dictionary(self.symbols), _graph(self.automaton, self.symbols)
        folder = Path(tempfile.mkdtemp(prefix="hark-grammar-"))
        (folder / "words.dict").write_text(words, encoding="utf-8")
        (folder / "grammar.fsg").write_text(graph, encoding="utf-8")
        files = {"dict": str(folder / "words.dict"), "fsg": str(folder / "grammar.fsg")}
        self.pool = Pool(settings={**SETTINGS, **files, "cepstra": True})
        self.close = weakref.finalize(self, _close, self.pool, folder)

    def hear(self, samples: NDArray[np.float32]) -> dict[str, Any]:
        enough = len(samples) > _SHORTEST
        found = self.pool.run(cepstra(louder(samples)).astype("<f4").tobytes(), Call()) if enough else []
        return _told([word for word in found if word.text.startswith("w")], self.automaton, self.symbols)


def _close(pool: Pool, folder: Path) -> None:
    if pool.mine:  # not in a process that was forked off: the files are its parent's
        pool.close()
        shutil.rmtree(folder, ignore_errors=True)


def _spoken(samples: NDArray[np.float32]) -> tuple[int, int]:
    """Where somebody speaks, with a little around it; (0, 0) if nobody does."""
    found = list(speech([samples], padding=0))
    if not found:
        return 0, 0
    return max(0, found[0].start - _PADDING), min(len(samples), found[-1].end + _PADDING)


def louder(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """16-bit samples as pocketsphinx understands them best: a little faster, peak at full scale, over faint noise."""
    import soxr

    faster = soxr.resample(samples, 1.0, _FASTER, quality="HQ")
    peak = max(float(np.abs(faster).max()), 1e-6)
    faint = np.random.default_rng(0).standard_normal(len(faster), np.float32) * np.float32(_DITHER)
    whole: NDArray[np.int16] = (np.clip(faster / peak + faint, -1, 1) * 32000).astype(np.int16)
    return whole


def _told(found: list[Found], automaton: Automaton, symbols: tuple[Symbol, ...]) -> dict[str, Any]:
    said = [symbols[int(_VARIANT.sub("", word.text)[1:])] for word in found]
    text = " ".join(word for symbol in said for word in symbol.words)
    # What breaks off after a complete command, at a noise that was taken for one more word, is no complete path.
    parse = walked(automaton, said) or parsed(automaton, text)
    confidence = round(likelihood(found) * parse.fit, 3) if parse else 0.0
    if parse is None or confidence < SURE:
        return {"understood": False, "confidence": confidence, "text": ""}  # nobody said those words
    return {"understood": True, "intent": parse.intent, "slots": parse.slots, "confidence": confidence, "text": text}


def likelihood(found: list[Found]) -> float:
    """How likely the words are what was said, 0 to 1, by their acoustic scores (log10 a frame): mean and spread."""
    if not found:
        return 0.0
    frames = np.array([word.last - word.first + 1 for word in found])
    scores = np.log10([max(word.acoustic, 1e-300) for word in found])
    mean, spread = scores.sum() / frames.sum(), float(np.std(scores / frames))
    return float(1 / (1 + np.exp(-(_WEIGHTS @ (1.0, mean, spread)))))


def _dictionary(symbols: tuple[Symbol, ...]) -> str:
    """The dictionary: word `w7` is the symbol with the number 7, `w7(2)` its second pronunciation."""
    check(symbol.words for symbol in symbols)
    lines = []
    for number, symbol in enumerate(symbols):
        for variant, phones in enumerate(pronunciations(symbol.words), 1):
            lines.append(f"w{number}{f'({variant})' if variant > 1 else ''} {phones}")
    return "\n".join([*lines, ""])


def _graph(automaton: Automaton, symbols: tuple[Symbol, ...]) -> str:
    """The automaton in pocketsphinx's FSG format: alternatives are as likely, those of one slot share one part."""
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    final = len(automaton.arcs)
    lines = ["FSG_BEGIN grammar", f"NUM_STATES {final + 1}", f"START_STATE {automaton.start}", f"FINAL_STATE {final}"]
    for state, leads in enumerate(automaton.arcs):
        kinds = {symbol: symbol.slot or symbol.words for symbol in leads}
        sizes = {kind: list(kinds.values()).count(kind) for kind in kinds.values()}
        ways = len(sizes) + (automaton.ends[state] is not None)
        lines += [
            f"TRANSITION {state} {after} {1 / ways / sizes[kinds[symbol]]:.6g} w{numbers[symbol]}"
            for symbol, after in leads.items()
        ]
        if automaton.ends[state] is not None:
            lines.append(f"TRANSITION {state} {final} {1 / ways:.6g}")
    return "\n".join([*lines, "FSG_END", ""])
