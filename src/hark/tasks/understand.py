"""`listener.understand`: what somebody means and how they feel about it, with the words or the sound it rests on.

All of it is an impression: a model that hears judges the voice too, and `unknown` is always allowed; of the others,
the words alone are judged, by rule and in English.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hark.answers.answer import Notice
from hark.answers.transcript import Transcript
from hark.errors import UnsupportedError
from hark.tasks.quotes import Quote
from hark.tasks.speech import EMOTIONS, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hark.audio.audio import Audio
    from hark.engines.builtin.sentences import Sentence
    from hark.engines.builtin.tone import Finding
    from hark.listener import Listener

INTENTS = (
    "statement", "question", "request", "order", "suggestion", "promise", "agreement", "refusal", "complaint",
    "apology", "thanks", "greeting", "doubt", UNKNOWN,
)  # fmt: skip
SENTIMENTS = ("positive", "negative", "mixed", "neutral", UNKNOWN)
CERTAINTIES = ("sure", "doubt in places", "doubt", UNKNOWN)
_TOKENS = 1024
_SHOWN = 5  # quotes of one judgement


@dataclass(frozen=True, slots=True)
class Judgement:
    """One judgement and what it rests on.

    Attributes:
        quotes: what was said.
        signs: the words in it that count, where rules judged.
        heard_in: what in the sound shows it; empty where nothing does, or nobody listened.
    """

    value: str
    quotes: tuple[Quote, ...] = ()
    signs: tuple[str, ...] = ()
    heard_in: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        quotes = [quote.to_dict() for quote in self.quotes]
        return {"value": self.value, "quotes": quotes, "signs": list(self.signs), "heard_in": self.heard_in}


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a speaker means, and how it is said.

    Attributes:
        meaning: what the speaker wants, in a sentence; of the rules, the sentence that shows it, as it was said.
        intent, sentiment, emotion, certainty: one of `INTENTS`, `SENTIMENTS`, `EMOTIONS`, `CERTAINTIES` each.
        basis: `voice` where a model heard it, `words` where only a transcript was judged.
    """

    meaning: str
    intent: Judgement
    sentiment: Judgement
    emotion: Judgement
    certainty: Judgement
    basis: Literal["voice", "words"]
    notices: tuple[Notice, ...] = ()
    transcript: Transcript | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        judged = {name: getattr(self, name).to_dict() for name in ASPECTS}
        notices = [notice.to_dict() for notice in self.notices]
        said = self.transcript.text if self.transcript else None
        return {"meaning": self.meaning, **judged, "basis": self.basis, "transcript": said, "notices": notices}

    def to_markdown(self) -> str:
        """A list, each judgement with what it rests on."""
        from hark.tasks.notes.markdown import plain, quoted

        lines = [f"- **Meaning**: {plain(self.meaning)}"] if self.meaning else []
        for name in ASPECTS:
            judged: Judgement = getattr(self, name)
            heard = f" ({', '.join(map(plain, judged.signs))})" if judged.signs else ""
            heard += f"; heard in: {plain(judged.heard_in)}" if judged.heard_in else ""
            quotes = ";".join(quoted(quote) for quote in judged.quotes)
            lines.append(f"- **{name.capitalize()}**: {judged.value}{':' * bool(quotes)}{quotes}{heard}")
        return "\n".join(lines) + "\n"


ASPECTS = ("intent", "sentiment", "emotion", "certainty")


def _judged(*values: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "value": {"type": "string", "enum": list(values)},
            "words": {"type": "array", "items": {"type": "string", "maxLength": 120}, "maxItems": 3},
            "heard_in": {"type": "string", "maxLength": 120},
        },
        "required": ["value", "words", "heard_in"],
        "additionalProperties": False,
    }


PROMPT = (
    "What does the speaker mean, and how is it said? Give, in this order: the meaning, in one sentence; the intent "
    f"({', '.join(INTENTS)}); the sentiment ({', '.join(SENTIMENTS)}); the emotion ({', '.join(EMOTIONS)}); and how "
    f"certain the speaker is ({', '.join(CERTAINTIES)}). Judge by the voice as well as by the words: hesitation, "
    "pauses and tone count. For each, quote the words that show it, exactly as they are said, and say what in the "
    "sound shows it; leave either empty where there is nothing. Answer unknown where it cannot be told."
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "meaning": {"type": "string", "maxLength": 200},
        "intent": _judged(*INTENTS),
        "sentiment": _judged(*SENTIMENTS),
        "emotion": _judged(*EMOTIONS),
        "certainty": _judged(*CERTAINTIES),
    },
    "required": ["meaning", *ASPECTS],
    "additionalProperties": False,
}


def understand(
    listener: Listener, clip: Audio, transcript: Transcript | None, options: dict[str, Any]
) -> Understanding:
    """See `Listener.understand`."""
    can = listener.can
    asked = can.free_prompt and "schema" in can.options
    refuse(listener, options)
    if transcript is None and "transcribe" in can.tasks:
        language = {"language": options["language"]} if options.get("language") else {}
        answer = listener.ask(clip, task="transcribe", **language)
        transcript = Transcript.of(answer, clip)
        timed = bool(answer.evidence)
    else:
        timed = True
    if asked:
        return _heard(listener, clip, transcript, timed, options)
    if transcript is None:
        raise UnsupportedError(
            f"{listener.engine.name} gives no transcript, and takes no schema.", hint="See `hark models`."
        )
    return by_rule(transcript, clip.name)


def refuse(listener: Listener, options: dict[str, Any]) -> None:
    """Refuse what the model cannot do, before anything is loaded.

    Raises:
        UnsupportedError: it neither takes a schema nor transcribes, or cannot honour an option.
        OptionError: there is no such option.
    """
    from hark.tasks.notes.notes import refuse as unable

    unable(listener, options)


def _heard(
    listener: Listener, clip: Audio, transcript: Transcript | None, timed: bool, options: dict[str, Any]
) -> Understanding:
    """Ask a model that hears; quotes are looked up in the transcript."""
    from hark.tasks.long import room
    from hark.tasks.quotes import Finder

    bound = room(listener.engine, _TOKENS)
    given = {name: value for name, value in options.items() if name != "language" and value is not None}
    answer = listener.ask(clip, PROMPT, **{**bound, "long": "split", **given, "schema": SCHEMA})
    finder = Finder(transcript) if transcript is not None else None

    def quote(text: str) -> Quote:
        found = finder.find(text) if finder else None
        return found if found and timed else Quote(" ".join(text.split()), found=found is not None)

    def judged(name: str) -> Judgement:
        data = answer.data[name]
        words = tuple(quote(text) for text in data["words"] if text.strip())
        return Judgement(data["value"], words, heard_in=" ".join(data["heard_in"].split()))

    notices = (*answer.notices, *(transcript.notices if transcript else ()))
    four = {name: judged(name) for name in ASPECTS}
    lost = sum(not quote.found for one in four.values() for quote in one.quotes)
    if lost:
        why = "not in the transcript" if finder else "not checked: there is no transcript"
        notices += (Notice("unsure", f"{lost} of the quotes are {why}."),)
    text = " ".join(answer.data["meaning"].split())
    unique = tuple(dict.fromkeys(notices))
    return Understanding(text, **four, basis="voice", notices=unique, transcript=transcript)


def by_rule(transcript: Transcript, name: str) -> Understanding:
    """Judge the words of a transcript; of the voice nothing is said.

    Raises:
        UnsupportedError: it is not in English.
    """
    from hark.engines.builtin.sentences import sentences
    from hark.engines.builtin.tone import intents, sentiment, uncertainty

    if transcript.language and not transcript.language.lower().startswith("en"):
        raise UnsupportedError(
            f"{name} is in the language {transcript.language!r}, and rules for moods are there for English alone.",
            hint="Use a model that can be asked anything: see `hark models`.",
        )
    every = sentences(transcript)
    notices = (*transcript.notices, _WORDS) if every else transcript.notices
    # What is more than a statement tells what somebody wants.
    meant = sorted(intents(every), key=lambda one: (one.kind in _PLAIN, -len(one.sentence.words)))
    kind = _INTENT.get(meant[0].kind, meant[0].kind) if meant else UNKNOWN
    return Understanding(
        meaning=meant[0].sentence.text if meant else "",
        intent=Judgement(kind, tuple(_quoted(one.sentence) for one in meant[:1])),
        sentiment=_found(sentiment(every), {}, every),
        emotion=Judgement(UNKNOWN),
        certainty=_found(uncertainty(every), _CERTAINTY, every),
        basis="words",
        notices=notices,
        transcript=transcript,
    )


_WORDS = Notice("method", "The words were judged by rule, not the voice: so no emotion is told.")
_PLAIN = ("statement", "greeting", "thanks", "agreement")
_INTENT = {"uncertainty": "doubt"}
_CERTAINTY = {"unsure": "doubt", "unsure in places": "doubt in places", "sure": "sure", "no sign": UNKNOWN}


def _found(found: Finding, names: dict[str, str], every: Sequence[Sentence]) -> Judgement:
    if not every:
        return Judgement(UNKNOWN)
    shown = found.evidence[:_SHOWN]
    signs = tuple(dict.fromkeys(sign for _, words in shown for sign in words))
    return Judgement(names.get(found.label, found.label), tuple(_quoted(sentence) for sentence, _ in shown), signs)


def _quoted(sentence: Sentence) -> Quote:
    return Quote(sentence.text, sentence.start, sentence.end, sentence.speaker, True, sentence.unsure)
