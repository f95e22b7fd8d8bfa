"""Several models by name: loaded when asked for, let go when idle or when others need the room."""

from __future__ import annotations

import asyncio
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from stepwise import Stepwise, clip, engine, expected, served

import hark
from hark.engines.catalog import resolve
from hark.engines.engine import Options
from hark.engines.loading import Loading
from hark.errors import ModelBrokenError, ModelNotFoundError, NotServedError, OptionError
from hark.server.config import Config, Served
from hark.server.lanes import Lane
from hark.server.memory import Memory, megabytes
from hark.server.models import Models
from serving import serving
from tiny.families import make

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLIP = clip()
BODY = {"audio": CLIP.to_wav()}


def ask(lane: Lane, prompt: str) -> asyncio.Task[hark.Answer]:
    return asyncio.ensure_future(lane.answer(hark.Conversation.ask((CLIP,), prompt), {}))


def right(prompt: str) -> str:
    return expected(hark.Conversation.ask((CLIP,), prompt), Options(), 5) + " "


def heard(client: httpx2.Client, model: str, prompt: str = "What?") -> httpx2.Response:
    import base64

    sound = {"data": base64.b64encode(BODY["audio"]).decode(), "format": "wav"}
    parts = [{"type": "input_audio", "input_audio": sound}, {"type": "text", "text": prompt}]
    return client.post("/v1/chat/completions", json={"model": model, "messages": [{"role": "user", "content": parts}]})


def lanes_of(bound: float | None, *sizes: float, **how: Any) -> list[Lane]:
    memory = Memory(bound)
    return [Lane(hark.Listener(engine(**how)), Config(batch_ms=1.0), memory, size) for size in sizes]


def seen(lane: Lane) -> Any:
    return lane.listener.engine.seen  # type: ignore[attr-defined]


def seen_loaded(lane: Lane) -> bool:
    return lane.listener.engine.loaded  # type: ignore[attr-defined,no-any-return]


def eventually(seconds: float, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three models of the same size."""
    pytest.importorskip("transformers")
    first = make("whisper", tmp_path_factory.mktemp("models") / "a")
    return {"a": first, **{name: shutil.copytree(first, first.parent / name) for name in ("b", "c")}}


def test_models_are_known_by_name_and_wrong_ones_end_the_start() -> None:
    models = Models(Config(models=(Served(name="a", model="echo"), Served(name="b", model="echo"))))
    assert models.names == ["a", "b"]
    assert models.lane(None) is models.lane("dummy") is models.lane("http://here") is models.lane("a")
    assert models.lane("b") is not models.lane("a")
    with pytest.raises(NotServedError, match="no model 'c'"):
        models.lane("c")
    with pytest.raises(ModelNotFoundError):
        Models(Config(models=(Served(name="a", model="echo"), Served(name="b", model="nonsense"))))
    with pytest.raises(OptionError, match="device"):
        Models(Config(models=(Served(name="a", model="echo", loading=Loading(device="cpu")),)))


def test_how_a_model_is_to_be_loaded_reaches_it(folders: dict[str, Path]) -> None:
    one = Served(name="a", model=str(folders["a"]), loading=Loading(dtype="bfloat16", cache_mb=0))
    assert Models(Config(models=(one,))).lane("a").listener.engine.loading == one.loading  # type: ignore[attr-defined]


def test_what_weights_take_is_told_from_their_files(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folder = folders["a"]
    stored = sum(value.nbytes for value in load_file(folder / "model.safetensors").values()) / 2**20
    found = {dtype: megabytes(resolve(str(folder)), Loading(dtype=dtype)) for dtype in ("auto", "float32", "bfloat16")}
    assert found["float32"] == pytest.approx(stored, rel=0.01)
    assert found["auto"] == pytest.approx(stored, rel=0.01)
    assert found["bfloat16"] == pytest.approx(stored / 2, rel=0.01)
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "consolidated.safetensors").write_bytes((copy / "model.safetensors").read_bytes())
    assert megabytes(resolve(str(copy)), Loading()) == found["auto"]
    (copy / "model.safetensors").write_bytes(b"\xff" * 2**20)  # broken: counted as it lies there
    assert megabytes(resolve(str(copy)), Loading()) == 1.0
    assert megabytes(resolve("echo"), Loading()) == 0


def test_a_model_that_alone_is_over_the_bound_ends_the_start(folders: dict[str, Path]) -> None:
    one = Served(name="whisper", model=str(folders["a"]))
    takes = megabytes(resolve(one.model), one.loading)
    Models(Config(models=(one,), memory_mb=takes * 1.01))
    with pytest.raises(OptionError, match=r"whisper take .* MB"):
        Models(Config(models=(one,), memory_mb=takes * 0.99))


def test_the_least_recently_used_model_makes_room(folders: dict[str, Path], order: hark.Audio) -> None:
    names = [f"{name}={folder}" for name, folder in folders.items()]
    takes = megabytes(resolve(str(folders["a"])), Loading())
    with serving(*names, memory_mb=takes * 2.5) as server, httpx2.Client(base_url=server.url, timeout=60) as client:
        lanes = server.service.models.lanes

        def transcribed(name: str) -> None:
            answer = client.post(f"/models/{name}", content=order.to_wav(), headers={"Content-Type": "audio/wav"})
            assert answer.status_code == 200, answer.text

        def loaded() -> set[str]:
            really = {name for name, lane in lanes.items() if lane.listener.engine._loaded}  # type: ignore[attr-defined]
            assert really == {name for name, lane in lanes.items() if lane.loaded}
            return really

        assert loaded() == set()
        transcribed("a")
        transcribed("b")
        assert loaded() == {"a", "b"}
        transcribed("a")
        transcribed("c")
        assert loaded() == {"a", "c"}
        transcribed("b")
        assert loaded() == {"b", "c"}


def test_an_idle_model_gives_back_its_memory_and_is_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch)
    with serving("stepwise", idle_seconds=0.2) as server, httpx2.Client(base_url=server.url) as client:
        lane = server.service.models.lane("stepwise")
        for loads in (1, 2):
            for _ in range(3):
                assert heard(client, "stepwise").status_code == 200
                time.sleep(0.05)
            assert (lane.loaded, seen(lane).loads, seen(lane).closes) == (True, loads, loads - 1)
            eventually(3, lambda: not lane.loaded)
            assert (lane.loaded, seen(lane).loads, seen(lane).closes) == (False, loads, loads)


def test_a_model_at_work_is_not_let_go() -> None:
    async def work() -> None:
        made = engine(pause=0.06)
        lane = Lane(hark.Listener(made), Config(batch_ms=1.0, idle_seconds=0.05))
        await ask(lane, "first")
        assert (await ask(lane, "second")).text == right("second")
        assert made.seen.closes == 0
        await asyncio.sleep(0.2)
        assert made.seen.closes == 1

    asyncio.run(work())


def test_loading_one_model_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch, load_seconds=1.0)
    with (
        serving("stepwise", "echo") as server,
        httpx2.Client(base_url=server.url) as client,
        ThreadPoolExecutor() as pool,
    ):
        heard(client, "echo")
        slow = pool.submit(heard, client, "stepwise")
        time.sleep(0.1)
        begun = time.monotonic()
        for _ in range(3):
            assert heard(client, "echo").status_code == 200
        assert time.monotonic() - begun < 0.7
        assert not slow.done()
        assert slow.result().status_code == 200


def test_two_first_requests_load_a_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for parallel in (1, 4):
        served(monkeypatch, load_seconds=0.2, parallel=parallel)
        with (
            serving("stepwise", batch_ms=1.0) as server,
            httpx2.Client(base_url=server.url) as client,
            ThreadPoolExecutor() as pool,
        ):
            found = list(pool.map(lambda n: heard(client, "stepwise", f"number {n}"), range(4)))
            assert [one.status_code for one in found] == [200] * 4
            assert seen(server.service.models.lane(None)).loads == 1


def test_a_model_that_cannot_be_loaded_fails_its_request_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch, broken_loads=2)
    with serving("stepwise") as server, httpx2.Client(base_url=server.url) as client:
        lane = server.service.models.lane(None)
        for _ in range(2):
            assert heard(client, "stepwise").status_code == 500
            eventually(3, lambda: not lane.loaded)  # what it would have taken is free for others
        assert heard(client, "stepwise").status_code == 200
        assert seen(lane).loads == 3


def test_a_folder_that_lacks_weights_is_an_error_until_they_are_there(
    folders: dict[str, Path], tmp_path: Path, order: hark.Audio
) -> None:
    folder = shutil.copytree(folders["a"], tmp_path / "model")
    (folder / "model.safetensors").rename(tmp_path / "away")

    async def work() -> None:
        lane = Models(Config(models=(Served(name="a", model=str(folder)),))).lane("a")
        asked = hark.Conversation.ask((order,))
        for _ in range(2):
            with pytest.raises(ModelBrokenError):
                await lane.answer(asked, {"max_new_tokens": 2})
        (tmp_path / "away").rename(folder / "model.safetensors")
        assert await lane.answer(asked, {"max_new_tokens": 2})

    asyncio.run(work())


def test_one_who_needs_room_waits_for_those_at_work_and_is_not_starved() -> None:
    async def work() -> None:
        first, second = lanes_of(10.0, 6.0, 6.0, pause=0.01)
        order: list[str] = []

        async def asked(lane: Lane, prompt: str) -> None:
            assert (await ask(lane, prompt)).text == right(prompt)
            order.append(prompt)

        async def always(until: asyncio.Task[None]) -> None:
            number = 0
            while not until.done():
                await asyncio.wait([asyncio.ensure_future(asked(first, f"first {number}"))], timeout=0.02)
                number += 1

        busy = asyncio.ensure_future(asked(first, "begin"))
        await asyncio.to_thread(seen(first).begun.wait)
        waits = asyncio.ensure_future(asked(second, "second"))
        await asyncio.sleep(0.01)
        assert (second.waiting, second.running, first.loaded, second.loaded) == (1, 0, True, False)
        await asyncio.wait_for(always(waits), 5)
        await busy
        assert (seen(first).closes, seen(second).loads) == (1, 1)
        assert order.index("second") <= 3
        await asked(first, "end")
        assert (seen(second).closes, first.loaded, second.loaded) == (1, True, False)

    asyncio.run(work())


def test_one_who_leaves_while_it_waits_for_room_holds_nobody_up() -> None:
    async def work() -> None:
        first, second = lanes_of(10.0, 6.0, 6.0, pause=0.02)
        busy = ask(first, "busy")
        await asyncio.to_thread(seen(first).begun.wait)
        leaves, waits = ask(second, "leaves"), ask(first, "waits")
        await asyncio.sleep(0.01)
        leaves.cancel()
        assert (await busy).text == right("busy")
        assert (await waits).text == right("waits")
        assert (await asyncio.wait_for(ask(first, "after"), 5)).text == right("after")
        assert (seen(first).loads, seen(first).closes, seen(second).loads) == (1, 0, 0)

    asyncio.run(work())


def test_many_models_in_room_for_few_all_answer_and_never_take_more() -> None:
    async def work() -> None:
        lanes = lanes_of(10.0, 6.0, 4.0, 4.0, 3.0, 0.0, pause=0.001, load_seconds=0.005)
        most = 0.0

        async def watched() -> None:
            nonlocal most
            while True:
                most = max(most, sum(lane.megabytes for lane in lanes if seen_loaded(lane)))
                await asyncio.sleep(0.001)

        watching = asyncio.ensure_future(watched())
        prompts = [f"number {n}" for n in range(100)]
        tasks = [ask(lanes[n * 7 % 5], prompt) for n, prompt in enumerate(prompts)]
        for number in range(0, 100, 9):
            tasks[number].cancel()
        found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        watching.cancel()
        for number, answer in enumerate(found):
            assert isinstance(answer, BaseException if number % 9 == 0 else hark.Answer)
            assert isinstance(answer, BaseException) or answer.text == right(prompts[number])
        assert 6.0 <= most <= 10.0
        assert all((lane.running, lane.waiting) == (0, 0) for lane in lanes)

    asyncio.run(work())


def test_all_models_are_closed_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch)
    with serving("a=stepwise", "b=stepwise") as server, httpx2.Client(base_url=server.url) as client:
        lanes = list(server.service.models.lanes.values())
        assert heard(client, "a").status_code == 200
    assert [seen(lane).closes for lane in lanes] == [1, 1]
    assert isinstance(lanes[0].listener.engine, Stepwise)


def test_the_first_model_can_be_loaded_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch)
    models = Models(Config(models=(Served(name="a", model="stepwise"), Served(name="b", model="stepwise"))))
    asyncio.run(models.warm())
    assert [(lane.loaded, seen(lane).loads) for lane in models.lanes.values()] == [(True, 1), (False, 0)]
