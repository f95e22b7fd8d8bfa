"""Whole numbers as they are said."""

from __future__ import annotations

import re

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()


def spelled(number: int) -> str:
    """A number in English words (`forty two`); digit by digit from a thousand on, and behind `minus` below 0."""
    if number < 0:
        return f"minus {spelled(-number)}"
    if number < 20:
        return _SMALL[number]
    if number < 100:
        return " ".join([_TENS[number // 10], *([_SMALL[number % 10]] if number % 10 else [])])
    if number < 1000:
        rest = [spelled(number % 100)] if number % 100 else []
        return " ".join([_SMALL[number // 100], "hundred", *rest])
    return " ".join(_SMALL[int(digit)] for digit in str(number))


def words(text: str) -> list[str]:
    """The words of a text as they are said: lower case, numbers spelled out, `%` as percent, no punctuation."""
    text = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("%", " percent ")
    text = re.sub(r"\d+", lambda found: f" {spelled(int(found[0][:30]))} ", text)
    return [word for word in (raw.strip("'") for raw in re.findall(r"[^\W_]+(?:'[^\W_]+)*'?", text)) if word]
