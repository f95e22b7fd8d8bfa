"""One report for each job the words of a recording can answer; every sentence of content in them is a quote."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

from hark.engines.builtin.meeting import Action, actions, decisions
from hark.engines.builtin.quoting import Heard, Recordings, Section, bullets, clock
from hark.engines.builtin.summary import keywords, summary
from hark.engines.builtin.tone import Finding, Intent, intents, sentiment, uncertainty
from hark.engines.builtin.words import normal, stem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hark.engines.builtin.prompts import Job
    from hark.engines.builtin.router import Request
    from hark.engines.builtin.sentences import Sentence

_SHOWN = 8  # lines of evidence, where a recording gives many
_WORDS_ONLY = "In words (the voice is not judged)"
_LABELS = {
    "no sign": "nothing that tells sure from unsure",
    "neutral": "neutral; no word of liking or disliking stands out",
}


def transcribe(heard: Recordings, request: Request) -> Section:
    """The text of each recording; with times, a line for each stretch."""
    parts, data = [], []
    for one in heard.heard:
        segments = [segment for segment in one.transcript.segments if segment.text.strip()]
        if request.times:
            text = "\n".join(f"[{clock(s.start)}] {s.text}" + (" (unsure)" if s.unsure else "") for s in segments)
        else:
            text = one.transcript.text
        text = text or "(nobody speaks)"
        parts.append(f"{one.name}:\n{text}" if len(heard.heard) > 1 else text)
        data.append({"clip": one.name, "text": one.transcript.text, "segments": [s.to_dict() for s in segments]})
    evidence = tuple(s for one in heard.heard for s in one.transcript.segments if s.text.strip())
    return Section("\n\n".join(parts), heard.sentences, data[0] if len(data) == 1 else data, evidence=evidence)


def summarise(heard: Recordings, request: Request) -> Section:
    """The sentences that carry the most."""
    chosen = summary(heard.sentences, request.sentences, request.words)
    return _quotes(heard, chosen)


def decided(heard: Recordings, _request: Request) -> Section:
    """The sentences in which something is decided."""
    chosen = tuple(item.sentence for item in decisions(heard.sentences))
    return _quotes(heard, chosen) if chosen else Section("No decision was recognised.", data=[])


def to_do(heard: Recordings, _request: Request) -> Section:
    """Action items with owner, task and deadline."""
    items = actions(heard.sentences)
    return items_of(heard, items) if items else Section("No action item was recognised.", data=[])


def items_of(heard: Recordings, items: Sequence[Action]) -> Section:
    """A line for each action item."""
    data = [
        {
            "owner": item.owner if item.named else None,
            "said_owner": item.owner,
            "task": item.task,
            "deadline": item.deadline or None,
        }
        | heard.data(item.sentence)
        | ({"unsure": True} if item.unsure else {})
        for item in items
    ]
    quoted = tuple(dict.fromkeys(item.sentence for item in items))
    return Section(bullets(_item(heard, item) for item in items), quoted, data)


def _item(heard: Recordings, item: Action) -> str:
    unnamed = "" if item.named or item.owner.endswith(")") else " (no name given)"
    when = f" ({item.deadline})" if item.deadline else ""
    between = " -" if len(heard.heard) > 1 else ""
    doubted = " (unsure)" if item.unsure else ""
    return f"{item.owner}{unnamed}{doubted}: {item.task}{when}{between} {heard.quote(item.sentence)}"


def intent(heard: Recordings, _request: Request) -> Section:
    """What each sentence is meant to do; of long recordings, those that are more than statements."""
    found = intents(heard.sentences)
    if len(found) > _SHOWN:
        counts = Counter(item.kind for item in found)
        head = "Sentences by intent: " + ", ".join(f"{kind} {n}" for kind, n in counts.most_common()) + "\n"
        shown = [item for item in found if item.kind not in ("statement", "greeting", "agreement", "thanks")][:_SHOWN]
    else:
        head, shown = "", list(found)
    lines = [_intended(heard, item) for item in shown]
    data = [
        {"intent": item.kind, "verb": item.verb or None, "object": item.object or None} | heard.data(item.sentence)
        for item in found
    ]
    return Section(
        head + (lines[0] if len(lines) == 1 and not head else bullets(lines)), tuple(i.sentence for i in shown), data
    )


def _intended(heard: Recordings, item: Intent) -> str:
    what = f" ({item.verb}: {item.object})" if item.verb and item.object else f" ({item.verb})" if item.verb else ""
    return f"{item.kind}{what} {heard.quote(item.sentence)}"


def feeling(heard: Recordings, _request: Request) -> Section:
    """Whether the words are positive, negative, mixed or neutral."""
    return _finding(heard, sentiment(heard.sentences), "sentiment")


def doubt(heard: Recordings, _request: Request) -> Section:
    """Whether the words sound unsure."""
    return _finding(heard, uncertainty(heard.sentences), "certainty")


def _finding(heard: Recordings, found: Finding, name: str) -> Section:
    shown = found.evidence[:_SHOWN]
    lines = [f"{heard.quote(sentence)} ({', '.join(words)})" for sentence, words in shown]
    text = f"{_WORDS_ONLY}: {_LABELS.get(found.label, found.label)}." + ("\n" + bullets(lines) if lines else "")
    data = {
        name: found.label,
        "evidence": [heard.data(sentence) | {"words": list(words)} for sentence, words in shown],
    }
    return Section(text, tuple(sentence for sentence, _ in shown), data)


def key_words(heard: Recordings, _request: Request) -> Section:
    """The words said most."""
    found = keywords(heard.sentences)
    return Section("Said most: " + ", ".join(found) if found else "No word stands out.", data=list(found))


def duration(heard: Recordings, _request: Request) -> Section:
    """How long each recording is."""
    several = len(heard.heard) > 1
    lines = [(f"{one.name}: " if several else "") + _length(one) for one in heard.heard]
    data = [{"clip": one.name, "seconds": round(one.transcript.duration, 3)} for one in heard.heard]
    return Section("\n".join(lines), data=data if several else data[0])


def _length(one: Heard) -> str:
    seconds = one.transcript.duration
    return f"{seconds:.1f} s" if round(seconds, 1) < 60 else clock(round(seconds))


def compare(heard: Recordings, _request: Request) -> Section:
    """Recordings side by side: length, words said most, what carries most; then what they and pairs of them share."""
    if len(heard.heard) < 2:
        alone = "There is only one recording, so there is nothing to compare it with."
        return Section(alone, data={"clips": [heard.heard[0].name], "common": []})
    words = [keywords(one.sentences, 12) for one in heard.heard]
    stems = [{stem(normal(word)) for sentence in one.sentences for word in sentence.tokens} for one in heard.heard]
    parts, quoted, data = list[str](), list[Any](), list[dict[str, Any]]()
    for i, one in enumerate(heard.heard):
        others = [stems[j] for j in range(len(stems)) if stems[j] != stems[i]]
        own = [word for word in words[i] if not any(stem(word) in other for other in others)]
        top = summary(one.sentences, 2)
        quoted.extend(top)
        lines = [f"{one.name}: {_length(one)}" + ("" if one.sentences else ", nobody speaks")]
        lines += [f"- only here: {', '.join(own)}"] if own else []
        parts.append("\n".join(lines + [f"- {heard.quote(sentence)}" for sentence in top]))
        data.append(
            {"clip": one.name, "seconds": one.transcript.duration, "only": own, "quotes": [*map(heard.data, top)]}
        )
    common = _shared(words, stems)
    pairs = list(_pairs(heard, words, stems, common))
    last = [f"{pair['clips'][0]} and {pair['clips'][1]}: {_in_pair(pair)}" for pair in pairs]
    if common or not pairs:
        last.append("In all: " + ", ".join(common) if common else "They share none of the words said most.")
    values = {"clips": data, "common": common, "pairs": pairs}
    return Section("\n\n".join([*parts, "\n".join(last)]), tuple(quoted), values)


def _shared(words: Sequence[Sequence[str]], stems: Sequence[set[str]]) -> list[str]:
    """The words said most that all of some recordings hold."""
    return [word for word in dict.fromkeys(w for some in words for w in some) if all(stem(word) in s for s in stems)]


def _pairs(
    heard: Recordings, words: Sequence[Sequence[str]], stems: Sequence[set[str]], common: list[str]
) -> Iterator[dict[str, Any]]:
    """The pairs of recordings that say the same, or share words that not all share."""
    said = [[token for sentence in one.sentences for token in sentence.tokens if token] for one in heard.heard]
    for i, j in combinations(range(len(said)), 2):
        same = bool(said[i]) and said[i] == said[j]
        shared = [word for word in _shared((words[i], words[j]), (stems[i], stems[j])) if word not in common]
        if same or shared:
            yield {"clips": [heard.heard[i].name, heard.heard[j].name], "same": same, "common": [] if same else shared}


def _in_pair(pair: dict[str, Any]) -> str:
    return "the same words" if pair["same"] else "both say " + ", ".join(pair["common"])


def _quotes(heard: Recordings, chosen: tuple[Sentence, ...]) -> Section:
    lines = [heard.quote(sentence) for sentence in chosen]
    return Section(lines[0] if len(lines) == 1 else bullets(lines), chosen, [heard.data(one) for one in chosen])


REPORTS: dict[Job, Callable[[Recordings, Request], Section]] = {
    "transcribe": transcribe,
    "summary": summarise,
    "decisions": decided,
    "actions": to_do,
    "intent": intent,
    "sentiment": feeling,
    "uncertainty": doubt,
    "keywords": key_words,
    "compare": compare,
    "duration": duration,
}
