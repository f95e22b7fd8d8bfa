"""Generation held to a schema: any scores at all, batches, beams, both kinds of tokenizers, and what cannot be held."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, Field

import hark
from hark.answers.schema import Schema
from hark.errors import MissingExtraError, ModelError, OptionError, UnsupportedError
from tiny.chat import tokenizer
from tiny.families import make
from tiny.tekken import tekken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytest.importorskip("transformers")
pytest.importorskip("llguidance")

import torch
from transformers import PreTrainedTokenizerFast

from hark.engines.transformers.grammar import Grammars

BEYOND = 40  # scores a model has more than its tokenizer has tokens


class Word(BaseModel):
    kind: Literal["noun", "verb", 'ä "quoted" one']
    at: int = Field(ge=0, le=999)
    sure: bool | None


class Heard(BaseModel):
    mood: Literal["calm", "tense"]
    words: list[Word] = Field(min_length=1, max_length=3)
    note: str = Field(max_length=8)


class Tree(BaseModel):
    size: int = Field(ge=0, le=9)
    parts: list[Tree] = Field(max_length=2)


BOUNDED = [
    Heard,
    {"type": "array", "items": {"enum": ["x", 1, None, {"a": []}]}, "minItems": 2, "maxItems": 4},
    {"type": "object", "properties": {"a": {"type": "boolean"}}},
    {"const": {"b": [1, "two"]}},
    {"type": "string", "format": "date"},
    {"oneOf": [{"type": "integer", "minimum": 1, "maximum": 5}, {"type": "number", "minimum": 7, "maximum": 8}]},
    {"allOf": [{"$ref": "#/$defs/n"}], "$defs": {"n": {"type": "integer", "minimum": -5, "maximum": 5}}},
]


@pytest.fixture(scope="module", params=["fast", "tekken"])
def words(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tokenizer, and the token that ends an answer."""
    if request.param == "tekken":
        return tekken(tmp_path_factory.mktemp("tekken")), 2
    made = tokenizer(["<pad>", "<end>", "[INST]"], eos="<end>", pad="<pad>")
    return made, made.eos_token_id


def write(words: Any, schema: Schema, seed: int, rows: int = 1, most: int = 250) -> list[str]:
    """Let random scores write: rows side by side, those that have ended filled up, as `generate` does."""
    made, end = words
    held = Grammars().processor(schema, made, [end])
    chance = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, len(made), (rows, 5), generator=chance)
    for _ in range(most):
        scores = held(ids, torch.randn(rows, len(made) + BEYOND, generator=chance))
        assert not scores.isneginf().all(dim=1).any()
        ended = (ids[:, 5:] == end).any(dim=1)
        ids = torch.cat([ids, torch.where(ended, 0, scores.argmax(dim=1))[:, None]], dim=1)
        if (ids[:, 5:] == end).any(dim=1).all():
            break
    else:
        pytest.fail(f"not ended after {most} tokens: {made.decode(ids[0, 5:])}")
    return [made.decode(row[: row.tolist().index(end)], skip_special_tokens=True) for row in ids[:, 5:]]


@pytest.mark.parametrize("given", BOUNDED, ids=str)
def test_whatever_the_scores_a_bounded_schema_is_fitted_within_a_bounded_number_of_tokens(
    words: Any, given: Any
) -> None:
    schema = Schema.of(given)
    for seed in range(3):
        for text in write(words, schema, seed, rows=3):
            jsonschema.validate(json.loads(text), schema.values)


def added() -> Any:
    made = tokenizer(["<s>", "</s>"], eos="</s>", pad="<s>")
    made.add_tokens(["<b>"])
    return made


def of_the_vocabulary(model: str) -> Any:
    """Control tokens that are pieces of the model as well, as where SentencePiece made it."""
    from tokenizers import Tokenizer, decoders, models

    pieces = ["<unk>", "<s>", "</s>", "<b>", *map(chr, range(32, 127)), *(f"<0x{byte:02X}>" for byte in range(256))]
    numbered = {piece: number for number, piece in enumerate(pieces)}
    unigram = models.Unigram([(piece, -1.0) for piece in pieces], 0, byte_fallback=True)
    bpe = models.BPE(vocab=numbered, merges=[], unk_token="<unk>", byte_fallback=True)
    made = Tokenizer(unigram if model == "unigram" else bpe)
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    made.add_tokens(["<b>"])
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", pad_token="<s>")


@pytest.mark.parametrize("made", [added, partial(of_the_vocabulary, "bpe"), partial(of_the_vocabulary, "unigram")])
def test_text_that_reads_like_a_control_token_is_written_as_text(made: Callable[[], Any]) -> None:
    words = made()
    wanted = "a</s>b<b><s>"
    texts = write((words, words.eos_token_id), Schema.of({"const": {wanted: True}}), 0, rows=2)
    assert [json.loads(text) for text in texts] == [{wanted: True}] * 2


def test_rows_of_a_batch_go_their_own_ways(words: Any) -> None:
    assert len(set(write(words, Schema.of(Heard), 0, rows=4))) == 4


def test_spaces_are_those_of_json_dumps(words: Any) -> None:
    for seed in range(5):
        (text,) = write(words, Schema.of(Heard.model_json_schema()), seed)
        assert json.dumps(json.loads(text), ensure_ascii=False) in (text, text.encode().decode("unicode_escape"))


def test_what_cannot_be_enforced_is_left_to_the_check(words: Any) -> None:
    unique = {"type": "array", "items": {"enum": [1, 2]}, "minItems": 2, "maxItems": 2, "uniqueItems": True}
    texts = {text for seed in range(12) for text in write(words, Schema.of(unique), seed)}
    assert texts == {"[1, 1]", "[1, 2]", "[2, 1]", "[2, 2]"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"type": "integer", "minimum": 5, "maximum": 1}, "is greater than maximum"),
        ({"type": "string", "pattern": "(?=a)b"}, "cannot be used"),
    ],
)
def test_a_schema_that_cannot_be_enforced_at_all_is_refused_with_the_reason(words: Any, given: Any, why: str) -> None:
    with pytest.raises(OptionError, match=why):
        Grammars().processor(Schema.of(given), words[0], [words[1]])


def test_a_schema_is_compiled_once_and_few_are_kept(words: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hark.engines.transformers import grammar

    compiled: list[str] = []
    compile_ = grammar._compile
    monkeypatch.setattr(
        grammar, "_compile", lambda schema, made: (compiled.append(schema.text), compile_(schema, made))[1]
    )
    grammars = Grammars()
    for number in [*range(20), 19, 19, 0]:
        grammars.processor(Schema.of({"const": number}), words[0], [words[1]])
    assert len(compiled) == 21
    assert len(grammars._compiled) == grammar._KEPT


def test_a_tokenizer_whose_bytes_are_not_known_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="object"):
        Grammars().processor(Schema.of(int), object(), [0])


# --- in a model -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"num_beams": 4}, {"do_sample": True, "temperature": 1.5, "top_p": 0.9}], ids=str)
def test_generate_with_rows_and_beams_keeps_to_the_schema(how: dict[str, Any]) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    made = tokenizer(["<pad>", "<end>"], eos="<end>", pad="<pad>")
    config = LlamaConfig(
        vocab_size=len(made), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        initializer_range=0.3, eos_token_id=made.eos_token_id, pad_token_id=made.pad_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    for given in (Heard, {"const": [1]}):
        schema = Schema.of(given)
        asked = made(["Who speaks here?", "When?", "Why at all?"], return_tensors="pt", padding=True)
        held = Grammars().processor(schema, made, [made.eos_token_id])
        ids = model.generate(**asked, max_new_tokens=250, logits_processor=[held], **how)
        texts = made.batch_decode(ids[:, asked["input_ids"].shape[1] :], skip_special_tokens=True)
        for text in texts:
            jsonschema.validate(json.loads(text), schema.values)
        assert len(set(texts)) == (3 if given is Heard else 1)


@pytest.fixture(scope="module", params=["qwen2_audio", "voxtral"])
def listener(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[hark.Listener]:
    with hark.load(str(make(request.param, tmp_path_factory.mktemp("models") / request.param))) as loaded:
        yield loaded


@pytest.mark.parametrize("options", [{"beams": 3}, {"temperature": 1.5, "seed": 1}, {"temperature": 0.0}], ids=str)
def test_every_way_to_generate_gives_an_instance_of_the_class(
    listener: hark.Listener, hesitant: hark.Audio, options: dict[str, Any]
) -> None:
    answer = listener.ask(hesitant, "Which words?", schema=Heard, max_new_tokens=250, **options)
    assert isinstance(answer.data, Heard)
    assert answer.to_dict()["data"] == json.loads(answer.text)
    assert answer.notices == ()


def test_a_schema_that_refers_to_itself_works(listener: hark.Listener, order: hark.Audio) -> None:
    answer = listener.ask(order, schema=Tree, max_new_tokens=1000, temperature=0.0)
    assert isinstance(answer.data, Tree)


def test_one_question_after_another_is_held_and_free_ones_are_not(listener: hark.Listener, order: hark.Audio) -> None:
    free = {"temperature": 0.0, "max_new_tokens": 12}
    before = listener.ask(order, "What is it?", **free).text
    held = listener.ask(order, "What is it?", schema=Heard, max_new_tokens=250, temperature=0.0)
    assert listener.ask(order, "What is it?", schema=Heard, max_new_tokens=250, temperature=0.0).text == held.text
    assert listener.ask(order, "What is it?", **free).text == before


def test_steps_joined_are_the_json_and_the_last_holds_the_value(listener: hark.Listener, order: hark.Audio) -> None:
    steps = list(listener.stream(order, "Which words?", schema=Heard, max_new_tokens=250, temperature=0.0))
    text = "".join(step.text for step in steps)
    assert steps[-1].data == Heard.model_validate_json(text)
    assert sum(bool(step.text) for step in steps) > 5


def test_text_without_bounds_meets_the_limit_and_is_an_error(listener: hark.Listener, order: hark.Audio) -> None:
    with pytest.raises(ModelError, match="broke off at the limit of 30 tokens"):
        listener.ask(order, schema={"type": "array", "items": {"type": "integer"}, "minItems": 40}, max_new_tokens=30)


def test_several_questions_at_once_are_each_held(listener: hark.Listener, order: hark.Audio) -> None:
    questions = ["Which words?", "What is said here, and who is it that says it?", "Why?"]
    options = {"schema": Heard, "max_new_tokens": 250, "temperature": 0.0}
    together = listener.ask(order, questions, **options)
    assert [answer.data for answer in together] == [listener.ask(order, one, **options).data for one in questions]
    assert len({answer.text for answer in together}) > 1
    with pytest.raises(ModelError, match="broke off at the limit of 4 tokens"):
        listener.ask(order, questions, schema=Heard, max_new_tokens=4)


def test_two_turns_of_a_chat_may_have_two_schemas(listener: hark.Listener, order: hark.Audio) -> None:
    chat = listener.chat()
    options = {"max_new_tokens": 250, "temperature": 0.0}
    assert isinstance(chat.say(order, "Which words?", schema=Heard, **options).data, Heard)
    assert isinstance(chat.say("How many?", schema=Tree, **options | {"max_new_tokens": 1000}).data, Tree)


def test_a_schema_that_cannot_be_enforced_is_refused_by_the_model(listener: hark.Listener, order: hark.Audio) -> None:
    with pytest.raises(OptionError, match="cannot be used"):
        listener.ask(order, schema={"type": "string", "pattern": "(?=a)b"})


def test_without_the_library_the_pip_line_is_told(
    listener: hark.Listener, order: hark.Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(MissingExtraError) as error:
        listener.ask(order, schema=Heard)
    assert "hark-audio[transformers]" in error.value.hint


def test_a_model_that_writes_down_refuses_before_its_weights_are_read(order: hark.Audio, tmp_path: Path) -> None:
    folder = make("whisper", tmp_path / "whisper")
    (folder / "model.safetensors").unlink()
    with hark.load(str(folder)) as listener:
        for options in ({"task": "transcribe"}, {}):
            with pytest.raises(UnsupportedError):
                listener.ask(order, schema=Heard, **options)
        with pytest.raises(UnsupportedError, match="schema"):
            listener.ask(order, task="transcribe", schema=Heard)
