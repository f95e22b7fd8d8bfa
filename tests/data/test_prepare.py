"""`hark data prepare`: the features and labels are those of Speech2Text, and what was made survives kill -9."""

from __future__ import annotations

import hashlib
import json
import pickle
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from hark.data import read
from hark.data.prepare.prepare import Wishes, prepare
from hark.data.prepared import Prepared
from hark.errors import DataError, OptionError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("zero one two", "three four", "five six seven", "eight", "nine zero")


def corpus(folder: Path, count: int, seconds: float = 0.3) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        length = round(8000 * seconds * (1 + number % 3))
        soundfile.write(folder / f"{number}.flac", rng.normal(0, 0.1, length).clip(-1, 1), 8000)
        rows.append({"id": f"u{number}", "audio": f"{number}.flac", "text": WORDS[number % 5], "speaker": "s"})
    path = folder / "train.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def digest(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_features_and_labels_are_those_of_speech2text(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    path = corpus(tmp_path, 7)
    done = prepare(path, tmp_path / "out", Wishes(shard=3), jobs=1)
    assert (done["samples"], done["skipped"], done["shards"], done["unknown"]) == (7, 0, 3, 0)
    prepared = Prepared(tmp_path / "out")
    plain = Prepared(tmp_path / "out", "none")
    extractor = transformers.Speech2TextFeatureExtractor()
    raw = transformers.Speech2TextFeatureExtractor(do_ceptral_normalize=False)
    tokenizer = transformers.Speech2TextTokenizer.from_pretrained(tmp_path / "out")
    for number, sample in enumerate(read(path)):
        samples = sample.clips[0].samples(16000)
        item = prepared[number]
        expected = extractor(samples, sampling_rate=16000)["input_features"][0]
        assert item.features.shape == expected.shape == (prepared.frames[number], 80)
        assert np.abs(item.features - expected).max() < 0.02  # kept in 16 bits
        unscaled = raw(samples, sampling_rate=16000)["input_features"][0]
        assert np.abs(plain[number].features - unscaled).max() < 0.01
        assert list(item.labels) == tokenizer(sample.target).input_ids
        assert tokenizer.decode(item.labels, skip_special_tokens=True) == sample.target == item.text
        assert (item.id, item.about["speaker"], len(item.labels)) == (f"u{number}", "s", prepared.labels[number])


def test_global_statistics_are_those_of_all_frames(tmp_path: Path) -> None:
    prepare(corpus(tmp_path, 5), tmp_path / "out", Wishes(bins=40, shard=2), jobs=1)
    every = np.concatenate([item.features for item in Prepared(tmp_path / "out", "global")])
    assert every.shape[1] == 40
    assert np.abs(every.mean(axis=0)).max() < 0.01
    assert np.abs(every.std(axis=0) - 1).max() < 0.01
    copied = pickle.loads(pickle.dumps(Prepared(tmp_path / "out")))
    assert np.array_equal(copied[-1].features, Prepared(tmp_path / "out")[4].features)
    with pytest.raises(IndexError):
        copied[5]


def test_vocabularies_of_pieces_and_of_another_folder(tmp_path: Path) -> None:
    path = corpus(tmp_path, 10)
    done = prepare(path, tmp_path / "pieces", Wishes(vocab="30", lowercase=True), jobs=1)
    assert 20 < done["pieces"] <= 34
    (tmp_path / "dev.jsonl").write_text(json.dumps({"audio": "0.flac", "text": "ZERO Jan"}))
    wishes = Wishes(vocab=str(tmp_path / "pieces"), lowercase=True)
    other = prepare(tmp_path / "dev.jsonl", tmp_path / "dev", wishes, jobs=1)
    assert (tmp_path / "dev/vocab.json").read_bytes() == (tmp_path / "pieces/vocab.json").read_bytes()
    assert other["unknown"] == 1  # ja, which sentencepiece takes for one piece
    assert Prepared(tmp_path / "dev")[0].text == "zero jan"


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    path = corpus(tmp_path, 2)
    soundfile.write(tmp_path / "tiny.wav", np.ones(50), 8000)
    extra: list[Any] = [
        {"audio": "nowhere.wav", "text": "a"},
        {"audio": "0.flac"},
        {"audio": ["0.flac", "1.flac"], "text": "b"},
        {"audio": "tiny.wav", "text": "c"},
        {"audio": "1.flac", "text": " "},
        [],
    ]
    path.write_text(path.read_text() + "\n" + "\n".join(map(json.dumps, extra)))
    done = prepare(path, tmp_path / "out", Wishes(longest=0.5), jobs=1)
    assert (done["samples"], done["skipped"]) == (1, 7)
    why = [json.loads(line)["why"] for line in (tmp_path / "out/skipped.jsonl").read_text().splitlines()]
    for expected in ("no file", "no text", "2 recordings", "one frame", "no row", "more than 0.5 s"):
        assert any(expected in each for each in why), expected


def test_a_run_killed_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    path = corpus(tmp_path, 60, seconds=1.0)
    wishes = Wishes(shard=2)
    command = [sys.executable, "-m", "hark", "data", "prepare", str(path), str(tmp_path / "out"), "--shard", "2", "-j1"]
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    shards = tmp_path / "out" / "shards"
    while len(list(shards.glob("*.json"))) < 3:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    with pytest.raises(OutputError, match="Another process"):
        prepare(path, tmp_path / "out", wishes, jobs=1)
    children = process.children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert psutil.wait_procs(children, timeout=10)[1] == []  # no worker is left behind
    before = {file: file.stat().st_mtime_ns for file in shards.glob("*.json")}
    assert 3 <= len(before) < 30
    with pytest.raises(DataError, match="no finished folder"):
        Prepared(tmp_path / "out")
    with pytest.raises(OutputError, match="another wishes"):
        prepare(path, tmp_path / "out", Wishes(shard=3), jobs=1)
    done = prepare(path, tmp_path / "out", wishes, jobs=1)
    assert done["samples"] == 60
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())  # nothing was done twice
    prepare(path, tmp_path / "straight", wishes, jobs=1)
    first, second = digest(tmp_path / "out"), digest(tmp_path / "straight")
    assert {name for name in first if not name.endswith(".part")} == set(second)
    assert all(first[name] == value for name, value in second.items())


def test_wrong_wishes_are_refused(tmp_path: Path) -> None:
    for wrong in ({"vocab": "many"}, {"vocab": "0"}, {"bins": 0}, {"shard": 0}, {"longest": 0}):
        with pytest.raises(OptionError):
            Wishes(**wrong)  # type: ignore[arg-type]
    path = corpus(tmp_path, 1)
    with pytest.raises(OutputError, match="something else"):
        prepare(path, tmp_path, jobs=1)
    (tmp_path / "none.jsonl").write_text('{"audio": "0.flac"}')
    with pytest.raises(DataError, match="No sample"):
        prepare(tmp_path / "none.jsonl", tmp_path / "out", jobs=1)
    with pytest.raises(OptionError, match="normalisation"):
        Prepared(tmp_path / "out", "some")  # type: ignore[arg-type]
