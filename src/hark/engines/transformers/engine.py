"""Models of the transformers library: audio decoded by hark, split or refused where too long, text streamed."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hark import settings
from hark.answers.answer import Answer, Delta, Notice, Usage
from hark.answers.transcript import Segment
from hark.engines.engine import Capabilities, Engine, Gone, Options, wanted_all, while_wanted
from hark.engines.loading import Loading
from hark.engines.transformers import adapters
from hark.engines.transformers.classification import classify
from hark.engines.transformers.failing import failing, reading
from hark.engines.transformers.families.catalog import FAMILIES, family_of
from hark.engines.transformers.families.classify import Classifier
from hark.engines.transformers.families.family import Transcriber
from hark.engines.transformers.families.remote import RemoteCode, code_of, untrusted
from hark.errors import MissingExtraError, ModelBrokenError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.audio.audio import Audio
    from hark.audio.windows import Window
    from hark.conversation.conversation import Conversation
    from hark.engines.live import Live
    from hark.engines.transformers.batch import Row
    from hark.engines.transformers.families.family import Family, Inputs, Loaded
    from hark.engines.transformers.generation import Counted
    from hark.engines.transformers.reuse import Heard, Reuse

RATE = 16000
_DEFAULT = Loading()


class Transformers(Engine):
    """A folder of a transformers model; its weights are loaded when it is first asked, and nothing is ever fetched."""

    def __init__(self, name: str, folder: Path, loading: Loading = _DEFAULT) -> None:
        self.name, self.folder, self.loading = name, folder, loading
        config = read_config(folder)
        self.family = self.family_in(folder, config)
        if isinstance(self.family, RemoteCode) and not loading.trust_remote_code:
            raise untrusted(folder, config["model_type"])
        self.can = self.family.capabilities(config, folder)
        self._folders = adapters.folders(loading, folder)
        if loading.adapters:
            self.can = replace(self.can, options=self.can.options | {"adapter"})
        self._loaded: adapters.Adapters | None = None
        self._working_with: dict[str | None, tuple[Loaded, Reuse]] = {}
        self._loading = threading.Lock()

    @classmethod
    def capabilities(cls, name: str, folder: Path | None) -> Capabilities:
        """What a model can do, told from its `config.json`.

        Raises:
            ModelBrokenError: the config cannot be read.
            UnsupportedError: the model is of a family that is not in the catalog.
        """
        del name
        assert folder is not None  # noqa: S101 - transformers models are folders
        config = read_config(folder)
        return cls.family_in(folder, config).capabilities(config, folder)

    @staticmethod
    def family_in(folder: Path, config: Mapping[str, Any]) -> Family:
        """The family of the model in a folder."""
        return _family(folder, config)

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Answer, or write down what is said in windows that the model can hear.

        Raises:
            UnsupportedError: a clip is longer than the model hears, and a question cannot be split.
            ModelBrokenError: the folder lacks a file or a weight.
            ModelError: the model failed while it worked.
        """
        self.family.refuse(self.can, options)
        with failing(self.name):
            if options.task in ("transcribe", "translate"):
                yield from self._write_down(conversation, options)
            elif isinstance(self.family, Classifier):
                yield from classify(self.family, self.loaded(options.adapter), conversation.clips[0], options.top)
            else:
                yield from self._answer(conversation, options)

    def generate_batch(
        self, conversations: Sequence[Conversation], options: Options, gone: Gone = wanted_all
    ) -> list[Answer]:
        """Answer several conversations, each as alone, but several at once where that changes nothing.

        Questions about the same audio share what they begin with; others are answered with those of like length.

        Raises:
            HarkError: as `generate`.
        """
        from hark.engines.transformers import batch

        several = self._asked(options) and len(conversations) > 1
        if not several or not batch.possible(self.loaded(options.adapter), options):
            return super().generate_batch(conversations, options, gone)
        self.family.refuse(self.can, options)
        with failing(self.name):
            loaded, reuse = self._ready(options.adapter)
            rows: dict[int, Row] = {}
            for number, conversation in enumerate(conversations):
                if not gone(number):
                    row = self._row(loaded, reuse, conversation, options)
                    rows[number] = replace(row, gone=partial(gone, number))
            alone = batch.answer(self.family, loaded, reuse, list(rows.values()), options, exact=self.can.batch_exact)
            for row in alone:
                for _ in while_wanted(partial(self._told, row, loaded, reuse, options), row.gone):
                    pass
        return [_whole(rows[n], options) if n in rows else Answer("") for n in range(len(conversations))]

    def batches(self, options: Options) -> bool:
        """Chat models pass through their weights once for the tokens of several answers."""
        seeded = options.seed is not None and options.temperature != 0
        return self._asked(options) and self.can.batch_exact and (options.beams or 1) == 1 and not seeded

    def _asked(self, options: Options) -> bool:
        """Is it a question, and no task that the model has a way of its own for?"""
        return not (options.task or isinstance(self.family, (Classifier, Transcriber)))

    def live(self, options: Options, *, shows: bool) -> Live | None:
        """As the family does it; what it says never changes."""
        del shows
        return self.family.live(partial(self._working, options.adapter), replace(options, adapter=None))

    def warm(self) -> None:
        """Load the weights."""
        self.loaded()

    def close(self) -> None:
        """Let go of the weights, and of what was heard with them."""
        with self._loading:
            self._loaded = None
            self._working_with.clear()

    def _answer(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        loaded, reuse = self._ready(options.adapter)
        row = self._row(loaded, reuse, conversation, options)
        yield Delta(notices=row.notices, heard=row.seconds)
        for text in self._told(row, loaded, reuse, options):
            yield Delta(text)
        yield from _summed(row.seconds, row.counted, options, remembers=True)

    def _told(self, row: Row, loaded: Loaded, reuse: Reuse, options: Options) -> Iterator[str]:
        """The pieces of an answer."""
        from hark.engines.transformers.generation import generate

        run = partial(reuse.run, self.family, row.heard, row.counted)
        yield from generate(self.family, loaded, row.inputs, options, row.counted, run)

    def _row(self, loaded: Loaded, reuse: Reuse, conversation: Conversation, options: Options) -> Row:
        """What the model is given of a conversation."""
        from hark.engines.transformers.batch import Row

        clips = [self._samples(clip) for clip in conversation.clips]
        seconds = sum(len(clip) for clip in clips) / RATE
        filled, known = [self._filled(clip) for clip in clips], reuse.known()
        inputs = self.family.ask(loaded, conversation, filled, options)
        heard = replace(self._heard(loaded, conversation, filled, options), known=reuse.known() - known)
        notices = (*(notice for clip in conversation.clips for notice in clip.notices), *inputs.notices)
        return Row(self._cast(loaded, inputs), heard, seconds, notices, conversation.system)

    def _heard(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Heard:
        """What tells the clips of a request from others."""
        from hark.conversation.conversation import Conversation as Said
        from hark.engines.transformers.memory import digest
        from hark.engines.transformers.reuse import Heard

        def rest(count: int) -> Mapping[str, Any]:
            asked = Said.ask(conversation.clips[count:], conversation.prompt or "?")
            inputs = self._cast(loaded, self.family.ask(loaded, asked, clips[count:], options))
            return inputs.tensors  # type: ignore[no-any-return]

        return Heard(tuple(map(digest, clips)), rest, separable=self.can.batch_exact)

    def _write_down(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        from hark.audio.joining import OVERLAP, Joiner
        from hark.audio.windows import windows
        from hark.engines.transformers.generation import Counted

        if len(conversation.clips) > 1:
            raise UnsupportedError(
                f"{self.name} writes down one recording at a time.", hint="Transcribe one after the other, or ask."
            )
        (clip,), loaded = conversation.clips, self.loaded(options.adapter)
        counted, heard, gap, split, joiner = Counted(), _Heard(clip), "", 0, Joiner()
        limit, pause = min(self.can.max_seconds or 30.0, 30.0), self.family.pause_seconds
        overlap = 0.0 if options.task == "translate" else OVERLAP  # two translations of a word need not be the same
        margin = self.family.margin_seconds
        for window in windows(heard, max_seconds=limit, min_silence=pause, padding=margin, overlap=overlap):
            split += 1
            inputs = self.family.write_down(loaded, conversation, self._filled(window.samples), options)
            segment = yield from self._segment(inputs, window, options, counted)
            yield Delta(notices=inputs.notices, heard=window.end)
            for part in joiner.add(window, segment):
                yield Delta(gap + part.text, (part,), language=part.language)
                gap = " "
        for part in joiner.finish():
            yield Delta(gap + part.text, (part,), language=part.language)
            gap = " "
        notices = list(clip.notices)
        if not split:
            notices.append(Notice("silence", f"No speech was found in {clip.name}."))
        elif not gap:
            notices.append(Notice("silence", f"No words were recognised in {clip.name}."))
        yield Delta(notices=tuple(notices), heard=heard.seconds)
        yield from _summed(heard.seconds, counted, options)

    def _segment(
        self, inputs: Inputs, window: Window, options: Options, counted: Counted
    ) -> Generator[Delta, None, Segment]:
        """What is said in a window, in the clock of the recording, after an empty step for each token."""
        from hark.engines.transformers.generation import at_once

        loaded = self.loaded(options.adapter)
        timed = at_once(self.family, loaded, self._cast(loaded, inputs))
        language = options.to if options.task == "translate" else options.language
        if timed is not None:
            return _placed(timed, window, language)
        for _ in self._texts(inputs, options, counted):
            yield Delta()  # what Whisper streams is not all in its final text
        whole, told = self.family.transcript(loaded, counted.text)
        return Segment(whole, window.start, window.end, language=language or told)

    def _texts(self, inputs: Inputs, options: Options, counted: Counted) -> Iterator[str]:
        from hark.engines.transformers.generation import generate

        loaded = self.loaded(options.adapter)
        yield from generate(self.family, loaded, self._cast(loaded, inputs), options, counted)

    def _cast(self, loaded: Loaded, inputs: Inputs) -> Inputs:
        """Inputs where the model is, in its precision."""
        return replace(inputs, tensors=inputs.tensors.to(loaded.model.device, dtype=loaded.model.dtype))

    def _samples(self, clip: Audio) -> NDArray[Any]:
        """A clip in full, refused where it is longer than the model hears."""
        samples = clip.samples(RATE)
        most = self.can.max_seconds
        if most is not None and len(samples) > most * RATE:
            raise UnsupportedError(
                f"{clip.name} lasts {len(samples) / RATE:.0f} s; {self.name} hears {most:.0f} s of a question's audio.",
                hint=f"Ask about a piece: audio[0:{most:.0f}]. A transcript is split at pauses and takes any length.",
            )
        return samples

    def _filled(self, samples: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        lacking = round(self.family.shortest_seconds * RATE) - len(samples)
        return np.pad(samples, (0, lacking)) if lacking > 0 else samples

    def loaded(self, adapter: str | None = None) -> Loaded:
        """The processor and the model, read from the folder the first time; with one of its adapters."""
        return self._ready(adapter)[0]

    @contextlib.contextmanager
    def _working(self, adapter: str | None = None) -> Iterator[Loaded]:
        """The loaded model with one of its adapters, while nothing else uses it.

        Raises:
            HarkError: as `generate`.
        """
        with failing(self.name):
            loaded = self.loaded(adapter)
            import torch

            from hark.engines.transformers.generation import quiet

            with loaded.lock, quiet(), torch.inference_mode():
                yield loaded

    def _ready(self, adapter: str | None = None) -> tuple[Loaded, Reuse]:
        """The loaded model with one of its adapters, and what it remembers with that one."""
        from hark.engines.transformers.reuse import Reuse

        with self._loading:
            if self._loaded is None:
                self._loaded = adapters.Adapters.of(self._load(), self._folders)
            if adapter not in self._working_with:
                loaded = self._loaded.with_one(adapter)
                kept = self.loading.cache_mb
                reuse = Reuse(loaded, settings.current().cache_mb if kept is None else kept)
                self._working_with[adapter] = loaded, reuse
            return self._working_with[adapter]

    def _load(self) -> Loaded:
        try:
            import torch  # noqa: F401 - asked here, for a clear error
        except ImportError as error:
            raise MissingExtraError.of(f"The model {self.name}", "transformers") from error
        from hark.engines.transformers.generation import quiet
        from hark.engines.transformers.placing import placed, placement

        with quiet(), reading(self.folder):
            loaded = self.family.load(self.folder, **placement(self.loading))
            placed(loaded.model, self.loading)
        return loaded


class _Heard:
    """The blocks of a clip, and how many seconds of them have passed."""

    def __init__(self, clip: Audio) -> None:
        self.clip, self.seconds = clip, 0.0

    def __iter__(self) -> Iterator[NDArray[Any]]:
        count = 0
        for block in self.clip.stream(RATE):
            count += len(block)
            self.seconds = count / RATE
            yield block


def _placed(timed: Segment, window: Window, language: str | None) -> Segment:
    """A segment with seconds from the start of its window, in the clock of the recording and within the window."""

    def clock(seconds: float) -> float:
        return round(min(window.start + seconds, window.end), 3)

    words = tuple(replace(word, start=clock(word.start), end=clock(word.end)) for word in timed.words)
    return replace(timed, start=window.start, end=window.end, words=words, language=language)


def _whole(row: Row, options: Options) -> Answer:
    told = Delta(row.counted.text, notices=row.notices)
    return Answer.of((told, *_summed(row.seconds, row.counted, options, remembers=True)))


def _summed(seconds: float, counted: Counted, options: Options, *, remembers: bool = False) -> Iterator[Delta]:
    usage = Usage(seconds, counted.input_tokens or None, counted.output_tokens or None)
    if remembers:
        usage = replace(usage, cached_clips=counted.cached_clips, cached_tokens=counted.cached_tokens)
    notices = (Notice("limit", "The text broke off at the limit of tokens."),) if counted.cut else ()
    yield Delta(usage=usage, notices=notices, language=options.to or options.language)


def read_config(folder: Path) -> Mapping[str, Any]:
    """The `config.json` of a folder.

    Raises:
        ModelBrokenError: it cannot be read, or names no model type.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelBrokenError(
            f"{folder / 'config.json'} cannot be read: {str(error).rstrip('.')}.", hint="Copy or download it again."
        ) from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise ModelBrokenError(
            f"{folder} holds neither model.bin nor a model_type in its config.json.", hint="Copy or download it again."
        )
    return config


def _family(folder: Path, config: Mapping[str, Any]) -> Family:
    family = family_of(config["model_type"], config.get("architectures"), folder)
    if family is None and code_of(folder):
        return RemoteCode()
    if family is None:
        raise UnsupportedError(
            f"{folder} holds a model of the kind {config['model_type']!r}, which hark does not run.",
            hint=f"It runs {', '.join(sorted(FAMILIES))}; docs/adding-a-family.md shows how to add one. "
            "A language model that reads text can answer from the transcripts of another: --answer-with. One that "
            "reads units of audio needs its quantizer beside it: docs/unit-models.md.",
        )
    return family
