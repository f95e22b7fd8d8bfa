"""Sentences made of a transcript: at punctuation where there is any, else at pauses and at words that open one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hark.answers.transcript import Segment, Word
from hark.engines.builtin.names import NAMES
from hark.engines.builtin.patterns import Phrases
from hark.engines.builtin.words import STOP, expand, normal, stem

if TYPE_CHECKING:
    from hark.answers.transcript import Transcript

LONG_PAUSE = 1.2  # seconds after which nobody is still in the same sentence
SHORT_PAUSE = 0.2  # seconds; enough to end a sentence inside a segment before a word that opens one
LONGEST = 60  # words; speech without pauses is cut somewhere

_ABBREVIATIONS = frozenset("mr. mrs. ms. dr. st. vs. e.g. i.e. etc. prof. no. approx. a.m. p.m.".split())
# After these words a sentence goes on, whatever the pause.
_GOES_ON = frozenset(
    """a an the and or but because of to in on at by for from with into as if when than my your our their his its very
    i we""".split()
)
# After these words the next one opens no sentence of its own unless a pause says so.
_LEADS_ON = _GOES_ON | frozenset(
    """that about you he she they is are was were will would should could can must has have had not so until before
    after between be if whether what who which where how why when said say says think know hope guess believe tell
    told means""".split()
)
# These words, after a short pause, belong to the sentence before.
_CARRIES_ON = frozenset("by before until till because of to for with from than or which whose while within".split())
# Words that open a sentence even where the speaker does not stop before them ...
_OPENERS = Phrases(
    """
    ^okay|alright|anyway|thanks|thank you|good morning|by the way|let's|what about|that's all|that is all
    ^next (topic|point|item|question)|action items?
    ^(so )?we (have )?(decided|agreed)
    ^i (do not|don't) know
    """
)
# ... a subject with its duty, after words that do not lead on to it ...
_DUTY = Phrases(
    """
    ^(i|we|you|he|she|they|(?P<name>[a-z]+)) (will|also|needs? to|has to|must|should|please|(is|are|am) going to)
    ^i'll|we'll|i'm going to|we're going to
    """
)
_PREPARES = frozenset(
    "if when after before until because since while as by on in at for from with next to unless".split()
)
# ... and those that do after a short stop.
_OPENERS_PAUSED = Phrases(
    """
    ^and|so|but|then|now|also|finally|first|second|however|well
    ^i|i'll|i'm|we|we'll|he|she|they|you|it|it's|there|this
    ^can|could|would|please|should|who|when|where|why|how|what
    """
)
_GREETING = Phrases("(good (morning|afternoon|evening)|hello|hi|hey)( (everybody|everyone|all|team|there))?")
_ASKS = Phrases(
    r"""
    ^(AND )*(who|when|where|why|how|whose|what)(?! a\b)
    ^(AND )*which (?!means|is\b|was\b)\w+ (is|are|was|do|does|did|should|can|will)
    ^(AND )*HELPER (not )?SUBJECT
    """,
    {
        "AND": "and|so|but|okay|ok|well|now|then|oh|yes|no",
        "HELPER": "is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|should|shall|may",
        "SUBJECT": """
        i|you|we|he|she|it|they|there|people|this|that|these|those|the|a|an|any|some|my|your|our
        someone|somebody|anyone|anybody|everyone|everybody
        """,
    },
)


@dataclass(frozen=True)
class Sentence:
    """A sentence of a recording: its words as they stand in the transcript, with times in seconds."""

    words: tuple[Word, ...]
    speaker: str | None = None
    doubted: bool = False

    @cached_property
    def text(self) -> str:
        """The words as they stand in the transcript."""
        return " ".join(word.text for word in self.words)

    @property
    def start(self) -> float:
        """Where it starts, in seconds."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Where it ends, in seconds."""
        return self.words[-1].end

    @property
    def unsure(self) -> bool:
        """Whether the recogniser doubts it: the stretch it is from, or a third of its words."""
        return self.doubted or 3 * sum(word.unsure for word in self.words) >= len(self.words)

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Normal words, one for each word (empty for lone punctuation)."""
        return tuple(normal(word.text) for word in self.words)

    @cached_property
    def plain(self) -> str:
        """Normal words with contractions written out, joined by spaces: what patterns are matched on."""
        return " ".join(expand(token) for token in self.tokens if token)

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """Stems of the words that carry meaning."""
        return tuple(stem(token) for token in self.tokens if token and token not in STOP and expand(token) == token)

    @cached_property
    def asks(self) -> bool:
        """Whether it is a question, by its mark or by its first words."""
        if self.text.rstrip("\"'”)").endswith("?"):
            return True
        return not self.text.endswith((".", "!")) and bool(_ASKS.match(self.plain))

    def original(self, start: int, end: int) -> str:
        """The words of the transcript behind `plain[start:end]`, without the punctuation around them."""
        return " ".join(word.text for word in self._behind(start, end)).strip('.,;:!?"“”() ')

    def doubts(self, text: str, start: int, end: int) -> bool:
        """Whether the recogniser doubts a word behind `plain[start:end]` that is also a word of a text."""
        said = {normal(word) for word in text.split()}
        return any(word.unsure and normal(word.text).removesuffix("'s") in said for word in self._behind(start, end))

    def _behind(self, start: int, end: int) -> list[Word]:
        """The words of the transcript behind `plain[start:end]`."""
        at, kept = 0, list[Word]()
        if start >= end:
            return kept
        for word, token in zip(self.words, self.tokens, strict=True):
            if not token:
                continue
            size = len(expand(token))
            if at < end and at + size > start:
                kept.append(word)
            at += size + 1
        return kept

    def segment(self) -> Segment:
        """The sentence as evidence of an answer."""
        known = [word.confidence for word in self.words if word.confidence is not None]
        confidence = sum(known) / len(known) if known else None
        return Segment(self.text, self.start, self.end, self.words, confidence, self.speaker, unsure=self.unsure)


def sentences(transcript: Transcript) -> tuple[Sentence, ...]:
    """Cut a transcript into sentences; every word is in exactly one, in order."""
    pieces = [(segment, _words(segment)) for segment in transcript.segments if segment.text.strip()]
    every = [word for _, words in pieces for word in words]
    # Speech written with full stops ends its sentences there; a stray one (a.m.) is not enough to rely on.
    punctuated = sum(map(_ends, every)) * 40 > len(every)
    made: list[Sentence] = []
    current: list[Word] = []
    source: list[Segment] = []

    def close() -> None:
        if current:
            made.append(Sentence(tuple(current), source[0].speaker, any(segment.unsure for segment in source)))
        current.clear()
        source.clear()

    for segment, words in pieces:
        if current and (segment.speaker != source[-1].speaker or _parts(current, words, punctuated=punctuated)):
            close()
        for i, word in enumerate(words):
            if i and current and _inside(current, words[i:], punctuated=punctuated):
                close()
            current.append(word)
            if not source or source[-1] is not segment:
                source.append(segment)
    close()
    return tuple(made)


def _words(segment: Segment) -> list[Word]:
    """The words of a segment as they stand in its text, with times read between its ends where it gives none."""
    texts = segment.text.split()
    if len(texts) == len(segment.words):
        return [
            Word(text, word.start, word.end, word.confidence, word.unsure)
            for text, word in zip(texts, segment.words, strict=True)
        ]
    size, at, words = len(" ".join(texts)), 0, []
    rate = (segment.end - segment.start) / size
    for text in texts:
        start = segment.start + at * rate
        words.append(Word(text, start, start + len(text) * rate, segment.confidence, segment.unsure))
        at += len(text) + 1
    return words


def _ends(word: Word) -> bool:
    text = word.text.rstrip("\"'”)")
    return text.endswith(("?", "!", "…")) or (text.endswith(".") and text.lower() not in _ABBREVIATIONS)


def _parts(before: list[Word], after: list[Word], *, punctuated: bool) -> bool:
    """Whether a sentence ends between two segments."""
    pause = after[0].start - before[-1].end
    if _ends(before[-1]) or pause >= LONG_PAUSE or len(before) >= LONGEST:
        return True
    if punctuated:
        return False
    carries_on = normal(after[0].text) in _CARRIES_ON and not _OPENERS.match(_coming(after))
    return normal(before[-1].text) not in _GOES_ON and not carries_on


def _coming(words: list[Word]) -> str:
    return " ".join(normal(word.text) for word in words[:4])


def _inside(before: list[Word], after: list[Word], *, punctuated: bool) -> bool:
    """Whether a sentence ends between two words of one segment."""
    if _ends(before[-1]) or len(before) >= LONGEST:
        return True
    if punctuated or after[0].start - before[-1].end >= LONG_PAUSE:
        return not punctuated
    said = " ".join(normal(word.text) for word in before)
    if len(after) >= 3 and _GREETING.fullmatch(said):
        return not _GREETING.fullmatch(" ".join(normal(word.text) for word in (*before, after[0])))
    if len(before) < 3 or len(after) < 3 or normal(before[-1].text) in _LEADS_ON:
        return False
    coming = _coming(after)
    paused = after[0].start - before[-1].end >= SHORT_PAUSE
    return _opens(said, coming) or (paused and bool(_OPENERS_PAUSED.match(coming)))


def _opens(said: str, coming: str) -> bool:
    """Whether the words to come open a sentence, whatever the pause."""
    if _OPENERS.match(coming):
        return True
    words, duty = said.split(), _DUTY.match(coming)
    if duty is None or len(words) < 4 or words[0] in _PREPARES or words[-1] in NAMES:
        return False
    return duty["name"] is None or duty["name"] in NAMES
