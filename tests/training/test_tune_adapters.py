"""Several adapters on one model: each answers as if it were alone, whoever asks in what order, and however many."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.cli import serve_options
from hark.engines.transformers.engine import Transformers
from hark.errors import ModelBrokenError, ModelNotFoundError, OptionError, UnsupportedError
from serving import serving
from tiny.families import make

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openai import OpenAI

    from serving import Running

pytest.importorskip("peft")
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 8}
WHAT, WHO = "What?", "Who is it now?"
NAMES = (None, "one", "two")


def adapter(model: Path, out: Path, seed: int, targets: str, whole: list[str] | None = None) -> Path:
    """A random adapter, made and written by peft alone."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules=targets, init_lora_weights=False, modules_to_save=whole)
    with pytest.warns(FutureWarning):  # peft asks transformers by an old name
        made = get_peft_model(Transformers("plain", model).loaded().model, config)
    for name, weight in made.named_parameters():
        if "modules_to_save" in name:
            weight.data = weight.data + 0.3 * torch.randn_like(weight)
    made.save_pretrained(out, save_embedding_layers=False)
    return out


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("qwen2_5_omni", tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def adapters(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two that touch other modules: the second changes what is heard, and replaces a module."""
    folder = tmp_path_factory.mktemp("adapters")
    one = adapter(model, folder / "one", 1, r".*language_model.*\.(q|v)_proj")
    two = adapter(model, folder / "two", 2, r".*(audio_tower|language_model).*\.(fc1|k_proj)", ["audio_tower.proj"])
    return {"one": str(one), "two": str(two)}


def ask(listener: hark.Listener, clip: hark.Audio, prompt: str, **options: Any) -> str:
    return listener.ask(clip, prompt, **{**GREEDY, **options}).text


@pytest.fixture(scope="module")
def alone(
    model: Path, adapters: dict[str, str], order: hark.Audio, hesitant: hark.Audio
) -> dict[str | None, dict[tuple[str, str], str]]:
    """What each says to each question where it is alone, and nothing is remembered."""
    found: dict[str | None, dict[tuple[str, str], str]] = {}
    for name in NAMES:
        with hark.load(str(model), adapter=adapters[name] if name else None, cache_mb=0) as listener:
            clips = {"order": order, "hesitant": hesitant}
            found[name] = {
                (clip, prompt): ask(listener, clips[clip], prompt) for clip in clips for prompt in (WHAT, WHO)
            }
    assert len({answer for told in found.values() for answer in told.values()}) == 12
    return found


def test_each_adapter_answers_as_alone_in_any_order_and_from_what_was_heard(
    model: Path, adapters: dict[str, str], alone: dict[Any, Any], order: hark.Audio
) -> None:
    with hark.load(str(model), adapters=adapters) as listener:
        for name in (None, "one", "two", "one", None, "two", "two", None):
            for prompt in (WHAT, WHO):
                options = {"adapter": name} if name else {}
                assert ask(listener, order, prompt, **options) == alone[name]["order", prompt], (name, prompt)
        again = listener.ask(order, WHAT, adapter="two", **GREEDY)
        assert again.usage.cached_tokens  # its own
        several = listener.ask(order, [WHAT, WHO], adapter="one", **GREEDY)
        assert [answer.text for answer in several] == [alone["one"]["order", prompt] for prompt in (WHAT, WHO)]


def test_one_that_is_loaded_with_the_model_always_answers_where_no_other_is_named(
    model: Path, adapters: dict[str, str], alone: dict[Any, Any], order: hark.Audio
) -> None:
    with hark.load(str(model), adapter=adapters["one"], adapters={"other": adapters["two"]}) as listener:
        said = [ask(listener, order, WHAT, **how) for how in ({}, {"adapter": "other"}, {})]
    assert said == [alone[name]["order", WHAT] for name in ("one", "two", "one")]


def test_what_is_no_adapter_of_the_model_is_refused(
    model: Path, adapters: dict[str, str], order: hark.Audio, tmp_path: Path
) -> None:
    with hark.load(str(model), adapters=adapters) as listener, pytest.raises(OptionError, match="no adapter 'x'"):
        ask(listener, order, WHAT, adapter="x")
    with hark.load(str(model)) as plain, pytest.raises(UnsupportedError, match="cannot honour the option adapter"):
        ask(plain, order, WHAT, adapter="one")
    with pytest.raises(ModelNotFoundError, match="no adapter in"):
        hark.load(str(model), adapter=str(tmp_path))
    with pytest.raises(OptionError, match="cannot be loaded with adapter"):
        hark.load("builtin", adapter=adapters["one"])
    with pytest.raises(OptionError, match="no folder of an adapter"):
        hark.load(str(model), adapters={"one": 3})
    for change in ("target_modules", "peft_type", "r"):
        broken = shutil.copytree(adapters["one"], tmp_path / change)
        config = json.loads((broken / "adapter_config.json").read_text())
        config[change] = {"target_modules": "nothing", "peft_type": "IA3", "r": 8}[change]
        (broken / "adapter_config.json").write_text(json.dumps(config))
        with pytest.raises((ModelBrokenError, OptionError), match="adapter in"):
            ask(hark.load(str(model), adapter=str(broken)), order, WHAT)


@pytest.fixture(scope="module")
def server(model: Path, adapters: dict[str, str]) -> Iterator[Running]:
    values = dict.fromkeys(["device", "dtype", "quantize", "device_map", "cache_mb", "answer_with"], None)
    given = [f"{name}={folder}" for name, folder in adapters.items()]
    served = serve_options._served({**values, "trust_remote_code": False, "model": [f"m={model}"], "adapters": given})
    with serving(*served) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[OpenAI]:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def heard(client: OpenAI, model: str, clip: hark.Audio, prompt: str, **how: Any) -> Any:
    import base64

    sound = {"data": base64.b64encode(clip.to_wav()).decode(), "format": "wav"}
    parts: Any = [{"type": "input_audio", "input_audio": sound}, {"type": "text", "text": prompt}]
    messages: Any = [{"role": "user", "content": parts}]
    return client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=8, **how)


def test_a_server_answers_with_the_adapter_that_each_request_names(
    client: OpenAI, server: Running, alone: dict[Any, Any], order: hark.Audio, hesitant: hark.Audio
) -> None:
    """Many at once, so that some are answered together: never those of two adapters."""
    assert [model.id for model in client.models.list()] == ["m", "m:one", "m:two"]
    clips = {"order": order, "hesitant": hesitant}
    asked = [(name, clip, prompt) for clip in clips for prompt in (WHAT, WHO) for name in NAMES] * 2

    def said(one: tuple[str | None, str, str]) -> str:
        name, clip, prompt = one
        called = f"m:{name}" if name else "m"
        return heard(client, called, clips[clip], prompt).choices[0].message.content or ""

    with ThreadPoolExecutor(len(asked)) as pool:
        assert list(pool.map(said, asked)) == [alone[name][clip, prompt] for name, clip, prompt in asked]
    assert list(server.service.models.lanes) == ["m"]  # the weights are there once


def test_a_server_streams_with_an_adapter_and_refuses_one_that_is_not_there(
    client: OpenAI, alone: dict[Any, Any], order: hark.Audio
) -> None:
    from openai import NotFoundError

    steps = list(heard(client, "m:two", order, WHO, stream=True))
    assert {step.model for step in steps} == {"m:two"}
    assert "".join(step.choices[0].delta.content or "" for step in steps if step.choices) == alone["two"]["order", WHO]
    with pytest.raises(NotFoundError, match="m:three"):
        heard(client, "m:three", order, WHAT)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["DIR"], "names no adapter"),
        (["a=DIR", "a=DIR2"], "Two adapters"),
        (["a="], "names no adapter"),
        (["a b=DIR"], "cannot call a model"),
    ],
)
def test_names_of_adapters_that_make_no_sense_are_refused(given: list[str], message: str) -> None:
    values = dict.fromkeys(["device", "dtype", "quantize", "device_map", "cache_mb", "answer_with"], None)
    with pytest.raises(OptionError, match=message):
        serve_options._served({**values, "trust_remote_code": False, "model": ["m=x"], "adapters": given})
    with pytest.raises(OptionError, match="not clear which model"):
        serve_options._adapters(["a=DIR"], ["m", "n"])
