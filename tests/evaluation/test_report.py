"""Results for people: nothing of them steers a page, and each mistake can be heard where it can be."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from judged import Told, Words, sample

from hark.audio.audio import Audio
from hark.conversation.conversation import Conversation
from hark.data.sample import Sample
from hark.evaluation.publish import Room, publish
from hark.evaluation.report import shown, text
from hark.evaluation.runner import Setting, evaluate
from hark.listener import Listener

if TYPE_CHECKING:
    from pathlib import Path

EVIL = '"><script>alert(1)</script>|`*'


def written(folder: Path, data: list[Sample], room: Room | None = None, **said: str) -> tuple[Any, str, str]:
    engine = Told({"clip1": "one two", **said}, frozenset({"clip3"}), name=EVIL)
    result = evaluate(Listener(engine), Words(), data, folder, Setting(by=("speaker",)))
    told = publish(result, folder, data, room)
    return told, (folder / "results.md").read_text(), (folder / "results.html").read_text()


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str, str]:
    data = [
        sample(1, "one two", speaker="a"),
        sample(2, f"one {EVIL} three", speaker=EVIL, about={"x": EVIL}),
        sample(3, speaker="a"),
    ]
    return written(tmp_path_factory.mktemp("evil"), data, clip2=f"two {EVIL}")


def test_pages_are_steered_by_nothing_that_was_heard(evil: tuple[Any, str, str]) -> None:
    _, _, page = evil
    assert page.count("<script>") == 1
    assert "default-src 'none'" in page
    assert not re.search(r'(src|href)="(?!data:audio/mpeg;base64,)', page)
    assert not re.search(r"\son\w+=", page.partition("<script>")[0])


def test_mistakes_are_shown_word_by_word(evil: tuple[Any, str, str]) -> None:
    told, markdown, page = evil
    assert (told["samples"], told["wrong"], told["failed"]) == (3, 2, 1)
    cards = re.findall(r'<li class="card".*?</li>', page, re.DOTALL)
    assert len(cards) == 2  # what is right is not listed
    assert "clip3 is too much." in cards[0]
    assert '<ruby><span class="gone">one</span><span class="new">two</span></ruby>' in cards[1]
    assert '<ruby><span class="gone">three</span><span class="none">-</span></ruby>' in cards[1]
    assert r"~~one~~ **two**" in markdown
    assert "failed: clip3 is too much." in markdown
    assert r"\|\`\*" in markdown
    assert "| 1 times" not in markdown


def test_each_mistake_can_be_heard(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = []
    for number in range(3):
        soundfile.write(tmp_path / f"a b{number}.flac", rng.normal(0, 0.1, 16000), 16000)
        clip = Audio.of(tmp_path / f"a b{number}.flac")[0.25:0.75]
        data.append(Sample(str(number), Conversation.ask((clip,)).reply("one two")))
    data.append(sample(2, "one two"))
    said = {f"a b{number}.flac": "three" for number in range(3)} | {"clip2": "three"}

    def run(room: Room) -> str:
        engine = Told(said)
        result = evaluate(Listener(engine), Words(), data, tmp_path / "out", Setting())
        publish(result, tmp_path / "out", data, room)
        return (tmp_path / "out" / "results.html").read_text()

    page = run(Room())
    sounds = re.findall(r'src="data:audio/mpeg;base64,([^"]*)"', page)
    assert "4 recordings are in this page" in page
    heard = [Audio.of(base64.b64decode(sound)).duration for sound in sounds]
    assert heard == pytest.approx([0.5, 0.5, 0.5, 0.01], abs=0.15)  # the stretch that was asked about
    page = run(Room(sound=0))
    assert 'src="../a%20b0.flac#t=0.25,0.75"' in page
    assert "3 are played from where they are, 1 cannot be played" in page
    page = run(Room(mistakes=2))
    assert page.count("<li ") == 2
    assert "2 of 4, worst first" in page


def test_numbers_are_written_with_their_units(evil: tuple[Any, str, str]) -> None:
    found = [
        shown(0.1234, "share"),
        shown(31.4159, "points"),
        shown(0.01234, "ratio"),
        shown(2.0, "seconds"),
        shown(2**30, "bytes"),
        shown(1234.0, "count"),
        shown(0.5, "per minute"),
        shown(None, "share"),
    ]
    assert found == ["12.34 %", "31.42", "0.0123", "2.00 s", "1,024 MiB", "1,234", "0.5 a minute", "not known"]
    told = evil[0]
    lines = "\n".join(text(told))
    assert "3 samples, 2 not right, 1 failed and are counted as wrong" in lines
    assert "a: WER 66.67 %, 2 samples" in lines
