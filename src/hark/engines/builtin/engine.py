"""The offline default: pocketsphinx hears, answers are quoted from the transcript, signals are measured."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from hark.answers.answer import Delta, Notice, Usage
from hark.answers.transcript import Segment, Transcript
from hark.engines.engine import Capabilities, Engine, Options
from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hark.audio.audio import Audio
    from hark.conversation.conversation import Conversation
    from hark.engines.builtin.command import Commands
    from hark.engines.builtin.pool import Pool
    from hark.engines.builtin.router import Request
    from hark.engines.live import Live

_REMEMBERED = 128  # transcripts kept, so that one recording is heard once for many questions: turns of dialogues too

_MEASURED = frozenset({"music", "sound"})  # jobs done on the signal, without a transcript
_METHOD = Notice(
    "method",
    "Heard offline by pocketsphinx (English); answers are quoted from the transcript or measured, never written. "
    "A larger model, such as faster-whisper:small for transcripts, does better: see `hark models`.",
)
_CAVEAT = Notice("model", "Sounds are measured; to name what made one takes an audio-language model.")
_NO_SYSTEM = Notice("method", "The system prompt was not used: the offline default follows none.")


class Builtin(Engine):
    """Answers about English speech, music and sounds with nothing but what is installed."""

    name = "builtin"
    can = Capabilities(
        free_prompt=True,
        tasks=frozenset(
            "transcribe summary decisions actions intent sentiment uncertainty music sound command reply".split(),
        ),
        options=frozenset({"language", "grammar"}),
        system_prompt=True,  # taken, and said not to be used: conversations that carry one still work
        several_clips=True,
        several_turns=True,
        timestamps="word",
        languages=frozenset({"en"}),
        batch_exact=True,
        streams=True,
    )

    def __init__(self) -> None:
        from hark.engines.builtin.recognise import Recogniser

        self._recogniser = Recogniser()
        self.parallel = self._recogniser.parallel
        self._commands: Commands | None = None
        self._guessers: Pool | None = None  # of what is said right now
        self._transcripts: OrderedDict[str, Transcript] = OrderedDict()
        self._lock = threading.Lock()

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Hear the clips that were not heard before, then answer.

        Raises:
            UnsupportedError: the prompt asks for what quoting and measuring cannot give.
            MissingExtraError: key and tempo were asked for without the extra `music`.
        """
        from hark.engines.builtin.followups import NOTHING_ASKED
        from hark.engines.builtin.router import route

        if options.task == "command" or options.grammar is not None:
            yield from self._command(conversation, options)
            return
        if options.task == "reply":
            yield from self._dialogue(conversation)
            return
        request = route(conversation.prompt, options.task)
        if request.refusal:
            raise UnsupportedError(request.refusal.reason, hint=request.refusal.instead)
        if request.follow == "courtesy":
            yield Delta(NOTHING_ASKED)
            return
        method = (_METHOD,) if set(request.jobs) - _MEASURED else ()
        limits = tuple(Notice("partly", limit) for limit in request.limits)
        yield Delta(notices=(*method, *([_NO_SYSTEM] if conversation.system else []), *limits))
        if request.jobs == ("transcribe",) and not request.times:
            yield from self._transcribe(_asked(conversation, every=request.every), options)
        else:
            yield from self._reply(conversation, request)

    def live(self, options: Options, *, shows: bool) -> Live:
        """Phrase by phrase, with guesses at the one that goes on where they are shown."""
        from hark.engines.builtin.live import SETTINGS, BuiltinLive
        from hark.engines.builtin.pool import Pool

        del options
        with self._lock:
            if shows and (self._guessers is None or not self._guessers.mine):
                self._guessers = Pool(settings=SETTINGS)
            return BuiltinLive(self._recogniser, self._guessers if shows else None, self._remember)

    def close(self) -> None:
        """End the worker processes."""
        self._recogniser.close()
        if self._guessers is not None:
            self._guessers.close()
        if self._commands is not None:
            self._commands.close()

    def _dialogue(self, conversation: Conversation) -> Iterator[Delta]:
        """Answer what was said last, spoken or written, about what was told before."""
        from hark.engines.builtin.dialogue import turn
        from hark.engines.builtin.followups import NOTHING_ASKED

        words: dict[str, str] = {}
        seconds = 0.0
        for clip in conversation.clips:
            found: list[Delta] = []
            for delta in self._hear(clip, seconds) if clip.id not in words else ():
                found.append(delta)
                yield Delta(heard=delta.heard)
                seconds = delta.heard or seconds
            words.setdefault(clip.id, " ".join(one.text for delta in found for one in delta.segments))
        now = turn(conversation, words)
        yield Delta(notices=(_METHOD, *([_NO_SYSTEM] if conversation.system else [])))
        if now.text:
            yield Delta(now.text, usage=Usage(seconds), language="en")
        elif now.request.follow == "courtesy":
            yield Delta(NOTHING_ASKED, usage=Usage(seconds))
        else:
            yield from self._reply(now.conversation, now.request)

    def _command(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        from hark.engines.builtin.command import Commands

        with self._lock:
            self._commands = commands = self._commands or Commands()
        yield from commands.generate(_asked(conversation, every=False), options)

    def _transcribe(self, clips: tuple[Audio, ...], options: Options) -> Iterator[Delta]:
        """What is said in each clip, segment by segment, as it is recognised."""
        seconds = 0.0
        for number, clip in enumerate(clips):
            yield Delta(("\n" if number else "") + f"{clip.name}: " if len(clips) > 1 else "")
            gap = ""
            for delta in self._hear(clip, seconds):
                segments = tuple(_with_times(segment, options) for segment in delta.segments)
                for segment in segments:
                    yield Delta(gap + segment.text, (segment,))
                    gap = " "
                yield Delta(notices=delta.notices, heard=delta.heard)
                seconds = delta.heard or seconds
        yield Delta(usage=Usage(seconds), language="en")

    def _reply(self, conversation: Conversation, request: Request) -> Iterator[Delta]:
        """Do the jobs: quote what was said, and measure signals."""
        from hark.engines.builtin.reply import Reply, reply

        clips = list(dict.fromkeys(_asked(conversation, every=request.every)))
        transcripts = []
        seconds = 0.0
        for clip in clips if set(request.jobs) - _MEASURED else ():
            found: list[Delta] = []
            for delta in self._hear(clip, seconds):
                found.append(delta)
                yield Delta(notices=_but_silence(delta.notices), heard=delta.heard)
            segments = tuple(segment for delta in found for segment in delta.segments)
            heard = found[-1].heard or seconds
            transcripts.append((clip.name, Transcript(segments, heard - seconds, "en")))
            seconds = heard
        measured = {job: _measured(job, clips) for job in request.jobs if job in _MEASURED}
        if transcripts:
            said = reply(request, transcripts, earlier=_earlier(conversation, every=request.every), measured=measured)
        else:
            texts = "\n\n".join(text for text, _ in measured.values())
            said = Reply(texts, data={job: values for job, (_, values) in measured.items()})
        notices = (*said.notices, *(notice for clip in clips for notice in clip.notices))
        usage = Usage(seconds or sum(clip.duration for clip in clips))
        notices += (_CAVEAT,) if "sound" in measured else ()
        yield Delta(said.text, said.evidence, notices, seconds, usage, "en" if transcripts else None, said.data)

    def _hear(self, clip: Audio, before: float) -> Iterator[Delta]:
        """The transcript of a clip, segment by segment: recognised, or remembered; the last step tells the length."""
        with self._lock:
            known = self._transcripts.get(clip.id)
        if known is not None:
            yield Delta(segments=known.segments)
        else:
            segments: list[Segment] = []
            duration = 0.0
            for delta in self._recogniser.recognise(clip):
                duration = delta.heard or duration
                segments += delta.segments
                yield Delta(segments=delta.segments, heard=before + duration)
            known = self._keep(clip, segments, duration)
        yield Delta(notices=known.notices, heard=before + known.duration)

    def _remember(self, samples: NDArray[np.float32], segments: tuple[Segment, ...]) -> None:
        """Keep what was heard live: a turn that was written down is asked about next."""
        from hark.audio.audio import RATE, Audio

        if len(samples):
            self._keep(Audio.of(samples, RATE, name="turn"), segments, len(samples) / RATE)

    def _keep(self, clip: Audio, segments: Sequence[Segment], duration: float) -> Transcript:
        known = Transcript(tuple(segments), duration, "en", (*clip.notices, *_warnings(clip, list(segments))))
        with self._lock:
            self._transcripts[clip.id] = known
            while len(self._transcripts) > _REMEMBERED:
                self._transcripts.popitem(last=False)
        return known


def _asked(conversation: Conversation, *, every: bool) -> tuple[Audio, ...]:
    """The clips of the last turn that has some: `Transcribe this` means what was just given; or all there are."""
    return conversation.clips if every else conversation.messages[_given(conversation)].clips


def _given(conversation: Conversation) -> int:
    """The place of the last message with clips; 0 where none has any."""
    return max((i for i, message in enumerate(conversation.messages) if message.clips), default=0)


def _but_silence(notices: tuple[Notice, ...]) -> tuple[Notice, ...]:
    """The notices of a recognition without the one on silence, which the reply gives itself."""
    return tuple(notice for notice in notices if notice.kind != "silence")


def _earlier(conversation: Conversation, *, every: bool) -> tuple[tuple[str, str], ...]:
    """The questions asked before about the same clips, with their answers."""
    about = conversation.messages if every else conversation.messages[_given(conversation) :]
    turns = [message for message in about if message.role != "system"]
    pairs = zip(turns[:-1:2], turns[1::2], strict=False)
    return tuple((asked.text, answered.text) for asked, answered in pairs)


def _with_times(segment: Segment, options: Options) -> Segment:
    """A segment with times no finer than was asked for."""
    from dataclasses import replace

    return replace(segment, words=()) if options.timestamps in ("none", "segment") else segment


def _warnings(clip: Audio, segments: list[Segment]) -> list[Notice]:
    from hark.engines.builtin.confidence import verdict

    if not segments:
        return [Notice("silence", f"No speech was found in {clip.name}.")]
    doubt = verdict(segments)
    return [doubt] if doubt else []


def _measured(job: str, clips: list[Audio]) -> tuple[str, list[dict[str, object]]]:
    """What signal analysis finds: a sentence for each clip, and the same as plain values."""
    found = [_measure(job, clip) for clip in clips]
    named = [f"{clip.name}: {text}" if len(clips) > 1 else text for clip, (text, _) in zip(clips, found, strict=True)]
    data = [{"audio": clip.name, **values} for clip, (_, values) in zip(clips, found, strict=True)]
    return "\n".join(named), data


def _measure(job: str, clip: Audio) -> tuple[str, dict[str, object]]:
    """What signal analysis finds: a sentence, and the same as plain values."""
    if job == "music":
        from hark.engines.builtin.music import hear

        music = hear(clip)
        return " ".join([music.sentence(), *music.notices]), music.to_dict()
    from hark.audio.speech import RATE, speech
    from hark.engines.builtin import sound

    heard = sound.hear(clip, [(start / RATE, end / RATE) for start, end in speech(clip.stream(), padding=0)])
    return heard.sentence(), heard.to_dict()
