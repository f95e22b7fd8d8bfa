"""Metrics against published values, other libraries, and cases worked out by hand."""

from __future__ import annotations

import random

import pytest

from hark.answers.transcript import Segment, Word
from hark.errors import OptionError
from hark.evaluation.metrics import answers, captions, choices, labels, normalise, slots, times, translations, words

WORDS = "a the dog barks while rain falls on cars and birds sing near loud engines".split()


def sentences(rng: random.Random, count: int, longest: int = 12) -> list[str]:
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, longest))) for _ in range(count)]


@pytest.mark.parametrize(
    ("name", "text", "made"),
    [
        ("none", " It's  3.5 ", "It's 3.5"),
        ("plain", "It's 3.5 \u2013 well-known \u201cU.S.\u201d  Stra\u00dfe", "its 35 well known us stra\u00dfe"),
        ("plain", "\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\u4f60\u597d\u4e16\u754c"),
        ("plain", "\u0928\u092e\u0938\u094d\u0924\u0947\u0964", "\u0928\u092e\u0938\u094d\u0924\u0947"),
        ("plain", "nine oh two", "nine oh two"),
        ("whisper-english", "nine oh two, Mr. Smith's colour", "902 mister smith is color"),
        ("whisper-basic", "Fa\u00e7ade, oui!", "fa\u00e7ade oui"),
    ],
)
def test_normalisers(name: str, text: str, made: str) -> None:
    assert normalise.normaliser(name)(text) == made
    assert f"normaliser {name} (" in normalise.signature(name)


def test_a_normaliser_that_is_not_there() -> None:
    with pytest.raises(OptionError, match="no normaliser"):
        normalise.normaliser("whisper")


@pytest.mark.parametrize(
    ("reference", "said", "kinds"),
    [
        ("a b c", "a x c d", (2, 1, 0, 1)),
        ("a b", "", (0, 0, 2, 0)),
        ("", "a b", (0, 0, 0, 2)),
        ("", "", (0, 0, 0, 0)),
    ],
)
def test_word_errors_of_each_kind(reference: str, said: str, kinds: tuple[int, ...]) -> None:
    edits = words.word_edits(reference, said)
    assert (edits.hits, edits.substitutions, edits.deletions, edits.insertions) == kinds
    assert edits.errors == sum(kinds[1:])
    assert edits.length == len(reference.split())


def test_an_alignment_shows_both_texts_whole() -> None:
    reference, said = "ask not what your country".split(), "ask now what country does".split()
    rows = words.rows(words.word_edits(" ".join(reference), " ".join(said)), reference, said)
    assert " ".join(row[1] for row in rows if row[1]).split() == reference
    assert " ".join(row[2] for row in rows if row[2]).split() == said
    assert ["substitute", "not", "now"] in rows
    assert words.character_edits("kitten", "sitting").errors == 3


def test_statistics_of_sentences_add_up_to_the_scores_of_sacrebleu() -> None:
    import sacrebleu

    rng = random.Random(1)
    said, wanted = sentences(rng, 40), sentences(rng, 40)
    counts: dict[str, float] = {}
    for one, other in zip(said, wanted, strict=True):
        for name, value in translations.statistics(one, [other]).items():
            counts[name] = counts.get(name, 0) + value
    assert translations.score("bleu", counts) == pytest.approx(sacrebleu.corpus_bleu(said, [wanted]).score)
    assert translations.score("chrf", counts) == pytest.approx(sacrebleu.corpus_chrf(said, [wanted]).score)
    assert translations.score("bleu", counts) > 1
    assert translations.signature("bleu", 1).startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_tokenisers_follow_the_language() -> None:
    assert [translations.tokenizer(code) for code in ("de", "zh-CN", "ja", None)] == ["13a", "zh", "char", "13a"]
    found = translations.statistics("\u4f60\u597d\u4e16\u754c", ["\u4f60\u597d\u4e16\u754c"], "zh")
    assert translations.score("bleu", found, "zh") == pytest.approx(100)
    with pytest.raises(OptionError, match="no tokeniser"):
        translations.metric("bleu", "words")


@pytest.mark.parametrize(
    ("said", "official", "by_letter"),
    [
        ("dog", True, True),
        ("The answer is dog.", True, True),
        ("(B) dog", True, True),
        ("dog or cat", False, False),
        ("a dog barking", False, False),  # the words of another choice
        ("", False, False),
        ("(B)", False, True),
        ("Answer: B", False, True),
        ("C. a dog barking", False, False),
        ("Dog: it is loud", True, True),
        ("D", False, False),
    ],
)
def test_choices(said: str, official: bool, by_letter: bool) -> None:
    given = ["cat", "dog", "a dog barking"]
    assert choices.string_match("dog", said, given) is official
    assert choices.letter_match("(B) dog", said, given) is by_letter


def test_thinking_is_no_answer() -> None:
    assert choices.final("<think>a cat?\nno</think> dog") == choices.final("a cat?</think>dog") == "dog"
    assert choices.final("<think>a cat or") == ""
    assert choices.bare("(B) restaurant") == "restaurant"
    assert choices.bare("A dog") == "A dog"


def test_answers_as_in_squad() -> None:
    assert answers.exact("The Eiffel Tower!", ["eiffel tower"])
    assert not answers.exact("tower", ["eiffel tower"])
    assert answers.f1("a tower in Paris", ["The Eiffel Tower"]) == pytest.approx(2 / 5)
    assert answers.f1("nothing", ["rain", "nothing at all"]) == pytest.approx(0.5)
    assert answers.f1("", ["rain"]) == 0


# Published in the README and the tests of aac-metrics 0.6 (CIDEr-D of each, and of both); ROUGE-L is what
# pycocoevalcap 1.2 gives for the same.
SAID = ("a man is speaking", "rain falls")
WANTED = (
    ("a man speaks.", "someone speaks.", "a man is speaking while a bird is chirping in the background"),
    ("rain is falling hard on a surface",),
)


def test_captions_against_published_values() -> None:
    said = [captions.tokens(one) for one in SAID]
    wanted = [[captions.tokens(one) for one in several] for several in WANTED]
    found = captions.cider_d(said, wanted)
    assert found == pytest.approx([1.3641, 0.5587], abs=1e-4)
    assert sum(found) / 2 == pytest.approx(0.9614, abs=1e-4)
    rouge = [captions.rouge_l(one, several) for one, several in zip(said, wanted, strict=True)]
    assert rouge == pytest.approx([0.7721519, 0.20198675], abs=1e-7)


def test_captions_of_nothing() -> None:
    assert captions.cider_d([[]], [[["rain"]]]) == [0]
    assert captions.rouge_l([], [["rain"]]) == 0
    assert captions.cider_d([["rain"], ["wind"]], [[["rain"]], [["wind"]]]) == pytest.approx([2.5, 2.5])  # unigrams


def test_captions_are_cut_into_words_as_in_the_penn_treebank() -> None:
    text = "A man's dog isn't barking; it cannot stop & 3.5 well-known U.S. cars honk."
    cut = "a man 's dog is n't barking it can not stop & 3.5 well-known u.s. cars honk"
    assert " ".join(captions.tokens(text)) == cut


# accuracy_score, balanced_accuracy_score, f1_score(average="macro") and confusion_matrix of scikit-learn 1.9 say so.
TRUTH = "a a a a a a b b b c c d".split()
FOUND = "a a a a b c b b a c b d".split()


def test_classification_as_in_scikit_learn() -> None:
    counts: dict[str, float] = {"samples": len(TRUTH)}
    for one, other in zip(TRUTH, FOUND, strict=True):
        counts[labels.pair(one, other)] = counts.get(labels.pair(one, other), 0) + 1
    found = labels.Confusion.of(counts)
    assert (found.accuracy, found.recall, found.f1) == pytest.approx(
        (0.6666666666666666, 0.7083333333333333, 0.6996753246753247), abs=1e-9
    )
    head, rows = found.rows()
    assert head == ("said as", "a", "b", "c", "d")
    assert [list(row[1:]) for row in rows] == [[4, 1, 1, 0], [1, 2, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


def test_an_answer_without_a_label_is_wrong_and_no_class() -> None:
    found = labels.Confusion.of({labels.pair("a", "a"): 1, labels.pair("b", labels.OTHER): 1})
    assert (found.accuracy, found.recall, found.f1) == (0.5, 0.5, 0.5)
    assert found.rows()[0] == ("said as", "a", "b", "none of them")
    assert labels.Confusion.of({}).accuracy is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Angry.", "angry"),
        ("The speaker sounds angry", "angry"),
        ("not angry", "not angry"),
        ("angry or happy", labels.OTHER),
        ("angrily", labels.OTHER),
        ("", labels.OTHER),
    ],
)
def test_labels_in_an_answer(text: str, label: str) -> None:
    assert labels.named(text, ["angry", "happy", "not angry"]) == label


def test_times_of_words_that_both_texts_have() -> None:
    wanted = [Segment("one two three", 0, 3, (Word("one", 0, 1), Word("two", 1, 2), Word("three", 2, 3)))]
    found = [Segment("one too three", 0, 3, (Word("one", 0.1, 1), Word("too", 1, 2), Word("three", 2.3, 3)))]
    reference, said = times.marks(wanted, normalise.plain), times.marks(found, normalise.plain)
    assert sorted(times.distances(reference, said)) == pytest.approx([0, 0, 0.1, 0.3])
    assert times.known(reference) == 6


def test_segments_without_words_have_the_times_of_their_ends() -> None:
    reference = times.marks([Segment("One, two three.", 0.5, 3)], normalise.plain)
    assert times.known(reference) == 2
    said = times.marks([Segment("one two", 0.6, 2), Segment("three", 2, 2.8)], normalise.plain)
    assert sorted(times.distances(reference, said)) == pytest.approx([0.1, 0.2])
    assert times.distances(reference, times.marks([Segment("zero", 0, 1)], normalise.plain)) == []


def test_orders() -> None:
    wanted = slots.Order.of({"intent": "order", "slots": {"drink": "Mocha", "size": "large", "milk": None}})
    found = slots.Order.read('Sure: {"intent": "order", "slots": {"drink": "mocha", "size": "small"}}')
    assert (len(wanted.slots), slots.shared(wanted, found), found == wanted) == (2, 1, False)
    assert slots.Order.of({"intent": "order", "slots": {"size": "large", "drink": "mocha"}}) == wanted
    for nothing in ("", "I do not know", "{broken", '{"slots": []}', "[1]"):
        assert slots.Order.read(nothing) == slots.Order()
