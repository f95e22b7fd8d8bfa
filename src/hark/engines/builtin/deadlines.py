"""Spans of text that say when: "by friday", "before the end of the month", "in two weeks"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hark.engines.builtin.patterns import Phrases

if TYPE_CHECKING:
    import re

_LISTS = {
    "DAY": "monday|tuesday|wednesday|thursday|friday|saturday|sunday",
    "MONTH": "january|february|march|april|may|june|july|august|september|october|november|december",
    "SEASON": "summer|winter|spring|autumn",
    "PART": "morning|afternoon|evening|night|noon|lunchtime",
    "UNIT": "minutes?|hours?|(working |business )?days?|weeks?|months?|quarters?|years?|sprints?",
    "EVENT": "meeting|sprint|release|call|session|standup|stand up|launch|deadline|iteration",
    "ONES": "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve",
    "COUNT": r"""
        a|an|ONES|fifteen|twenty|thirty|forty|forty five|sixty|ninety|\d+
        a couple of|a few|the next (two|three|few|couple of)|half an
    """,
    "TENTHS": "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth",
    "ORDINAL": r"""
        (twenty|thirty)[ -]TENTHS
        TENTHS|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth
        twentieth|thirtieth|\d{1,2}(st|nd|rd|th)
    """,
    "CLOCK": r"\d{1,2}([:.]\d\d)?|ONES",
    "TIME": r"""
        CLOCK (o'?clock|a ?m|p ?m|a\.m|p\.m)
        \d{1,2}(am|pm)
        \d{1,2}[:.]\d\d
        half past CLOCK
    """,
    "MOMENT": r"""
        ((next|this|coming|the coming|the following|following) )?DAYs?( PART)?( (next week|at TIME))?
        tomorrow( PART)?( at TIME)?
        (today|tonight|midnight|noon tomorrow|noon today|noon|this PART)( at TIME)?
        (next|this|the next|the coming|the following) (week(end)?|month|quarter|year|MONTH|SEASON|fall|EVENT)
        (the )?(very )?(end|beginning|start|middle) of ((the|this|next|the next) )?(stand up|[a-z]+)
        the ORDINAL( of (MONTH|the month|next month))?
        MONTH( (the )?(ORDINAL|\d{1,2}))?
        the weekend|christmas|easter|new year|the holidays|the deadline|the (next )?EVENT
        TIME
        eod|eow|cob|end of day|then
    """,
    "SPAN": """
        (by|before|until|till|no later than|not later than|at the latest by|due|due by|due on|on or before) MOMENT
        (on|in|at|over|during|for) MOMENT
        (with)?in (the next )?COUNT UNIT( (time|from now))?
        within (the|this|a) (day|week|month|hour)
        (first thing )?tomorrow( PART)?( at TIME)?
        (later )?(today|tonight|this (PART|week|month|weekend|quarter))
        next (week|month|quarter|year|DAY)
        (this |next )?DAY( PART)?
        as soon as possible|a s a p|asap|right away|immediately|straight away
        every (day|week|month|year|morning|evening|DAY)
    """,
}
DEADLINE = Phrases("SPAN(?! of )", _LISTS)
# "in may" is a time, "in the may" is not a deadline of anything; "for today" ends a meeting rather than sets a date.
_LOOSE = Phrases("(for|in|on|at|over|during) (then|today|the next|the (meeting|call|release|launch))")
_BY = ("by", "before", "until", "till", "no ", "not ", "due", "at the latest", "with")

TIME = Phrases(
    r"""
    SPAN(?! of )
    MOMENT
    yesterday|last (night|week|month|year|summer|winter|DAY|MONTH)
    COUNT UNIT ago|ago
    in (19|20)\d\d|nineteen \w+
    at CLOCK
    now|soon|later
    """,
    _LISTS,
)
NUMBER = Phrases(
    r"""
    \d[\d.,]*|zero|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve
    thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen
    twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion
    half|quarter|dozen|percent|once|twice|none|nobody|many|several|few
    """
)


def deadline(text: str) -> re.Match[str] | None:
    """The last span that says by when, in plain lower-case words; None where there is none."""
    found = [match for match in DEADLINE.finditer(text) if not _LOOSE.fullmatch(match.group())]
    strong = [match for match in found if match.group().startswith(_BY)]
    return next(reversed(strong or found), None)
