"""The page of notes: it holds everything, loads nothing, and takes what was said for text."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest

import hark
from hark.tasks.notes.quoted import quoted_notes
from hark.tasks.notes.sound import compact
from hark.tasks.notes.values import ActionItem, Decision, Notes
from hark.tasks.quotes import Quote

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "</p><script>alert('x')</script><img src=http://example.org/a.png> \"q\" & {{title}}"
VOID = frozenset({"meta", "rect", "br", "img", "link", "input"})


class Page(HTMLParser):
    """The elements of a page, with their attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        tag = self.open[-1] if self.open else ""
        self.text[tag] = self.text.get(tag, "") + data

    def all(self, tag: str, kind: str = "") -> list[dict[str, str | None]]:
        return [a for name, a in self.found if name == tag and kind in [*(a.get("class") or "").split(), ""]]


@pytest.fixture(scope="module")
def notes(examples: Path) -> Notes:
    """Of ten seconds with two speakers; names, words and title would break a page that did not escape them."""
    audio = hark.Audio.of(examples / "standup.flac")[0:10]
    segments = (
        hark.Segment("Daniel will fix the payment page by Friday.", 0.5, 4.5, speaker="Ann"),
        hark.Segment(f"We agreed on this: {EVIL}", 5.0, 9.8, speaker=EVIL),
    )
    made = quoted_notes(hark.Transcript(segments, 10.0, "en"), "standup.flac", date(2026, 11, 20))
    decisions = (*made.decisions, Decision(EVIL, Quote(EVIL, 1.0, 2.0)), Decision("no time", Quote("somewhere")))
    actions = (*made.actions, ActionItem(EVIL, EVIL, None, EVIL))
    return replace(made, title=EVIL, decisions=decisions, actions=actions, participants=(EVIL,), audio=audio)


@pytest.fixture(scope="module")
def html(notes: Notes) -> str:
    return notes.to_html()


def test_the_page_is_well_formed_and_loads_nothing(html: str) -> None:
    page = Page(html)
    assert page.open == []
    assert not {tag for tag, _ in page.found} & {"link", "img", "iframe", "object", "embed", "source", "base", "form"}
    for tag, attributes in page.found:
        for name in ("src", "href", "action", "poster", "srcset", "data", "xlink:href"):
            value = attributes.get(name)
            assert value is None or re.match(r"data:audio/mpeg;base64,|#t=\d", value), (tag, name)
        assert not any(name.startswith("on") for name in attributes), tag
        assert "style" not in attributes
    style = page.text["style"]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert any(a.get("name") == "viewport" for a in page.all("meta"))


def test_what_was_said_stays_text(html: str) -> None:
    page = Page(html)
    assert len(page.all("script")) == 1
    assert "alert(" not in page.text["script"]
    assert page.text["title"] == page.text["h1"] == EVIL
    assert EVIL in page.text["div"]


def test_each_line_with_a_time_can_be_heard_and_the_others_are_no_links(html: str, notes: Notes) -> None:
    page = Page(html)
    lines = page.all("a", "line")
    assert len(lines) >= 2 + len(notes.actions) - 1
    for line in lines:
        start, end = float(line["data-start"] or "x"), float(line["data-end"] or "x")
        assert line["href"] == f"#t={start:.2f}"
        assert 0 <= start <= end <= 10
    assert len(page.all("span", "line")) == 1
    order = [a["id"] for a in page.all("section")]
    assert order[0] == "actions"
    assert order[-1] == "transcript"


def test_speakers_have_colours_in_the_words_and_in_the_waveform(html: str) -> None:
    page = Page(html)
    assert [a["class"] for a in page.all("span", "key")] == ["key s0", "key s1"]
    bars = [rect.get("class") for rect in page.all("rect")][:-1]
    assert set(bars) == {"s0", "s1", None}
    assert bars.index("s0") < bars.index("s1")


def test_the_recording_is_in_the_page(html: str, notes: Notes) -> None:
    (player,) = Page(html).all("audio")
    sound = hark.Audio.of(base64.b64decode((player["src"] or "").partition(",")[2]))
    assert notes.audio is not None
    assert sound.duration == pytest.approx(10.0, abs=0.01)
    before, after = notes.audio.samples(), sound.samples()
    size = min(len(before), len(after))
    assert np.corrcoef(before[:size], after[:size])[0, 1] > 0.9  # the same sound, at the same time
    assert Page(notes.to_html(audio=False)).all("audio") == []


def test_peaks_are_those_of_the_sound() -> None:
    silent, loud = np.zeros(16000, np.float32), np.full(16000, 0.5, np.float32)
    data, bars, seconds = compact(hark.Audio.of(np.concatenate([silent, loud, silent, loud / 2]), 16000), 4)
    assert seconds == 4.0
    assert bars == [0.0, 1.0, 0.0, 0.5]
    assert len(data) * 8 / seconds == pytest.approx(24_000, rel=0.15)
    assert compact(hark.Audio.of(silent, 16000), 3)[1] == [0.0, 0.0, 0.0]


def test_a_browser_shows_it_without_a_word_of_complaint(html: str, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium here")
    path = tmp_path / "notes.html"
    path.write_text(html, encoding="utf-8")
    run = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "</footer>" in run.stdout
    assert "CONSOLE" not in run.stderr
