"""When a deadline is, from the words it was said in and the day on which they were said (English)."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTHS = "january february march april may june july august september october november december".split()
_FRIDAY, _SUNDAY = 4, 6
_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
_NUMBERS = {word: number for number, word in enumerate(_ONES)} | {
    "a": 1, "an": 1, "a couple of": 2, "a few": 3, "few": 3, "couple of": 2, "twenty": 20, "thirty": 30, "sixty": 60,
    "ninety": 90,
}  # fmt: skip
_TENTHS = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
    fifteenth sixteenth seventeenth eighteenth nineteenth twentieth""".split()
_ORDINALS = {word: number for number, word in enumerate(_TENTHS, 1)} | {"thirtieth": 30}
_ORDINALS |= {f"{tens}{gap}{one}": n + i for tens, n in (("twenty", 20), ("thirty", 30)) for gap in " -"
              for i, one in enumerate(_TENTHS[:9], 1)}  # fmt: skip

_DAY, _MONTH = "|".join(_DAYS), "|".join(_MONTHS)
_ORDINAL = r"\d{1,2}(?:st|nd|rd|th)|" + "|".join(sorted(_ORDINALS, key=len, reverse=True))
_COUNT = r"\d+|" + "|".join(sorted(_NUMBERS, key=len, reverse=True))


def due(said: str, today: date) -> date | None:
    """The last day on which a deadline is kept; None where the words set no day ("soon", "before the launch").

    A weekday is the next one after today, with `next` that of the week after this one (weeks begin on Monday). The end
    of a week, and a week alone, is its Friday; of a month, quarter or year its last day. "Before" a day is the day
    before it. What was said at a time of day is due today.
    """
    text = " ".join(re.sub(r"[^\w\s:.-]", " ", said.lower()).split()).rstrip(".")
    before = bool(re.match(r"before\b", text))
    for pattern, when in _RULES:
        if found := re.search(rf"\b(?:{pattern})(?!\w)", text):
            try:
                day = when(found, today)
            except (ValueError, OverflowError):  # the 31st of June; in ninety thousand years
                return None
            return day - timedelta(days=1) if before and day is not None and day > today else day
    return None


def _weekday(found: re.Match[str], today: date) -> date:
    wanted = _DAYS.index(found["day"])
    if found["next"]:
        return _monday(today, 1) + timedelta(days=wanted)
    if found["week"]:
        return _monday(today, 1) + timedelta(days=wanted)
    return today + timedelta(days=(wanted - today.weekday() - 1) % 7 + 1)


def _monday(today: date, weeks: int) -> date:
    return today + timedelta(days=7 * weeks - today.weekday())


def _of_week(found: re.Match[str], today: date) -> date:
    first = _monday(today, int("next" in found.group() or "following" in found.group()))
    if "beginning" in found.group() or "start" in found.group():
        return first
    last = _SUNDAY if "weekend" in found.group() else 2 if "middle" in found.group() else _FRIDAY
    day = first + timedelta(days=last)
    return day if day >= today else first + timedelta(days=_SUNDAY)


def _of_span(found: re.Match[str], today: date) -> date:
    """The last day of a month, a quarter or a year; its first where the beginning was said."""
    size = {"month": 1, "quarter": 3, "year": 12}[found["unit"]]
    first = today.year * 12 + (today.month - 1) // size * size + size * ("next" in found.group())
    if "beginning" in found.group() or "start" in found.group():
        return date(first // 12, first % 12 + 1, 1)
    if "middle" in found.group():
        return _end(first + (size - 1) // 2).replace(day=15)
    return _end(first + size - 1)


def _end(month: int) -> date:
    """The last day of a month counted from the year 0."""
    year, number = month // 12, month % 12 + 1
    return date(year, number, calendar.monthrange(year, number)[1])


def _ahead(found: re.Match[str], today: date) -> date | None:
    count = int(found["count"]) if found["count"].isdigit() else _NUMBERS[found["count"]]
    unit = found["unit"].rstrip("s")
    if unit in ("minute", "hour"):
        return today if count * (1 if unit == "hour" else 1 / 60) <= 12 else today + timedelta(days=round(count / 24))
    if unit in ("working day", "business day"):
        day = today
        while count:
            day += timedelta(days=1)
            count -= day.weekday() < 5
        return day
    if unit in ("day", "week"):
        return today + timedelta(days=count * (7 if unit == "week" else 1))
    month = today.year * 12 + today.month - 1 + count * {"month": 1, "quarter": 3, "year": 12}[unit]
    return _end(month).replace(day=min(today.day, _end(month).day))


def _dated(found: re.Match[str], today: date) -> date:
    """A day of a month; where that has passed, of the next year."""
    month = _MONTHS.index(found["month"]) + 1
    year = int(found["year"]) if found["year"] else today.year
    day = date(year, month, _number(found["day"]))
    return day if day >= today or found["year"] else day.replace(year=year + 1)


def _number(text: str) -> int:
    return _ORDINALS.get(text) or int(re.sub(r"\D", "", text))


def _of_month(found: re.Match[str], today: date) -> date:
    """The next fifth there is."""
    day = _number(found["day"])
    month = today.year * 12 + today.month - 1 + (found["next"] is not None)
    while day > _end(month).day or (not found["next"] and _end(month).replace(day=day) < today):
        if day > 31:
            raise ValueError(found["day"])
        month += 1
    return _end(month).replace(day=day)


def _month(found: re.Match[str], today: date) -> date:
    """The end of a month that is named, or its beginning or middle."""
    number = _MONTHS.index(found["month"])
    month = (today.year + (number + 1 < today.month)) * 12 + number
    first = "beginning" in found.group() or "start" in found.group()
    return _end(month).replace(day=1 if first else 15 if "middle" in found.group() else _end(month).day)


_PLACE = r"(?:the )?(?:very )?(?:end|beginning|start|middle) of "
_YEAR = r"(?:,? (?P<year>(?:19|20)\d\d))?"
_RULES: tuple[tuple[str, Callable[[re.Match[str], date], date | None]], ...] = (
    (r"(?P<iso>(?:19|20)\d\d-\d\d-\d\d)", lambda found, _: date.fromisoformat(found["iso"])),
    (r"(?:every|each) \w+", lambda _, __: None),
    (r"day after tomorrow", lambda _, today: today + timedelta(days=2)),
    (r"tomorrow|noon tomorrow", lambda _, today: today + timedelta(days=1)),
    (rf"(?:the )?(?P<day>{_ORDINAL}|\d{{1,2}})(?: of)? (?P<month>{_MONTH}){_YEAR}", _dated),
    (rf"(?P<month>{_MONTH}) (?:the )?(?P<day>{_ORDINAL}|\d{{1,2}}(?!\d|:)){_YEAR}", _dated),
    (rf"(?P<next>next |the following )?(?P<day>{_DAY})s?(?: \w+)??(?P<week> (?:of )?next week)?(?= |$)", _weekday),
    (
        (
            rf"(?:with)?in (?:the next )?(?P<count>{_COUNT}) "
            r"(?P<unit>(?:(?:working |business )?day|minute|hour|week|month|quarter|year)s?)"
        ),
        _ahead,
    ),
    (rf"(?:{_PLACE})?(?:(?:the |this |next |the next |the following |the coming |coming )*)(?:week(?:end)?)", _of_week),
    (rf"(?:{_PLACE})?(?:(?:the |this |next |the next )*)(?P<unit>month|quarter|year)(?! of)", _of_span),
    (rf"the (?P<day>{_ORDINAL})(?P<next> of next month)?(?: of the month)?", _of_month),
    (r"christmas", lambda _, today: _fixed(today, 12, 25)),
    (r"new year", lambda _, today: _fixed(today, 12, 31)),
    (rf"(?:{_PLACE})?(?P<month>{_MONTH})", _month),
    (
        (
            r"today|tonight|midnight|noon|this (?:morning|afternoon|evening)|eod|cob|end of (?:the )?day"
            r"|(?:at|by|before|until) (?:half past )?(?:\d{1,2}[:.]\d\d|\d{1,2} ?[ap]m|[\w ]+ (?:o ?clock|[ap] ?\.?m))"
        ),
        lambda _, today: today,
    ),
    (r"eow", lambda _, today: _monday(today, 0) + timedelta(days=_FRIDAY)),
)  # fmt: skip


def _fixed(today: date, month: int, day: int) -> date:
    found = date(today.year, month, day)
    return found if found >= today else found.replace(year=today.year + 1)
