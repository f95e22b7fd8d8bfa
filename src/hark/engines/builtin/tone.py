"""Intent, sentiment and uncertainty as the words show them, with the sentences they rest on; no voice is judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hark.engines.builtin.duties import WORK, duties
from hark.engines.builtin.patterns import Phrases

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hark.engines.builtin.sentences import Sentence

_COMMANDS = WORK | frozenset(
    """turn switch play stop pause resume start open close shut dim brighten lower raise increase decrease brew pour
    heat cool warm go come wait stay sit stand hurry listen lock unlock mute unmute skip shuffle wake navigate drive
    park light dial text message remember note write read spell count mix stir boil cook fry serve help let tell
    show say enable disable activate deactivate set put grind froth clean make""".split()
)
_PARTICLES = frozenset("on off up down in out back over away".split())
_POLITE = re.compile(r"^(?:(?:please|okay|ok|hey|hello|hi|so|now|then|and|just|robot|computer|assistant) )*")
_WISH = Phrases(
    r"^WISH\b ?(?P<what>.*)$",
    {
        "WISH": """
        (can|could|may|might) (i|we) (please )?(have|get)
        i (would|will) (like|have|take)( to (have|get))?
        i (want|need)|give me|get me
        (can|could|would|will) you (please )?
        """
    },
)
_KINDS = {
    "apology": Phrases("sorry|apologi[sz]e|my fault|my mistake|forgive me|pardon me"),
    "thanks": Phrases("thank you|thanks|grateful|appreciate"),
    "complaint": Phrases(
        r"""
        complain\w*|unacceptable|disappoint\w+|refund|broken|terrible|awful
        stopped working|never works|still waiting|fed up
        (does|do|is|did|are|has|have) not (work|working|arrived?|worked)
        (is|was|came|arrived) (too|so|very) BAD
        too BAD
        """,
        {"BAD": "late|slow|loud|cold|expensive|dirty"},
    ),
    "promise": Phrases(
        r"""
        (i|we) (promise|swear|guarantee)
        (i|we) will (?!not\b|have\b|take (a|the|one|two)\b|never\b|be able\b)\w+
        """
    ),
    "suggestion": Phrases(
        """
        let us|we (could|should)|i (suggest|propose|recommend)
        how about|what if|why do not we
        """
    ),
    "refusal": Phrases("(i|we) (will not|can not|do not want to|refuse to|would rather not)"),
    "agreement": Phrases("^yes|yeah|sure|of course|okay|all right|alright|i agree|agreed|that is right|exactly|fine"),
    "greeting": Phrases("^hello|hi|hey|good (morning|afternoon|evening|day)|welcome|goodbye|bye|see you"),
}


@dataclass(frozen=True)
class Intent:
    """What a sentence is meant to do; for an order or a request the verb and its object, as they were said."""

    kind: str
    sentence: Sentence
    verb: str = ""
    object: str = ""


@dataclass(frozen=True)
class Finding:
    """A judgement with the sentences it rests on and the words in them that count."""

    label: str
    evidence: tuple[tuple[Sentence, tuple[str, ...]], ...] = ()


def intents(sentences: Iterable[Sentence]) -> tuple[Intent, ...]:
    """The intent of each sentence, in order."""
    return tuple(_intent(sentence) for sentence in sentences)


def _intent(sentence: Sentence) -> Intent:
    said = sentence.plain
    skip = _POLITE.match(said)
    at = skip.end() if skip else 0
    if wish := _WISH.match(said[at:]):
        return _wish(sentence, at, wish)
    verb = said[at:].split(" ", 1)[0]
    if verb in _COMMANDS and len(said[at:].split()) > 1 and not re.match(r"let us\b|thank", said[at:]):
        return _told(sentence, "order", at)
    if sentence.asks:
        return Intent("question", sentence)
    if _HEDGE.search(said) and not _CERTAIN.search(said):
        return Intent("uncertainty", sentence)
    for kind, phrases in _KINDS.items():
        if phrases.search(said):
            return Intent(kind, sentence)
    found = duties(sentence)
    if found and found[0].owner.kind != "speaker":
        return _told(sentence, "request", found[0].verb)
    return Intent("statement", sentence)


def _wish(sentence: Sentence, at: int, wish: re.Match[str]) -> Intent:
    start = at + wish.start("what")
    if re.search(r"\byou (?:please )?$", wish.group()[: wish.start("what")]):
        return _told(sentence, "request", start)
    if to := re.match(r"(?:you )?to ", wish["what"]):
        return _told(sentence, "request", start + to.end())
    verb = sentence.original(at, max(at, start - 1))
    return Intent("request", sentence, verb, sentence.original(start, len(sentence.plain)))


def _told(sentence: Sentence, kind: str, start: int) -> Intent:
    words = sentence.plain[start:].split()
    size = 2 if len(words) > 1 and words[1] in _PARTICLES else 1
    end = start + len(" ".join(words[:size]))
    rest = re.sub(r"(?: (?:please|now|thanks|thank you))+$", "", sentence.plain[end:])
    return Intent(kind, sentence, sentence.original(start, end), sentence.original(end + 1, end + len(rest)))


_GOOD = frozenset(
    """achieved amazing appreciate appreciated awesome beautiful best better bright brilliant calm celebrate
    charming cheerful comfortable confident congratulations delicious delighted elegant enjoy enjoyed enjoying
    excellent excited exciting fantastic favorite favourite friendly fun funny generous glad good gorgeous
    grateful great happy healthy helpful honest hopeful hopefully impressed impressive improve improved
    improvement incredible joy joyful laugh laughing liked love loved lovely loves magnificent marvelous nice
    optimistic outstanding passed perfect pleasant pleased pleasure positive proud recommend relaxed reliable
    relieved safe satisfaction satisfied satisfying smile smiling smooth smoothly solved splendid success
    successful successfully superb terrific thank thanks thrilled valuable welcome win winning won wonderful
    works worth yay""".split()
)
_BAD = frozenset(
    """afraid angry annoy annoyed annoying anxious ashamed awful bad bitter blame bored boring broke broken bug
    bugs cancel cancelled complain complained complaining complaint complaints concern concerned concerns
    confused confusing crash crashed crashes crying damage damaged damn danger dangerous dead death delay
    delayed depressed depressing desperate devastated died difficult dirty disappointed disappointing
    disappointment disgusted disgusting dislike dissatisfied embarrassed embarrassing error errors exhausted
    expensive fail failed failing fails failure fear frustrated frustrating frustration furious guilty hate
    hated hates hopeless horrible hurt hurts ill impossible irritated kill killed late lonely lose losing loss
    loud mad mess messy miserable missing mistake mistakes negative nervous nightmare noisy outrageous pain
    painful poor problem problems quit refund reject rejected ridiculous rude ruined sad scared shame shocked
    sick slow sorry stressed stressful stupid sucks suffer suffering terrible tired trouble ugh ugly
    unacceptable uncomfortable unfair unfortunately unhappy unpleasant unsatisfied upset useless waste wasted
    weak worried worries worry worrying worse worst wrong""".split()
)
_NEGATION = frozenset("not no never nothing nobody hardly barely without neither nor".split())
_INTENSE = frozenset(
    "very really extremely so too absolutely incredibly totally completely particularly super deeply".split()
)
_SLIGHT = frozenset("slightly somewhat fairly rather little bit".split())


def sentiment(sentences: Iterable[Sentence]) -> Finding:
    """Whether the words are positive, negative, mixed or neutral, by a lexicon with negation and intensifiers."""
    good = bad = 0.0
    evidence = []
    for sentence in sentences:
        values = _values(sentence)
        good += sum(value for value in values.values() if value > 0)
        bad -= sum(value for value in values.values() if value < 0)
        if values:
            evidence.append((abs(sum(values.values())), sentence, tuple(values)))
    evidence.sort(key=lambda item: (-item[0], item[1].start))
    if good + bad == 0:
        label = "neutral"
    else:
        balance = (good - bad) / (good + bad)
        label = "positive" if balance > 0.33 else "negative" if balance < -0.33 else "mixed"
    return Finding(label, tuple((sentence, words) for _, sentence, words in evidence))


def _values(sentence: Sentence) -> dict[str, float]:
    said = re.sub(r"\bgood (?=morning|afternoon|evening|night|day\b)", "", sentence.plain)
    words, values = said.split(), dict[str, float]()
    for i, word in enumerate(words):
        value = (word in _GOOD) - (word in _BAD)
        if not value:
            continue
        before = words[max(0, i - 3) : i]
        strength = 1.5 if _INTENSE & set(before[-1:]) else 0.5 if _SLIGHT & set(before[-1:]) else 1.0
        turned = bool(_NEGATION & set(before))
        values[("not " if turned else "") + word] = -0.8 * strength * value if turned else strength * value
    return values


_LISTS = {
    "NOT_SURE": r"""
        not (\w+ )?(sure|certain|clear|confident|convinced)
        unsure|uncertain|no idea|hard to say
    """
}
_HEDGE = Phrases(
    r"""
    NOT_SURE
    (i |we )?(do|does|did) not (really )?know
    maybe|perhaps|possibly|probably|might|could be|may be|hopefully
    i (think|guess|suppose|believe|hope|doubt|wonder)|i am afraid
    kind of|sort of|more or less|roughly|not exactly
    it depends|as far as i know|seems? to|it seems|hesitat\w+
    """,
    _LISTS,
)
_STRONG = Phrases(
    """
    NOT_SURE
    not (really )?know|i doubt
    """,
    _LISTS,
)
WORRY = Phrases(
    r"""
    worr\w+|concern(s|ed|ing)?|afraid|fear\w*|nervous|anxious|scared|risk\w*|danger\w*|problems?|trouble
    (might|may|could) (not |be (too )?\w+)|(will|can) not|too (expensive|late|slow|short|small|much|little|few|hard)
    fails?|failed|failing|what if
    """
)
_FILLER = Phrases("u+m+|u+h+|e+r+m*|h+m+|uhm")
_CERTAIN = Phrases(
    """
    definitely|certainly|absolutely|clearly|obviously|of course|for sure
    without (a )?doubt|no doubt|guarantee|i know
    (?<!not )(am|are|is) (quite |very |absolutely )?(sure|certain|confident)
    """
)


def uncertainty(sentences: Sequence[Sentence]) -> Finding:
    """Whether the words sound unsure: `unsure`, `unsure in places`, `sure`, or `no sign` where nothing tells."""
    evidence = []
    strong = 0
    for sentence in sentences:
        signs = [*_HEDGE.finditer(sentence.plain), *_FILLER.finditer(sentence.plain)]
        if signs and not sentence.asks:
            evidence.append((sentence, tuple(dict.fromkeys(sign.group() for sign in signs))))
            strong += bool(_STRONG.search(sentence.plain))
    if evidence:
        much = strong * 2 >= len(sentences) or len(evidence) * 2 > len(sentences)
        return Finding("unsure" if much else "unsure in places", tuple(evidence))
    sure = [(one, tuple(sign.group() for sign in _CERTAIN.finditer(one.plain))) for one in sentences if not one.asks]
    sure = [(one, signs) for one, signs in sure if signs]
    return Finding("sure" if sure else "no sign", tuple(sure))
