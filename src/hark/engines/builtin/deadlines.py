"""Spans of text that say when: "by friday", "before the end of the month", "in two weeks"."""

from __future__ import annotations

import re

_NUMBER = (
    "(?:a|an|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|forty five|"
    r"sixty|ninety|a couple of|a few|the next (?:two|three|few|couple of)|half an|\d+)"
)
_CLOCK = r"(?:\d{1,2}(?:[:.]\d\d)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_TEN = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth"
_ORDINAL = (
    rf"(?:(?:twenty|thirty)[ -](?:{_TEN})|{_TEN}|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|"
    rf"seventeenth|"
    r"eighteenth|nineteenth|twentieth|thirtieth|\d{1,2}(?:st|nd|rd|th))"
)
_MONTH = "(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_DAY = "(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_PART = "(?:morning|afternoon|evening|night|noon|lunchtime)"
_UNIT = "(?:minutes?|hours?|(?:working |business )?days?|weeks?|months?|quarters?|years?|sprints?)"
_EVENT = "(?:meeting|sprint|release|call|session|standup|stand up|launch|deadline|iteration)"
_TIME = rf"(?:{_CLOCK} (?:o'?clock|a ?m|p ?m|am|pm|a\.m|p\.m)|\d{{1,2}}(?:am|pm)|\d{{1,2}}[:.]\d\d|half past {_CLOCK})"

_MOMENT = "|".join(
    (
        (
            rf"(?:(?:next|this|coming|the coming|the following|following) )?{_DAY}s?(?: {_PART})?(?: (?:next week|"
            rf"at {_TIME}))?"
        ),
        rf"tomorrow(?: {_PART})?(?: at {_TIME})?",
        rf"(?:today|tonight|midnight|noon tomorrow|noon today|noon|this {_PART})(?: at {_TIME})?",
        (
            rf"(?:next|this|the next|the coming|the following) (?:week(?:end)?|month|quarter|year|{_MONTH}|summer|"
            rf"winter|"
            rf"spring|autumn|fall|{_EVENT})"
        ),
        (
            rf"(?:the )?(?:very )?(?:end|beginning|start|middle) of (?:(?:the|this|next|the next) )?(?:day|week|month|"
            rf"quarter|year|business|"
            rf"summer|winter|spring|autumn|{_EVENT}|{_DAY}|{_MONTH}|[a-z]+)"
        ),
        rf"the {_ORDINAL}(?: of (?:{_MONTH}|the month|next month))?",
        rf"{_MONTH}(?: (?:the )?(?:{_ORDINAL}|\d{{1,2}}))?",
        rf"(?:the weekend|christmas|easter|new year|the holidays|the deadline|the (?:next )?{_EVENT})",
        rf"{_TIME}",
        r"(?:eod|eow|cob|end of day|then)",
    )
)
DEADLINE = re.compile(
    r"\b(?:"
    rf"(?:by|before|until|till|no later than|not later than|at the latest by|due|due by|due on|"
    rf"on or before) (?:{_MOMENT})"
    rf"|(?:on|in|at|over|during|for) (?:{_MOMENT})"
    rf"|(?:with)?in (?:the next )?{_NUMBER} {_UNIT}(?: (?:time|from now))?"
    rf"|within (?:the|this|a) (?:day|week|month|hour)"
    rf"|(?:first thing )?tomorrow(?: {_PART})?(?: at {_TIME})?"
    rf"|(?:later )?(?:today|tonight|this (?:{_PART}|week|month|weekend|quarter))"
    rf"|next (?:week|month|quarter|year|{_DAY})"
    rf"|(?:this |next )?{_DAY}(?: {_PART})?"
    r"|as soon as possible|a s a p|asap|right away|immediately|straight away|every (?:day|week|month|year|morning|"
    r"evening|"
    rf"{_DAY})"
    r")\b(?! of )"
)
# "in may" is a time, "in the may" is not a deadline of anything; "for today" ends a meeting rather than sets a date.
_LOOSE = re.compile(r"(?:for|in|on|at|over|during) (?:then|today|the next|the (?:meeting|call|release|launch))$")

TIME = re.compile(
    rf"\b(?:{DEADLINE.pattern}|{_MOMENT}|yesterday|last (?:night|week|month|year|summer|winter|{_DAY}|{_MONTH})|"
    rf"{_NUMBER} {_UNIT} ago|ago|in (?:19|20)\d\d|nineteen \w+|at {_CLOCK}|now|soon|later)\b"
)
NUMBER = re.compile(
    r"\b(?:\d[\d.,]*|zero|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    r"seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|"
    r"billion|"
    r"half|quarter|dozen|percent|twice|once|none|nobody|many|several|few)\b"
)


def deadline(text: str) -> re.Match[str] | None:
    """The last span that says by when, in plain lower-case words; None where there is none."""
    found = [match for match in DEADLINE.finditer(text) if not _LOOSE.fullmatch(match.group())]
    strong = [
        match for match in found if re.match("by|before|until|till|no |not |due|at the latest|with", match.group())
    ]
    return next(reversed(strong or found), None)
