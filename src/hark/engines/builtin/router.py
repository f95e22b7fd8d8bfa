"""Reads a prompt as people write it and says which jobs it asks for, or why they cannot be done."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hark.engines.builtin.patterns import Phrases
from hark.engines.builtin.prompts import (
    DUTY_OF,
    EVERY,
    FOLLOWS,
    JOBS,
    LIMITS,
    NUMBERS,
    ONLY_THOSE,
    PATTERNS,
    POLITE,
    SHORTHAND,
    SPECIFIC,
    SPLIT,
    VOCABULARY,
    Follow,
    Job,
)
from hark.engines.builtin.refusals import FOREIGN, Refusal, foreign, language, refusal
from hark.engines.builtin.words import apart_by_one, expand, normal, stem

TASKS: dict[str, tuple[Job, ...]] = {job: (job,) for job in JOBS} | {"notes": ("summary", "decisions", "actions")}


_TIMES = Phrases("time ?stamps?|time ?codes?|with (the )?times?")
_WORDS = Phrases(r"(?P<number>\d+|ten|twelve) words?")
_COUNT = Phrases(
    "(?P<number>NUMBER) ((short|brief|main|key|most|important|simple|concise|bullet) )*POINT",
    {
        "NUMBER": r"\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|a single|a",
        "POINT": "sentences?|points?|bullets?|lines?|takeaways?|highlights?|ideas?",
    },
)
_BRIEF = Phrases("brief|briefly|short|shortly|quick|quickly|concise|concisely|tl ?dr|nutshell")
_LONG = Phrases("detailed|in detail|(?<!how )long|thorough|comprehensive")
_QUESTION = Phrases(
    """
    ^((in|at|on|by|for|to|with|from|of|about|until) )?(what|who|whom|whose|when|where|why|how|which|HELPER)
    """,
    {"HELPER": "is|are|was|were|do|does|did|has|have|had|can|could|will|would|should"},
)


@dataclass(frozen=True)
class Request:
    """What a prompt asks for.

    Attributes:
        jobs: what is wanted, in the order of the answer; empty where it is refused.
        question: the question as asked, for the job `question`.
        follow: how the question leans on the answer before: `next` (and then?), `more` (what else?), `kind` (when?);
            `courtesy` (thank you) asks nothing.
        sentences, words: how long a summary may be.
        every: whether it is about all clips of the conversation, not only those given last.
        times: whether a transcript is wanted with times.
        limits: sentences on what of it cannot be done.
        refusal: why nothing of it is done.
    """

    jobs: tuple[Job, ...]
    question: str = ""
    follow: Follow = ""
    sentences: int | None = None
    words: int | None = None
    every: bool = False
    times: bool = False
    limits: tuple[str, ...] = ()
    refusal: Refusal | None = None


def route(prompt: str, task: str | None = None) -> Request:
    """Say what a prompt asks for; a task named beforehand decides, and its prompt only sets the length.

    A prompt without words asks for a transcript. What cannot be done comes back with `refusal` set and no jobs.
    """
    parts = {
        part.strip(): clause
        for part in re.split(SPLIT, _clean(prompt), flags=re.IGNORECASE)
        if (clause := _plain(part))
    }
    clauses = list(parts.values())
    whole = " ".join(clauses)
    asked = re.sub(r"[^\w' ]", " ", _clean(prompt).lower()).split()
    length = _length(whole)
    if task is not None:
        return _for_task(task, prompt, clauses, length)
    follow = _follow(" ".join(map(expand, asked)))
    if follow:
        return Request(("question",), question=prompt.strip(), follow=follow)
    if not clauses:
        return Request(("transcribe",))
    if foreign(whole):
        return Request((), refusal=FOREIGN)
    refused = next(filter(None, map(refusal, clauses)), None)
    if refused:
        return Request((), refusal=refused)
    jobs, questions = _jobs(parts)
    limits = tuple(text for phrases, text in LIMITS if phrases.search(whole))
    return Request(
        tuple(job for job in JOBS if job in jobs),
        question=" ".join(questions),
        sentences=length[0],
        words=length[1],
        every="compare" in jobs or bool(EVERY.search(whole)),
        times=bool(_TIMES.search(whole)),
        limits=limits,
    )


def asks(said: str) -> bool:
    """Are these words, as somebody spoke them, a question or a wish? All else is told, to be asked about later."""
    clauses = [clause for part in re.split(SPLIT, _clean(said), flags=re.IGNORECASE) if (clause := _plain(part))]
    words = re.sub(r"[^\w' ]", " ", _clean(said).lower()).split()
    if _follow(" ".join(map(expand, words))):
        return True
    return any(_QUESTION.match(clause) or _of(clause, clause) or refusal(clause) for clause in clauses)


def _follow(asked: str) -> Follow:
    return next((kind for kind, phrases in FOLLOWS.items() if phrases.fullmatch(asked)), "")


def _for_task(task: str, prompt: str, clauses: list[str], length: tuple[int | None, int | None]) -> Request:
    if task not in TASKS:
        known = ", ".join(sorted(TASKS))
        return Request((), refusal=Refusal(f"The offline default has no task {task!r}.", f"Its tasks are {known}."))
    refused = next(filter(None, map(language, clauses)), None)
    if refused:
        return Request((), refusal=refused)
    question = prompt.strip() if task == "question" else ""
    every = any(map(EVERY.search, clauses))
    return Request(TASKS[task], question=question, sentences=length[0], words=length[1], every=every)


def _clean(prompt: str) -> str:
    prompt = re.sub(r"\btl ?; ?dr\b", "tldr", prompt, flags=re.IGNORECASE)
    text = re.sub(r"<\|[^|>]*\|>|<audio>|</audio>|\[audio\]", " ", prompt, flags=re.IGNORECASE)
    return re.sub(r"[ \t]+", " ", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).strip(" \"'`")


def _plain(clause: str) -> str:
    words = [
        expand(SHORTHAND.get(word, word))
        for part in clause.replace("-", " ").replace("/", " ").split()
        if (word := normal(part))
    ]
    words = [_corrected(word) for word in words]
    return POLITE.sub("", " ".join(words) + " ").removesuffix("please ").strip()


def _corrected(word: str) -> str:
    """A word of the vocabulary that is misspelt by one letter, put right."""
    if len(word) < 6 or word in VOCABULARY:
        return word
    return next((known for known in VOCABULARY if _misspelt(word, known)), word)


def _misspelt(word: str, known: str) -> bool:
    return known[0] == word[0] and apart_by_one(known, word) and stem(known) != stem(word)


def _jobs(parts: dict[str, str]) -> tuple[set[Job], list[str]]:
    """The jobs of all clauses (plain words by words as given), and the clauses that ask about the content."""
    jobs: set[Job] = set()
    questions = []
    for given, clause in parts.items():
        found = _of(given, clause)
        if not found and (_QUESTION.match(clause) or len(parts) == 1):
            questions.append(given)
            found = {"question"}
        jobs |= found
    if not jobs:
        return {"question"}, [list(parts)[-1]]
    return jobs, questions


def _of(given: str, clause: str) -> set[Job]:
    found: set[Job] = {job for job, phrases in PATTERNS.items() if phrases.search(clause)}
    listed = re.search(r"summar\w*[^,]*,", given, re.IGNORECASE)
    if found & {"decisions", "actions"} and not listed and ONLY_THOSE.search(clause):
        found.discard("summary")
    if found and (SPECIFIC.search(clause) or DUTY_OF.match(clause)):
        return set()
    return found


def _length(whole: str) -> tuple[int | None, int | None]:
    """How many sentences, and how many words, a prompt allows."""
    words, count = _WORDS.search(whole), _COUNT.search(whole)
    allowed = _number(words["number"]) if words else None
    if count:
        return max(1, _number(count["number"])), allowed
    if _BRIEF.search(whole):
        return 2, allowed
    return (12, allowed) if _LONG.search(whole) else (None, allowed)


def _number(word: str) -> int:
    return int(word) if word.isdigit() else NUMBERS.get(word, 1)
