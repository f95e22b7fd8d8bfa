"""Two hundred clients at once: some leave, some ask what fails, and all others get their own right answer."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from typing import TYPE_CHECKING, Any

import httpx2
from stepwise import clip, expected, served

import hark
from hark.engines.engine import Options
from serving import serving

if TYPE_CHECKING:
    import pytest

CLIPS = [clip(number, 0.2) for number in range(8)]
WORDS = 6


def body(number: int, prompt: str, temperature: float | None, *, stream: bool) -> dict[str, Any]:
    data = base64.b64encode(CLIPS[number].to_wav()).decode()
    parts = [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}, {"type": "text", "text": prompt}]
    given: dict[str, Any] = {"messages": [{"role": "user", "content": parts}], "stream": stream}
    return given if temperature is None else given | {"temperature": temperature}


def right(number: int, prompt: str, temperature: float | None) -> str:
    sent = hark.Audio.of(CLIPS[number].to_wav())
    return expected(hark.Conversation.ask((sent,), prompt), Options(temperature=temperature), WORDS)


async def told(client: httpx2.AsyncClient, asked: dict[str, Any]) -> tuple[int, str]:
    if not asked["stream"]:
        answer = await client.post("/v1/chat/completions", json=asked)
        return answer.status_code, answer.json()["choices"][0]["message"]["content"] if answer.is_success else ""
    text = ""
    async with client.stream("POST", "/v1/chat/completions", json=asked) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                event = json.loads(line[6:])
                if "error" in event:
                    return 500, ""
                text += event["choices"][0]["delta"].get("content") or ""
        return answer.status_code, text


async def one(client: httpx2.AsyncClient, number: int, dice: random.Random) -> None:
    fate = dice.choice(["stays", "stays", "stays", "leaves", "fails"])
    temperature, stream, about = dice.choice([None, 0.5]), dice.random() < 0.4, dice.randrange(len(CLIPS))
    prompt = f"number {number}"
    if fate == "fails":
        prompt += f" fail {dice.choice(['memory', 'exit', 'division', 'broken'])} now"
    work = told(client, body(about, prompt, temperature, stream=stream))
    if fate == "leaves":
        try:
            await asyncio.wait_for(work, dice.uniform(0.01, 0.6))
        except TimeoutError:
            return
        return
    status, text = await work
    assert status == (500 if fate == "fails" else 200), (fate, stream, status)
    assert fate == "fails" or text.strip() == right(about, prompt, temperature)


def test_two_hundred_at_once_each_get_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch, pause=0.002, words=WORDS)
    dice = random.Random(7)

    async def work(url: str) -> None:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
            await asyncio.gather(*(one(client, number, dice) for number in range(200)))

    with serving("stepwise", batch_ms=5.0) as server:
        lane = server.service.models.lane(None)
        sizes: list[int] = []
        lane.on_batch = sizes.append
        asyncio.run(work(server.url))
        seen = lane.listener.engine.seen  # type: ignore[attr-defined]
        assert seen.most == 1
        assert max(sizes) > 1
        assert (lane.running, lane.waiting, server.service.inside) == (0, 0, 0)
        assert httpx2.post(server.url + "/v1/chat/completions", json=body(0, "last", None, stream=False)).is_success
