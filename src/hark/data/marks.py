"""Recordings marked in text, as `<audio>` of ms-swift and LLaMA-Factory or `<sound>` of Audio Flamingo, in and out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from hark.conversation.conversation import Clip, Conversation, Message, Part, Role, Text
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hark.audio.audio import Audio

Turn = tuple[str, str]  # role and text


@dataclass(frozen=True, slots=True)
class Marks:
    """How a format marks recordings in text.

    Attributes:
        pattern: what is read as a mark; its group, if it has one, is the number of the recording, from 1.
        plain: the mark of the only recording.
        numbered: that of one of several, with `{}` for its number.
        gap: what stands between a mark and the text beside it, which is no part of the text.
    """

    pattern: str
    plain: str
    numbered: str
    gap: str

    def read(self, turns: Sequence[Turn], clips: Sequence[Audio]) -> Conversation:
        """Put recordings where the text marks them; without any mark they come first in the first message of the user.

        Raises:
            DataError: a mark has no recording, or only some of the recordings are marked.
        """
        pattern = re.compile(f"(?:{self.gap})?{self.pattern}(?:{self.gap})?")
        if clips and not any(pattern.search(text) for role, text in turns if role == "user"):
            turns = self._marked(turns, len(clips))
        used: set[int] = set()

        def take(found: re.Match[str]) -> Clip:
            named = found[1] if pattern.groups else None
            number = int(named) if named else next(n for n in range(1, len(clips) + 2) if n not in used)
            if not 1 <= number <= len(clips):
                raise DataError(f"The text marks a recording that is not named: {found[0].strip()}.")
            used.add(number)
            return Clip(clips[number - 1])

        messages = tuple(
            Message(cast("Role", role), _parts(text, pattern, take) if role == "user" else (Text(text),))
            for role, text in turns
        )
        if len(used) < len(clips):
            raise DataError(f"{len(clips)} recordings are named, and {len(used)} are marked in the text.")
        return Conversation(messages)

    def write(self, conversation: Conversation) -> tuple[list[Turn], list[Audio]]:
        """The messages as text with marks, and the recordings in the order of their marks.

        Raises:
            DataError: a text holds what would be read as a mark.
        """
        mark = self.plain if len(conversation.clips) == 1 else self.numbered
        turns: list[Turn] = []
        clips: list[Audio] = []
        for message in conversation.messages:
            said = ""
            for number, part in enumerate(message.parts):
                before = message.parts[number - 1] if number else None
                if isinstance(part, Text):
                    if found := re.search(self.pattern, part.text):
                        raise DataError(f"Its text holds {found[0]}, which would be read as a recording.")
                    said += self._between(before, part, said) + part.text
                else:
                    clips.append(part.audio)
                    said += self._between(before, part, said) + mark.format(len(clips))
            turns.append((message.role, said))
        return turns, clips

    def _between(self, before: Part | None, part: Part, said: str) -> str:
        if before is None:
            return ""
        if isinstance(before, Text) and isinstance(part, Text):
            return "\n"
        spaced = said.endswith(" ") or (isinstance(part, Text) and part.text.startswith(" "))
        return "" if spaced else self.gap

    def _marked(self, turns: Sequence[Turn], count: int) -> list[Turn]:
        found = [*turns]
        at = next((number for number, (role, _) in enumerate(found) if role == "user"), None)
        if at is None:
            raise DataError("There are recordings, but no message of a user.", hint="Recordings belong to the user.")
        found[at] = ("user", f"{self.plain * count}{self.gap}{found[at][1]}")
        return found


def _parts(text: str, pattern: re.Pattern[str], take: Callable[[re.Match[str]], Clip]) -> tuple[Part, ...]:
    parts: list[Part] = []
    place = 0
    for found in pattern.finditer(text):
        if found.start() > place:
            parts.append(Text(text[place : found.start()]))
        parts.append(take(found))
        place = found.end()
    if place < len(text) or not parts:
        parts.append(Text(text[place:]))
    return tuple(parts)
