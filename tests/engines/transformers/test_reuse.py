"""One hearing, many questions: with what is remembered, every answer is token for token the one without."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.engines.bucketing import buckets
from hark.engines.engine import Options
from hark.engines.transformers.engine import Transformers
from hark.engines.transformers.generation import Reader
from hark.engines.transformers.memory import Memory
from tiny.families import MAKERS, make

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("transformers")
torch = pytest.importorskip("torch")
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 8}
KNOWN: dict[tuple[Any, ...], hark.Answer] = {}
TRANSCRIBERS = frozenset(
    "audiopalm hark_conformer hark_rnn hubert moonshine parakeet_ctc parakeet_tdt qwen3_asr seamless_m4t "
    "seamless_m4t_v2 speech_to_text speecht5 voxtral_realtime wav2vec2 whisper".split()
)
THE_SAME = frozenset({"qwen2_5_omni", "qwen2_audio_base"})  # families that are here under another name


@pytest.fixture(scope="module", params=sorted(set(MAKERS) - TRANSCRIBERS - THE_SAME))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(request.param, tmp_path_factory.mktemp("models") / request.param)


@pytest.fixture(scope="module")
def fresh(folder: Path) -> Iterator[hark.Listener]:
    """It remembers nothing."""
    with hark.load(str(folder), cache_mb=0) as loaded:
        assert loaded.can.free_prompt  # else it belongs into TRANSCRIBERS
        yield loaded


@pytest.fixture(scope="module")
def remembering(fresh: hark.Listener, folder: Path) -> Iterator[hark.Listener]:
    with hark.load(str(folder)) as loaded:
        yield loaded


@pytest.fixture
def warm(remembering: hark.Listener) -> hark.Listener:
    """The same weights, without memories yet."""
    memory_of(remembering).clear()
    return remembering


def memory_of(listener: hark.Listener) -> Memory:
    assert isinstance(listener.engine, Transformers)
    return listener.engine._ready()[1].memory


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One family for what does not depend on the family."""
    return make("qwen2_audio", tmp_path_factory.mktemp("models") / "qwen2_audio")


@contextlib.contextmanager
def counting(listener: hark.Listener) -> Iterator[Counter[str]]:
    """What the model does meanwhile: how often a layer of its encoder runs, how many tokens it looks up."""
    assert isinstance(listener.engine, Transformers)
    engine, counted = listener.engine, Counter[str]()
    model = engine.loaded().model

    def count(name: str, size: int) -> None:
        counted[name] += size

    look = model.get_input_embeddings()
    handles = [look.register_forward_pre_hook(lambda _, ids: count("tokens", ids[0].shape[-1] if ids else 1))]
    if engine.family.encoder:
        encoder = model.get_submodule(engine.family.encoder)
        within = next(module for module in encoder.modules() if isinstance(module, torch.nn.Linear))
        handles.append(within.register_forward_pre_hook(lambda *_: count("encoder", 1)))
    yield counted
    for handle in handles:
        handle.remove()


def alone(fresh: hark.Listener, audio: Any, prompt: str, **how: Any) -> hark.Answer:
    """The answer of a model that remembers nothing; asked once, as it gives the same each time."""
    clips = tuple(audio) if isinstance(audio, list) else (audio,)
    key = (fresh.engine.name, clips, prompt, *sorted(how.items(), key=str))
    if key not in KNOWN:
        KNOWN[key] = fresh.ask(audio, prompt, **{**GREEDY, **how})
    return KNOWN[key]


def same(warm: hark.Listener, fresh: hark.Listener, *asked: Any, **how: Any) -> hark.Answer:
    """Ask both; the answers are the same but for what is remembered."""
    known, new = warm.ask(*asked, **{**GREEDY, **how}), alone(fresh, *asked, **how)
    assert known.text == new.text
    assert known.usage.input_tokens == new.usage.input_tokens
    assert known.usage.output_tokens == new.usage.output_tokens
    assert new.usage.cached_clips == new.usage.cached_tokens == 0
    assert {notice.kind for notice in known.notices} == {notice.kind for notice in new.notices}
    return known


def test_a_second_question_hears_nothing_again(warm: hark.Listener, fresh: hark.Listener, order: hark.Audio) -> None:
    first = same(warm, fresh, order, "x")
    assert first.usage.cached_clips == first.usage.cached_tokens == 0
    with counting(warm) as counted:
        second = same(warm, fresh, order, "What is it?")
    assert second.usage.cached_clips == 1
    assert second.usage.cached_tokens
    assert counted["encoder"] == 0
    assert counted["tokens"] <= second.usage.input_tokens - second.usage.cached_tokens + 12 + 2


def test_each_turn_of_a_chat_is_as_fresh(
    warm: hark.Listener, fresh: hark.Listener, order: hark.Audio, hesitant: hark.Audio
) -> None:
    if not warm.can.several_turns:
        pytest.skip("this family answers one question")
    chats = [listener.chat() for listener in (warm, fresh)]
    known: list[int] = []
    turns: list[tuple[Any, ...]] = [(order, "What?"), ("And?",), (hesitant, "And this?"), ("Which?",)]
    for turn in turns if warm.can.several_clips else [turns[0], turns[1], turns[3]]:
        one, other = (chat.say(*turn, **GREEDY) for chat in chats)
        assert one.text == other.text
        known.append(one.usage.cached_clips or 0)
    assert known[:2] == [0, 1]
    assert known[-1] == len(chats[0].conversation.clips)


def test_after_other_options(warm: hark.Listener, fresh: hark.Listener, order: hark.Audio) -> None:
    stop = alone(fresh, order, "What is it?").text[2]
    hows: list[dict[str, Any]] = [
        {},
        {"max_new_tokens": 3},
        {"beams": 2},
        {"temperature": 1.5, "seed": 5},
        {"temperature": 1.5, "seed": 6, "top_p": 0.9},
        {"stop": stop},
        {},
    ]
    texts = [same(warm, fresh, order, "What is it?", **how).text for how in hows]
    assert texts[0] == texts[-1]
    assert len({texts[0], *texts[3:5]}) > 1  # sampled texts differ


def test_a_changed_system_prompt_is_followed(warm: hark.Listener, fresh: hark.Listener, order: hark.Audio) -> None:
    once = 0
    if not warm.can.system_prompt:
        pytest.skip("this family takes no system prompt")
    assert isinstance(warm.engine, Transformers)
    texts = set()
    with counting(warm) as counted:
        for system in (None, "Be brief.", "Be brilliant.", None):
            answer = same(warm, fresh, order, "What is it?", **({"system": system} if system else {}))
            texts.add(answer.text)
            once = once or counted["encoder"]
    assert len(texts) == 3
    assert answer.usage.cached_tokens  # of the first
    assert counted["encoder"] == once  # the clip was not encoded again, though no prefix was shared


def test_another_clip_of_the_same_length_is_heard(warm: hark.Listener, fresh: hark.Listener, order: hark.Audio) -> None:
    """The tokens of both are the same placeholders."""
    samples = order.samples()
    backwards = hark.Audio.of(samples[::-1].copy(), RATE)
    answers = [same(warm, fresh, clip, "What is it?") for clip in (backwards, order, order[1:3], order[0:2])]
    assert len({answer.text for answer in answers}) > 2
    assert [answer.usage.cached_clips for answer in answers] == [0, 0, 0, 0]
    again = hark.Audio.of(samples.copy(), RATE)
    assert same(warm, fresh, again, "What is it?").usage.cached_clips == 1


def test_several_clips(warm: hark.Listener, fresh: hark.Listener, order: hark.Audio, hesitant: hark.Audio) -> None:
    if not warm.can.several_clips:
        pytest.skip("this family hears one clip")
    for clips in ([order, hesitant], [hesitant, order], [order], [order, order], [order, hesitant]):
        answer = same(warm, fresh, clips, "What is it?")
    assert answer.usage.cached_clips == 2


def test_after_an_interrupted_stream(warm: hark.Listener, fresh: hark.Listener, order: hark.Audio) -> None:
    deltas = warm.stream(order, "What is it?", **{**GREEDY, "max_new_tokens": 40})
    next(delta for delta in deltas if delta.text)
    deltas.close()  # type: ignore[attr-defined]
    assert same(warm, fresh, order, "What is it?").usage.cached_clips == 1


def test_two_threads(warm: hark.Listener, fresh: hark.Listener, order: hark.Audio, hesitant: hark.Audio) -> None:
    asked = [(clip, prompt) for prompt in ("What is it?", "x") for clip in (order, hesitant)]
    expected = [alone(fresh, *question).text for question in asked]
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda question: warm.ask(*question, **GREEDY).text, asked))
    assert found == expected


def test_nothing_is_kept_where_it_is_turned_off(qwen: Path, order: hark.Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_CACHE_MB", "0")
    with hark.load(str(qwen)) as listener:
        runs = []
        for _ in range(2):
            with counting(listener) as counted:
                usage = listener.ask(order, "What?", **GREEDY).usage
            assert (usage.cached_clips, usage.cached_tokens) == (0, 0)
            runs.append(counted["encoder"])
        assert runs[0] == runs[1] > 0
    with hark.load(str(qwen), cache_mb=8) as listener:  # over the setting
        listener.ask(order, "What?", **GREEDY)
        assert listener.ask(order, "What?", **GREEDY).usage.cached_clips == 1


def test_closing_forgets(qwen: Path, order: hark.Audio) -> None:
    with hark.load(str(qwen)) as listener:
        listener.ask(order, "What?", **GREEDY)
        listener.close()
        assert listener.ask(order, "What?", **GREEDY).usage.cached_clips == 0


def test_json_tells_what_was_known(qwen: Path, order: hark.Audio) -> None:
    with hark.load(str(qwen)) as listener:
        listener.ask(order, "What?", **GREEDY)
        usage = json.loads(json.dumps(listener.ask(order, "Who?", **GREEDY).to_dict()))["usage"]
        assert usage["cached_clips"] == 1
        assert 0 < usage["cached_tokens"] < usage["input_tokens"]
        assert "cached_clips" not in listener.transcribe(order, **GREEDY).usage.to_dict()


def test_memory_stays_within_its_limit_and_forgets_what_was_used_least(qwen: Path) -> None:
    noise = [np.random.default_rng(seed).normal(0, 0.1, RATE).astype(np.float32) for seed in range(6)]
    clips = [hark.Audio.of(samples, RATE) for samples in noise]
    with hark.load(str(qwen), cache_mb=4) as listener:
        for clip in clips:
            listener.ask(clip, "What?", **GREEDY)
            listener.ask(clips[0], "Who?", **GREEDY)  # used all the time
        memory = memory_of(listener)
        assert 0 < sum(size for _, size in memory._kept.values()) <= 4 * 2**20
        assert listener.ask(clips[0], "Why?", **GREEDY).usage.cached_clips == 1
        assert listener.ask(clips[1], "Why?", **GREEDY).usage.cached_clips == 0


def test_a_value_larger_than_the_limit_is_not_kept() -> None:
    memory = Memory(10)
    memory.put("small", 1, 6)
    memory.put("large", 2, 11)
    assert (memory.get("small"), memory.get("large")) == (1, None)
    memory.put("other", 3, 6)
    assert (memory.get("small"), memory.get("other")) == (None, 3)


@pytest.mark.parametrize("value", [-1, 1.5, True, "8"])
def test_a_size_that_cannot_be_is_refused(qwen: Path, value: Any) -> None:
    with pytest.raises(ValueError, match="cache_mb"):
        hark.load(str(qwen), cache_mb=value)


QUESTIONS = ["What?", "Who is it, and where was that, exactly?", "x", "What is it?"]


def alike(found: list[hark.Answer], expected: list[hark.Answer]) -> None:
    assert [answer.text for answer in found] == [answer.text for answer in expected]
    for name in ("audio_seconds", "input_tokens", "output_tokens"):
        assert [getattr(answer.usage, name) for answer in found] == [getattr(answer.usage, name) for answer in expected]
    assert [answer.notices for answer in found] == [answer.notices for answer in expected]


def test_several_questions_at_once_are_answered_as_alone(
    warm: hark.Listener, fresh: hark.Listener, order: hark.Audio
) -> None:
    expected = [alone(fresh, order, question) for question in QUESTIONS]
    assert len({answer.text for answer in expected}) == len(QUESTIONS)
    with counting(warm) as counted:
        warm.ask(order, "Go.", **GREEDY)
    once = counted["encoder"]
    memory_of(warm).clear()
    with counting(warm) as counted:
        alike(warm.ask(order, QUESTIONS, **GREEDY), expected)
    assert counted["encoder"] == once
    with counting(warm) as counted:
        again = warm.ask(order, QUESTIONS, **GREEDY)
    alike(again, expected)
    assert counted["encoder"] == 0
    assert all(answer.usage.cached_clips == 1 for answer in again)


def test_stops_and_limits_hold_for_each_of_several(
    warm: hark.Listener, fresh: hark.Listener, order: hark.Audio
) -> None:
    questions = ["What is it?", QUESTIONS[1]]
    stop = alone(fresh, order, questions[0]).text[2]
    for how in ({"stop": stop}, {"max_new_tokens": 3}, {"beams": 2}, {"temperature": 1.5, "seed": 5}):
        expected = [alone(fresh, order, question, **how) for question in questions]
        alike(warm.ask(order, questions, **{**GREEDY, **how}), expected)


def test_a_question_that_fills_the_context_leaves_the_others_their_room(
    tmp_path: Path, order: hark.Audio, hesitant: hark.Audio
) -> None:
    other = hesitant[0:3]
    with hark.load(str(make("ichigo", tmp_path / "model")), cache_mb=0) as fresh:

        def filling(clip: hark.Audio) -> str:
            return "x" * (1 + 1024 - 4 - (fresh.ask(clip, "x", max_new_tokens=1).usage.input_tokens or 0))

        asked = [(order, "x"), (order, filling(order)), (other, filling(other))]
        first, second, third = [fresh.ask(clip, prompt, temperature=0.0) for clip, prompt in asked]
        assert (first.usage.output_tokens or 0) > 4 == second.usage.output_tokens
        alike(fresh.ask(order, ["x", filling(order)], temperature=0.0), [first, second])
        conversations = [hark.Conversation.ask((clip,), prompt) for clip, prompt in (asked[0], asked[2])]
        alike(fresh.engine.generate_batch(conversations, Options(temperature=0.0)), [first, third])


def test_conversations_of_other_lengths_at_once_are_answered_as_alone(
    warm: hark.Listener, fresh: hark.Listener, order: hark.Audio, hesitant: hark.Audio
) -> None:
    clips = [order, hesitant, order[1:3], hesitant[0.5:]]
    conversations = [hark.Conversation.ask((clip,), "What is it?") for clip in clips]
    expected = [alone(fresh, clip, "What is it?") for clip in clips]
    alike(warm.engine.generate_batch(conversations, Options(**GREEDY)), expected)


def test_buckets_hold_all_and_pad_little() -> None:
    lengths = [700, 80, 90, 690, 100, 400, 410, 85, 95, 88, 87, 86]
    found = buckets(lengths, lambda length: length, 8)
    assert sorted(length for bucket in found for length in bucket) == sorted(lengths)
    assert max(map(len, found)) <= 8
    assert sum(len(bucket) * max(bucket) for bucket in found) < 1.1 * sum(lengths)
    assert buckets([], len, 8) == []


@pytest.mark.parametrize("prompts", [[], [""], [1], 5])
def test_questions_that_are_none_are_refused(qwen: Path, order: hark.Audio, prompts: Any) -> None:
    with hark.load(str(qwen)) as listener:
        if prompts == [""]:  # no prompt means transcribe, here too
            assert [answer.usage.cached_clips for answer in listener.ask(order, prompts, **GREEDY)] == [None]
            return
        with pytest.raises(hark.HarkError):
            listener.ask(order, prompts)


def test_several_questions_with_a_system_prompt_about_messages_and_a_file_read_once(qwen: Path, examples: Path) -> None:
    with hark.load(str(qwen)) as listener:
        path = examples / "order.flac"
        expected = [listener.ask(path, question, system="Go.", **GREEDY).text for question in QUESTIONS]
        with path.open("rb") as file:
            found = listener.ask(file, QUESTIONS, system="Go.", **GREEDY)
        assert [answer.text for answer in found] == expected
        messages = [
            {"role": "system", "content": "Go."},
            {"role": "user", "content": [{"type": "audio", "path": str(path)}]},
        ]
        assert [answer.text for answer in listener.ask(messages, QUESTIONS, **GREEDY)] == expected


@pytest.mark.parametrize("family", ["qwen2_audio", "voxtral", "whisper", "speech_to_text"])
def test_text_read_as_its_tokens_come_is_the_text_of_all(family: str, tmp_path: Path) -> None:
    engine = Transformers(family, make(family, tmp_path / family))
    tokenizer = engine.family.tokenizer(engine.loaded())
    written = tokenizer.encode("Gr\u00fc\u00dfe, it 's \u4f60\u597d \U0001f642  two\n\nlines .") * 4
    drawn = np.random.default_rng(0).integers(0, len(tokenizer), 120).tolist()
    for ids in (written, drawn):
        reader = Reader(engine.family, engine.loaded())
        for count in range(1, len(ids) + 1):
            assert reader.read(ids[:count]) == engine.family.read(engine.loaded(), ids[:count])


def test_memory_does_not_grow_with_every_new_recording(tmp_path: Path) -> None:
    code = """
import sys, numpy as np, hark
def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * 4 // 1024
noise = np.random.default_rng(0)
with hark.load(sys.argv[1], cache_mb=8) as listener:
    for turn in range(100):
        clip = hark.Audio.of(noise.normal(0, 0.1, 16000).astype(np.float32), 16000)
        listener.ask(clip, "What?", max_new_tokens=2)
        if turn == 20:
            before = megabytes()
print(megabytes() - before)
"""
    folder = make("qwen2_audio", tmp_path / "tiny")
    ran = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 40
