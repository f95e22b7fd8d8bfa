"""A family is one file and one line in a dict: those of docs/adding-a-family.md, as they stand there."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import hark
from hark.cli import app
from hark.engines.transformers import families
from hark.engines.transformers.families.catalog import FAMILIES
from hark.errors import UnsupportedError
from tiny.glmasr import tiny_glmasr

if TYPE_CHECKING:
    from collections.abc import Iterator

transformers = pytest.importorskip("transformers")
ROOT = Path(__file__).resolve().parents[3]
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 12}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_glmasr(tmp_path_factory.mktemp("glmasr") / "tiny")


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Do what the page says, in a folder of its own on the path of the package."""
    module, line = re.findall(r"```python\n(.*?)```", (ROOT / "docs/adding-a-family.md").read_text(), re.DOTALL)
    named = re.match(r"# src/hark/engines/transformers/families/(\w+)\.py\n", module)
    assert named
    (tmp_path / f"{named[1]}.py").write_text(module)
    changes = [row for row in line.splitlines() if row.startswith("    ") and "..." not in row]
    assert len(changes) == 1
    ((model_type, place),) = ast.literal_eval("{" + changes[0] + "}").items()
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    monkeypatch.setitem(FAMILIES, model_type, place)
    yield
    sys.modules.pop(f"{families.__name__}.{named[1]}", None)


def test_a_family_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(UnsupportedError, match="'glmasr', which hark does not run"):
        hark.load(str(folder))


@pytest.mark.usefixtures("added")
def test_a_family_is_one_file_and_one_line(folder: Path, order: hark.Audio, hesitant: hark.Audio) -> None:
    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.GlmAsrForConditionalGeneration.from_pretrained(folder)
    content = [{"type": "audio", "audio": order.samples(RATE)}, {"type": "text", "text": "What is it?"}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=True, return_dict=True, add_generation_prompt=True
    )
    ids = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    expected = processor.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    with hark.load(str(folder)) as listener:
        assert listener.ask(order, "What is it?", **GREEDY).text == expected
        assert "".join(delta.text for delta in listener.stream(order, "What is it?", **GREEDY)) == expected
        assert listener.ask(hesitant, "What is it?", **GREEDY).text != expected
        assert listener.transcribe(order, **GREEDY).text
        chat = listener.chat(system="Be brief.")
        chat.say(order, "What is it?", **GREEDY)
        assert chat.say("And then?", **GREEDY).usage.cached_clips == 1
        with pytest.raises(UnsupportedError, match="several recordings"):
            listener.ask([order, hesitant], "Compare.")
    assert expected


@pytest.mark.usefixtures("added")
def test_the_new_family_is_listed(folder: Path) -> None:
    shown = json.loads(CliRunner().invoke(app, ["models", "families", "--json"]).stdout)
    (kind,) = (kind for kind in shown if kind["model_type"] == "glmasr")
    with hark.load(str(folder)) as listener:
        assert kind["can"] == listener.can.to_dict()
