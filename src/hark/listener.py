"""The whole flow on one screen: load a model, and hold it: ask, stream, chat, transcribe, translate."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any, Self, overload

from hark import settings
from hark.answers.answer import Answer, Delta
from hark.answers.transcript import Transcript
from hark.audio.audio import Audio
from hark.conversation.conversation import Conversation
from hark.conversation.huggingface_wire import read_request
from hark.conversation.messages import read_messages
from hark.conversation.spoken import split_prompt
from hark.engines.asking import Asked, prepared
from hark.engines.catalog import open_engine, resolve
from hark.engines.engine import Capabilities, Engine, Options
from hark.errors import ConversationError, OptionError
from hark.tasks.long import answered, way

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from hark.tasks.command.command import Command
    from hark.tasks.music import Music
    from hark.tasks.notes.values import Notes
    from hark.tasks.sounds import Sounds
    from hark.tasks.understand import Understanding


def load(model: str | None = None, *, answer_with: str | None = None, **how: Any) -> Listener:
    """Load a model by name or folder and return what answers questions with it.

    Without a name it is the one in `HARK_MODEL`, else in the settings file, else `builtin`, the offline default.
    Nothing is downloaded unless `download=True`. Weights are read when they are first needed.

    With `answer_with` (a folder of a text model, or a server's name) the model only transcribes, and that one answers.
    Further keywords are fields of `hark.engines.loading.Loading`: `device`, `dtype`, `quantize` ...

    Raises:
        ModelNotFoundError: there is no such model on this machine.
        MissingExtraError: its packages are not installed.
    """
    return Listener(open_engine(resolve(model or settings.current().model, answer_with), **how))


class Listener:
    """One loaded model: what people hold."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def can(self) -> Capabilities:
        """What the model can do."""
        return self.engine.can

    @overload
    def ask(self, audio: Any, prompt: str | None = None, *, system: str | None = None, **options: Any) -> Answer: ...

    @overload
    def ask(self, audio: Any, prompt: Sequence[str], *, system: str | None = None, **options: Any) -> list[Answer]: ...

    def ask(
        self, audio: Any, prompt: str | Sequence[str] | None = None, *, system: str | None = None, **options: Any
    ) -> Answer | list[Answer]:
        """Ask about audio; without a prompt, transcribe it.

        Several questions are answered as one by one, but at once where the model can: a list of answers, in order.

        Args:
            audio: anything `Audio.of` takes, a list of such, a `Conversation`, or a list of chat messages.
            prompt: the question, or a list of questions about the same audio.
            system: a system prompt, where the model follows one.
            options: fields of `hark.Options`, such as `task`, `language`, `max_new_tokens`, `schema`; and `long`: what
                to do with a question about more than the model hears at once: `refuse`, or `split` (see `answer`).

        Raises:
            AudioError: the audio cannot be used.
            UnsupportedError: the model cannot do it; the hint says what can.
            OptionError: there is no such option, or its value is wrong.
        """
        if prompt is None or isinstance(prompt, str):
            return Answer.of(self.stream(audio, prompt, system=system, **options))
        if not isinstance(prompt, list | tuple) or not prompt:
            raise ConversationError(f"{prompt!r} is no question.", hint="Give text, or a list of at least one text.")
        about = _conversation(audio, None, system) if _is_messages(audio) else audio
        if not isinstance(about, Conversation):  # read once: a file object can be
            about = [Audio.of(item) for item in (about if isinstance(about, list) else [about])]
        return self._together([_conversation(about, one, system) for one in prompt], **options)

    def _together(self, conversations: list[Conversation], **options: Any) -> list[Answer]:
        asked = [Asked.of(self.engine, conversation, **options) for conversation in conversations]
        if any(one.options != asked[0].options or one.alone for one in asked):
            return [Answer.of(self.answer(conversation, **options)) for conversation in conversations]
        answers = self.engine.generate_batch([one.conversation for one in asked], asked[0].options)
        return [one.checked(answer, self.engine) for one, answer in zip(asked, answers, strict=True)]

    def stream(
        self, audio: Any, prompt: str | None = None, *, system: str | None = None, **options: Any
    ) -> Iterator[Delta]:
        """Like `ask`, step by step; closing the iterator stops the model."""
        return self.answer(_conversation(audio, prompt, system), **options)

    def answer(self, conversation: Conversation, *, long: str | float = "refuse", **options: Any) -> Iterator[Delta]:
        """Answer a conversation, step by step; everything else comes through here.

        With `long="split"` a question about more than the model hears at once is asked stretch by stretch, and the
        answers are combined; with a number, stretches are at most so many seconds: see `hark.tasks.long`.

        With a `schema` the steps come as usual, and the JSON is checked when they are over: then this raises, or the
        last step holds its value as `data`.

        Raises:
            CutOffError: the JSON broke off at a limit of tokens.
            ModelError: it does not fit the schema.
        """
        asked, told = prepared(self.engine.name, self.can, conversation, Options.of(**options))
        how = way(long, self.engine)
        whole = told.task is not None or (self.can.max_seconds is None and how == "refuse")
        deltas = self.engine.generate(asked, told) if whole else answered(self.engine, asked, told, how)
        return deltas if told.schema is None else told.schema.checked(deltas, self.engine.name, told.max_new_tokens)

    def __call__(self, request: Any, **options: Any) -> Any:
        """Serve requests of Hugging Face's audio-text-to-text task, in exactly its schema.

        `{"audio", "text"}` or a list of chat messages gives `{"generated_text"}`; `{"inputs", "parameters"}` gives
        `[{"generated_text"}]`; a list of requests gives a list of results.
        """
        if isinstance(request, list) and not _is_messages(request):
            return [self(item, **options) for item in request]
        result = {"generated_text": self.respond(request, **options).text}
        return [result] if "inputs" in request else result

    def respond(self, request: Any, **options: Any) -> Answer:
        """Answer one request of the task (or a list of chat messages) with all that is known about the answer."""
        conversation, parameters = read_request({"messages": request} if isinstance(request, list) else request)
        return Answer.of(self.answer(conversation, **{**parameters, **options}))

    def chat(self, system: str | None = None) -> Chat:
        """Begin a conversation of several turns."""
        return Chat(self, system)

    def transcribe(
        self, audio: Any, *, speakers: bool | int | None = None, diarize_with: str | Path | None = None,
        align_with: Any = None, **options: Any,
    ) -> Transcript:  # fmt: skip
        """Write down what is said, with times where the model gives them.

        Args:
            audio: anything `Audio.of` takes.
            speakers: True to tell who speaks, or how many people to tell apart.
            diarize_with: the folder of a diariser to do that with, see `hark.speakers.folders`.
            align_with: a CTC model (a `Listener`, a name or a folder) that finds the time of each word in the sound.
            options: fields of `hark.Options`, such as `language`, `timestamps`.

        Raises:
            AudioError: the audio cannot be used.
            UnsupportedError: the model gives no transcript, or not the times or language wanted.
            OptionError: there is no such option for a transcript.
        """
        if options.get("schema") is not None:
            raise OptionError("A transcript takes no schema.", hint="Ask: listener.ask(audio, prompt, schema=...).")
        clip = Audio.of(audio)
        refine, options = None, {"task": "transcribe", **options}
        if align_with is not None:
            from hark.alignment.align import Aligner, align, unaligned

            options = unaligned(options)
            refine = functools.partial(align, aligner=Aligner.of(align_with))
        if (speakers is None or speakers is False) and diarize_with is None:
            transcript = Transcript.of(self.ask(clip, **options), clip)
            return refine(transcript, clip) if refine else transcript
        from hark.speakers.transcribe import transcribe

        who = None if speakers is False else speakers
        return Transcript.of(Answer.of(transcribe(self, clip, who, diarize_with, refine=refine, **options)), clip)

    def translate(self, audio: Any, to: str = "en", **options: Any) -> Transcript:
        """Write down what is said in another language (a code such as `en`); else like `transcribe`.

        Raises:
            AudioError: the audio cannot be used.
            UnsupportedError: the model cannot translate into that language.
        """
        return self.transcribe(audio, task="translate", to=to, **options)

    def classify(self, audio: Any, labels: Sequence[str] | None = None, *, top: int | None = None) -> Answer:
        """Label what is heard: with the model's own labels, or with the one of `labels` that fits best.

        A classifier scores its own labels in stretches that it can hear: `evidence` holds the `top` (5) of each, best
        first (`text` is the label, `confidence` its score), `data` those of the whole: `[{"label", "score"}]`. A model
        that is asked chooses one of `labels`, without a score: `data` is `[{"label"}]`.

        Raises:
            AudioError: the audio cannot be used.
            UnsupportedError: the model has no labels of its own, or cannot choose among given ones.
            OptionError: the labels make no choice.
        """
        from hark.tasks.labels import classify

        return Answer.of(classify(self, Audio.of(audio), labels, top))

    def notes(
        self, audio: Any, *, date: date | str | None = None, transcript: Transcript | None = None,
        check: bool = True, **options: Any,
    ) -> Notes:  # fmt: skip
        """Take the notes of a meeting: decisions, who does what by when, open questions, chapters, each with a quote.

        A model that can be asked anything and takes a schema writes them, stretch by stretch where the recording is
        longer than it hears; of the others, the transcript is read by rule (English), and every sentence is a quote.

        Args:
            audio: anything `Audio.of` takes.
            date: the day of the meeting (also as `2026-11-20`), which deadlines are counted from; else today.
            transcript: one that there is already; else it is made.
            check: make a transcript to find quotes and their times in, where a model writes.
            options: `language`, `speakers`, `diarize_with`, `align_with` for the transcript; `temperature`, `seed`,
                `long` ... for a model that writes.

        Raises:
            AudioError: the audio cannot be used.
            UnsupportedError: the model neither takes a schema nor gives a transcript in English.
            OptionError: it is no day, or there is no such option.
        """
        from hark.tasks.notes.notes import Wish, notes

        return notes(self, Wish.of(audio, date, transcript, check, options))

    def understand(self, audio: Any, *, transcript: Transcript | None = None, **options: Any) -> Understanding:
        """Tell the intent, sentiment, emotion and certainty of who speaks, with what each rests on.

        A model that can be asked anything and takes a schema judges what it hears; of the others, the transcript is
        judged by rule (English), and no voice.

        Args:
            audio: anything `Audio.of` takes.
            transcript: one that there is already; else it is made.
            options: `language` for the transcript; `temperature`, `seed`, `long` ... for a model that is asked.

        Raises:
            AudioError: the audio cannot be used.
            UnsupportedError: the model neither takes a schema nor gives a transcript in English.
            OptionError: there is no such option.
        """
        from hark.tasks.understand import understand

        return understand(self, Audio.of(audio), transcript, options)

    def command(self, audio: Any, grammar: Any, *, language: str | None = None) -> Command:
        """Tell which command of a grammar is spoken: its intent and slots, or that it is none.

        Args:
            audio: anything `Audio.of` takes, with one command in it; `hark.tasks.command.listening` hears many.
            grammar: the `Path` of a grammar in Picovoice's YAML or in JSGF, or its text, or a `Grammar`.
            language: code of the language spoken.

        Raises:
            AudioError: the audio cannot be used.
            OptionError: it is no grammar, or the offline default cannot pronounce a word of it.
            UnsupportedError: the model cannot do it; the hint says what can.
        """
        from hark.tasks.command.command import command
        from hark.tasks.command.grammar import Grammar

        return command(self, Audio.of(audio), Grammar.of(grammar), language)

    def music(self, audio: Any, *, suggest: str | None = None, **options: Any) -> Music:
        """Tell key, tempo, meter, sections, loudness of music; the offline default measures, other models are asked.

        `suggest` is a wish such as "jazz reharmonization for the chorus": chords by rule, or written by the model;
        options are those of `ask`.

        Raises:
            AudioError: the audio cannot be used.
            UnsupportedError: the model tells nothing of music, or the rules do not know the wish.
            MissingExtraError: the offline default lacks the extra `music`.
        """
        from hark.tasks.music import music

        return music(self, Audio.of(audio), suggest, options)

    def sounds(self, audio: Any, **options: Any) -> Sounds:
        """Tell what is heard when, as captions: measured, a classifier's labels, or told by a model that is asked.

        Raises:
            AudioError: the audio cannot be used.
            UnsupportedError: the model tells nothing of sounds.
        """
        from hark.tasks.sounds import sounds

        return sounds(self, Audio.of(audio), options)

    def close(self) -> None:
        """Let go of processes and memory the model holds."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Listener({self.engine.name!r})"


class Chat:
    """A conversation of several turns with one model; audio can be added in any turn."""

    def __init__(self, listener: Listener, system: str | None = None) -> None:
        self.listener = listener
        messages = [{"role": "system", "content": system}] if system else []
        self.conversation = read_messages(messages) if messages else Conversation()

    def say(self, *parts: Any, **options: Any) -> Answer:
        """Say something, audio and a prompt last, and return the answer; see `split_prompt` for what is what."""
        return Answer.of(self.stream(*parts, **options))

    def stream(self, *parts: Any, **options: Any) -> Iterator[Delta]:
        """Like `say`, step by step; the turn joins the conversation when its answer is complete."""
        audio, prompt = split_prompt(parts)
        asked = self.conversation.say(*(Audio.of(item) for item in audio), *([prompt] if prompt else []))
        text = []
        deltas = self.listener.answer(asked, **options)
        with contextlib.closing(deltas):  # type: ignore[type-var]
            for delta in deltas:
                text.append(delta.text)
                yield delta
        self.conversation = asked.reply("".join(text))


def _conversation(audio: Any, prompt: str | None, system: str | None) -> Conversation:
    if isinstance(audio, Conversation):
        return audio.with_prompt(prompt) if prompt else audio
    if _is_messages(audio):
        conversation = read_messages(audio)
        return conversation.with_prompt(prompt) if prompt else conversation
    items = audio if isinstance(audio, list) else [audio]
    return Conversation.ask(tuple(Audio.of(item) for item in items), prompt, system)


def _is_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "role" in value[0]
