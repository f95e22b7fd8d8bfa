"""Audio Flamingo 3 and Music Flamingo: windows of 30 s, up to a limit beyond which their processor cuts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar

from hark.engines.transformers.families.family import CHATS, FILLS_UP, RATE, ChatAudioLM, Inputs, Loaded
from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Capabilities, Options

WINDOW = 30  # seconds
# The published chat template puts one <sound> before a message's text, however many clips it has.
ONE = "{% if audio.found %}{{ '<sound>' }}{% endif %}"
EACH = "{% for c in m['content'] if c.get('type') == 'audio' or 'audio' in c %}{{ '<sound>' }}{% endfor %}"
FRAMED = re.compile(r"(?:The (?:spoken content|transcription) of the audio|The content of the input audio) is\s+(.+)")


class AudioFlamingo3(ChatAudioLM):
    """Audio Flamingo 3."""

    model_class = "AudioFlamingo3ForConditionalGeneration"
    pause_seconds = FILLS_UP
    transcription_prompt = "Transcribe the input speech."
    most_seconds: ClassVar[int] = 600

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question, several clips and turns; the limit is the one that its processor would cut at."""
        del config
        return replace(CHATS, max_seconds=float(_limit(folder, self.most_seconds) // WINDOW * WINDOW))

    def processor(self, folder: Path) -> Any:
        """Lift the processor's own rule of one clip a conversation, and let its template place each clip."""
        from transformers import ProcessorMixin

        processor = super().processor(folder)
        processor.validate_inputs = MethodType(ProcessorMixin.validate_inputs, processor)
        processor.chat_template = processor.chat_template.replace(ONE, EACH)
        return processor

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Fill the template; a template of another make has room for one clip in each message."""
        most = max(len(message.clips) for message in conversation.messages)
        if most > 1 and EACH not in loaded.processor.chat_template:
            raise UnsupportedError(
                "The chat template of this model has room for one recording in each question.",
                hint="Ask about one at a time, or in turns of a chat.",
            )
        return super().ask(loaded, conversation, [self._lengthened(clip) for clip in clips], options)

    def _lengthened(self, samples: NDArray[Any]) -> NDArray[Any]:
        """With silence after it where its last window were too short for a token: Music Flamingo breaks on such."""
        import numpy as np

        rest, shortest = len(samples) % (WINDOW * RATE), round(self.shortest_seconds * RATE)
        return np.pad(samples, (0, shortest - rest)) if 0 < rest < shortest else samples

    def transcript(self, loaded: Loaded, text: str) -> tuple[str, str | None]:
        """Without the frame it learned: `The spoken content of the audio is "..."`."""
        del loaded
        framed = FRAMED.fullmatch(text.strip())
        if not framed:
            return text.strip(), None
        bare = framed[1].removesuffix(".").strip() if framed[1][0] in "\"'" else framed[1].strip()
        quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'"
        return (bare[1:-1].strip() if quoted else bare), None


class MusicFlamingo(AudioFlamingo3):
    """Music Flamingo, which hears twice as long."""

    model_class = "MusicFlamingoForConditionalGeneration"
    most_seconds = 1200


def _limit(folder: Path, usual: int) -> int:
    """Seconds after which the processor cuts, from its own file."""
    try:
        found = json.loads((folder / "processor_config.json").read_text(encoding="utf-8")).get("max_audio_len")
    except (OSError, ValueError):
        return usual
    return int(found or usual)
