"""N-gram models against values counted by hand, and their files."""

from __future__ import annotations

import gzip
import json
import math
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from hark.cli import app
from hark.errors import DataError, OptionError
from hark.training.arpa import read_arpa, write_arpa
from hark.training.ngram import estimate
from tiny.ctc import tiny_wav2vec2

if TYPE_CHECKING:
    from pathlib import Path

SAID = [line.split() for line in ("a b", "a b", "a c", "b a")]
WORDS = ("a", "b", "c", "</s>", "<unk>")


def test_kneser_ney_by_hand() -> None:
    """Bigrams of four sentences, worked out on paper.

    Counts: <s>a 3, <s>b 1, ab 2, ac 1, ba 1, a</s> 1, b</s> 2, c</s> 1. Kinds of words before: a 2 (<s>, b),
    b 2 (<s>, a), c 1 (a), </s> 3 (a, b, c), 8 in all. So few counts give no discounts: they are 0.5, 1 and 1.5.
    """
    model = estimate(SAID, 2)
    assert model.fallen == (1, 2)
    left = (1 + 1 + 0.5 + 1.5) / 8  # of the discounts of a, b, c and </s>
    alone = {"a": (2 - 1) / 8, "b": (2 - 1) / 8, "c": (1 - 0.5) / 8, "</s>": (3 - 1.5) / 8, "<unk>": 0.0}
    alone = {word: share + left / 5 for word, share in alone.items()}
    for word, wanted in alone.items():
        assert math.exp(model.score(word)) == pytest.approx(wanted)
    after_a = (1 + 0.5 + 0.5) / 4  # ab 2, ac 1, a</s> 1
    wanted = {"b": (2 - 1) / 4, "c": 0.5 / 4, "</s>": 0.5 / 4, "a": 0.0, "<unk>": 0.0}
    for word, share in wanted.items():
        assert math.exp(model.score(word, ["a"])) == pytest.approx(share + after_a * alone[word])
    begins = (1.5 + 0.5) / 4  # <s>a 3, <s>b 1
    assert math.exp(model.score("a", ["<s>"])) == pytest.approx(1.5 / 4 + begins * alone["a"])


def test_discounts_are_those_of_chen_and_goodman() -> None:
    """One word n1 = 4, n2 = 3, n3 = 2, n4 = 1 times: D1, D2 and D3+ of their equation 26."""
    words = [*"abcd", *"efg" * 2, *"hi" * 3, *"j" * 4]
    model = estimate([[word] for word in words], 1)
    share = 4 / (4 + 2 * 3)
    cut = [1 - 2 * share * 3 / 4, 2 - 3 * share * 2 / 3, 3 - 4 * share * 1 / 2]
    total = 2 * len(words)  # with an end after each
    left = (4 * cut[0] + 3 * cut[1] + 4 * cut[2]) / total  # h, i, j and the end are seen three times or more
    assert model.fallen == ()
    for word, count in (("a", 1), ("e", 2), ("h", 3), ("j", 4)):
        wanted = (count - cut[min(count, 3) - 1]) / total + left / 12  # words, end and unknown word
        assert math.exp(model.score(word)) == pytest.approx(wanted)


def test_witten_bell_by_hand() -> None:
    model = estimate(SAID, 2, "witten-bell")
    alone = {"a": 4 / 16, "b": 3 / 16, "c": 1 / 16, "</s>": 4 / 16, "<unk>": 0.0}  # 12 words of 4 kinds
    alone = {word: share + 4 / 16 / 5 for word, share in alone.items()}
    assert math.exp(model.score("b", ["a"])) == pytest.approx((2 + 3 * alone["b"]) / (4 + 3))
    assert math.exp(model.score("nobody", ["a"])) == pytest.approx(3 * alone["<unk>"] / 7)


@pytest.mark.parametrize("smoothing", ["kneser-ney", "witten-bell"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_after_any_words_sum_to_one(order: int, smoothing: str) -> None:
    model = estimate(SAID, order, smoothing)  # type: ignore[arg-type]
    for before in ([], ["<s>"], ["a"], ["<s>", "a"], ["c", "c"], ["b", "a", "b"], ["nobody", "a"]):
        assert sum(math.exp(model.score(word, before)) for word in WORDS) == pytest.approx(1.0)


def test_perplexity_is_of_words_and_ends() -> None:
    model = estimate(SAID, 3)
    likely = model.score("b", ["<s>"]) + model.score("c", ["<s>", "b"]) + model.score("</s>", ["b", "c"])
    assert model.perplexity([["b", "c"]]) == pytest.approx(math.exp(-likely / 3))
    with pytest.raises(DataError, match="no text"):
        model.perplexity([])


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
def test_files_hold_the_model(tmp_path: Path, name: str) -> None:
    model = estimate(SAID, 3)
    write_arpa(model, tmp_path / name)
    found = read_arpa(tmp_path / name)
    assert found.order == 3
    assert found.table.keys() == model.table.keys()
    assert found.sentence(["a", "b", "a"]) == pytest.approx(model.sentence(["a", "b", "a"]), rel=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_files_of_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "srilm.arpa"
    path.write_text(
        "\n\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n-99\t<s>\t-0.5\n-1\t</s>\n-0.3 a -0.25\n-0.6\tb\n\n"
        "\\2-grams:\n-0.1\t<s> a\n\n\\end\\\n"
    )
    model = read_arpa(path)
    assert model.score("a", ["<s>"]) / math.log(10) == pytest.approx(-0.1)
    assert model.score("b", ["<s>"]) / math.log(10) == pytest.approx(-0.6 - 0.5)
    assert model.score("b", ["a"]) / math.log(10) == pytest.approx(-0.6 - 0.25)
    assert model.score("nobody", ["b"]) / math.log(10) == pytest.approx(-99)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "ends before"),
        ("\\data\\\nngram 1=1\n\\1-grams:\n-1\ta\n", "ends before"),
        ("\\data\\\nngram 1=2\n\\1-grams:\n-1\ta\n\\end\\\n", "promises"),
        ("\\data\\\nngram 1=1\n\\1-grams:\nnot\ta\n\\end\\\n", "line 4: no number"),
        ("\\data\\\nngram 1=1\n\\1-grams:\n-1\ta b c\n\\end\\\n", "line 4"),
        ("hello\n", "line 1"),
    ],
)
def test_broken_files_are_told(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "broken.arpa"
    path.write_text(text)
    with pytest.raises(DataError, match=what):
        read_arpa(path)


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    binary = tmp_path / "lm.bin"
    binary.write_bytes(b"mmap lm \xff\xfe\x00")
    cut = tmp_path / "cut.arpa.gz"
    cut.write_bytes(gzip.compress(b"\\data\\\n" * 999)[:20])
    for path in (binary, cut, tmp_path / "nowhere.arpa", tmp_path):
        with pytest.raises(DataError):
            read_arpa(path)


def test_text_without_words_or_with_marks_is_refused() -> None:
    with pytest.raises(DataError, match="no word"):
        estimate([[], []])
    with pytest.raises(DataError, match="</s>"):
        estimate([["a", "</s>"]])
    with pytest.raises(OptionError, match="order 0"):
        estimate(SAID, 0)


# --- the command line


def _hark(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", "lm", *map(str, arguments)])


def test_a_model_is_made_of_text_and_of_data_sets(tmp_path: Path) -> None:
    text, rows = tmp_path / "text.txt", tmp_path / "rows.jsonl"
    text.write_text("A b\n\na b\n")
    rows.write_text("".join(json.dumps({"audio": "none.wav", "text": said}) + "\n" for said in ("a c", "b a")))
    done = _hark(text, rows, "--to", tmp_path / "lm.arpa", "--order", 2, "--lowercase", "--test", text, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["fallback_discounts"] == [1, 2]
    model = read_arpa(tmp_path / "lm.arpa")
    assert model.sentence(["a", "c"]) == pytest.approx(estimate(SAID, 2).sentence(["a", "c"]), rel=1e-5)
    assert told["perplexity"] == pytest.approx(estimate(SAID, 2).perplexity([["a", "b"], ["a", "b"]]))
    assert told["ngrams"] == [6, 8]


def test_a_recogniser_is_given_a_model_of_its_tokens(tmp_path: Path) -> None:
    text, folder = tmp_path / "text.txt", tiny_wav2vec2(tmp_path / "model")
    text.write_text("to be\nor not \u2013 to be\n")
    done = _hark(text, "--for", folder, "--pieces", "--weight", 0.7, "--smoothing", "witten-bell")
    assert done.exit_code == 0, done.output
    assert "cannot write: 1, such as" in done.stderr
    model = read_arpa(folder / "language_model" / "lm.arpa")
    assert {gram[0] for gram in model.table if len(gram) == 1} == {*"TOBE|", "<s>", "</s>", "<unk>"}
    told = json.loads((folder / "language_model" / "attrs.json").read_text())
    assert told == {"alpha": 0.7, "beta": 0.0, "unk_score_offset": -10.0, "score_boundary": True}
    again = _hark(text, "--for", folder, "--smoothing", "witten-bell")  # of words, in the place of the other
    assert again.exit_code == 0
    assert ("to",) in read_arpa(folder / "language_model" / "lm.arpa").table


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ([], "Nothing is said of where"),
        (["--to", "{}/lm.arpa", "--pieces"], "about a recogniser"),
        (["--for", "{}/none"], "config.json"),
        (["--to", "{}/none/lm.arpa"], "cannot be written"),
    ],
)
def test_what_cannot_be_made_is_told(tmp_path: Path, options: list[str], what: str) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a b\n")
    done = _hark(text, *(option.format(tmp_path) for option in options))
    assert done.exit_code == 1
    assert what in done.stderr
