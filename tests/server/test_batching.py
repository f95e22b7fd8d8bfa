"""Questions answered together: each as alone, whoever leaves or fails beside it."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from stepwise import clip, engine, expected

import hark
from hark.engines.bucketing import around
from hark.engines.engine import Options
from hark.server.config import Config
from hark.server.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stepwise import Stepwise

CLIP = clip()
GREEDY = {"temperature": 0.0, "max_new_tokens": 8}


def lane_of(batch_ms: float = 40.0, max_batch: int = 4, **how: Any) -> tuple[Lane, Stepwise]:
    made = engine(**how)
    return Lane(hark.Listener(made), Config(batch_ms=batch_ms, max_batch=max_batch)), made


def ask(lane: Lane, prompt: str, about: hark.Audio = CLIP, **options: Any) -> asyncio.Task[hark.Answer]:
    return asyncio.ensure_future(lane.answer(hark.Conversation.ask((about,), prompt), options))


def right(prompt: str, about: hark.Audio = CLIP, words: int = 5, **options: Any) -> str:
    return expected(hark.Conversation.ask((about,), prompt), Options(**options), words) + " "


def test_questions_that_come_within_the_window_are_answered_together() -> None:
    async def work() -> None:
        lane, made = lane_of()
        sizes: list[int] = []
        lane.on_batch = sizes.append
        prompts = [f"number {n}" for n in range(6)]
        answers = await asyncio.gather(*(ask(lane, prompt) for prompt in prompts))
        assert [answer.text for answer in answers] == [right(prompt) for prompt in prompts]
        assert sizes == [4, 2]  # not [2, 4]: those who are left may be joined by others
        assert sorted(prompt for batch in made.seen.batches for prompt in batch) == prompts
        assert all(answer.usage.output_tokens == 5 for answer in answers)

    asyncio.run(work())


def test_one_alone_waits_no_longer_than_the_window_and_a_full_batch_not_at_all() -> None:
    async def work() -> None:
        lane, _ = lane_of(batch_ms=150.0)
        begun = time.monotonic()
        await ask(lane, "alone")
        assert 0.14 < time.monotonic() - begun < 0.5
        begun = time.monotonic()
        await asyncio.gather(*(ask(lane, f"number {n}") for n in range(4)))
        assert time.monotonic() - begun < 0.14

    asyncio.run(work())


def test_those_who_wait_for_a_busy_model_gather_without_a_further_wait() -> None:
    async def work() -> None:
        lane, made = lane_of(batch_ms=30.0, pause=0.02)
        waits: list[float] = []
        first = ask(lane, "first")
        await asyncio.to_thread(made.seen.begun.wait)
        lane.on_wait = waits.append
        others = [ask(lane, f"other {n}") for n in range(3)]
        await asyncio.gather(first, *others)
        assert [sorted(batch) for batch in made.seen.batches] == [["other 0", "other 1", "other 2"]]
        assert all(wait < 0.13 for wait in waits)

    asyncio.run(work())


def test_only_what_can_be_is_answered_together() -> None:
    async def work() -> None:
        lane, made = lane_of()
        kinds: list[dict[str, Any]] = [{}, {"temperature": 0.5}, {"task": "transcribe"}, {"task": "translate"}]
        asked = [ask(lane, f"{n} {m}", **kind) for n, kind in enumerate(kinds) for m in range(2)]
        await asyncio.gather(*asked)
        assert sorted(map(sorted, made.seen.batches)) == [["0 0", "0 1"], ["1 0", "1 1"]]
        assert len(made.seen.alone) == 4

    asyncio.run(work())


def test_clips_of_very_different_length_are_not_padded_to_the_longest() -> None:
    async def work() -> None:
        lane, made = lane_of()
        lengths = {"long": 50.0, "longer": 55.0, "short": 1.0, "shorter": 0.5}
        about = {prompt: clip(n, seconds) for n, (prompt, seconds) in enumerate(lengths.items())}
        answers = await asyncio.gather(*(ask(lane, prompt, about[prompt]) for prompt in lengths))
        assert [answer.text for answer in answers] == [right(prompt, about[prompt]) for prompt in lengths]
        assert sorted(map(sorted, made.seen.batches)) == [["long", "longer"], ["short", "shorter"]]

    asyncio.run(work())


def test_one_that_fails_does_not_fail_the_others_of_its_batch() -> None:
    async def work() -> None:
        lane, made = lane_of()
        prompts = ["good", "fail division", "fine", "fail memory"]
        found = await asyncio.gather(*(ask(lane, prompt) for prompt in prompts), return_exceptions=True)
        assert len(made.seen.batches) == 1
        assert [getattr(one, "text", type(one)) for one in found] == [
            right("good"), ZeroDivisionError, right("fine"), MemoryError,
        ]  # fmt: skip

    asyncio.run(work())


def test_one_that_is_refused_is_told_so_and_never_reaches_the_model() -> None:
    async def work() -> None:
        lane, made = lane_of()
        asked = [
            ask(lane, "good"), ask(lane, "bad", temperature=-1.0), ask(lane, "bad", long="nonsense"),
            ask(lane, "bad", nonsense=1), ask(lane, "bad", clip(3, 61.0)), ask(lane, "fine"),
        ]  # fmt: skip
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [getattr(one, "text", None) for one in found] == [right("good"), None, None, None, None, right("fine")]
        assert all(isinstance(one, hark.HarkError) and one.http_status == 400 for one in found[1:5])
        assert [sorted(batch) for batch in made.seen.batches] == [["fine", "good"]]

    asyncio.run(work())


def test_json_that_does_not_fit_is_the_error_of_each() -> None:
    async def work() -> None:
        lane, made = lane_of()
        asked = [ask(lane, f"number {n}", schema={"type": "object"}) for n in range(2)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in found] == [hark.errors.ModelError] * 2
        assert len(made.seen.batches) == 1

    asyncio.run(work())


def test_one_who_leaves_a_batch_stops_its_own_row_alone() -> None:
    async def work() -> None:
        lane, made = lane_of(pause=0.02, words=20)
        asked = [ask(lane, prompt) for prompt in ("stays", "leaves", "remains")]
        await asyncio.to_thread(made.seen.begun.wait)
        asked[1].cancel()
        await asyncio.wait({asked[1]})
        assert [(await asked[n]).text for n in (0, 2)] == [right("stays", words=20), right("remains", words=20)]
        assert made.seen.steps == {"stays": 20, "leaves": made.seen.steps["leaves"], "remains": 20}
        assert made.seen.steps["leaves"] < 5

    asyncio.run(work())


def test_a_batch_that_all_leave_stops_within_a_step() -> None:
    async def work() -> None:
        lane, made = lane_of(pause=0.02, words=500)
        asked = [ask(lane, f"number {n}") for n in range(3)]
        await asyncio.to_thread(made.seen.begun.wait)
        left = time.monotonic()
        for one in asked:
            one.cancel()
        await asyncio.wait(asked)
        while lane.running:
            await asyncio.sleep(0.001)
        assert time.monotonic() - left < 0.1
        made.words = 5
        assert (await ask(lane, "next")).text == right("next")

    asyncio.run(work())


# What follows runs tiny models with random weights: what they write depends on every sample and every token.


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hark.Listener]:
    pytest.importorskip("transformers")
    from tiny.families import make

    with hark.load(str(make("qwen2_audio", tmp_path_factory.mktemp("models") / "chat"))) as listener:
        yield listener


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hark.Listener]:
    pytest.importorskip("transformers")
    from tiny.families import make

    with hark.load(str(make("whisper", tmp_path_factory.mktemp("models") / "whisper"))) as listener:
        yield listener


def slowed(listener: hark.Listener, seconds: float, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let each token take a while; gives the times of all."""
    model = listener.engine.loaded().model  # type: ignore[attr-defined]
    forward, times = model.forward, list[float]()

    @functools.wraps(forward)
    def slow(*args: Any, **keywords: Any) -> Any:
        time.sleep(seconds)
        times.append(time.monotonic())
        return forward(*args, **keywords)

    monkeypatch.setattr(model, "forward", slow)
    return times


def test_a_model_answers_together_as_alone(chat: hark.Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    about = [clip(n, seconds) for n, seconds in enumerate((1.0, 1.7, 1.2, 6.0))]
    prompts = ["What is it?", "Who speaks?", "And why?", "When?"]
    alone = [chat.ask(one, prompt, **GREEDY) for one, prompt in zip(about, prompts, strict=True)]
    assert len({answer.text for answer in alone}) == 4

    async def work() -> list[hark.Answer]:
        lane = Lane(chat, Config(batch_ms=200.0))
        sizes: list[int] = []
        lane.on_batch = sizes.append
        asked = [ask(lane, p, one, **GREEDY) for one, p in zip(about, prompts, strict=True)]
        found = await asyncio.gather(*asked)
        assert sorted(sizes) == [1, 3]  # one is much longer
        return found

    chat.close()  # nothing is remembered of what was heard
    times = slowed(chat, 0.0, monkeypatch)
    together = asyncio.run(work())
    assert len(times) == 16  # one pass for each token of the three that are alike
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert [answer.usage.output_tokens for answer in together] == [answer.usage.output_tokens for answer in alone]


def test_a_row_of_a_model_that_nobody_wants_stops_and_the_others_are_as_alone(chat: hark.Listener) -> None:
    about = [clip(n, 1.0) for n in range(10, 13)]
    how = Options(temperature=0.0, max_new_tokens=20)
    asked = [hark.Conversation.ask((one,), "What is it?") for one in about]
    alone = [hark.Answer.of(chat.engine.generate(one, how)) for one in asked]
    chat.close()
    told = [0, 0, 0]

    def gone(number: int) -> bool:
        told[number] += 1
        return number == 1 and told[1] > 3

    together = chat.engine.generate_batch(asked, how, gone)
    assert [together[n].text for n in (0, 2)] == [alone[n].text for n in (0, 2)]
    assert together[1].text != alone[1].text
    assert min(told[0], told[2]) >= 20


def leaving(listener: hark.Listener, times: list[float], begin: Callable[[Lane], list[asyncio.Future[Any]]]) -> float:
    """Seconds from the moment in which all leave, in the middle of the work, until the model is still."""

    async def work() -> float:
        lane = Lane(listener, Config(batch_ms=100.0))
        tasks = begin(lane)
        while len(times) < 4:
            await asyncio.sleep(0.001)
        left, count = time.monotonic(), len(times)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        while lane.running:
            await asyncio.sleep(0.001)
        free = time.monotonic() - left
        await asyncio.sleep(0.1)
        assert len(times) <= count + 1
        return free

    return asyncio.run(work())


async def everything(lane: Lane, **options: Any) -> None:
    about = hark.Conversation.ask((CLIP,), options.pop("prompt", None))
    async for _ in lane.run(lambda listener: listener.answer(about, **options)):
        pass


@pytest.mark.parametrize("kind", ["stream", "whole", "batch", "stop", "beams"])
def test_a_model_is_still_within_a_token_of_the_last_one_leaving(
    kind: str, chat: hark.Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    how: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 400}
    begin: dict[str, Callable[[Lane], list[asyncio.Future[Any]]]] = {
        "stream": lambda lane: [asyncio.ensure_future(everything(lane, prompt="What?", **how))],
        "whole": lambda lane: [ask(lane, "What?", **how)],
        "batch": lambda lane: [ask(lane, "What?", clip(n), **how) for n in range(3)],
        "stop": lambda lane: [asyncio.ensure_future(everything(lane, prompt="What?", stop=["never said"], **how))],
        "beams": lambda lane: [asyncio.ensure_future(everything(lane, prompt="What?", beams=2, **how))],
    }
    chat.close()
    times = slowed(chat, 0.03, monkeypatch)
    assert leaving(chat, times, begin[kind]) < 0.15
    assert len(times) < 10


def test_whisper_is_still_within_a_token_in_the_middle_of_a_window(
    whisper: hark.Listener, order: hark.Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = hark.Conversation.ask((order,))
    for whole in (True, False):
        with monkeypatch.context() as patch:
            times = slowed(whisper, 0.03, patch)

            def begin(lane: Lane, whole: bool = whole) -> list[asyncio.Future[Any]]:
                if whole:
                    return [asyncio.ensure_future(lane.answer(asked, {}))]

                async def streamed() -> None:
                    async for _ in lane.run(lambda listener: listener.answer(asked)):
                        pass

                return [asyncio.ensure_future(streamed())]

            assert leaving(whisper, times, begin) < 0.15
            assert len(times) < 10


@pytest.mark.parametrize("kind", ["split", "speakers"])
def test_long_work_stops_too(
    kind: str, chat: hark.Listener, whisper: hark.Listener, order: hark.Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hark.speakers.transcribe import transcribe

    listener = chat if kind == "split" else whisper
    listener.close()
    times = slowed(listener, 0.03, monkeypatch)
    long = hark.Conversation.ask((clip(0, 12.0),), "What is it?")

    async def work_of(lane: Lane) -> None:
        make = (
            (lambda one: one.answer(long, long=5.0, temperature=0.0, max_new_tokens=400))
            if kind == "split"
            else (lambda one: transcribe(one, order, True))
        )
        async for _ in lane.run(make):
            pass

    assert leaving(listener, times, lambda lane: [asyncio.ensure_future(work_of(lane))]) < 0.15
    assert len(times) < 10


def test_the_builtin_recogniser_is_still_when_its_client_left(examples: Path) -> None:
    asked = hark.Conversation.ask((hark.Audio.of(examples / "standup.flac"),))

    async def work() -> float:
        lane = Lane(listener, Config())
        task = asyncio.ensure_future(lane.answer(asked, {}))
        begun = time.monotonic()
        while not recogniser.workers and time.monotonic() < begun + 10:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert not task.done()
        left = time.monotonic()
        task.cancel()
        await asyncio.wait({task})
        while lane.running:
            await asyncio.sleep(0.001)
        return time.monotonic() - left

    with hark.load("builtin") as listener:
        recogniser = listener.engine._recogniser  # type: ignore[attr-defined]
        assert asyncio.run(work()) < 0.5
        assert not any(thread.name.startswith("hark-recogniser") and thread.is_alive() for thread in _after(0.5))


def _after(seconds: float) -> list[threading.Thread]:
    time.sleep(seconds)
    return threading.enumerate()


def test_a_batch_is_as_large_as_its_lengths_allow_and_holds_the_first() -> None:
    def of(lengths: list[int], first: int) -> list[int]:
        rows = list(enumerate(lengths))
        return [row[1] for row in around(rows[first], rows, lambda row: row[1], 4)]

    assert of([25] * 9, 0) == [25] * 4
    assert of([1200, 25, 30, 1250, 28], 0) == [1200, 1250]
    assert of([1200, 25, 30, 1250, 28], 1) == [25, 28, 30]
    assert of([25, 400], 0) == [25]
    assert of([25, 100], 0) == [25, 100]
    assert of([10, 20, 30, 40, 50], 4) == [20, 30, 40, 50]
    assert of([7], 0) == [7]
