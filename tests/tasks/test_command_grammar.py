"""What may be said: grammars in Picovoice's YAML and in JSGF, and what they make of words."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from hark.errors import OptionError
from hark.tasks.command.grammar import Grammar
from hark.tasks.command.numbers import spelled, words
from hark.tasks.command.parse import parsed, walked

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = """
context:
  expressions:
    order:
      - "(please) @ask [a, an] ($size:size) $drink:drink (with $extra:first (and $extra:second))"
      - "one more [please, thanks]"
    wash:
      - "wash $pv.TwoDigitInteger:count [cup, cups]"
  macros:
    ask: ["make me", "I'd like"]
  slots:
    size: [small, extra large]
    drink: [coffee, iced coffee, tea]
    extra: [milk, a lot of milk, sugar]
"""
SAME = """#JSGF V1.0 UTF-8 en;
grammar machine;  // a comment; with a semicolon
/* public <no> = no; */
public <order> = [please] (make me | I'd like) (a | an) [<size> {size}] <drink> {drink}
                 [with <extra> {first} [and <extra> {second}]] | one more (please | /3.5/ thanks);
public <wash> = wash (two {count=2} | "three" {count = 3}) (cup | cups);
<size> = small | extra large;
<drink> = [iced] coffee | tea;
<extra> = [a lot of] milk | sugar;
"""


@pytest.fixture(params=[MACHINE, SAME], ids=["yaml", "jsgf"])
def grammar(request: pytest.FixtureRequest) -> Grammar:
    return Grammar.of(request.param)


def meaning(grammar: Grammar, text: str) -> Any:
    found = parsed(grammar.automaton, text)
    return found and (found.intent, found.slots)


@pytest.mark.parametrize(
    ("text", "intent", "slots"),
    [
        ("make me a tea", "order", {"drink": "tea"}),
        ("I\N{RIGHT SINGLE QUOTATION MARK}D LIKE an iced coffee.", "order", {"drink": "iced coffee"}),
        (
            "please make me a extra large coffee with a lot of milk and sugar",
            "order",
            {"size": "extra large", "drink": "coffee", "first": "a lot of milk", "second": "sugar"},
        ),
        ("one more, thanks!", "order", {}),
        ("Wash 2 cups.", "wash", {"count": "2"}),
    ],
)
def test_words_in_the_grammar_mean_what_it_says(grammar: Grammar, text: str, intent: str, slots: Any) -> None:
    found = parsed(grammar.automaton, text)
    assert found
    assert (found.intent, found.slots, found.fit) == (intent, slots, 1.0)


def test_every_sentence_of_a_grammar_is_understood_as_it_was_made(grammar: Grammar) -> None:
    chance = random.Random(0)
    automaton = grammar.automaton
    for _ in range(40):
        state, path = automaton.start, []
        while automaton.ends[state] is None or (automaton.arcs[state] and chance.random() < 0.7):
            symbol = chance.choice(sorted(automaton.arcs[state]))
            path.append(symbol)
            state = automaton.arcs[state][symbol]
        found = walked(automaton, path)
        assert found
        assert parsed(automaton, " ".join(word for symbol in path for word in symbol.words)) == found


def test_words_beside_the_grammar_cost_fit(grammar: Grammar) -> None:
    found = parsed(grammar.automaton, "Hello, please make me a small tee with sugar")
    assert found
    assert found.slots == {"size": "small", "drink": "tea", "first": "sugar"}
    assert 0.6 < found.fit < 0.9


@pytest.mark.parametrize("text", ["make me a", "what is the time", "", "milk", "... !"])
def test_no_slot_is_invented(grammar: Grammar, text: str) -> None:
    found = parsed(grammar.automaton, text)
    assert found is None or found.fit < 0.6 or not found.slots


def test_no_word_is_used_twice(grammar: Grammar) -> None:
    assert meaning(grammar, "make me a coffee with milk") == ("order", {"drink": "coffee", "first": "milk"})
    assert meaning(grammar, "make me an iced coffee") == ("order", {"drink": "iced coffee"})


def test_of_two_intents_that_fit_the_first_is_meant() -> None:
    text = "context:\n  expressions:\n    b: [stop]\n    a: [stop, 'stop it']"
    grammar = Grammar.of(text)
    assert (meaning(grammar, "stop"), meaning(grammar, "stop it")) == (("b", {}), ("a", {}))


def test_repetitions_of_jsgf_have_no_end() -> None:
    grammar = Grammar.of("#JSGF V1.0;\npublic <go> = (very)* fast+ <NULL>;")
    for text in ("fast", "very very very fast", "fast fast"):
        assert parsed(grammar.automaton, text).fit == 1  # type: ignore[union-attr]
    assert parsed(grammar.automaton, "very").fit < 0.6  # type: ignore[union-attr]


def test_numbers_are_read_as_they_are_said() -> None:
    assert [spelled(number) for number in (0, 13, 40, 42, 305, 1234, -7)] == [
        "zero", "thirteen", "forty", "forty two", "three hundred five", "one two three four", "minus seven",
    ]  # fmt: skip
    assert words("12-ounce, 50% 'off' don't") == ["twelve", "ounce", "fifty", "percent", "off", "don't"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "context"),
        ("a: [1", "no YAML at line 1"),
        ("context: {expressions: {}}", "Nothing can be said"),
        ("context: {expressions: {order: []}}", "intent order has no list"),
        ("context: {expressions: {order: [make me $size:size]}}", "no slot $size"),
        ("context: {expressions: {order: ['make [me, us']}}", "']' is missing"),
        ("context: {expressions: {order: ['make me)']}}", "')' too many"),
        ("context: {expressions: {order: ['@ask']}}", "no macro @ask"),
        ("context: {expressions: {order: ['$pv.Date:day']}}", "$pv.Date is not known"),
        ("context: {expressions: {order: [go]}, slots: {size: [yes, no]}}", "holds True"),
        ("context: {expressions: {order: [go]}, slot: {}}", "'slot' in its context"),
        ("#JSGF V1.0\npublic <a> = b;", "no public rule|does not begin"),
        ("#JSGF V1.0;\n<a> = b;", "no public rule"),
        ("#JSGF V1.0;\npublic <a> = b", "semicolon is missing"),
        ("#JSGF V1.0;\npublic <a> = <b>;", "no rule <b>"),
        ("#JSGF V1.0;\npublic <a> = [b] <a>;", "refers to itself"),
        ("#JSGF V1.0;\npublic <a> = (b;", "not closed"),
        ("#JSGF V1.0;\npublic <a> = b | ;", "alternative is empty"),
        ("#JSGF V1.0;\nimport <c.*>;\npublic <a> = b;", "imports another"),
        ("#JSGF V1.0;\npublic <a> = {slot};", "nothing before it"),
        ("#JSGF V1.0;\npublic <a> = b {say (x)};", "names no slot"),
        ("#JSGF V1.0;\npublic <a> = (b+) {slot};", "have no end"),
        ("#JSGF V1.0;\npublic <a> = (b {one} c) {two};", "inside of another"),
        ("#JSGF V1.0;\npublic <a> = <VOID>;", "Nothing can be said"),
        ("#JSGF V1.0;\npublic <a> = " + "(" * 1000 + "b" + ")" * 1000 + ";", "nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_grammar_is_told(text: str, message: str) -> None:
    with pytest.raises(OptionError, match="(?s)" + "|".join(re.escape(part) for part in message.split("|"))) as caught:
        Grammar.of(text)
    assert caught.value.hint


def test_a_grammar_that_explodes_is_refused_soon() -> None:
    digits = " ".join(["$d:d"] * 3)
    lines = "\n".join(f"<r{n}> = <r{n - 1}> <r{n - 1}>;" for n in range(1, 30))
    with pytest.raises(OptionError):
        Grammar.of(f"#JSGF V1.0;\n<r0> = (a | b);\n{lines}\npublic <go> = <r29>;")
    assert Grammar.of(f"context: {{expressions: {{dial: ['{digits}']}}, slots: {{d: [one, two]}}}}")


def test_text_is_never_taken_for_a_path(tmp_path: Path) -> None:
    path = tmp_path / "grammar.yaml"
    path.write_text(MACHINE, encoding="utf-8")
    assert Grammar.of(path) == Grammar.of(MACHINE)
    for given in (str(path), tmp_path, tmp_path / "missing.yaml", 7):
        with pytest.raises(OptionError):
            Grammar.of(given)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OptionError, match="no text"):
        Grammar.of(path)


@pytest.mark.parametrize("name", ["coffee_maker.yaml", "coffee_maker.jsgf"])
def test_the_examples_are_grammars(examples: Path, name: str) -> None:
    grammar = Grammar.of(examples / name)
    assert grammar.names == ("order", "clean", "stop")
    found = parsed(grammar.automaton, "Can I have a strong large latte with two sugars, please?")
    assert found
    assert list(found.slots) == ["strength", "size", "drink", "sugar" if name.endswith("yaml") else "sugars"]
