"""Evaluations: each sample is asked once and counted once, whatever fails and however often they are stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from judged import Told, Words, sample

from hark.errors import DataError, OptionError, OutputError, UnsupportedError
from hark.evaluation.chosen import DataSet
from hark.evaluation.runner import Progress, Setting, evaluate
from hark.listener import Listener

if TYPE_CHECKING:
    from hark.data.sample import Sample
    from hark.evaluation.result import Result
    from hark.evaluation.task import Reply, Score

SAMPLES = [
    sample(1, speaker="a"),
    sample(2, speaker="a", about={"place": {"room": "hall"}}),
    sample(3, speaker="b"),
    sample(4, speaker="b"),
]
SAID = {"clip1": "one two three four", "clip2": "one two three", "clip3": "one six three four five", "clip4": ""}


def run(folder: Path, engine: Told | None = None, data: Any = SAMPLES, **setting: Any) -> Result:
    return evaluate(Listener(engine or Told(SAID)), Words(), data, folder, Setting(**setting))


def wer(result: Result) -> float | None:
    return result.to_dict()["figures"][0]["value"]


def test_answers_are_scored_and_written_down(tmp_path: Path) -> None:
    result = run(tmp_path, by=("speaker", "about.place.room"))
    written = json.loads((tmp_path / "results.json").read_text())
    assert written == json.loads(json.dumps(result.to_dict()))
    assert wer(result) == 7 / 16
    assert (written["samples"], written["wrong"], written["failed"]) == (4, 3, 0)
    speakers = written["groups"]["speaker"]
    assert {name: group["figures"][0]["value"] for name, group in speakers.items()} == {"a": 1 / 8, "b": 6 / 8}
    assert set(written["groups"]["about.place.room"]) == {"hall", "(not said)"}
    assert [row.key for row in result.wrong] == ["4", "3", "2"]
    assert written["model"]["name"] == "told"
    measured = {"name": "words", "about": "word errors", "options": {"lower": False}, "timed": False}
    assert written["task"] == measured
    assert {"machine", "versions", "seconds", "began", "data"} <= written.keys()


@pytest.mark.parametrize("how", [{}, {"jobs": 3}, {"batching": True}, {"batching": True, "batch": 1}])
def test_failures_are_counted_and_end_nothing(tmp_path: Path, how: dict[str, Any]) -> None:
    engine = Told(SAID, frozenset({"clip2"}), batching=how.pop("batching", False))
    result = run(tmp_path, engine, **how)
    assert wer(result) == (0 + 4 + 2 + 4) / 16
    assert [(row.key, row.score.failed) for row in result.failed] == [("2", "clip2 is too much.")]
    assert result.to_dict()["failures"] == {"clip2 is too much.": 1}
    assert engine.batches_of == ([4] if engine.batching and not how else [])


def test_answers_are_kept_and_asked_for_once(tmp_path: Path) -> None:
    engine = Told(SAID, frozenset({"clip2"}))
    first = run(tmp_path, engine)
    second = run(tmp_path, engine)
    assert second.rows == first.rows
    assert engine.asked == Counter_of(1, 2, 3, 4)
    engine.fails = frozenset()
    assert wer(run(tmp_path, engine, retry=True)) == 7 / 16
    assert engine.asked["clip2"] == 2
    run(tmp_path, engine, [*SAMPLES[:3], sample(4, "five")])  # another text: the same question
    assert engine.asked["clip4"] == 1
    run(tmp_path, engine, options={"language": "en"})
    assert engine.asked == Counter_of(1, 2, 2, 3, 4) + Counter_of(1, 2, 3, 4)


def Counter_of(*numbers: int) -> Any:  # noqa: N802 - reads as what it makes
    from collections import Counter

    return Counter(f"clip{number}" for number in numbers)


def test_samples_of_one_id_are_told_apart(tmp_path: Path) -> None:
    engine = Told(SAID)
    data = [SAMPLES[0], replace(SAMPLES[1], id="1")]
    for _ in range(2):
        result = run(tmp_path, engine, data)
        assert [row.key for row in result.rows] == ["1", "1#2"]
    assert engine.asked == Counter_of(1, 2)


def test_what_cannot_be_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    engine = Told(SAID)
    with pytest.raises(UnsupportedError, match="beams"):
        run(tmp_path, engine, options={"beams": 3})
    with pytest.raises(OptionError, match="age"):
        run(tmp_path, engine, by=("about.age",))
    with pytest.raises(DataError, match="an answer to compare with"):
        run(tmp_path, engine, [replace(SAMPLES[0], conversation=SAMPLES[0].asked)])
    assert not engine.asked
    run(tmp_path, engine)
    with pytest.raises(OutputError, match="another model"):
        run(tmp_path, Told(SAID, name="other"))


def test_a_model_is_known_by_its_files(tmp_path: Path) -> None:
    weights = tmp_path / "model" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"1")

    def files() -> list[str]:
        engine = Told(SAID)
        engine.folder = weights.parent  # type: ignore[attr-defined]
        written = run(tmp_path / "out", engine).to_dict()["model"]["files"]
        assert isinstance(written, list)
        return written

    first = files()
    (weights.parent / "README.md").write_text("It was trained again.")
    assert files() == first
    weights.write_bytes(b"2")
    with pytest.raises(OutputError, match=r"another model \(files\)"):
        files()


def test_one_at_a_time_writes_into_a_folder(tmp_path: Path) -> None:
    class Meddling(Told):
        def warm(self) -> None:
            run(tmp_path)

    with pytest.raises(OutputError, match="Another process"):
        run(tmp_path, Meddling(SAID))


def test_progress_has_a_running_figure(tmp_path: Path) -> None:
    seen: list[Progress] = []
    evaluate(Listener(Told(SAID, frozenset({"clip4"}))), Words(), SAMPLES, tmp_path, step=seen.append)
    assert [(each.done, each.failed) for each in seen] == [(1, 0), (2, 0), (3, 0), (4, 1)]
    assert seen[0].figure is not None
    assert seen[0].figure.name == "WER"


def test_a_limit_draws_samples_by_the_seed(tmp_path: Path) -> None:
    for number in range(20):
        soundfile.write(tmp_path / f"{number}.wav", np.zeros(80), 8000)
    lines = [json.dumps({"audio": f"{number}.wav", "text": "x"}) for number in range(20)] + ["broken"]
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(lines))

    def drawn(limit: int, seed: int) -> list[str]:
        chosen = DataSet((data,), limit=limit, seed=seed)
        ids = [each.id for each in chosen]
        assert [each.where for each in chosen.bad] == ["line 21"]
        return ids

    assert len(drawn(5, 0)) == 5
    assert drawn(5, 0) == drawn(5, 0) != drawn(5, 1)
    assert set(drawn(5, 0)) < set(drawn(9, 0))


def test_a_judge_is_asked_once(tmp_path: Path) -> None:
    calls: list[str] = []

    @dataclass(frozen=True)
    class Judged(Words):
        judge: str | None = "somebody"

        def score(self, sample: Sample, reply: Reply) -> Score:
            if reply.answer:
                calls.append(sample.id)
            found = super().score(sample, reply)
            return replace(found, counts={**found.counts, "judged": int(sample.id != "2" or len(calls) > 4)})

    def judged(**setting: Any) -> Result:
        return evaluate(Listener(Told(SAID)), Judged(), SAMPLES, tmp_path, Setting(**setting))

    first = judged()
    assert calls == ["1", "2", "3", "4"]
    assert judged().rows == first.rows
    assert calls == ["1", "2", "3", "4"]
    judged(retry=True)  # the verdict that there was none
    assert calls == ["1", "2", "3", "4", "2"]


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from judged import Told, Words, sample
from hark.evaluation.runner import Setting, evaluate
from hark.listener import Listener

class Mortal(Told):
    def generate(self, conversation, options):
        if sum(self.asked.values()) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from super().generate(conversation, options)

Mortal.__name__ = "Told"
data = [sample(number, f"word{number}") for number in range(7)]
said = {f"clip{number}": "word0" for number in range(7)}
evaluate(Listener(Mortal(said)), Words(), data, Path(sys.argv[2]), Setting())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_evaluation_goes_on(tmp_path: Path) -> None:
    tests = str(Path(__file__).resolve().parent)
    killed = subprocess.run([sys.executable, "-c", KILLED, tests, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    journal = tmp_path / "journal.jsonl"
    assert len(journal.read_text().splitlines()) == 1 + 3
    with journal.open("a") as file:
        file.write('{"key": "3", "asked"')  # a line that it was writing
    data = [sample(number, f"word{number}") for number in range(7)]
    engine = Told({f"clip{number}": "word0" for number in range(7)})
    result = run(tmp_path, engine, data)
    assert engine.asked == Counter_of(3, 4, 5, 6)
    assert wer(result) == 6 / 7
    assert [row.key for row in result.rows] == [str(number) for number in range(7)]
    keys = [values["key"] for line in journal.read_text().splitlines() if "key" in (values := json.loads(line))]
    assert sorted(keys) == [str(number) for number in range(7)]
    assert json.loads((tmp_path / "results.json").read_text())["runs"] == 2
