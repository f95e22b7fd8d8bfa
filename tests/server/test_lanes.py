"""The way to one model: in order, so many at a time, and nobody's failure or leaving is another's."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from stepwise import clip, engine, expected, listener

import hark
from hark.answers.answer import Delta
from hark.engines.engine import Options
from hark.server.config import Config
from hark.server.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stepwise import Stepwise

    from hark.listener import Listener

CLIP = clip()


def lane_of(**how: Any) -> tuple[Lane, Stepwise]:
    config = {name: how.pop(name) for name in ("batch_ms", "max_batch", "idle_seconds") if name in how}
    made = engine(**how)
    return Lane(hark.Listener(made), Config(**config)), made


def ask(lane: Lane, prompt: str, about: hark.Audio = CLIP, **options: Any) -> asyncio.Task[hark.Answer]:
    return asyncio.ensure_future(lane.answer(hark.Conversation.ask((about,), prompt), options))


def stream(lane: Lane, prompt: str) -> Any:
    asked = hark.Conversation.ask((CLIP,), prompt)
    return lane.run(lambda listener: listener.answer(asked))


async def collected(steps: Any) -> str:
    return "".join([step.text async for step in steps])


def right(prompt: str, words: int = 5) -> str:
    return expected(hark.Conversation.ask((CLIP,), prompt), Options(), words) + " "


def test_work_is_done_in_the_order_it_came_and_so_many_at_a_time() -> None:
    async def work() -> None:
        for parallel in (1, 3):
            lane, made = lane_of(pause=0.002, parallel=parallel)
            prompts = [f"number {n}" for n in range(9)]
            texts = await asyncio.gather(*(collected(stream(lane, prompt)) for prompt in prompts))
            assert texts == [right(prompt) for prompt in prompts]
            assert made.seen.most == parallel
            assert parallel > 1 or made.seen.alone == prompts
            assert (lane.running, lane.waiting) == (0, 0)

    asyncio.run(work())


def test_who_waits_may_leave_at_once_and_is_never_asked() -> None:
    async def work() -> None:
        lane, made = lane_of(pause=0.05)
        first = asyncio.ensure_future(collected(stream(lane, "first")))
        await asyncio.to_thread(made.seen.begun.wait)
        leaving = [asyncio.ensure_future(collected(stream(lane, "left"))), ask(lane, "left")]
        last = asyncio.ensure_future(collected(stream(lane, "last")))
        await asyncio.sleep(0.02)
        assert (lane.running, lane.waiting) == (1, 3)
        begun = time.monotonic()
        for one in leaving:
            one.cancel()
            with pytest.raises(asyncio.CancelledError):
                await one
        assert time.monotonic() - begun < 0.04
        assert (await first, await last) == (right("first"), right("last"))
        assert made.seen.alone == ["first", "last"]

    asyncio.run(work())


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("prompt", ["loud", "silent"])
def test_one_who_leaves_stops_the_model_within_a_step(prompt: str, whole: bool) -> None:
    async def work() -> None:
        lane, made = lane_of(pause=0.02, words=500)
        made.batches = lambda _: False  # type: ignore[method-assign]
        task = ask(lane, prompt) if whole else asyncio.ensure_future(collected(stream(lane, prompt)))
        await asyncio.to_thread(made.seen.begun.wait)
        left = time.monotonic()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        while lane.running:
            await asyncio.sleep(0.001)
        assert time.monotonic() - left < 0.1
        assert made.seen.steps[prompt] < 6
        assert made.seen.here == 0
        made.words = 5
        assert await collected(stream(lane, "next")) == right("next")

    asyncio.run(work())


def test_a_stream_closed_in_the_middle_frees_the_model() -> None:
    async def work() -> None:
        lane, made = lane_of(pause=0.005, words=300)
        steps = stream(lane, "left")
        async for _ in steps:
            break
        await steps.aclose()
        assert lane.running == 0
        assert made.seen.steps["left"] < 10
        made.words = 5
        assert await collected(stream(lane, "next")) == right("next")

    asyncio.run(work())


def test_one_who_is_cancelled_in_the_moment_of_its_turn_does_not_keep_it() -> None:
    async def work() -> None:
        lane, made = lane_of()
        for ticks in range(12):
            first = asyncio.ensure_future(collected(stream(lane, "first")))
            second = asyncio.ensure_future(collected(stream(lane, "second")))
            third = ask(lane, "third")
            for _ in range(ticks):
                await asyncio.sleep(0)
            for one in (first, second, third):
                one.cancel()
            await asyncio.wait({first, second, third})
            while lane.running:
                await asyncio.sleep(0.001)
            assert await collected(stream(lane, f"next {ticks}")) == right(f"next {ticks}")
        assert made.seen.most == 1

    asyncio.run(work())


def test_one_who_leaves_when_it_was_just_told_that_the_model_is_free_gives_it_back() -> None:
    async def work() -> None:
        lane, made = lane_of(pause=0.01)
        first, leaves = (asyncio.ensure_future(collected(stream(lane, prompt))) for prompt in ("first", "leaves"))
        await asyncio.to_thread(made.seen.begun.wait)
        lane.on_wait = lambda _: asyncio.get_running_loop().call_soon(leaves.cancel)
        await asyncio.wait({leaves})
        lane.on_wait = lambda _: None
        assert leaves.cancelled()
        assert await first == right("first")
        assert made.seen.alone == ["first"]
        assert await asyncio.wait_for(collected(stream(lane, "next")), 5) == right("next")

    asyncio.run(work())


def test_one_cancelled_again_while_it_ends_keeps_the_model_no_longer_than_its_thread() -> None:
    async def work() -> None:
        lane, made = lane_of(pause=0.1)
        task = asyncio.ensure_future(collected(stream(lane, "left")))
        await asyncio.to_thread(made.seen.begun.wait)
        await asyncio.sleep(0.03)  # its thread is in the next step
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.001)
        await asyncio.wait({task})
        assert lane.running == 1  # it was not waited for
        assert await collected(stream(lane, "next")) == right("next")
        assert made.seen.most == 1

    asyncio.run(work())


@pytest.mark.parametrize("kind", ["memory", "exit", "division", "broken"])
def test_whatever_is_raised_fails_one_request_alone(kind: str) -> None:
    async def work() -> None:
        lane, _ = lane_of(batch_ms=30.0)
        asked = [ask(lane, "good"), ask(lane, f"fail {kind}"), ask(lane, "fine")]
        streamed = [collected(stream(lane, "first")), collected(stream(lane, f"fail {kind}"))]
        first, bad, last = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(first, hark.Answer)
        assert isinstance(last, hark.Answer)
        assert (first.text, last.text) == (right("good"), right("fine"))
        assert isinstance(bad, Exception)
        good, bad = await asyncio.gather(*streamed, return_exceptions=True)
        assert good == right("first")
        assert isinstance(bad, Exception)
        assert (lane.running, lane.waiting) == (0, 0)

    asyncio.run(work())


def test_a_program_that_has_all_its_threads_fails_requests_and_not_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work() -> None:
        lane, _ = lane_of()
        await ask(lane, "before")  # the pool has its thread
        held = [stream(lane_of(words=2000)[0], "held") for _ in range(64)]  # as many as ever stayed, and more
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            await asyncio.gather(*(anext(one) for one in held), return_exceptions=True)
            found = await asyncio.gather(ask(lane, "a"), collected(stream(lane, "b")), return_exceptions=True)
        assert all(isinstance(one, RuntimeError) for one in found)
        for one in held:
            await one.aclose()
        assert await collected(stream(lane, "after")) == right("after")

    asyncio.run(work())


def test_work_is_done_in_threads_that_stay() -> None:
    import threading

    def work_of(_: Listener) -> Iterator[int]:
        yield threading.get_ident()

    async def work() -> None:
        lane = Lane(listener(), Config())
        threads = [step for _ in range(20) async for step in lane.run(work_of)]
        assert len(set(threads)) <= 5  # one may be asked a moment before it is free

    asyncio.run(work())


def test_a_client_that_reads_slowly_holds_the_model_back() -> None:
    async def work() -> None:
        lane, made = lane_of(words=2000)
        steps = stream(lane, "slow")
        await anext(steps)
        await asyncio.sleep(0.3)
        assert made.seen.steps["slow"] < 80
        await steps.aclose()

    asyncio.run(work())


def test_steps_that_say_nothing_are_not_passed_on() -> None:
    def work_of(_: Listener) -> Iterator[Delta]:
        yield Delta()
        yield Delta("said")
        yield Delta()

    async def work() -> None:
        lane = Lane(listener(), Config())
        assert [step async for step in lane.run(work_of)] == [Delta("said")]

    asyncio.run(work())
