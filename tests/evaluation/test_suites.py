"""Benchmarks are read as they are published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from hark.errors import DataError, OptionError
from hark.evaluation.chosen import DataSet
from hark.evaluation.suites import SUITES, said, suite_of

if TYPE_CHECKING:
    from pathlib import Path

QUESTION = {"question": "Which animal?", "choices": ["a dog", "a cat"], "answer": "a cat"}


def clip(folder: Path, name: str) -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    soundfile.write(path, np.zeros(800), 8000)
    return f"./{name}"


def parts(name: str, folder: Path) -> dict[str, list[Any]]:
    suite = suite_of(name)
    found = {}
    for part in suite.parts(folder):
        data = DataSet(part.paths, part.form)
        found[part.name] = [*data]
        assert not data.bad
        assert all(sample.clips[0].duration > 0 for sample in data)
    return found


def test_mmau_and_mmar(tmp_path: Path) -> None:
    mini = {"id": "1", "audio_id": clip(tmp_path, "test-mini-audios/a.wav"), **QUESTION, "task": "sound",
            "category": "Reasoning", "sub-category": "x", "difficulty": "easy", "split": "test-mini"}  # fmt: skip
    (tmp_path / "mmau-test-mini.json").write_text(json.dumps([mini, {**mini, "id": "2", "task": "music"}]))
    (tmp_path / "other.json").write_text("{}")
    found = parts("mmau", tmp_path)
    assert {name: len(samples) for name, samples in found.items()} == {"mmau-test-mini": 2}
    assert said(SUITES["mmau"].by, found["mmau-test-mini"]) == ("domain", "difficulty", "category")
    (tmp_path / "r").mkdir()
    mmar = {"id": "1", "audio_path": clip(tmp_path / "r", "audio/b.wav"), **QUESTION, "modality": "mix",
            "category": "Signal Layer", "sub-category": "y", "language": "en", "source": "z"}  # fmt: skip
    (tmp_path / "r" / "MMAR-meta.json").write_text(json.dumps([mmar]))
    found = parts("mmar", tmp_path / "r")
    assert said(SUITES["mmar"].by, found["MMAR-meta"]) == ("modality", "category", "language")
    assert found["MMAR-meta"][0].choices == ("a dog", "a cat")


def test_reasoning(tmp_path: Path) -> None:
    clip(tmp_path, "clips/a.wav")
    entry = {"name": "a.wav", "prompt": "Where?\n(A) church\n(B) restaurant", "output": "(B) restaurant"}
    for name in ("AQA_MCQ", "Classification_mini"):
        whole = {"dataset_path": "clips", "flamingo_task": name, "total_num": 1, "data": {"0": entry}}
        (tmp_path / f"{name}.json").write_text(json.dumps(whole))
    found = parts("af-reasoning", tmp_path)
    assert list(found) == ["AQA_MCQ", "Classification_mini"]
    assert found["AQA_MCQ"][0].choices == ("church", "restaurant")
    assert said(SUITES["af-reasoning"].by, found["AQA_MCQ"]) == ("flamingo_task",)


def test_lists_of_the_leaderboard(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    clip(tmp_path, "ami/a.wav")
    row = {"audio_filepath": "a.wav", "duration": 0.1, "text": "Yes."}
    (tmp_path / "ami" / "test.jsonl").write_text(json.dumps(row))
    (tmp_path / "README.md").write_text("# Lists")
    sound = {"bytes": (tmp_path / "ami" / "a.wav").read_bytes(), "path": "x.wav"}
    (tmp_path / "librispeech").mkdir()
    for split, shard in (("test.clean", 0), ("test.clean", 1), ("test.other", 0)):
        made = arrow.table({"audio": [sound], "text": [f"{split} {shard}"], "id": [str(shard)]})
        parquet.write_table(made, tmp_path / "librispeech" / f"{split}-{shard:05}-of-00002.parquet")
    found = parts("open-asr", tmp_path)
    assert list(found) == ["ami/test", "librispeech/test.clean", "librispeech/test.other"]
    assert [sample.target for sample in found["librispeech/test.clean"]] == ["test.clean 0", "test.clean 1"]


def test_what_is_no_benchmark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data of this suite"):
        parts("mmau", tmp_path)
    with pytest.raises(OptionError, match="mmlu"):
        suite_of("mmlu")
