"""Intervals and tests against what is known of them, and two results compared on what they share."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from judged import Told, Words, sample

from hark.errors import DataError, OptionError
from hark.evaluation.compare import Comparison, compare, markdown, page, text
from hark.evaluation.page import Sound
from hark.evaluation.publish import publish_comparison
from hark.evaluation.runner import Setting, evaluate
from hark.evaluation.statistics import Drawing, differences, intervals
from hark.evaluation.task import Score
from hark.listener import Listener

if TYPE_CHECKING:
    from pathlib import Path

    from hark.evaluation.result import Result

FIGURES = Words().figures


def scores(*errors: float) -> list[Score]:
    """Each of a sample of ten words."""
    return [Score(str(n), {"samples": 1, "errors": wrong, "words": 10}, wrong / 10) for n, wrong in enumerate(errors)]


def units(count: int) -> list[str]:
    return [str(n) for n in range(count)]


def test_an_interval_is_that_of_the_normal_approximation() -> None:
    some = scores(*([10, 0, 0, 0] * 100))  # a quarter of 400 are wrong
    found = intervals(some, units(400), FIGURES, Drawing(2000))["WER"]
    half = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert found.low == pytest.approx(0.25 - half, abs=0.006)
    assert found.high == pytest.approx(0.25 + half, abs=0.006)
    assert intervals(some, units(400), FIGURES, Drawing(2000))["WER"] == found
    assert intervals(some, units(400), FIGURES, Drawing(2000, seed=1))["WER"] != found


def test_what_belongs_together_is_drawn_together() -> None:
    some = scores(*([10, 0, 0, 0] * 100))
    speakers = [str((n % 4) * 10 + n // 40) for n in range(400)]  # 40 speakers, each all right or all wrong
    wide = intervals(some, speakers, FIGURES, Drawing())["WER"]
    half = 1.96 * math.sqrt(0.25 * 0.75 / 40)
    assert wide.high - wide.low == pytest.approx(2 * half, abs=0.03)
    assert intervals(some, ["one"] * 400, FIGURES, Drawing()) == {}
    assert intervals(some, units(400), FIGURES, Drawing(0)) == {}


def test_models_that_do_not_differ_are_not_told_apart() -> None:
    same = differences(scores(1, 2, 3), scores(1, 2, 3), units(3), FIGURES, Drawing())
    assert [(each.difference, each.low, each.high, each.p) for each in same] == [(0.0, 0.0, 0.0, 1.0)]
    (turns,) = differences(scores(*[1, 2] * 50), scores(*[2, 1] * 50), units(100), FIGURES, Drawing())
    assert turns.p is not None
    assert turns.p > 0.5


def test_p_is_that_of_all_swaps() -> None:
    """Of 2^6 swaps, only the one that changes nothing and the one that changes all differ as much: 2 of 64."""
    (found,) = differences(scores(*[1] * 6), scores(*[2] * 6), units(6), FIGURES, Drawing(20000))
    assert found.difference == pytest.approx(-0.1)
    assert found.p == pytest.approx(2 / 64, abs=0.004)
    (clear,) = differences(scores(*[1] * 40), scores(*[2] * 40), units(40), FIGURES, Drawing(999))
    assert clear.p == pytest.approx(1 / 1000)


def test_figures_that_say_nothing_have_no_interval() -> None:
    empty = [replace(score, counts={"samples": 1, "errors": 0, "words": 0}) for score in scores(0, 0)]
    assert intervals(empty, units(2), FIGURES, Drawing()) == {}
    (found,) = differences(scores(1, 1), scores(1, 1), units(2), FIGURES, Drawing(0))
    assert (found.difference, found.p) == (0.0, None)
    assert differences(empty, empty, units(2), FIGURES, Drawing()) == []


DATA = [sample(number, f"one two three {number}", speaker=str(number % 3)) for number in range(30)]


def result(folder: Path, said: str, data: Any = DATA, task: Words = Words(), **setting: Any) -> Result:  # noqa: B008
    engine = Told({f"clip{number}": said.format(number) for number in range(40)}, name=said)
    return evaluate(Listener(engine), task, data, folder, Setting(**setting))


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("compared")
    ours = result(folder / "a", "one two three {}", [*DATA, sample(31)])
    theirs = result(folder / "b", "one <b>two</b> three", [*DATA[:29], replace(DATA[29], speaker="2", to="de")])
    return compare(ours, theirs)


def test_results_are_compared_on_the_samples_they_share(comparison: Comparison) -> None:
    told = comparison.to_dict()
    assert told["samples"] == 29  # one is not in both, and one does not say the same
    assert told["left_out"] == {"ours": 2, "theirs": 1}
    assert (told["less_wrong"], told["more_wrong"]) == (29, 0)
    (found,) = told["differences"]
    assert (found["ours"], found["theirs"], found["verdict"]) == (0.0, 0.5, "better")
    assert found["p"] == pytest.approx(1 / 1001)
    other = compare(comparison.theirs, comparison.ours).to_dict()["differences"][0]
    assert (other["difference"], other["verdict"]) == (0.5, "worse")


def test_comparisons_are_for_people_too(comparison: Comparison, tmp_path: Path) -> None:
    publish_comparison(comparison, tmp_path, DATA)
    assert json.loads((tmp_path / "against.json").read_text()) == json.loads(json.dumps(comparison.to_dict()))
    assert "difference -50.00 % (-50.00 to -50.00 %), p 0.0010: better" in "\n".join(text(comparison))
    assert "| WER | one two three {} | " not in markdown(comparison)
    assert "| WER | 0.00 % | 50.00 % | -50.00 % |" in markdown(comparison)
    shown = (tmp_path / "against.html").read_text()
    assert shown.count("<li ") == 29
    assert shown.count("data:audio/mpeg") == 29
    assert "<b>two" not in shown
    assert page(comparison, Sound({}, tmp_path, 0), 5).count("<li ") == 5


def test_only_like_is_compared(tmp_path: Path) -> None:
    ours = result(tmp_path / "a", "one")
    with pytest.raises(OptionError, match="different measures"):
        compare(ours, result(tmp_path / "b", "one", task=Words(lower=True)))
    with pytest.raises(DataError, match="share no sample"):
        compare(ours, result(tmp_path / "c", "one", [sample(35)]))
