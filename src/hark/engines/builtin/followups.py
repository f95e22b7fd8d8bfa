"""Questions answered by quoting, and the ones that lean on the answer before: "and then?", "what else?", "when?"."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from hark.engines.builtin.duties import duties
from hark.engines.builtin.meeting import actions
from hark.engines.builtin.patterns import Phrases
from hark.engines.builtin.prompts import DUTY_OF
from hark.engines.builtin.quoting import Recordings, Section, bullets
from hark.engines.builtin.reports import REPORTS, items_of
from hark.engines.builtin.retrieve import ANSWERED, Question, retrieve
from hark.engines.builtin.router import Request, route
from hark.engines.builtin.summary import summary
from hark.engines.builtin.tone import WORRY, intents
from hark.engines.builtin.words import expand, normal

if TYPE_CHECKING:
    from hark.engines.builtin.meeting import Action
    from hark.engines.builtin.sentences import Sentence

Earlier = tuple[tuple[str, str], ...]

_ALONE = "There is no earlier answer to go on from."
_UNQUOTED = "The earlier answer quotes nothing that could be gone on from."
_NOT_CLOSE = "Nothing in the recording answers this closely; the nearest is:"
NOTHING_ASKED = "Nothing was asked; ask what was said, decided or heard in the recording."
_WANTS = Phrases(
    """
    ^what (does|do|did|would|will) ((the|this|that) )?PERSON (want|order|request|need|ask for|wish|(like|love) to)
    """,
    {"PERSON": "person|speaker|man|woman|customer|caller|guest|user|client|guy|lady|he|she|they|someone|somebody"},
)
_WORRIES = Phrases(
    r"""
    ^what (is|are|was|were|does|do|did) (\w+ ){1,2}?((most|so|really) )?WORRIED( (about|of))?$
    """,
    {"WORRIED": "worry|worried|concerned|afraid|nervous|scared|anxious|fear"},
)
_LEANS = re.compile(r"\b(?:it|that|this|them|they|these|those|he|she|him|her|there)\b", re.IGNORECASE)
_MORE = 3


def answer(heard: Recordings, request: Request, earlier: Earlier) -> Section:
    """The sentences that answer a question, best first, or an honest word that none does."""
    if request.follow == "courtesy":
        return Section(NOTHING_ASKED, data=[])
    if request.follow == "next":
        return _next(heard, earlier)
    if request.follow == "more":
        return _further(heard, earlier)
    question = Question.of(request.question)
    if request.follow == "kind" or (len(question.stems) < 2 and _LEANS.search(request.question)):
        question = replace(question, stems=tuple(dict.fromkeys((*question.stems, *_topic(heard, earlier)))))
    if request.follow == "kind" and not question.stems:
        return _nothing(earlier)
    return _told(heard, request.question) or _matched(heard, question)


def _told(heard: Recordings, question: str) -> Section | None:
    """What somebody is to do, wants or worries about; None where it is not asked or not found."""
    plain = " ".join(expand(normal(word)) for word in question.split())
    if to_do := DUTY_OF.match(plain):
        items = [item for item in actions(heard.sentences) if _owns(to_do["who"], item)]
        return items_of(heard, items) if items else None
    if _WORRIES.match(plain):
        chosen = tuple(sentence for sentence in heard.sentences if WORRY.search(sentence.plain))
        return _listed(heard, chosen[: 2 * _MORE], "") if chosen else None
    if _WANTS.match(plain):
        wished = (item.sentence for item in intents(heard.sentences) if item.kind in ("order", "request"))
        # What somebody else is to do is no wish of the speaker's own.
        chosen = tuple(one for one in wished if all(duty.owner.kind == "listener" for duty in duties(one)))
        return _listed(heard, chosen[:_MORE], "") if chosen else None
    return None


def _owns(who: str, item: Action) -> bool:
    """Whether a person or group asked for is the owner of an item, or one of them."""
    asked = {normal(word) for word in who.split()} - {"the", "our", "my"}
    return item.named and asked <= {normal(word) for word in item.owner.split()}


def _matched(heard: Recordings, question: Question) -> Section:
    found = retrieve(question, heard.sentences)
    if not found:
        return Section("Nothing in the recording answers this.", data=[])
    lines = [(f"{match.short} - " if match.short else "") + heard.quote(match.sentence) for match in found]
    data = [
        heard.data(match.sentence) | {"answer": match.short or None, "match": round(match.share, 2)} for match in found
    ]
    text = lines[0] if len(lines) == 1 else bullets(lines)
    if not found[0].answers:
        unexplained = question.kind == "why" and found[0].share >= ANSWERED
        lead = "No reason is given; nearest:" if unexplained else _NOT_CLOSE
        text = f"{lead}\n{text}"
    return Section(text, tuple(match.sentence for match in found), data)


def _nothing(earlier: Earlier) -> Section:
    """What is said where there is nothing to go on from: no answer, or one without a quote."""
    return Section(_ALONE if _leading(earlier)[0] is None else _UNQUOTED, data=[])


def _next(heard: Recordings, earlier: Earlier) -> Section:
    """What was said after the answer before."""
    before = _quoted(heard, earlier)
    if not before:
        return _nothing(earlier)
    every = heard.sentences
    last = max(i for i, sentence in enumerate(every) if sentence in before)
    following = every[last + 1 : last + 1 + _MORE]
    return _listed(heard, following, "Nothing is said after that.")


def _further(heard: Recordings, earlier: Earlier) -> Section:
    """What else answers the question before."""
    request, _ = _leading(earlier)
    if request is None:
        return Section(_ALONE, data=[])
    given = _quoted(heard, earlier)
    if not given:
        return _nothing(earlier)
    if "question" in request.jobs:
        found = retrieve(Question.of(request.question), heard.sentences, most=len(given) + _MORE)
        others = tuple(match.sentence for match in found if match.answers and match.sentence not in given)
    else:
        others = tuple(sentence for sentence in summary(heard.sentences, len(given) + _MORE) if sentence not in given)
    return _listed(heard, others, "Nothing else in the recording answers this.")


def _listed(heard: Recordings, chosen: tuple[Sentence, ...], otherwise: str) -> Section:
    lines = [heard.quote(sentence) for sentence in chosen]
    text = lines[0] if len(lines) == 1 else bullets(lines)
    return Section(text or otherwise, chosen, [heard.data(sentence) for sentence in chosen])


def _leading(earlier: Earlier) -> tuple[Request | None, Earlier]:
    """The last prompt that stands by itself, and what came before it."""
    for i in range(len(earlier) - 1, -1, -1):
        request = route(earlier[i][0])
        if request.jobs and not request.follow:
            return request, earlier[:i]
    return None, ()


def _topic(heard: Recordings, earlier: Earlier) -> tuple[str, ...]:
    """What the conversation is about: the stems of the last question, else of the sentence quoted first."""
    request, rest = _leading(earlier)
    if request is None:
        return ()
    if "question" in request.jobs:
        return Question.of(request.question).stems
    quoted = _sentences(heard, request, rest)
    return quoted[0].stems if quoted and quoted != heard.sentences else ()


def _quoted(heard: Recordings, earlier: Earlier) -> tuple[Sentence, ...]:
    """Every sentence quoted since the last prompt that stands by itself, worked out anew."""
    request, rest = _leading(earlier)
    if request is None:
        return ()
    quoted = list(_sentences(heard, request, rest))
    for i in range(len(rest) + 1, len(earlier)):
        later = route(earlier[i][0])
        if later.follow:
            quoted.extend(answer(heard, later, earlier[:i]).quoted)
    return tuple(quoted)


def _sentences(heard: Recordings, request: Request, rest: Earlier) -> tuple[Sentence, ...]:
    found: list[Sentence] = []
    for job in request.jobs:
        if job == "question":
            found.extend(answer(heard, request, rest).quoted)
        elif job in REPORTS:
            found.extend(REPORTS[job](heard, request).quoted)
    return tuple(found)
