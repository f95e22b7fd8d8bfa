"""When a deadline is, from the words that were said on a day."""

from __future__ import annotations

from datetime import date

import pytest

from hark.tasks.notes.dates import due

FRIDAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("by friday", "2026-11-27"),  # said on a Friday: not today
        ("by monday", "2026-11-23"),
        ("on Wednesday morning", "2026-11-25"),
        ("next friday", "2026-11-27"),
        ("friday next week", "2026-11-27"),
        ("today at noon", "2026-11-20"),
        ("by five o'clock", "2026-11-20"),
        ("by 5 pm", "2026-11-20"),
        ("tomorrow", "2026-11-21"),
        ("the day after tomorrow", "2026-11-22"),
        ("before monday", "2026-11-22"),
        ("by the end of the week", "2026-11-20"),
        ("at the end of next week", "2026-11-27"),
        ("at the beginning of next week", "2026-11-23"),
        ("this weekend", "2026-11-22"),
        ("by the end of the month", "2026-11-30"),
        ("next month", "2026-12-31"),
        ("end of the quarter", "2026-12-31"),
        ("by the end of next year", "2027-12-31"),
        ("in two weeks", "2026-12-04"),
        ("in a couple of days", "2026-11-22"),
        ("within three working days", "2026-11-25"),
        ("in a month", "2026-12-20"),
        ("in an hour", "2026-11-20"),
        ("by december fifth", "2026-12-05"),
        ("the twenty-first of May", "2027-05-21"),
        ("the first of december 2027", "2027-12-01"),
        ("the fifteenth", "2026-12-15"),
        ("by the 30th", "2026-11-30"),
        ("by the thirty first", "2026-12-31"),
        ("by the end of march", "2027-03-31"),
        ("before christmas", "2026-12-24"),
        ("2026-12-01", "2026-12-01"),
        ("next week", "2026-11-27"),
    ],
)
def test_the_day_that_words_mean(said: str, day: str) -> None:
    assert str(due(said, FRIDAY)) == day


@pytest.mark.parametrize(
    "said",
    ["soon", "as soon as possible", "before the launch", "every monday", "the 31st of june", "the 99th", "",
     "in 99999999999 years", "bis Freitag"],
)  # fmt: skip
def test_words_that_set_no_day_give_none(said: str) -> None:
    assert due(said, FRIDAY) is None


@pytest.mark.parametrize("weekday", range(7))
def test_a_weekday_is_the_next_one_and_never_today(weekday: int) -> None:
    today = date(2026, 11, 16 + weekday)
    for name in ("monday", "thursday", "sunday"):
        found = due(f"by {name}", today)
        assert found is not None
        assert 1 <= (found - today).days <= 7
        assert f"{found:%A}".lower() == name


def test_the_last_of_january_in_a_month_is_the_last_of_february() -> None:
    assert due("in a month", date(2027, 1, 31)) == date(2027, 2, 28)
