"""English words as the offline default compares them: normalised, expanded, stemmed, alike in sound or spelling."""

from __future__ import annotations

import re
from functools import lru_cache

STOP = frozenset(
    """a about above after again all also am an and any anybody anyone anything are as at away back be because been
    before being but by can could did do does doing done down each else even ever every everybody everyone few for
    from get gets getting go goes going gone got had has have having he her here hers him his how i if in into is it
    its just let like lot made make makes many maybe me might more most much must my no nor not now of off oh okay
    on once one only or other our ours out over own please quite really right s said same say says see shall she
    should so some somebody someone something still such t than that the their them then there these they thing
    things this those through to today too uh um under until up us very was way we well went were what when where
    which while who whom whose why will with would yeah yes yet you your yours""".split()
)

_CONTRACTIONS = {
    "won't": "will not",
    "can't": "can not",
    "cannot": "can not",
    "shan't": "shall not",
    "let's": "let us",
    "gonna": "going to",
    "gotta": "got to",
    "wanna": "want to",
    "ain't": "is not",
    "y'all": "you all",
}
_ENDINGS = {"n't": " not", "'ll": " will", "'re": " are", "'ve": " have", "'m": " am", "'d": " would"}
_IS = frozenset("it that this he she there here what who where when how everything everyone".split())

_IRREGULAR = {
    form: base
    for base, forms in {
        "be": "was were been am is are being",
        "begin": "began begun",
        "break": "broke broken",
        "bring": "brought",
        "build": "built",
        "buy": "bought",
        "catch": "caught",
        "choose": "chose chosen",
        "come": "came",
        "cost": "costs costing",
        "decide": "decision decisions",
        "do": "did done does",
        "draw": "drew drawn",
        "drive": "drove driven",
        "eat": "ate eaten",
        "fall": "fell fallen",
        "feel": "felt",
        "find": "found",
        "fly": "flew flown",
        "forget": "forgot forgotten",
        "get": "got gotten",
        "give": "gave given",
        "go": "went gone goes",
        "grow": "grew grown",
        "have": "had has",
        "hear": "heard",
        "hold": "held",
        "keep": "kept",
        "know": "knew known",
        "lead": "led",
        "leave": "left",
        "lose": "lost",
        "make": "made",
        "mean": "meant",
        "meet": "met meeting meetings",
        "pay": "paid payment payments",
        "ride": "rode ridden",
        "rise": "rose risen",
        "run": "ran",
        "say": "said says",
        "see": "saw seen",
        "sell": "sold",
        "send": "sent",
        "show": "shown",
        "sing": "sang sung",
        "sit": "sat",
        "sleep": "slept",
        "speak": "spoke spoken",
        "spend": "spent",
        "stand": "stood",
        "steal": "stole stolen",
        "swim": "swam swum",
        "take": "took taken",
        "teach": "taught",
        "tell": "told",
        "think": "thought",
        "throw": "threw thrown",
        "wake": "woke woken",
        "wear": "wore worn",
        "win": "won",
        "write": "wrote written",
        "child": "children",
        "man": "men",
        "woman": "women",
        "person": "people",
        "foot": "feet",
        "tooth": "teeth",
        "mouse": "mice",
    }.items()
    for form in forms.split()
}
_UNCHANGED = frozenset("news always perhaps series species lens during morning evening nothing".split())
_VOWEL = re.compile("[aeiouy]")
_DOUBLED = re.compile(r"([bdfgmnprt])\1$")
_SOUND = str.maketrans("bfpvcgjkqsxzdtlmnr", "111122222222334556")


def normal(word: str) -> str:
    """A word in lower case without the punctuation around it ("Friday," becomes "friday")."""
    return word.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").strip(".,;:!?\"'()[]{}<>-…“”*¿¡")


@lru_cache(maxsize=65_536)
def expand(word: str) -> str:
    """A normal word with its contraction written out ("we'll" becomes "we will"); others come back as they are."""
    if word in _CONTRACTIONS:
        return _CONTRACTIONS[word]
    for ending, full in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return word[: -len(ending)] + full
    if word.endswith("'s") and word[:-2] in _IS:
        return word[:-2] + " is"
    return word


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The stem of a normal English word: irregular forms by table, else steps 1a to 1c of Porter's algorithm.

    Source: M. F. Porter, An algorithm for suffix stripping, Program 14 (1980); a final silent e is dropped as well,
    so that "schedule" and "scheduling" meet.
    """
    word = word.removesuffix("'s").removesuffix("'")
    word = _IRREGULAR.get(word, word)
    if word in _UNCHANGED:
        return word
    if len(word) < 3:
        return word
    if word.endswith("sses") or (word.endswith("ies") and len(word) > 4):
        word = word[:-2]
    elif word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("eed", "ed", "ing"):
        rest = word.removesuffix(ending)
        if rest == word:
            continue
        if ending != "eed" and len(rest) > 2 and _VOWEL.search(rest):
            word = _DOUBLED.sub(r"\1", rest)
        break
    if word[-1] in "yi" and not _VOWEL.match(word[-2]):
        return word[:-1] + "i"
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


@lru_cache(maxsize=65_536)
def sound(word: str) -> str:
    """A key that words alike in sound share (Soundex without its cut at four signs)."""
    head, tail = word[:1], re.sub("[^a-z]", "", word[1:])
    digits = re.sub("[aeiouyhw]", "", re.sub(r"(.)\1+", r"\1", tail.translate(_SOUND)))
    return head.translate(_SOUND) + digits


def alike(one: str, other: str) -> float:
    """How alike two stems are, 0..1: 1 when equal, 0.7 one letter apart, 0.5 when they sound alike."""
    if one == other:
        return 1.0
    if min(len(one), len(other)) < 4:
        return 0.0
    if one[0] == other[0] and apart_by_one(one, other):
        return 0.7
    key = sound(one)
    return 0.5 if len(key) >= 3 and key == sound(other) else 0.0


def apart_by_one(one: str, other: str) -> bool:
    """Whether two words differ by one letter added, missing, changed or swapped with its neighbour."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[same:], other[same:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
