"""`hark music` through the listener and the command line: measured, asked by schema, suggestions, pictures."""

import json
import re
import runpy
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import hark
from hark.cli import app
from hark.errors import AudioError, MissingExtraError, OptionError, UnsupportedError
from hark.tasks import harmony, picture
from hark.tasks.music import SCHEMA, SUGGEST_SCHEMA, Music, MusicSection

SONGS = runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "songs.py"))
RATE = 22_050


@pytest.fixture(scope="module", autouse=True)
def _librosa() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("librosa")


@pytest.fixture(scope="module")
def song() -> Any:
    made = SONGS["piece"](8, form="ABA", key=(7, "major"), tempo=170.0, seconds=11)
    with hark.load("builtin") as listener:
        clip = hark.Audio.of(made.samples, RATE, name="<song> & co")
        return made, listener.music(clip, suggest="jazz reharmonization for the chorus")


def test_what_is_measured(song: Any) -> None:
    made, found = song
    assert isinstance(found, Music)
    assert (found.key, found.mode, found.meter, found.measured) == ("G", "major", "4/4", True)
    assert found.tempo == pytest.approx(170, rel=0.01)
    assert [section.label for section in found.sections] == ["A", "B", "A"]
    assert found.loudness_lufs is not None
    assert -40 < found.loudness_lufs < 0
    assert found.instruments == ()  # it cannot hear them, and does not say that it does
    values = json.loads(json.dumps(found.to_dict()))
    assert values["loudness"]["standard"] == "ITU-R BS.1770-5"
    assert values["sections"][1]["start"] == pytest.approx(made.sections[1][1], abs=0.3)
    page = found.to_markdown()
    assert "- **Key**: G major" in page
    assert "LUFS" in page


def test_suggestions_are_about_the_section_that_returns(song: Any) -> None:
    _, found = song
    assert {each.technique for each in found.suggestions} >= {"ii-V progressions", "tritone substitution"}
    assert all(each.start == found.sections[0].start for each in found.suggestions)
    assert "taken for the chorus" in found.notices[-1].text
    assert all(each.text in found.to_markdown() for each in found.suggestions)


def _music(*chords: str, key: str = "C", mode: str = "major") -> Music:
    return Music(duration=8.0, key=key, mode=mode, sections=(MusicSection("A", 0.0, 8.0, chords),))


@pytest.mark.parametrize(
    ("request_", "chords", "key", "mode", "bars"),
    [
        ("seventh chords", ("C", "Am", "F", "G"), "C", "major", ("Cmaj7", "Am7", "Fmaj7", "G7")),
        ("secondary dominants", ("C", "Am", "F", "G"), "C", "major", ("Cmaj7 E7", "Am7 C7", "Fmaj7 D7", "G7")),
        ("tritone substitution", ("Dm", "C"), "C", "major", ("Dm7 Db7", "Cmaj7 Eb7")),
        ("ii-V to each chord", ("C", "F", "C", "Am"), "C", "major", ("Cmaj7", "Dm7 G7", "Cmaj7", "Dm7 G7")),
        ("ii-V", ("C", "G", "Am", "F"), "C", "major", ("Cmaj7", "Bm7b5 E7b9", "Am7", "Dm7 G7")),
        ("borrowed chords", ("C", "F", "C", "G"), "C", "major", ("Cmaj7", "Fm6", "Cmaj7", "G7")),
        ("sevenths", ("Em", "C", "Am", "B"), "E", "minor", ("Em7", "Cmaj7", "Am7", "B7")),
        ("sevenths", ("Bb", "Gm", "Eb", "F"), "Bb", "major", ("Bbmaj7", "Gm7", "Ebmaj7", "F7")),
    ],
)
def test_rules_of_harmony(request_: str, chords: Any, key: str, mode: str, bars: Any) -> None:
    made, _ = harmony.suggest(_music(*chords, key=key, mode=mode), request_)
    assert made[0].bars == bars


def test_a_loop_is_shown_once() -> None:
    made, _ = harmony.suggest(_music(*("C", "Am", "F", "G") * 4), "sevenths")
    assert len(made[0].bars) == 4


def test_without_chords_the_plainest_of_the_key_are_taken_and_that_is_said() -> None:
    made, told = harmony.suggest(Music(duration=5.0, key="D", mode="minor"), "sevenths")
    assert made[0].bars == ("Dm7", "Bbmaj7", "Gm7", "A7")
    assert "No chords were heard" in told


def test_sections_are_chosen_by_what_can_be_measured() -> None:
    parts = [("A", -20.0), ("B", -12.0), ("A", -20.0), ("B", -12.0), ("C", -15.0), ("B", -12.0)]
    sections = tuple(
        MusicSection(label, 10.0 * n, 10.0 * n + 10, ("C", "F", "C", "G"), level)
        for n, (label, level) in enumerate(parts)
    )
    found = Music(duration=60.0, key="C", mode="major", sections=sections)
    starts = {
        wish: (harmony.choose(found, wish)[0] or sections[0]).start
        for wish in ("the chorus", "the verse", "the bridge", "the intro", "the outro", "section C")
    }
    assert starts == {
        "the chorus": 10,
        "the verse": 0,
        "the bridge": 40,
        "the intro": 0,
        "the outro": 50,
        "section C": 40,
    }
    with pytest.raises(UnsupportedError, match="no section D"):
        harmony.choose(found, "jazz for part D")


def test_what_the_rules_do_not_know_is_refused_before_anything_is_heard() -> None:
    with hark.load("builtin") as listener, pytest.raises(UnsupportedError, match="reggae"):
        listener.music(b"\0", suggest="make it reggae")
    with pytest.raises(UnsupportedError, match="No key"):
        harmony.suggest(Music(duration=3.0), "jazz")


def test_a_model_is_asked_by_schema(examples: Path) -> None:
    """The echo answers JSON that fits the schema, whatever it heard; loudness is measured."""
    with hark.load("echo") as listener:
        found = listener.music(examples / "song.flac", suggest="jazz chords for the chorus")
    assert found.measured is False
    assert found.loudness_lufs == pytest.approx(-17.1, abs=0.2)
    assert found.suggestions
    assert all(section.end <= found.duration and section.start < section.end for section in found.sections)
    assert any("only the loudness is measured" in notice.text for notice in found.notices)
    assert found.to_dict()["measured"] is False


def test_schemas_are_schemas() -> None:
    from hark.answers.schema import Schema

    for schema in (SCHEMA, SUGGEST_SCHEMA):
        assert Schema.of(schema).values["type"] == "object"


def test_engines_that_only_transcribe_are_refused() -> None:
    from hark.engines.engine import Capabilities, Engine

    class OnlyTranscribes(Engine):
        name, can = "only-words", Capabilities(free_prompt=False)

        def generate(self, conversation: Any, options: Any) -> Any:
            raise AssertionError

    for ask in (hark.Listener(OnlyTranscribes()).music, hark.Listener(OnlyTranscribes()).sounds):
        with pytest.raises(UnsupportedError, match="only-words cannot be asked"):
            ask(b"\0")


def test_the_picture_is_a_png_that_shows_the_sections(song: Any) -> None:
    import io

    from PIL import Image

    _, found = song
    image = Image.open(io.BytesIO(found.to_png()))
    assert image.size == (1200, 620)
    colours = {image.getpixel((x, 115)) for x in (200, 600, 1100)}
    assert len(colours) == 2  # A, B, A


def test_the_page_holds_everything_and_loads_nothing(song: Any) -> None:
    _, found = song
    page = found.to_html()
    assert "&lt;song&gt; &amp; co" in page
    assert "<song>" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert 'src="data:audio/mpeg;base64,' in page
    assert len(re.findall(r"<button class=", page)) == 3
    assert "{{" not in page
    assert "<audio" not in found.to_html(audio=False)


def test_silence_has_a_picture_too() -> None:
    import numpy as np

    with hark.load("builtin") as listener:
        found = listener.music(hark.Audio.of(np.zeros(3 * RATE, np.float32), RATE))
    assert found.key is None
    assert found.loudness_lufs is None
    assert found.reasons
    assert found.to_png().startswith(b"\x89PNG")
    assert "silent" in found.to_html()


def test_without_its_packages_the_extra_is_named(song: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = song
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match="PNG"):
        found.to_png()
    with pytest.raises(AudioError):
        picture.rows(Music(duration=1.0))


def test_the_command(examples: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    song_file = str(examples / "song.flac")
    result = run(app, ["music", song_file, "--suggest", "tritone substitution"])
    assert result.exit_code == 0, result.stderr
    assert "- **Key**: G major" in result.stdout
    assert "**tritone substitution**: `| " in result.stdout
    assert "taken for the main section" in result.stderr
    result = run(app, ["music", song_file, "-q", "-o", str(tmp_path / "song.png")])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "song.png").read_bytes().startswith(b"\x89PNG")
    values = json.loads(run(app, ["music", song_file, "--json"]).stdout)
    assert (values["key"], values["meter"]) == ("G", "4/4")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["-o", "song.txt"], "Nothing is written as song.txt"),
        (["-o", "no-such-folder/song.png"], "There is no folder"),
        (["--json", "-o", "song.png"], "--json"),
        (["--suggest", " "], "The wish is empty"),
        (["--suggest", "make it reggae"], "nothing to say"),
    ],
)
def test_wrong_options_of_the_command(arguments: list[str], error: str) -> None:
    result = CliRunner().invoke(app, ["music", "no such file.flac", *arguments])
    assert result.exit_code == 1
    assert error in result.stderr


def test_unknown_options_are_refused(examples: Path) -> None:
    with hark.load("builtin") as listener, pytest.raises((OptionError, UnsupportedError)):
        listener.music(examples / "song.flac", colour="blue")
