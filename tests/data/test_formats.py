"""Every format, there and back: what it can hold comes back the same, what it cannot is named."""

from __future__ import annotations

import json
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from hark.answers.transcript import Segment, Word
from hark.conversation.conversation import Clip, Conversation, Message, Text
from hark.data import Sample, read, write
from hark.data.formats import FORMATS, told
from hark.errors import AudioNotFoundError, DataError, OptionError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from hark.audio.audio import Audio

TEXTS = ("hello there", 'Größe, «quoted» "so"', "你好吗")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder `in` with three recordings and `labels.jsonl`."""
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for number, text in enumerate(TEXTS):
        name = f"clip {number}.wav"
        soundfile.write(folder / name, rng.integers(-9000, 9000, 4000 * (number + 1)).astype(np.int16), 8000)
        lines.append(
            {"id": f"utt-{number}", "audio": name, "text": text, "speaker": f"s{number % 2}", "language": "en"}
        )
    (folder / "labels.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return folder


def samples(path: Path, form: str | None = None) -> list[Sample]:
    return list(read(path, form))


def clip(corpus: Path, number: int = 0) -> Audio:
    return samples(corpus / "labels.jsonl")[number].clips[0]


def same(first: list[Sample], second: list[Sample]) -> None:
    assert len(first) == len(second)
    for one, two in zip(first, second, strict=True):
        assert one == two  # recordings by their content


OUT = {"kaldi": "out", "llamafactory": "out", "audiofolder": "out", "commonvoice": "out.tsv", "fairseq": "out.tsv"}


@pytest.mark.parametrize("form", ["jsonl", "csv", "messages", "flamingo", "swift", "llamafactory", "parquet", "kaldi"])
@pytest.mark.parametrize("copy", [False, True])
def test_a_corpus_comes_back_the_same(form: str, copy: bool, corpus: Path, tmp_path: Path) -> None:
    given = samples(corpus / "labels.jsonl")
    out = tmp_path / "elsewhere" / OUT.get(form, "out.data")
    out.parent.mkdir()
    count, lost = write(given, out, form, copy_audio=copy)
    assert (count, dict(lost)) == (3, {})
    assert told(out) == form
    if copy:
        corpus.rename(tmp_path / "gone")
        found = samples(out)
        given = samples(tmp_path / "gone" / "labels.jsonl")
        same(given, sorted(found, key=lambda sample: sample.id))
    else:
        same(given, samples(out))
        assert all("elsewhere" not in str(path) for path in corpus.iterdir())
        assert not list(out.parent.rglob("*.wav"))  # nothing was copied


@pytest.mark.parametrize(
    ("form", "lost"),
    [
        ("fairseq", {}),
        ("commonvoice", {"the id": 3}),
        ("audiofolder", {}),
    ],
)
def test_formats_that_want_their_recordings_somewhere(
    form: str, lost: dict[str, int], corpus: Path, tmp_path: Path
) -> None:
    given = samples(corpus / "labels.jsonl")
    out = tmp_path / OUT[form]
    assert write(given, out, form, copy_audio=True) == (3, lost)
    assert told(out) == form
    found = samples(out)
    for one, two in zip(given, found, strict=True):
        assert (one.target, one.speaker, one.language, one.clips) == (two.target, two.speaker, two.language, two.clips)
        assert one.id == two.id or form == "commonvoice"


def full(corpus: Path) -> Sample:
    """A sample with all that one can say."""
    one, two = clip(corpus, 0), clip(corpus, 1)
    conversation = Conversation(
        (
            Message("system", (Text("Be short.\nBe kind."),)),
            Message("user", (Text("Compare"), Clip(one), Text("with"), Clip(two), Text("please"))),
            Message("assistant", (Text("They differ."),)),
            Message("user", (Clip(two), Text("And this?\nReally?"))),
            Message("assistant", (Text("No."),)),
        )
    )
    return Sample(
        "full",
        conversation,
        segments=(Segment("No.", 0.1, 0.4, (Word("No.", 0.1, 0.4, 0.5),), speaker="b", language="en"),),
        speaker="s",
        language="en",
        to="de",
        task="compare",
        choices=("yes", "no"),
        loss=(False, True),
        about={"category": "x", "level": 3, "slots": {"a": [1, None]}, "id": "clash", "messages": 1, "about": {"k": 1}},
    )


@pytest.mark.parametrize("form", ["messages", "flamingo", "swift", "llamafactory"])
def test_chats_hold_everything(form: str, corpus: Path, tmp_path: Path) -> None:
    given = full(corpus)
    assert write([given], tmp_path / "out", form) == (1, {})
    same([given], samples(tmp_path / "out"))


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "fairseq", "kaldi", "mmau", "flamingo-reasoning"])
def test_several_turns_are_refused_where_there_is_no_room(form: str, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="full: It has 2 turns"):
        write([full(corpus)], tmp_path / "out", form)
    assert not [path for path in tmp_path.iterdir() if path != corpus]
    bad: list[object] = []
    assert write([full(corpus)], tmp_path / "out", form, bad=bad.append)[0] == 0
    assert len(bad) == 1


@pytest.mark.parametrize("form", ["jsonl", "csv", "messages", "parquet", "kaldi"])
def test_stretches_come_back(form: str, corpus: Path, tmp_path: Path) -> None:
    whole = clip(corpus, 2)
    given = [
        Sample(str(n), Conversation.ask((cut,)).reply("a"), task="transcribe")
        for n, cut in enumerate((whole[0.25:1.0], whole[0.5:], whole[:0.75], whole))
    ]
    out = tmp_path / "out"
    assert write(given, out, form) == (4, {})
    same(given, sorted(read(out, form), key=lambda sample: sample.id))


@pytest.mark.parametrize("form", ["flamingo", "swift", "mmau", "fairseq"])
def test_stretches_are_cut_out_or_refused(form: str, corpus: Path, tmp_path: Path) -> None:
    cut = clip(corpus, 2)[0.25:1.0]
    given = Sample("a", Conversation.ask((cut,), "What?").reply("b"), choices=("b", "c"))
    with pytest.raises(DataError, match="stretch"):
        write([given], tmp_path / "out", form)
    write([given], tmp_path / "out", form, copy_audio=True)
    found = samples(tmp_path / "out", form)[0].clips[0]
    assert np.array_equal(found.samples(8000), cut.samples(8000))


def test_audio_flamingo_as_published(corpus: Path, tmp_path: Path) -> None:
    think = "Please think and reason about the input audio before you respond."
    path = corpus / "train.json"
    path.write_text(
        json.dumps(
            [
                {
                    "id": "a",
                    "sound": "clip 0.wav",
                    "duration": 0.5,
                    "conversations": [
                        {"from": "human", "value": f"<sound>\nWhy? {think}"},
                        {"from": "gpt", "value": "So."},
                    ],
                },
                {
                    "id": "b",
                    "sound": ["clip 0.wav", "clip 1.wav"],
                    "conversations": [
                        {"from": "human", "value": "Is <sound-2> louder than <sound-1>?"},
                        {"from": "gpt", "value": "Yes."},
                    ],
                },
                {"id": "c", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
            ],
            indent=1,
        )
    )
    assert told(path) == "flamingo"
    one, two, three = samples(path)
    assert one.about == {"duration": 0.5, "thinking": True}
    assert one.asked.prompt == f"Why? {think}"
    assert [part.text if isinstance(part, Text) else part.audio.name for part in two.asked.messages[0].parts] == [
        "Is ",
        "clip 1.wav",
        " louder than ",
        "clip 0.wav",
        "?",
    ]
    assert three.clips == ()
    write([one, two, three], corpus / "again.json", "flamingo")
    again = json.loads((corpus / "again.json").read_text())
    assert again[0]["conversations"][0]["value"] == f"<sound>\nWhy? {think}"
    assert again[0]["sound"] == "clip 0.wav"
    assert again[1]["conversations"][0]["value"].startswith("Is <sound-1> louder than <sound-2>")
    assert again[1]["sound"] == ["clip 1.wav", "clip 0.wav"]
    assert "sound" not in again[2]


def test_reasoning_and_choices_as_published(corpus: Path, tmp_path: Path) -> None:
    prompt = "Where is it? Choose from: (A) street. (B) restaurant. (C) by (the) sea"
    whole = {
        "dataset_path": "", "flamingo_task": "reason", "total_num": 1,
        "data": {"0": {"name": "clip 0.wav", "prompt": prompt, "output": "(B) restaurant"}},
    }  # fmt: skip
    path = corpus / "test.json"
    path.write_text(json.dumps(whole))
    assert told(path) == "flamingo-reasoning"
    (sample,) = samples(path)
    assert sample.choices == ("street", "restaurant", "by (the) sea")
    assert (sample.asked.prompt, sample.target) == (prompt, "(B) restaurant")
    write([sample], corpus / "again.json", "flamingo-reasoning")
    assert json.loads((corpus / "again.json").read_text())["flamingo_task"] == "reason"
    same([sample], samples(corpus / "again.json"))

    entry = {
        "id": "m", "audio_id": "./clip 1.wav", "question": "Which?", "choices": ["a", "b"], "answer": "b",
        "dataset": "d", "task": "music", "sub-category": "tempo", "difficulty": "easy",
    }  # fmt: skip
    path = corpus / "mmau.json"
    path.write_text(json.dumps([entry]))
    assert told(path) == "mmau"
    (sample,) = samples(path)
    assert (sample.about["domain"], sample.choices, sample.target) == ("music", ("a", "b"), "b")
    write([sample], corpus / "mmau2.json", "mmau")
    assert json.loads((corpus / "mmau2.json").read_text()) == [entry | {"audio_id": "clip 1.wav"}]


def test_swift_and_llamafactory_as_published(corpus: Path) -> None:
    path = corpus / "swift.jsonl"
    row = {
        "messages": [
            {"role": "user", "content": "<audio>What did it say?"},
            {"role": "assistant", "content": "A", "loss": False},
            {"role": "user", "content": "And <audio>?"},
            {"role": "assistant", "content": "B"},
        ],
        "audios": ["clip 0.wav", "clip 1.wav"],
    }
    path.write_text(json.dumps(row) + "\n\n" + json.dumps({"messages": row["messages"][:1], "audios": ["clip 0.wav"]}))
    assert told(path) == "swift"
    first, second = samples(path)
    assert (first.loss, first.target, second.target) == ((False, True), "B", None)
    (corpus / "dataset_info.json").write_text(
        json.dumps({"x": {"file_name": "x.json", "formatting": "sharegpt", "columns": {"audios": "audios"}}})
    )
    value = {"conversations": [{"from": "human", "value": "<audio>Hm?"}, {"from": "gpt", "value": "Mm."}]}
    (corpus / "x.json").write_text(json.dumps([value | {"audios": ["clip 0.wav"]}]))
    assert told(corpus / "x.json") == told(corpus) == "llamafactory"
    same(samples(corpus / "x.json"), samples(corpus))
    (corpus / "dataset_info.json").write_text(json.dumps({"x": {"file_name": "x.json"}}))
    with pytest.raises(DataError, match="alpaca"):
        samples(corpus, "llamafactory")


def test_fairseq_reads_recordings_within_a_zip(corpus: Path) -> None:
    archive = corpus / "audio.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as out:
        out.write(corpus / "clip 0.wav", "a.wav")
        out.write(corpus / "clip 1.wav", "b.wav")
    with zipfile.ZipFile(archive) as zipped:
        info = zipped.getinfo("b.wav")
    data = archive.read_bytes()
    name, extra = struct.unpack("<HH", data[info.header_offset + 26 : info.header_offset + 30])
    offset = info.header_offset + 30 + name + extra
    path = corpus / "train.tsv"
    path.write_text(
        "id\taudio\tn_frames\ttgt_text\tspeaker\tsrc_text\tsrc_lang\ttgt_lang\n"
        f'b\taudio.zip:{offset}:{info.file_size}\t8000\tsagt "ja"\ts1\tsays "yes"\ten\tde\n'
        "c\tfbank.npy\t80\tx\ts1\tx\ten\tde\n"
    )
    assert told(path) == "fairseq"
    bad: list[object] = []
    (sample,) = read(path, bad=bad.append)
    assert "features" in str(bad[0])
    assert np.array_equal(sample.clips[0].samples(8000), clip(corpus, 1).samples(8000))
    assert (sample.target, sample.task, sample.to, sample.about["src_text"]) == (
        'sagt "ja"', "translate", "de", 'says "yes"',
    )  # fmt: skip
    assert write([sample], corpus / "again.tsv", "fairseq") == (1, {})
    same([sample], samples(corpus / "again.tsv"))
    with pytest.raises(DataError, match="part of another file"):
        write([sample], corpus / "x.jsonl")


def test_kaldi_does_not_run_commands(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "wav.scp").write_text(f"rec1 {corpus / 'clip 2.wav'}\nrec2 touch {tmp_path / 'ran'} |\n")
    (folder / "segments").write_text("u3 rec1 0.5 -1\nu1 rec1 0 0.5\nu2 rec2 0 1\nu4 rec9 0 1\n")
    (folder / "text").write_text("u1 one\nu2 two\nu3 three 3\nu4 four\n")  # in another order
    bad: list[object] = []
    found = list(read(folder, bad=bad.append))
    assert [(s.id, s.target, s.clips[0].start, s.clips[0].stop) for s in found] == [
        ("u3", "three 3", 0.5, None), ("u1", "one", 0.0, 0.5),
    ]  # fmt: skip
    assert len(bad) == 2
    assert not (tmp_path / "ran").exists()
    with pytest.raises(DataError, match="command"):
        list(read(folder))


def test_what_is_lost_is_named(corpus: Path, tmp_path: Path) -> None:
    given = Sample("a", Conversation.ask((clip(corpus),), "What?", "Be kind.").reply("x\ty"), about={"age": 3})
    _, lost = write([given], tmp_path / "out.tsv", "fairseq")
    assert set(lost) == {"the question", "the system prompt", "age", "tabs and line breaks in text"}
    given = Sample("a", Conversation((Message("user", (Text("Hear"), Clip(clip(corpus)))),)))
    _, lost = write([given], tmp_path / "out.jsonl")
    assert set(lost) == {"that text stands before a recording"}


def test_broken_entries_are_told_with_their_place(corpus: Path) -> None:
    path = corpus / "bad.jsonl"
    path.write_bytes(
        b'{"audio": "clip 0.wav", "text": "a"}\n{"audio": \n[]\n{"text": "b"}\n'
        b'{"audio": "clip 1.wav", "text": "\xff"}\n{"audio": "clip 1.wav", "start": 3, "end": 1}\n'
        b'{"audio": "nowhere.wav", "text": "c"}\n{"audio": 7}\n'
        b'{"audio": "x.wav", "segments": [{"start": "now"}]}\n{"audio": "x\\u0000.wav"}\n'
    )
    bad = []
    found = list(read(path, bad=bad.append))
    assert [sample.target for sample in found] == ["a", "c"]
    assert [each.where for each in bad] == [f"line {n}" for n in (2, 3, 4, 5, 6, 8, 9, 10)]
    with pytest.raises(AudioNotFoundError):
        found[1].clips[0].samples()
    with pytest.raises(DataError, match=r"bad\.jsonl, line 2"):
        list(read(path))
    cut = corpus / "cut.json"
    cut.write_text('[{"id": 1, "sound": "clip 0.wav", "conversations": [{"from": "human", "value": "a"}]}, {"id"')
    bad.clear()
    assert len(list(read(cut, bad=bad.append))) == 1
    assert "breaks" in bad[0].why


def test_wrong_wishes_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no format"):
        read(corpus / "labels.jsonl", "xml")
    with pytest.raises(DataError, match="nothing"):
        read(tmp_path / "nothing")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="empty"):
        read(tmp_path / "empty.jsonl")
    (tmp_path / "prose.txt").write_text("Dear all,\nthis is a letter.\n")
    with pytest.raises(DataError, match="none of the formats"):
        read(tmp_path / "prose.txt")
    given = samples(corpus / "labels.jsonl")
    with pytest.raises(OutputError, match="already there"):
        write(given, corpus / "labels.jsonl")
    with pytest.raises(OutputError):
        write(given, tmp_path / "no" / "such" / "x.jsonl")
    with pytest.raises(OptionError, match="format"):
        write(given, tmp_path / "x.json")
    marked = Sample("a", Conversation.ask((clip(corpus),), "Say <audio> twice").reply("b"))
    with pytest.raises(DataError, match="read as a recording"):
        write([marked], tmp_path / "x", "swift")


def test_a_long_array_is_read_in_flat_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "long.json"
    entry = {"id": "x", "conversations": [{"from": "human", "value": "é" * 500}]}
    with path.open("w") as file:
        file.write("[" + ",\n".join(json.dumps(entry, ensure_ascii=False) for _ in range(10000)) + "]")
    assert path.stat().st_size > 10_000_000
    tracemalloc.start()
    assert sum(1 for _ in read(path)) == 10000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


def test_arrow_as_datasets_saves_it(corpus: Path, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    data = (corpus / "clip 0.wav").read_bytes()
    rows = [{"audio": {"bytes": data, "path": "a.wav"}, "sentence": "hi", "speaker_id": 3}]
    table = pa.Table.from_pylist(rows)
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "state.json").write_text("{}")
    (folder / "dataset_info.json").write_text("{}")
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as out,
        pa.ipc.new_stream(out, table.schema) as file,
    ):
        file.write_table(table)
    assert told(folder) == "parquet"
    (sample,) = samples(folder)
    assert (sample.target, sample.about["speaker_id"]) == ("hi", 3)
    assert np.array_equal(sample.clips[0].samples(8000), clip(corpus, 0).samples(8000))
    with pytest.raises(DataError, match="held by the data set"):
        write([sample], tmp_path / "x.jsonl")
    write([sample], tmp_path / "x.jsonl", copy_audio=True)
    assert (tmp_path / "x_audio" / "a.wav").read_bytes() == data


def test_every_format_says_what_it_is() -> None:
    assert all(form.ABOUT for form in FORMATS.values())


@pytest.mark.parametrize("form", ["audiofolder", "parquet"])
def test_splits_are_never_read_as_one(form: str, corpus: Path, tmp_path: Path) -> None:
    given = samples(corpus / "labels.jsonl")
    folder = tmp_path / "set"
    folder.mkdir()
    ending = "" if form == "audiofolder" else "-00000-of-00001.parquet"
    write(given[:2], folder / f"train{ending}", form, copy_audio=True)
    same(given[:2], samples(folder, form))
    write(given[2:], folder / f"test{ending}", form, copy_audio=True)
    with pytest.raises(DataError, match="several splits: test, train"):
        samples(folder)
    same(given[2:], samples(folder / f"test{ending}"))
