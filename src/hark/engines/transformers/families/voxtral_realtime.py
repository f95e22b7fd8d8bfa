"""Voxtral Realtime: writes down speech while it goes on, a token for each 80 ms, so that the audio ends the text."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hark.answers.transcript import Segment
from hark.engines.engine import Capabilities
from hark.engines.live import Live, Partial
from hark.engines.transformers.families.family import RATE, TRANSCRIBING, Inputs, Loaded, Transcriber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.engines.engine import Options
    from hark.engines.transformers.families.family import Working
    from hark.engines.transformers.generation import Reader

_OFTEN = 0.16  # seconds of sound: two tokens


class VoxtralRealtime(Transcriber):
    """Voxtral Mini Realtime, given whole stretches of speech, or speech as it comes; it finds out the language."""

    model_class = "VoxtralRealtimeForConditionalGeneration"
    echoes_prompt = True

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Transcripts alone, as its processor takes no text; no beams, with which the library's model breaks."""
        del config, folder
        return Capabilities(
            free_prompt=False,
            options=TRANSCRIBING - {"beams"},
            timestamps="segment",
            batch_exact=True,
            streams=True,
        )

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Silence before and after is the processor's to add; text comes 480 ms after its sound."""
        del options
        return Inputs(loaded.processor(samples, return_tensors="pt"))

    def live(self, working: Working, options: Options) -> Live | None:
        """Token by token; with options of text generation, as any other model."""
        set_ = {field.name for field in fields(options) if getattr(options, field.name) is not None}
        return VoxtralLive(self, working) if set_ <= {"task", "timestamps"} else None


class VoxtralLive(Live):
    """One turn, its most likely token for each 80 ms; what the model remembers of it lies here, not in the model.

    The tokens are those that `generate` gives for the whole turn. Samples are cut as in the library's example of
    streaming: https://huggingface.co/docs/transformers/model_doc/voxtral_realtime
    """

    def __init__(self, family: VoxtralRealtime, working: Working) -> None:
        self._family, self._working = family, working
        self._waiting: list[NDArray[Any]] = []  # samples
        self._count = 0
        self._ids: list[int] = []
        self._past: dict[str, Any] = {}
        self._over = False
        self._reader: Reader | None = None
        self._text = ""

    def due(self, waiting: float) -> bool:
        """For each two tokens."""
        return waiting >= _OFTEN

    def hear(self, samples: NDArray[Any]) -> Partial:
        """Write the tokens of the samples; all of their text is settled."""
        self._waiting.append(samples)
        self._count += len(samples)
        with self._working() as loaded:
            self._advance(loaded)
            return Partial(self._read(loaded))

    def finish(self, samples: NDArray[Any]) -> Partial:
        """Write what is left, over the silence that the model wants after it."""
        import numpy as np

        self.hear(samples)
        seconds = self._count / RATE
        if not self._count:
            return Partial()
        with self._working() as loaded:
            token = loaded.processor.raw_audio_length_per_tok
            silence = -self._count % token + token * loaded.processor.num_right_pad_tokens
            self._waiting.append(np.zeros(silence, np.float32))
            self._advance(loaded)
            text = self._read(loaded, last=True)
        return Partial(text, "", (Segment(text, 0.0, round(seconds, 3)),) if text else ())

    def _advance(self, loaded: Loaded) -> None:
        """Write as many tokens as there are samples for."""
        import numpy as np

        processor, extractor = loaded.processor, loaded.processor.feature_extractor
        samples = np.concatenate(self._waiting)
        self._waiting = [samples]
        while not self._over:
            first = not self._ids
            most = processor.num_samples_first_audio_chunk if first else processor.num_samples_per_audio_chunk
            if len(samples) < most:
                break
            self._step(loaded, samples[:most], first=first)
            frames = processor.num_mel_frames_first_audio_chunk if first else processor.audio_length_per_tok
            # Frames of 25 ms that each begin 10 ms later: the next ones need some samples again.
            samples = samples[frames * extractor.hop_length - (extractor.win_length // 2 if first else 0) :]
            self._waiting = [samples]

    def _step(self, loaded: Loaded, samples: NDArray[Any], *, first: bool) -> None:
        """Write one token."""
        import torch

        model = loaded.model
        given = loaded.processor(
            samples, is_streaming=True, is_first_audio_chunk=first, sampling_rate=RATE, return_tensors="pt"
        ).to(model.device, dtype=model.dtype)
        if not first:
            given["input_ids"] = torch.tensor([[self._ids[-1]]], device=model.device)
        given.pop("attention_mask", None)  # of one prompt, without padding
        out = model(**given, **self._past, use_cache=True, logits_to_keep=1)
        self._past = {name: out[name] for name in ("past_key_values", "encoder_past_key_values", "padding_cache")}
        self._ids.append(int(out.logits[0, -1].argmax()))
        ends = model.generation_config.eos_token_id
        self._over = self._ids[-1] in (ends if isinstance(ends, list) else [ends])

    def _read(self, loaded: Loaded, *, last: bool = False) -> str:
        """The text of the tokens, without the bytes of a letter that is not whole."""
        from hark.engines.transformers.generation import Reader

        self._reader = self._reader or Reader(self._family, loaded)
        text = self._reader.read(self._ids).strip() if self._ids else ""
        text = text if last else text.rstrip("\N{REPLACEMENT CHARACTER}").rstrip()
        if last or text.startswith(self._text):
            self._text += text[len(self._text) :]
        return self._text
