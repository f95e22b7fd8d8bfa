"""Who is to do what, by the words of a sentence: "daniel will fix", "can you ask", "please send"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hark.engines.builtin.deadlines import deadline
from hark.engines.builtin.names import EVERYBODY, GROUPS, MAYBE_NAMES, NAMES, NOBODY
from hark.engines.builtin.owners import LEAD, Owner, owner_before, speaker
from hark.engines.builtin.patterns import Phrases
from hark.engines.builtin.words import STOP

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from hark.engines.builtin.owners import Kind
    from hark.engines.builtin.sentences import Sentence

# Who, then a word of duty, then a verb. The verb decides whether it is work or only talk.
_DUTY = Phrases(
    r"(?P<duty>MUST( (also|then|now|please|just|still|probably|all|both))*) (?P<verb>(?!not\b)[a-z]+)",
    {
        "MUST": """
        will|shall|must|should|can
        (is|are|am) going to
        needs? to|ha(s|ve) to|ha(s|ve) got to|ought to
        (is|are|am) supposed to
        (promised?|agreed|offer|offered|volunteer|volunteered) to
        (?<='s )(going|supposed|got) to
        """
    },
)
_REQUEST = Phrases("(can|could|would|will) (?P<who>you|someone|somebody|anyone|anybody)( please)? (?P<verb>[a-z]+)")
_PLEASE = Phrases("please ((?P<who>[a-z]+) )?(?P<verb>[a-z]+)")
_LET_ME = Phrases("let me (?P<verb>[a-z]+)")
_CHARGE = Phrases(
    "IN_CHARGE (?P<verb>(the )?[a-z]+)",
    {
        "IN_CHARGE": """
        (is|are|am|will be) (responsible for|in charge of|taking care of|assigned to)
        takes? care of
        """
    },
)
_WANTED = Phrases("(i|we) (need|want|would like|asked|told|expect) (?P<who>[a-z]+) to (?P<verb>[a-z]+)")
_REMIND = Phrases(
    """
    (do not forget to|remember to|be sure to) (?P<verb>[a-z]+)
    (?P<sure>make sure)(?= )
    """
)
_TOLD = Phrases(
    "^(AND )*((?P<who>[a-z]+) )?(?P<verb>[a-z]+) (the|a|an|this|that|it|us|me|him|her|them|our|your|all)",
    {"AND": "and|so|then|okay|ok|also|now|well"},
)
_ITEM = Phrases(
    "ITEM( (for|is for|goes to) (?P<who>[a-z]+))?( (is|are))?( (to|that))? (?P<verb>[a-z]+)",
    {"ITEM": "action items?|action points?|to ?dos?|next steps?"},
)

# Verbs after which nothing is promised or asked: states, feelings, talk about talking.
_NO_WORK = frozenset(
    """be become begin believe belong care come cost depend die disagree eat enjoy exist fall feel forget get_up go
    happen hate have hear hope imagine keep know laugh leave lie like listen live look lose love matter mean mind
    miss need never not notice rain realise realize regret remain remember rest say see seem sit sleep smile snow
    stand start stay suffer suppose talk think understand wait want win wish wonder admit agree always only probably
    discuss decide also been hang appreciate continue stop tell_you welcome thank bet guess promise assume excuse
    let ask_myself retire increase decrease continue rise grow cry work run speak pass repeat_that quit survive
    travel excuse join""".split()
)
# Of these, some are work when something follows: "go to the bank", "talk to marketing", "join the call".
_WORK_WITH = Phrases(
    r"""
    ^do (the|a|all|that|it|this)
    ^let (me|us) know
    ^(talk|speak) (to|with) (?!you\b|each\b|me\b|us\b)\w+
    ^ask \w+|discuss .* with(?= )
    ^have (the|a) .* ready
    ^look (into|after|for|at THE)
    ^(run|start) (THE|a|an|another|any|some|all)
    ^work (on|out)|start on|decide (on|about|which|whether)
    ^(go (to|through|over)|join|increase|repeat) THE
    ^stop (THE|using)|continue (THE|with THE|to)
    ^keep (THE|an eye)
    ^pass (the|this|that|it)(?= )
    ^be (responsible for|in charge of|sending|preparing|writing|handling|fixing|doing|working on|leading|organi[sz]ing)
    ^get (?!up|old|there|here|better|worse|tired|used)\w+
    """,
    {"THE": "the|their|them|these"},
)
# What "I" and "we" say of themselves must be work plainly; anyone may say "I will cry".
WORK = frozenset(
    """add adjust analyse lock hand analyze announce apply approve arrange ask assemble assign attach audit back backup
    bake book bring build buy calculate calibrate call cancel change charge check choose clean clear collect compare
    complete configure confirm connect contact coordinate copy correct create cut debug deal decorate define delete
    deliver deploy design develop document download draft draw drive edit email evaluate examine explain export
    extend fetch figure file fill find finish fix follow forward gather get give handle help hire implement improve
    inform inspect install integrate interview investigate invite label look maintain make mail measure merge
    migrate monitor move notify offer order organise organize pack paint patch pay phone pick plan post prepare
    present print process produce provide publish purchase push put reach rebuild record recruit refactor refill
    register release remind remove rename renew rent repair repeat replace reply report request research reserve
    reset resolve respond restart restore return review revise rewrite rotate run scan schedule search sell send
    separate set setup share ship show sign solve sort speak store study submit supply take talk tell test track
    train transfer translate type update upgrade upload verify visit wash write work double water feed empty fold
    wrap load unload sew ping sync circulate compile cover drop""".split()
)
_HARMLESS_REQUESTS = frozenset(
    "hear see believe imagine tell repeat say explain guess feel help understand stop".split()
)
_OPENING = frozenset(
    "start begin say tell see think introduce add explain know ask finish just go be guess show".split()
)
_TO_LISTENERS = Phrases(
    "^(give|show|ask|call|take|explain|bring|repeat) (you|a (break|look|moment|seat)|it a|an example)"
)


@dataclass(frozen=True)
class Duty:
    """Somebody's task, which starts at `verb` in the plain text of the sentence."""

    owner: Owner
    verb: int


def duties(sentence: Sentence) -> tuple[Duty, ...]:
    """All duties in a sentence, in order of their verbs; where two patterns meet in one verb, the named owner stays."""
    found: dict[int, Duty] = {}
    for duty in _all(sentence):
        if duty.verb not in found or (duty.owner.named and not found[duty.verb].owner.named):
            found[duty.verb] = duty
    return tuple(found[verb] for verb in sorted(found))


def _all(sentence: Sentence) -> Iterator[Duty]:
    said = sentence.plain
    yield from _requests(sentence)
    if sentence.asks:
        return
    for match in _DUTY.finditer(said):
        owner = owner_before(sentence, match.start())
        if owner and _is_work(owner, match["duty"], said[match.start("verb") :]):
            yield Duty(owner, match.start("verb"))
    for match in _CHARGE.finditer(said):
        owner = owner_before(sentence, match.start())
        if owner and owner.kind in ("name", "group", "speaker"):
            yield Duty(owner, match.start("verb"))
    for match in _LET_ME.finditer(said):
        if match["verb"] in WORK and match["verb"] not in _OPENING:
            yield Duty(Owner(speaker(sentence), match.start(), "speaker"), match.start("verb"))
    if (item := _ITEM.search(said)) and not _DUTY.search(said) and item["verb"] not in STOP | _NO_WORK:
        who = item["who"] if item["who"] in NAMES | GROUPS else None
        owner = Owner(who.title(), item.start(), "name") if who else Owner("someone", item.start(), "nobody")
        yield Duty(owner, item.start("verb"))


def _requests(sentence: Sentence) -> Iterator[Duty]:
    said = sentence.plain
    for match in _REQUEST.finditer(said):
        name = owner_before(sentence, match.start())
        if name and name.kind != "name":
            name = None
        verb, phrase = match["verb"], said[match.start("verb") :]
        if verb in _HARMLESS_REQUESTS or not (_works(phrase) if name else verb in WORK):
            continue
        listener = match["who"] == "you"
        yield Duty(
            name or Owner(match["who"], match.start(), "listener" if listener else "nobody"), match.start("verb")
        )
    for match in _PLEASE.finditer(said):
        yield from _please(sentence, match)
    yield from _orders(sentence)


def _orders(sentence: Sentence) -> Iterator[Duty]:
    """Orders without a please: "martha send the report", "do not forget to lock the door"."""
    said = sentence.plain
    you = Owner("you", 0, "listener")
    told = _TOLD.match(said)
    if told and told["verb"] in WORK and (told["who"] in NAMES if told["who"] else deadline(said)):
        owner = Owner(told["who"].title(), told.start("who"), "name") if told["who"] else you
        yield Duty(owner, told.start("verb"))
    for match in _WANTED.finditer(said):
        kind = _kind_of(match["who"])
        if kind and match["verb"] in WORK:
            shown = match["who"].title() if kind == "name" else match["who"]
            yield Duty(Owner(shown, match.start(), kind), match.start("verb"))
    for match in _REMIND.finditer(said):
        before = said[: match.start()].split()
        if match["sure"] and not before:
            yield Duty(you, match.start("sure"))
        elif match["verb"] in WORK and (not before or before[-1] in LEAD | {"please"}):
            yield Duty(Owner("you", match.start(), "listener"), match.start("verb"))


def _kind_of(word: str) -> Kind | None:
    if word in NAMES:
        return "name"
    if word in GROUPS:
        return "group"
    return "listener" if word == "you" else "nobody" if word in NOBODY else "all" if word in EVERYBODY else None


def _please(sentence: Sentence, match: re.Match[str]) -> Iterator[Duty]:
    said = sentence.plain
    before = owner_before(sentence, match.start())
    if match["who"] and (match["who"] in NAMES or match["who"] in MAYBE_NAMES):
        owner, verb = Owner(match["who"].title(), match.start(), "name"), match.start("verb")
    else:
        verb = match.start("who") if match["who"] else match.start("verb")
        known = before if before and before.kind in ("name", "group") else None
        owner = known or Owner("you", match.start(), "listener")
    first = said[verb:].split(" ", 1)[0]
    if first in _HARMLESS_REQUESTS or first in _OPENING - {"ask", "finish", "introduce", "add"}:
        return
    if first in WORK or (owner.named and _works(said[verb:]) and first not in STOP):
        yield Duty(owner, verb)


def _works(phrase: str) -> bool:
    """Whether a verb and what follows is something that gets done, rather than a state, a feeling or talk."""
    verb = phrase.split(" ", 1)[0]
    return bool(_WORK_WITH.match(phrase)) or verb not in _NO_WORK


def _is_work(owner: Owner, duty: str, phrase: str) -> bool:
    if _TO_LISTENERS.match(phrase) or not _works(phrase):
        return False
    plainly = phrase.split(" ", 1)[0] in WORK or bool(_WORK_WITH.match(phrase))
    if owner.kind in ("all", "third") and duty.startswith(("agreed", "promised", "offered")):
        return False  # told of the past: a decision, or a story
    soft = duty.startswith(("should", "ought", "can"))
    dated = deadline(phrase) is not None
    match owner.kind:
        case "name" | "group":
            return plainly and dated if duty.startswith("can") else plainly or not soft
        case "speaker" | "all" | "nobody":
            return plainly and (dated or not soft)
        case "third":
            return plainly and (dated or not duty.startswith(("will", "shall", "should", "ought", "can")))
        case _:
            return plainly and dated
