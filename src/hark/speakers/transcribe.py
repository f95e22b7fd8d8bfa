"""A transcript that says who spoke: an engine hears, the speakers are told apart beside it, and both are joined."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Answer, Delta, Notice, Usage
from hark.answers.transcript import Segment, Transcript
from hark.conversation.conversation import Conversation
from hark.engines.engine import Options
from hark.errors import OptionError
from hark.speakers.assign import assigned, in_order
from hark.speakers.turns import Turn, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from hark.audio.audio import Audio
    from hark.listener import Listener
    from hark.speakers.channels import Talkers

    Refine = Callable[[Transcript, Audio], Transcript]

_BREATH = 1.0  # seconds between stretches of one channel that are transcribed as one, by a model without times
_CHANNELS = Notice("method", "One speaker in each channel: what one channel hears, the other does not.")
_VOICES = Notice("method", "Speakers were told apart offline by the sound of their voices, which can be wrong.")
_DIVIDED = Notice(
    "unsure", "Where speakers change inside a segment its text was divided by time: this model gives no times of words."
)
_BY_TURN = Notice("split", "This model gives no times: each turn of a speaker was transcribed by itself.")
_ECHO = Notice("cleaned", "What was heard of one speaker in the other's channel was left out.")


def wanted(speakers: Any) -> int | None:
    """How many speakers were asked for; None to find out.

    Raises:
        OptionError: it is neither True nor a whole number from 1.
    """
    if speakers is True or speakers is None:
        return None
    if isinstance(speakers, bool) or not isinstance(speakers, int) or speakers < 1:
        hint = "It is a whole number from 1; or True, on the command line no number, to find out."
        raise OptionError(f"speakers cannot be {speakers!r}.", hint=hint)
    return speakers


def transcribe(
    listener: Listener, clip: Audio, speakers: bool | int | None = None, folder: str | Path | None = None, *,
    refine: Refine | None = None, **options: Any,
) -> Iterator[Delta]:  # fmt: skip
    """Write down who says what, step by step; segments come at the end, when all is known.

    Args:
        listener: what hears; a model without times is given the turns one by one.
        clip: the recording.
        speakers: how many there are; True or None to find out.
        folder: a diariser to use, see `hark.speakers.folders`; without one, a speaker for each channel of a stereo
            recording where these are separate talkers, else the offline diariser.
        refine: what is done to a transcript before it is given to the speakers, such as finding times of words.
        options: fields of `hark.Options`.

    Raises:
        OptionError: `speakers` is wrong, or no times are wanted. UnsupportedError: the model gives no transcript.
        AudioError, ModelError, MissingExtraError: see `hark.speakers.folders.diarize_with`.
    """
    from hark.engines.asking import prepared

    count = wanted(speakers)
    options = {"task": "transcribe", **options}
    if options.get("timestamps") == "none":
        raise OptionError("Without times, words cannot be given to speakers.", hint="Leave out timestamps.")
    prepared(listener.engine.name, listener.can, Conversation.ask((clip,)), Options.of(**options))
    if folder is not None:
        from hark.speakers.folders import refuse

        refuse(folder, count)
    return _Work(listener, clip, options, refine).result(count, folder)


@dataclass(frozen=True, slots=True)
class _Work:
    """One recording to be transcribed, and how."""

    listener: Listener
    clip: Audio
    options: dict[str, Any]
    refine: Refine | None

    @property
    def timeless(self) -> bool:
        return self.listener.can.timestamps == "none" and self.refine is None

    def result(self, count: int | None, folder: str | Path | None) -> Iterator[Delta]:
        from hark.speakers.channels import talkers

        both = talkers(self.clip) if folder is None and count in (None, 2) else None
        if both is not None:
            found = yield from self._channels(both)
        elif folder is not None:
            from hark.speakers.folders import diarize_with

            found = yield from self._turns(diarize_with(folder, self.clip, count))
        else:
            from hark.speakers.diarize import diarize

            found = yield from self._turns(diarize(self.clip.stream(), count))
            found = _noted(found, _VOICES) if found.segments else found
        segments = in_order(found.segments)
        usage = replace(found.usage or Usage(), audio_seconds=found.duration)
        text = " ".join(segment.text for segment in segments if segment.text)
        yield Delta(text, segments, found.notices, found.duration, usage, found.language)

    def _turns(self, turns: Sequence[Turn]) -> Generator[Delta, None, Transcript]:
        """One transcript, given to the speakers by its times."""
        if not self.timeless:
            heard = yield from self._heard(self.clip)
            if not _one_piece(heard) or len({turn.speaker for turn in turns}) < 2:
                segments, guessed = assigned(heard.segments, turns)
                found = replace(heard, segments=segments)
                return _noted(found, _DIVIDED) if guessed else found
        return (yield from self._by_turn([(self.clip, turn) for turn in turns]))

    def _channels(self, both: Talkers) -> Generator[Delta, None, Transcript]:
        """Each channel transcribed by itself, and the segments put in the order of time."""
        channels = [self.clip.channel(number) for number in (0, 1)]
        if not self.timeless:
            heard = []
            for number, channel in enumerate(channels):
                heard.append((yield from self._heard(channel, number * self.clip.duration / 2, 0.5)))
            if not any(_one_piece(transcript) for transcript in heard):
                return _noted(_merged(heard, both, self.clip.duration), _CHANNELS)
        turns = [turn for number in (0, 1) for turn in _stretches(both, number)]
        found = yield from self._by_turn([(channels[int(turn.speaker)], turn) for turn in sorted(turns)])
        return _noted(found, _CHANNELS)

    def _by_turn(self, pairs: Sequence[tuple[Audio, Turn]]) -> Generator[Delta, None, Transcript]:
        """Each turn transcribed by itself, for a model that gives no times."""
        segments, heard = [], []
        for audio, turn in pairs:
            found = yield from self._heard(audio[turn.start : turn.end], turn.start)
            heard.append(found)
            if found.text.strip():
                segments.append(Segment(found.text.strip(), turn.start, turn.end, speaker=turn.speaker))
        if not pairs:
            silence = Notice("silence", f"No speech was found in {self.clip.name}.")
            return Transcript((), self.clip.duration, notices=(silence,))
        return _noted(_together(heard, tuple(segments), self.clip.duration), _BY_TURN)

    def _heard(self, clip: Audio, before: float = 0.0, share: float = 1.0) -> Generator[Delta, None, Transcript]:
        """What the model says of a clip; only how far it has come is passed on, in seconds of the whole recording."""
        found = []
        for delta in self.listener.stream(clip, **self.options):
            found.append(delta)
            yield Delta(heard=None if delta.heard is None else before + share * delta.heard)
        transcript = Transcript.of(Answer.of(found), clip)
        return self.refine(transcript, clip) if self.refine else transcript


def _noted(transcript: Transcript, notice: Notice) -> Transcript:
    return replace(transcript, notices=(*transcript.notices, notice))


def _one_piece(transcript: Transcript) -> bool:
    """Did the model, after all, give no times but those of the whole?"""
    if len(transcript.segments) != 1 or transcript.segments[0].words:
        return False
    only = transcript.segments[0]
    return (only.start, only.end) == (0.0, transcript.duration)


def _merged(heard: Sequence[Transcript], both: Talkers, duration: float) -> Transcript:
    """The transcripts of both channels as one, without what is heard of one talker in the other's channel."""
    found = [replace(part, speaker=str(number)) for number, one in enumerate(heard) for part in one.segments]
    own = [part for part in found if not both.leaked(int(part.speaker or 0), part.start, part.end)]
    made = _together(heard, tuple(sorted(own, key=lambda part: part.start)), duration)
    return _noted(made, _ECHO) if len(own) < len(found) else made


def _together(heard: Sequence[Transcript], segments: tuple[Segment, ...], duration: float) -> Transcript:
    """What is known about several transcripts of parts or channels of a recording, with given segments."""
    language = next((transcript.language for transcript in heard if transcript.language), None)
    notices = dict.fromkeys(notice for transcript in heard for notice in transcript.notices)

    def total(field: str) -> int | None:
        counts: list[Any] = [getattr(transcript.usage, field, None) for transcript in heard]
        return None if None in counts else sum(counts)

    usage = Usage(duration, total("input_tokens"), total("output_tokens"))
    return Transcript(segments, duration, language, tuple(notices), usage)


def _stretches(both: Talkers, number: int) -> tuple[Turn, ...]:
    return joined((Turn(start, end, str(number)) for start, end in both.speech[number]), _BREATH)
