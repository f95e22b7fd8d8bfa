"""Models that write a whole stretch down at once, each word with its time: wav2vec 2.0, HuBERT and Parakeet."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from hark.alignment.spelling import Alphabet
from hark.answers.transcript import Segment, Word
from hark.engines.engine import Capabilities
from hark.engines.transformers.families.family import RATE, Inputs, Loaded, Transcriber

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from hark.engines.engine import Options


class Piece(NamedTuple):
    """Letters, or a token, with its time in seconds; a space at its front begins a word."""

    text: str
    start: float
    end: float
    confidence: float | None = None


class Timed(Transcriber):
    """A transcriber that takes no options of `generate`, and knows when each word was said."""

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Transcripts with times of words; nothing about them can be chosen.

        Raises:
            UnsupportedError: the folder holds the same encoder for another purpose.
        """
        self.refuse_other_heads(config, folder)
        return Capabilities(free_prompt=False, timestamps="word", batch_exact=True, streams=True)


class CTC(Timed):
    """CTC over the frames of an encoder; the confidence of a word is the mean softmax of its frames.

    With `beams`, or a language model beside it, prefixes are searched for; else each frame has its likeliest letter.
    """

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Transcripts with times of words; how wide the search is can be chosen."""
        return replace(super().capabilities(config, folder), options=frozenset({"beams"}))

    def keywords(self, loaded: Loaded, options: Options) -> dict[str, Any]:
        """How wide to search."""
        del loaded
        return {"beams": options.beams}

    def timed(self, loaded: Loaded, inputs: Inputs) -> Segment:
        """Take the best letter of each frame, and read words and their times from the frames."""
        ids, logits = self.frames(loaded, inputs)
        best = searched(loaded, inputs, logits, self.tokenizer(loaded).pad_token_id)
        ids = ids if best is None else best
        likely: list[float] = logits.float().softmax(-1).gather(-1, ids[:, None])[:, 0].tolist()
        return segment(self.letters(loaded, ids.tolist(), likely))

    def frames(self, loaded: Loaded, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """The likeliest id of each frame (n,), and logits (n, vocabulary)."""
        logits = loaded.model(**inputs.tensors).logits[0]
        return logits.argmax(-1), logits

    def emissions(self, loaded: Loaded, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-probabilities (frames, vocabulary) of samples (n,), mono float32 at 16 kHz; for alignment."""
        import numpy as np
        import torch

        from hark.engines.engine import Options
        from hark.engines.transformers.generation import quiet

        filled = np.pad(samples, (0, max(0, round(self.shortest_seconds * RATE) - len(samples))))
        tensors = self.transcribe(loaded, filled, Options()).tensors.to(loaded.model.device, dtype=loaded.model.dtype)
        with loaded.lock, quiet(), torch.inference_mode():
            _, logits = self.frames(loaded, Inputs(tensors))
            found: NDArray[np.float32] = logits.float().log_softmax(-1).cpu().numpy()
        return found

    def alphabet(self, loaded: Loaded) -> Alphabet:
        """What it writes with; for alignment."""
        read = self.tokenizer(loaded)
        vocabulary = read.get_vocab()
        signs = {*read.all_special_tokens, read.word_delimiter_token}
        letters = {text: number for text, number in vocabulary.items() if text not in signs}

        def columns(text: str) -> list[int] | None:
            found = [letters.get(letter) for letter in text]
            return None if None in found else found  # type: ignore[return-value]

        return Alphabet(read.pad_token_id, vocabulary.get(read.word_delimiter_token), columns)

    def letters(self, loaded: Loaded, ids: list[int], likely: list[float]) -> list[Piece]:
        """Letters by the tokenizer's own offsets.

        Special tokens are left out only afterwards: the blank is one, and without it double letters become single.
        """
        read = self.tokenizer(loaded)
        found = read.decode(ids, output_char_offsets=True)
        frame, lower = self.frame_seconds(loaded), read.do_lower_case
        return [
            Piece(
                letter["char"].lower() if lower else letter["char"],
                frame * int(letter["start_offset"]),
                frame * int(letter["end_offset"]),
                mean(likely[letter["start_offset"] : letter["end_offset"]]),
            )
            for letter in found.char_offsets
            if letter["char"] not in read.all_special_tokens
        ]

    def frame_seconds(self, loaded: Loaded) -> float:
        """Seconds from one frame of logits to the next."""
        config = loaded.model.config
        stride = config.adapter_stride**config.num_adapter_layers if getattr(config, "add_adapter", False) else 1
        ratio: int = config.inputs_to_logits_ratio
        return ratio * stride / RATE

    def processor(self, folder: Path) -> Any:
        """Load the plain processor, also where the folder names the one that needs a language model."""
        import transformers

        return transformers.Wav2Vec2Processor.from_pretrained(folder, local_files_only=True)


class Wav2Vec2(CTC):
    """wav2vec 2.0 with a CTC head."""

    model_class = "Wav2Vec2ForCTC"


class Hubert(CTC):
    """HuBERT with a CTC head."""

    model_class = "HubertForCTC"


class ParakeetCTC(CTC):
    """Parakeet with a CTC head; its tokens are pieces of words."""

    model_class = "ParakeetForCTC"

    def frames(self, loaded: Loaded, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """Its own `generate` blanks the frames that are padding."""
        found = loaded.model.generate(**inputs.tensors, return_dict_in_generate=True)
        return found.sequences[0], found.logits[0]

    def letters(self, loaded: Loaded, ids: list[int], likely: list[float]) -> list[Piece]:
        """Tokens, each from the first to the last frame that names it."""
        from tokenizers.decoders import DecodeStream

        read, frame, place = self.tokenizer(loaded), self.frame_seconds(loaded), 0
        stream, pieces = DecodeStream(skip_special_tokens=True), []
        for token, run in groupby(ids):
            start, place = place, place + len(list(run))
            text = None if token == read.pad_token_id else stream.step(read._tokenizer, token)  # noqa: SLF001
            if text:
                pieces.append(Piece(text, start * frame, place * frame, mean(likely[start:place])))
        return pieces

    def alphabet(self, loaded: Loaded) -> Alphabet:
        """Pieces of words; the first of each word says that it is the first."""
        read = self.tokenizer(loaded)

        def columns(text: str) -> list[int] | None:
            found: list[int] = read.encode(text, add_special_tokens=False)
            return None if read.unk_token_id in found else found

        return Alphabet(read.pad_token_id, None, columns)

    def frame_seconds(self, loaded: Loaded) -> float:
        """Frames of log-mel energies, thinned by the encoder."""
        factor: int = loaded.model.config.encoder_config.subsampling_factor
        hop: int = loaded.processor.feature_extractor.hop_length
        return factor * hop / RATE

    def processor(self, folder: Path) -> Any:
        """Load Parakeet's own."""
        return Transcriber.processor(self, folder)


class ParakeetTDT(Timed):
    """Parakeet as a token-and-duration transducer: each token says how many frames it spans."""

    model_class = "ParakeetForTDT"

    def timed(self, loaded: Loaded, inputs: Inputs) -> Segment:
        """Read tokens with their durations; it gives no confidences, and text that never ends is marked unsure."""
        most = inputs.tensors["input_features"].shape[1]  # one each 10 ms: nobody speaks as fast
        found = loaded.model.generate(**inputs.tensors, return_dict_in_generate=True, max_new_tokens=most)
        _, (tokens,) = loaded.processor.decode(
            found.sequences, durations=found.durations, group_tokens=False, skip_special_tokens=True
        )
        read = segment(Piece(token["token"], token["start"], token["end"]) for token in tokens)
        return replace(read, unsure=found.sequences.shape[1] > most)


def searched(loaded: Loaded, inputs: Inputs, logits: torch.Tensor, blank: int) -> torch.Tensor | None:
    """The ids (frames,) on the best path of the text that a search finds; None where none is wanted.

    Args:
        loaded: its `scorer` is asked, too.
        inputs: the keyword `beams` says how wide to search.
        logits: (frames, vocabulary).
        blank: the id of CTC's blank.
    """
    beams = inputs.keywords.get("beams")
    if loaded.scorer is None and (beams or 1) == 1:
        return None
    import torch

    from hark.training.decoding import BEAMS, ctc_prefix_beam, frame_path

    likely = logits.float().log_softmax(-1).cpu().numpy()
    best = ctc_prefix_beam(likely, blank, beams=beams or BEAMS, scorer=loaded.scorer)[0]
    return torch.from_numpy(frame_path(likely, best.tokens, blank)).to(logits.device)


def segment(pieces: Iterable[Piece]) -> Segment:
    """A segment from 0 to the end of its last word, its words made of pieces."""
    made: list[list[Piece]] = []
    apart = True
    for piece in pieces:
        if piece.text.strip():
            if apart or piece.text[0].isspace():
                made.append([])
            made[-1].append(piece)
        apart = not piece.text.strip()
    words = tuple(
        Word("".join(piece.text for piece in word).strip(), word[0].start, word[-1].end, _sure(word)) for word in made
    )
    sure = [word.confidence for word in words if word.confidence is not None]
    confidence = round(mean(sure), 3) if sure else None
    return Segment(" ".join(word.text for word in words), 0.0, words[-1].end if words else 0.0, words, confidence)


def mean(values: list[float]) -> float:
    """The mean of one number or more."""
    return sum(values) / len(values)


def _sure(word: list[Piece]) -> float | None:
    known = [piece.confidence for piece in word if piece.confidence is not None]
    return round(mean(known), 3) if known else None
