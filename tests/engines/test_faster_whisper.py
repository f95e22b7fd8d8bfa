from __future__ import annotations

import shutil
import socket
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hark.answers.answer import Answer, Delta
from hark.audio.audio import Audio
from hark.conversation.conversation import Conversation
from hark.engines import catalog, faster_whisper
from hark.engines.engine import Engine, Options, check
from hark.errors import AudioEmptyError, ModelBrokenError, ModelError, OptionError, UnsupportedError
from tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from pathlib import Path

    from hark.answers.transcript import Segment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper(tmp_path_factory.mktemp("models") / "multilingual")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Engine:
    return catalog.open_engine(catalog.resolve(str(folder)), device="cpu")


@pytest.fixture(scope="module")
def spoken(examples: Path) -> np.ndarray:
    """A stand-up meeting of two voices, 16 kHz."""
    return Audio.of(examples / "standup.flac").samples()


def steps(engine: Engine, audio: Any, **options: Any) -> list[Delta]:
    conversation = Conversation.ask((Audio.of(audio, 16000) if isinstance(audio, np.ndarray) else Audio.of(audio),))
    made = Options.of(**{"task": "transcribe"} | options)
    check(engine.name, engine.can, conversation, made)
    return list(engine.generate(conversation, made))


def transcribe(engine: Engine, audio: Any, **options: Any) -> Answer:
    return Answer.of(steps(engine, audio, **options))


def times_are_true(segments: tuple[Segment, ...], duration: float) -> None:
    clock = 0.0
    for segment in segments:
        assert clock <= segment.start <= segment.end <= duration
        clock = segment.start
        for word in segment.words:
            assert clock <= word.start <= word.end <= segment.end
            clock = word.end
        clock = segment.end


def test_two_clips_give_two_texts_and_the_same_clip_the_same(engine: Engine, examples: Path) -> None:
    first, second, again = (
        transcribe(engine, examples / name, language="en") for name in ("order.flac", "hesitant.flac", "order.flac")
    )
    assert first.text
    assert first.text != second.text
    assert first == again


def test_it_is_what_faster_whisper_says(engine: Engine, folder: Path, examples: Path) -> None:
    from faster_whisper import WhisperModel

    samples = Audio.of(examples / "hesitant.flac").samples()
    plain, about = WhisperModel(str(folder), device="cpu").transcribe(samples, word_timestamps=True, vad_filter=True)
    segments = list(plain)
    ours = transcribe(engine, examples / "hesitant.flac")
    assert [segment.text for segment in ours.evidence] == [segment.text.strip() for segment in segments]
    assert ours.language == about.language
    words = [(word.word.strip(), round(word.start, 3)) for segment in segments for word in segment.words or []]
    assert len(words) > 5
    assert [(word.text, word.start) for segment in ours.evidence for word in segment.words] == words


def test_the_stream_is_the_transcript(engine: Engine, spoken: np.ndarray) -> None:
    deltas = steps(engine, spoken[: 16000 * 40], language="en")
    whole = Answer.of(deltas)
    assert len(whole.evidence) > 1
    assert whole.text == " ".join(segment.text for segment in whole.evidence)
    assert "".join(delta.text for delta in deltas) == whole.text
    heard = [delta.heard for delta in deltas if delta.heard is not None]
    assert heard == sorted(heard)
    assert heard[-1] == whole.usage.audio_seconds == 40.0


def test_long_audio_is_heard_in_stretches_with_times_of_the_recording(
    engine: Engine, spoken: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = np.tile(spoken, 3)[: 16000 * 95]
    monkeypatch.setattr(faster_whisper, "STRETCH", 35.0)
    answer = transcribe(engine, samples, language="en")
    times_are_true(answer.evidence, 95.0)
    assert answer.evidence[-1].end > 80
    assert answer.usage.audio_seconds == 95.0
    assert "split" in [notice.kind for notice in answer.notices]


def test_a_stretch_ends_in_a_pause_and_no_sample_is_lost_or_doubled(spoken: np.ndarray) -> None:
    blocks = [spoken[start : start + 7000] for start in range(0, len(spoken), 7000)]
    cut = list(faster_whisper.cut(iter(blocks), 12.0))
    assert len(cut) > 2
    assert np.array_equal(np.concatenate([window.samples for window in cut]), spoken)
    assert all(before.end == after.start for before, after in pairwise(cut))
    assert all(window.end - window.start <= 12.0 for window in cut)
    loud = float(np.sqrt(np.mean(spoken**2)))
    for window in cut[:-1]:
        assert np.sqrt(np.mean(window.samples[-800:] ** 2)) < loud / 5


@pytest.mark.parametrize("seconds", [0.01, 0.5, 12.0])
def test_silence_gives_no_words(engine: Engine, seconds: float) -> None:
    answer = transcribe(engine, np.zeros(int(16000 * seconds), np.float32))
    assert (answer.text, answer.evidence) == ("", ())
    assert [notice.kind for notice in answer.notices] == ["silence"]
    assert answer.usage.audio_seconds == seconds


def test_noise_gives_no_words(engine: Engine) -> None:
    noise = np.random.default_rng(0).standard_normal(16000 * 5).astype(np.float32) * 0.1
    assert transcribe(engine, noise).text == ""


def test_times_are_those_of_the_recording_after_a_silence(engine: Engine, spoken: np.ndarray) -> None:
    answer = transcribe(engine, np.concatenate([np.zeros(16000 * 20, np.float32), spoken[: 16000 * 8]]), language="en")
    assert answer.evidence[0].start > 19
    times_are_true(answer.evidence, 28.0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the library is asked for, call by call."""
    from faster_whisper import WhisperModel

    calls: list[dict[str, Any]] = []
    real = WhisperModel.transcribe

    def spy(self: Any, samples: Any, **given: Any) -> Any:
        calls.append(given)
        return real(self, samples, **given)

    monkeypatch.setattr(WhisperModel, "transcribe", spy)
    return calls


def test_the_language_and_the_task_reach_the_model(
    engine: Engine, spoken: np.ndarray, asked: list[dict[str, Any]]
) -> None:
    wanted = [
        ("transcribe", "en", None),
        ("transcribe", "de", None),
        ("translate", "de", None),
        ("translate", "de", "en"),
    ]
    said = [
        transcribe(engine, spoken[16000 * 20 : 16000 * 28], task=task, language=language, to=to)
        for task, language, to in wanted
    ]
    assert [(given["task"], given["language"]) for given in asked] == [(task, language) for task, language, _ in wanted]
    assert [answer.language for answer in said] == ["en", "de", "en", "en"]
    assert said[2] == said[3]
    assert len({answer.text for answer in said}) == 3


def test_beams_and_temperature_reach_the_model(engine: Engine, examples: Path, asked: list[dict[str, Any]]) -> None:
    transcribe(engine, examples / "order.flac", beams=2, language="en")
    transcribe(engine, examples / "order.flac", temperature=0.5, language="en", timestamps="segment")
    transcribe(engine, examples / "order.flac", language="en")
    assert asked[0]["beam_size"] == 2
    assert (asked[1]["temperature"], asked[1]["word_timestamps"]) == (0.5, False)
    assert not {"beam_size", "temperature"} & set(asked[2])


def test_words_are_given_unless_segments_are_enough(engine: Engine, examples: Path) -> None:
    assert any(segment.words for segment in transcribe(engine, examples / "order.flac").evidence)
    coarse = transcribe(engine, examples / "order.flac", timestamps="segment").evidence
    assert coarse
    assert not any(segment.words for segment in coarse)


def test_max_new_tokens_is_kept_over_the_whole_recording(engine: Engine, spoken: np.ndarray) -> None:
    samples = spoken[: 16000 * 40]
    whole = transcribe(engine, samples, language="en")
    total = whole.usage.output_tokens or 0
    assert total > 12
    for limit in (1, 7, 12):
        short = transcribe(engine, samples, language="en", max_new_tokens=limit)
        assert short.usage.output_tokens == limit
        assert whole.text.startswith(short.text)
        assert short.text
        assert [notice.kind for notice in short.notices].count("limit") == 1
        assert sum(len(segment.words) for segment in short.evidence) <= limit
        times_are_true(short.evidence, 40.0)
    assert transcribe(engine, samples, language="en", max_new_tokens=total) == whole


def test_doubtful_segments_are_marked(engine: Engine, examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sure = transcribe(engine, examples / "order.flac", language="en")
    assert not any(segment.unsure for segment in sure.evidence)
    monkeypatch.setattr(faster_whisper, "_LOG_PROBABILITY", -0.01)
    doubtful = transcribe(engine, examples / "order.flac", language="en")
    assert all(segment.unsure for segment in doubtful.evidence)
    assert "unsure" in [notice.kind for notice in doubtful.notices]
    assert all(0 < (segment.confidence or 0) < 1 for segment in sure.evidence)


def test_what_it_cannot_do_is_refused(engine: Engine, examples: Path) -> None:
    clip = examples / "order.flac"
    for wrong in (
        {"task": None},
        {"task": "summary"},
        {"language": "xx"},
        {"seed": 1},
        {"top_p": 0.5},
        {"stop": ("a",)},
    ):
        with pytest.raises(UnsupportedError, match=r"it can only transcribe, translate|it knows af|it takes beams"):
            transcribe(engine, clip, **wrong)
    with pytest.raises(UnsupportedError, match="only to English"):
        transcribe(engine, clip, task="translate", to="fr")
    with pytest.raises(UnsupportedError, match="language spoken"):
        transcribe(engine, clip, to="en")
    with pytest.raises(OptionError, match="exclude each other"):
        transcribe(engine, clip, beams=3, temperature=0.4)


def test_english_only_weights_do_not_translate(tmp_path: Path, examples: Path) -> None:
    model = catalog.resolve(str(tiny_whisper(tmp_path / "english", english=True)))
    assert model.can.tasks == {"transcribe"}
    assert model.can.languages == {"en"}
    english = catalog.open_engine(model, device="cpu")
    assert transcribe(english, examples / "order.flac").language == "en"
    with pytest.raises(UnsupportedError, match="cannot do the task 'translate'"):
        transcribe(english, examples / "order.flac", task="translate")
    with pytest.raises(UnsupportedError, match="language 'de'"):
        transcribe(english, examples / "order.flac", language="de")


def test_nothing_is_loaded_before_it_is_asked_and_no_socket_is_opened(
    folder: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    fresh = catalog.open_engine(catalog.resolve(str(folder)), device="cpu")
    assert vars(fresh)["_model"] is None
    assert transcribe(fresh, examples / "order.flac").text
    fresh.close()
    assert vars(fresh)["_model"] is None
    assert transcribe(fresh, examples / "order.flac").text


def test_closing_early_stops_the_work(engine: Engine, spoken: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = Audio.of(np.tile(spoken, 2), 16000)
    monkeypatch.setattr(faster_whisper, "STRETCH", 20.0)
    given: list[float] = []
    real = faster_whisper.cut

    def watched(*args: Any) -> Any:
        for window in real(*args):
            given.append(window.start)
            yield window

    monkeypatch.setattr(faster_whisper, "cut", watched)
    deltas = engine.generate(Conversation.ask((audio,)), Options(task="transcribe", language="en"))
    next(deltas)
    deltas.close()  # type: ignore[attr-defined]
    assert given == [0.0]


def test_two_threads_get_what_one_gets(folder: Path, examples: Path) -> None:
    shared = catalog.open_engine(catalog.resolve(str(folder)), device="cpu")
    names = ["order.flac", "hesitant.flac"]
    found: dict[str, str] = {}

    def work(name: str) -> None:
        found[name] = transcribe(shared, examples / name, language="en").text

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: transcribe(shared, examples / name, language="en").text for name in names}


@pytest.mark.parametrize("file", ["model.bin", "tokenizer.json", "vocabulary.json", "config.json"])
@pytest.mark.parametrize("harm", ["cut", "emptied", "removed"])
def test_a_damaged_folder_is_named(folder: Path, tmp_path: Path, examples: Path, file: str, harm: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    if harm == "removed":
        (broken / file).unlink()
    else:
        kept = (broken / file).read_bytes()
        (broken / file).write_bytes(kept[: len(kept) // 2] if harm == "cut" else b"")
    with pytest.raises(ModelBrokenError) as caught:
        transcribe(catalog.open_engine(catalog.resolve(str(broken)), device="cpu"), examples / "order.flac")
    assert file.partition(".")[0] in str(caught.value)
    assert str(broken) in str(caught.value)


def test_files_that_do_not_belong_together_are_named(folder: Path, tmp_path: Path, examples: Path) -> None:
    for file, content in (("preprocessor_config.json", '{"feature_size": 128}'), ("tokenizer.json", None)):
        broken = tmp_path / file
        shutil.copytree(folder, broken)
        if content is None:
            from tokenizers import Tokenizer, models

            content = Tokenizer(models.BPE(vocab={"a": 0}, merges=[])).to_str()
        (broken / file).write_text(content)
        with pytest.raises(ModelBrokenError, match=file.replace(".", r"\.")):
            transcribe(catalog.open_engine(catalog.resolve(str(broken)), device="cpu"), examples / "order.flac")


def test_errors_of_the_library_and_of_the_audio_are_told_apart(
    folder: Path, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from faster_whisper import WhisperModel

    engine = catalog.open_engine(catalog.resolve(str(folder)), device="cpu")
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(AudioEmptyError):
        transcribe(engine, tmp_path / "empty.wav")

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDA failed with error out of memory")

    monkeypatch.setattr(WhisperModel, "encode", fail)
    with pytest.raises(ModelError, match="out of memory"):
        transcribe(engine, examples / "order.flac")


def test_what_decoding_noticed_is_passed_on(engine: Engine, spoken: np.ndarray) -> None:
    samples = spoken[: 16000 * 5].copy()
    samples[100] = np.nan
    assert "cleaned" in [notice.kind for notice in transcribe(engine, samples, language="en").notices]


def test_real_speech_is_heard_where_it_is(engine: Engine, shared_data: Path) -> None:
    answer = transcribe(engine, shared_data / "clips" / "jfk.flac", language="en")
    times_are_true(answer.evidence, 11.0)
    assert answer.text
