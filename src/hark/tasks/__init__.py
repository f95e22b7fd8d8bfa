"""What people ask for by name: each task is a prompt, for models that are asked in words.

An engine that lists a task in its capabilities has a way of its own for it and does not see the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hark.tasks import speech


@dataclass(frozen=True, slots=True)
class Task:
    """A named question.

    Attributes:
        prompt: what is asked in words; empty for `reply`, where what is asked is said in the recording.
        about: one line for people.
        schema: a JSON Schema of the answer, for models that can be held to one; the others are asked in words alone.
        own: it is not hark's but a person's, see `hark.tasks.own`; a model that cannot be held to its schema refuses.
    """

    name: str
    prompt: str
    about: str
    schema: dict[str, Any] | None = field(default=None, hash=False)
    own: bool = False

    def words(self, language: str | None = None) -> str:
        """What a model is asked; `{language}` in a prompt is the language wanted."""
        return self.prompt.replace("{language}", language or "en")


WORDLESS = frozenset({"classify", "command"})  # an engine has a way of its own for them, or cannot do them

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("transcribe", "Transcribe the speech word for word. Write nothing else.", "what was said, word for word"),
        Task(
            "translate",
            "Translate the speech into {language}. Write only the translation.",
            "what was said, in another language",
        ),
        Task("summary", "Summarize the recording in a few sentences.", "the gist"),
        Task(
            "decisions",
            "List the decisions that were made, one per line.",
            "what was decided",
        ),
        Task(
            "actions",
            "List the action items, one per line, each with its owner and its deadline if they are named.",
            "who has to do what by when",
        ),
        Task("intent", "What does the speaker want? Answer in one sentence.", "what the speaker wants"),
        Task(
            "sentiment",
            "Is what the speaker says positive, negative or neutral? Say why in one sentence.",
            "the mood of what was said",
        ),
        Task("uncertainty", "How sure is the speaker? Quote the words that show it.", "how sure the speaker is"),
        Task("music", "What are the key and the tempo of this music?", "key and tempo of music"),
        Task("sound", "Describe the sounds in this recording.", "what can be heard"),
        Task("reply", "", "an answer to what is said, as in a dialogue"),
        Task("emotion", speech.EMOTION_PROMPT, "how the speaker seems to feel, by the voice", speech.EMOTION),
        Task("speaker", speech.SPEAKER_PROMPT, "how the speaker sounds: age group, accent, style", speech.SPEAKER),
        Task("prosody", speech.PROSODY_PROMPT, "how it is said: pace, pitch, loudness, pauses", speech.PROSODY),
    )
}
