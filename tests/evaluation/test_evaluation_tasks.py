"""Tasks: what they ask of real listeners, and how they score what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.answers.answer import Answer, Usage
from hark.answers.transcript import Segment, Word
from hark.conversation.conversation import Conversation
from hark.data.sample import Sample
from hark.errors import AudioError, HarkError, OptionError
from hark.evaluation.asking import deltas
from hark.evaluation.task import Reply, Score, Task, added
from hark.evaluation.tasks import TASKS, fitting, made
from tiny.openai_server import CHAT, TRANSCRIBE, LoopbackServer, chat_chunks, verbose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.listener import Listener

RATE = 16000
SPOKEN = hark.Audio.of(Path(__file__).resolve().parents[2] / "examples" / "order.flac")
NOISE = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


def sample(target: str | None = None, prompt: str | None = None, **fields: Any) -> Sample:
    """A second of noise, with what is said about it."""
    return about(hark.Audio.of(NOISE, RATE), target, prompt, **fields)


def spoken(target: str | None = None, prompt: str | None = None, **fields: Any) -> Sample:
    """A recording of speech, which servers are sent for a transcript."""
    return about(SPOKEN, target, prompt, **fields)


def about(clip: hark.Audio, target: str | None, prompt: str | None, **fields: Any) -> Sample:
    asked = Conversation.ask((clip,), prompt)
    return Sample("1", asked if target is None else asked.reply(target), **fields)


class Says:
    """A model on a server that writes given texts, one after the other."""

    def __init__(self, *texts: str | int) -> None:
        def chat(text: str | int) -> Any:
            if isinstance(text, int):
                return lambda ask: ask.reply({"error": {"message": "broken"}}, text)
            return lambda ask: ask.stream(chat_chunks(text))

        def written(text: str | int) -> Any:
            about = {"task": "transcribe", "language": "english", "duration": 1.0}
            empty = {**about, "text": "", "segments": [], "words": []}
            return lambda ask: ask.reply(verbose(ask.wavs[0], str(text)) if text else empty)

        self.server = LoopbackServer(
            {CHAT: [chat(text) for text in texts], TRANSCRIBE: [written(text) for text in texts]}
        )
        self.name = f"openai:m@{self.server.url}"
        self.listener = hark.load(self.name)

    @property
    def asked(self) -> str:
        """The text of the last chat request."""
        return "\n".join(part["text"] for part in self.server.asked[-1].parts if "text" in part)


@pytest.fixture
def says() -> Iterator[Any]:
    made: list[Says] = []

    def make(*texts: str | int) -> Says:
        made.append(Says(*texts))
        return made[-1]

    yield make
    for one in made:
        one.listener.close()
        one.server.close()


def replied(task: Task, listener: Listener, asked: Sample) -> Reply:
    assert task.lacks(asked) is None
    try:
        return Reply(Answer.of(deltas(listener, task.request(asked, listener.can))), seconds=0.5, first=0.1)
    except HarkError as error:
        return Reply(None, str(error))


def scored(task: Task, listener: Listener, asked: Sample) -> Score:
    """Ask and score; a score survives JSON, as a journal needs it."""
    score = task.score(asked, replied(task, listener, asked))
    assert Score(**json.loads(json.dumps(score.to_dict()))) == score
    return score


def figures(task: Task, *scores: Score) -> dict[str, float | None]:
    return {name: figure.value for name, figure in task.total(task.settled(scores)).items()}


def said(text: str, *segments: Segment, data: Any = None) -> Reply:
    return Reply(Answer(text, Usage(1.0, output_tokens=3), evidence=segments, data=data))


# Recognition and translation


def test_recognition(says: Any) -> None:
    task = made("asr")
    score = scored(task, says("a x c d").listener, spoken("A b, c."))
    assert score.counts["word errors"] == 2
    assert ["substitute", "b", "x"] in score.details["alignment"]
    found = figures(task, score, task.score(sample("one two three"), Reply(None, "no answer")))
    assert found["WER"] == pytest.approx(5 / 6)
    assert found["sentence error rate"] == 1
    assert found["deletions"] == pytest.approx(3 / 6)
    assert "normaliser plain" in task.total([score])["WER"].by


def test_the_question_of_the_data_is_asked_where_there_is_one(says: Any) -> None:
    model = says("one two")
    asked = spoken("one two", "Write it down.")
    assert scored(made("asr"), model.listener, asked).error == 0
    assert (model.server.paths[-1], model.asked) == (CHAT, "Write it down.")
    scored(made("asr", question="task"), model.listener, asked)
    assert model.server.paths[-1] == TRANSCRIBE


def test_languages_without_spaces_are_judged_by_characters() -> None:
    task, spaced = made("asr"), said("\u4f60 \u597d \u4e16 \u754c")
    score = task.score(sample("\u4f60\u597d\uff0c\u4e16\u754c", language="zh-CN"), spaced)
    assert score.error == 0
    assert next(iter(task.total([score]))) == "CER"
    assert task.score(sample("\u4f60\u597d\uff0c\u4e16\u754c", language="en"), spaced).error > 0


def test_an_empty_transcript_is_one(says: Any) -> None:
    task = made("asr")
    score = scored(task, says("Thank you.").listener, spoken(""))
    assert score.counts["insertions"] == 2
    assert figures(task, score)["WER"] is None
    assert task.lacks(sample()) == "a transcript to compare with"


def test_translation_names_its_signature() -> None:
    task = made("translation")
    asked = sample("The cat sat on the mat.", to="en", about={"references": ["A cat was on the mat."]})
    score = task.score(asked, said("A cat was on the mat."))
    assert task.request(asked, hark.load("echo").can).options == {"task": "translate", "to": "en"}
    assert figures(task, score) == pytest.approx({"BLEU": 100, "chrF2": 100})
    failed = task.score(sample("It rains."), Reply(None, "broken"))
    found = task.total([score, failed])
    assert 0 < (found["BLEU"].value or 0) < 100
    assert found["BLEU"].by.startswith("nrefs:var|case:mixed|eff:no|tok:13a")
    chinese = task.score(sample("\u4f60\u597d\u4e16\u754c", to="zh"), said("\u4f60\u597d\u4e16\u754c"))
    assert list(task.total([score, chinese])) == ["BLEU (13a)", "BLEU (zh)", "chrF2"]


# Questions


@pytest.mark.parametrize("listed", [False, True])
def test_choices_are_listed_once(says: Any, listed: bool) -> None:
    model = says("(B) dog", "")
    prompt = "What is it?" + " (A) cat (B) dog" * listed
    asked = sample("(B) dog", prompt, choices=("cat", "dog"))
    task = made("choice")
    right = scored(task, model.listener, asked)
    assert (model.asked.count("cat"), model.asked.count("dog")) == (1, 1)
    assert right.details["choices"] == ["cat", "dog"]
    none = task.score(asked, Reply(None, "broken"))
    assert figures(task, right, none) == {"accuracy": 0.5, "accuracy, letters too": 0.5, "no answer": 0.5}
    assert task.lacks(sample("dog", "What barks?")) == "choices"


def test_questions_and_their_judge(says: Any) -> None:
    judge = says("It is correct? No: wrong.", "Correct.", 500, "maybe")
    task = made("qa", judge=judge.name)
    asked = sample("a red car", "What is it?")
    scores = [task.score(asked, said("The red car.")) for _ in range(4)]
    assert "What is it?" in judge.server.asked[0].json["messages"][0]["content"][0]["text"]
    assert [score.counts["judged right"] for score in scores] == [0, 1, 0, 0]
    found = task.total([*scores, task.score(asked, Reply(None, "broken"))])
    assert found["right by judge"].value == pytest.approx(1 / 3)  # an answer that never came is wrong
    assert found["not judged"].value == pytest.approx(2 / 5)
    assert "Reply with one word: correct or wrong." in found["right by judge"].by
    assert found["F1"].value == found["exact match"].value == pytest.approx(4 / 5)


def test_captions_are_settled_together() -> None:
    task = made("caption")
    both = [
        task.score(sample("a man speaks", about={"captions": ["someone speaks"]}), said("A man is speaking.")),
        task.score(sample("rain is falling hard"), said("Rain is falling hard!")),
    ]
    found = figures(task, *both)
    assert found["CIDEr-D"] == pytest.approx(sum(s.counts["cider"] for s in task.settled(both)) / 2)
    assert task.settled(both)[1].counts["cider"] == pytest.approx(10)
    assert task.total(both)["CIDEr-D"].value is None


def test_json_by_a_schema(says: Any) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "day": {"type": "integer"}}}
    schema |= {"required": ["city", "day"]}
    asked = sample('{"city": "Bonn", "day": 3}', "Where and when?", about={"schema": schema})
    model = says('{"city": "bonn.", "day": 3}', '{"city": "Bonn", "day": "3"}', 'Sure: {"city": "Bonn", "day": 3}')
    task = made("schema")
    scores = [scored(task, model.listener, asked) for _ in range(3)]
    assert "nothing but JSON" in model.asked
    assert "response_format" not in model.server.asked[-1].json
    assert figures(task, *scores) == pytest.approx({"valid": 1 / 3, "fields right": 3 / 6, "all right": 1 / 3})
    assert scores[1].details["wrong fields"] == ["$.day"]
    assert "schema that can be used" in str(task.lacks(sample(about={"schema": "{"})))
    held = says('{"city": "Bonn", "day": 3}')
    assert scored(made("schema", held=True), held.listener, asked).error == 0
    assert held.server.asked[-1].json["response_format"]["type"] == "json_schema"


# Commands and labels

GRAMMAR = """
context:
  expressions:
    light:
      - turn $state:state the light
  slots:
    state:
      - "on"
      - "off"
"""


def test_commands(says: Any, tmp_path: Any) -> None:
    path = tmp_path / "light.yaml"
    path.write_text(GRAMMAR)
    task = made("intent", grammar=str(path))
    asked = sample(about={"intent": "light", "slots": {"state": "on"}})
    answers = [
        {"heard": "turn on", "understood": True, "intent": "light", "slots": {"state": state}}
        for state in ("on", "off")
    ]
    refused = {"heard": "hello", "understood": False, "intent": None, "slots": {"state": None}}
    model = says(*map(json.dumps, [*answers, refused]))
    scores = [scored(task, model.listener, asked) for _ in range(3)]
    found = figures(task, *scores)
    assert [found[name] for name in ("exact commands", "intent accuracy", "refused")] == pytest.approx(
        [1 / 3, 2 / 3, 1 / 3]
    )
    assert found["slot F1"] == pytest.approx(2 / 5)
    assert scores[1].prediction == "light(state=off)"


def test_commands_that_a_model_writes_as_json(says: Any) -> None:
    task, wanted = made("intent"), json.dumps({"intent": "light", "slots": {"state": "on"}})
    assert scored(task, says(wanted).listener, sample(wanted, "Which command?")).error == 0
    assert scored(task, says(wanted).listener, spoken(wanted)).error == 0
    assert scored(task, says("turn on the light").listener, spoken(wanted)).error == 1
    assert task.lacks(sample("turn on the light")) == "an intent to compare with"


def test_labels_are_those_of_the_data(says: Any) -> None:
    task = made("emotion", same={"ang": "angry"})
    given = list(task.samples(sample(about={"emotion": emotion}) for emotion in ("angry", "sad", "angry")))
    assert given[0].choices == ("angry", "sad")
    model = says('{"label": "angry"}', '{"label": "angry"}', "broken")
    scores = [scored(task, model.listener, one) for one in given]
    assert model.server.asked[0].json["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"] == [
        "angry",
        "sad",
    ]
    found = figures(task, *scores)
    assert (found["accuracy"], found["UAR"], found["no label"]) == pytest.approx((1 / 3, 1 / 4, 1 / 3))
    (table,) = task.tables(added(scores))
    assert (table.head, table.rows[0]) == (("said as", "angry", "sad", "none of them"), ("angry", 1, 0, 1))
    assert task.score(given[0], said("", data=[{"label": "ang", "score": 0.9}])).error == 0
    assert task.lacks(next(iter(task.samples([sample(about={"emotion": "sad"})])))) is not None


# Speakers, times, silence, speed


def test_diarization() -> None:
    task = made("diarization", collar=0)
    asked = sample(segments=(Segment("hi", 0, 1, speaker="a"), Segment("yes", 1, 2, speaker="b")))
    heard = (Segment("hi", 0, 1.5, speaker="Speaker 1"), Segment("yes", 1.5, 2, speaker="Speaker 2"))
    right, none = task.score(asked, said("", *heard)), task.score(asked, Reply(None, "broken"))
    found = figures(task, right, none)
    assert (found["DER"], found["missed"], found["confusion"]) == pytest.approx((2.5 / 4, 2 / 4, 0.5 / 4))
    assert found["number of speakers right"] == 0.5
    assert task.total([right])["DER"].by == "collar 0.0 s, with overlaps"
    assert task.lacks(sample("hi")) == "segments with speakers"


def test_speakers_are_asked_for(hesitant: hark.Audio) -> None:
    with hark.load("echo") as listener:
        asked = Sample("1", Conversation.ask((hesitant,)), (Segment("so", 0, hesitant.duration, speaker="a"),))
        task = made("diarization", told=True)
        score = scored(task, listener, asked)
    assert score.failed is None
    assert score.details["speakers found"] == 1
    assert score.counts["confusion"] == 0


def test_one_recording_is_not_taken_for_two() -> None:
    asked = Sample("1", Conversation.ask((SPOKEN, SPOKEN)), (Segment("so", 0, 1, speaker="a"),))
    with hark.load("echo") as listener:
        score = scored(made("diarization"), listener, asked)
    assert score.failed == "There are 2 recordings."


def test_times_of_words(says: Any) -> None:
    task = made("timestamps", tolerance=0.2)
    half = SPOKEN.duration / 2  # where the server puts the second word
    truth = (Word("one", 0, half), Word("two", half, 2 * half))
    asked = spoken(segments=(Segment("one two", 0, 2 * half, truth),))
    score = scored(task, says("one two").listener, asked)
    assert (score.error, score.counts["distance"]) == pytest.approx((0, 0), abs=0.01)
    late = task.score(asked, said("", Segment("one", 0.3, half), Segment("too", half, 2 * half)))
    found = figures(task, score, late)
    assert found["mean absolute error"] == pytest.approx(0.3 / 6, abs=0.01)
    assert found["within 0.2 s"] == pytest.approx(5 / 6)
    assert found["within 0.2 s, of all times"] == pytest.approx(5 / 8)
    assert found["times matched"] == pytest.approx(6 / 8)


def test_words_where_nobody_speaks(says: Any) -> None:
    task = made("hallucination", seconds=[0.5])
    silences = list(task.samples([sample("", about={"category": "rain"}), sample("hello")]))
    assert [one.about.get("category") for one in silences[:3]] == ["silence", "white noise", "pink noise"]
    assert not np.any(silences[0].clips[0].samples())
    assert [task.lacks(one) is None for one in silences] == [True] * (len(silences) - 1) + [False]
    with hark.load("echo") as echo:  # says nothing of silence
        scores = [scored(task, echo, one) for one in silences[:2]]
    assert [score.counts["not empty"] for score in scores] == [0, 1]
    texts = ["[BLANK_AUDIO]", "(wind) \u266a", "Thank you."]
    some = [silences[1], silences[2], silences[-2]]
    scores = [task.score(one, said(text)) for one, text in zip(some, texts, strict=True)]
    assert figures(task, *scores) == pytest.approx({"answers not empty": 1 / 3, "words a minute": 60 * 2 / 2})
    (table,) = task.tables(added(scores))
    assert table.rows[-1] == ("rain", 1, 1, 120)


def test_speed() -> None:
    task = made("speed")
    assert task.alone
    replies = [Reply(Answer("x"), seconds=s, first=s / 2, memory=m) for s, m in ((0.1, 5), (0.2, 9), (0.9, 7))]
    found = figures(task, *(task.score(sample(), one) for one in [*replies, Reply(None, "broken", seconds=9)]))
    assert found["real-time factor"] == pytest.approx(1.2 / 3)
    assert found["real-time factor, median"] == pytest.approx(0.2)
    assert found["time to first token, 95th percentile"] == pytest.approx(0.45)
    assert (found["peak memory"], found["tokens a second"]) == (9, None)


# Noise and rooms


def test_noise_is_as_loud_as_it_is_said_to_be() -> None:
    from hark.evaluation.tasks import disturbed

    speech = np.concatenate([np.zeros(RATE, np.float32), NOISE, np.zeros(RATE, np.float32)])
    noise = disturbed.coloured(len(speech), np.random.default_rng(1), 1.0)
    mixed = disturbed.noisy(speech, noise, 10.0, RATE)
    power = np.mean((mixed - speech) ** 2)
    assert 10 * np.log10(np.mean(NOISE**2) / power) == pytest.approx(10, abs=0.1)  # pauses do not count as speech
    assert not np.any(disturbed.noisy(np.zeros(RATE, np.float32), noise[:RATE], 10.0, RATE))
    low, high = (np.square(np.abs(np.fft.rfft(noise)))[a:b].sum() for a, b in ((100, 200), (1000, 2000)))
    assert low == pytest.approx(high, rel=0.4)  # pink: the same in each octave


@pytest.mark.parametrize("seconds", [0.3, 1.2])
def test_rooms_decay_as_fast_as_they_are_said_to(seconds: float) -> None:
    from hark.evaluation.tasks import disturbed

    made = disturbed.impulse_response(seconds, RATE, np.random.default_rng(0))
    left = np.cumsum(np.square(made[1:])[::-1])[::-1]  # Schroeder's integral
    decay = 10 * np.log10(left / left[0])
    first, last = np.argmax(decay < -5), np.argmax(decay < -25)
    assert 3 * (last - first) / RATE == pytest.approx(seconds, rel=0.15)
    assert np.argmax(np.abs(made)) == 0  # the direct sound comes first: times stay true


def test_curves_over_noise_and_rooms(tmp_path: Any) -> None:
    import soundfile

    soundfile.write(tmp_path / "noise.wav", NOISE[:5000], RATE)
    task = made(
        "robustness", snrs=[10, 0], rooms=[0.3], noise=str(tmp_path / "noise.wav"), options={"normaliser": "none"}
    )
    samples = list(task.samples([sample("one two")]))
    assert [one.about["condition"] for one in samples] == ["clean", "10 dB", "0 dB", "RT60 0.3 s"]
    heard = [one.clips[0].samples() for one in samples]
    assert len({one.tobytes() for one in heard}) == len({one.clips[0].id for one in samples}) == 4
    assert all(np.array_equal(one.clips[0].samples(), before) for one, before in zip(samples, heard, strict=True))
    assert all(len(one) == RATE and np.abs(one).max() <= 1 for one in heard)
    texts = ["one two", "one too", "", "one two"]
    scores = [task.score(one, said(text)) for one, text in zip(samples, texts, strict=True)]
    found = figures(task, *scores)
    assert found == pytest.approx(
        {"WER, mean of all but clean": 0.5, "WER, clean": 0, "WER, 10 dB": 0.5, "WER, 0 dB": 1, "WER, RT60 0.3 s": 0}
    )
    assert "normaliser none" in task.total(scores)["WER, clean"].by
    (table,) = task.tables(added(task.settled(scores)))
    assert table.rows[2][:3] == ("0 dB", 1, 1)


def test_curves_of_a_task_that_settles() -> None:
    task = made("robustness", task="caption", snrs=[0], rooms=[])
    given = [sample("a man speaks"), sample("rain falls hard")]
    scores = [task.score(one, said(one.target or "")) for one in task.samples(given)]
    whole = [made("caption").score(one, said(one.target or "")) for one in given]
    cider = figures(made("caption"), *whole)["CIDEr-D"]
    assert cider
    assert figures(task, *scores)["CIDEr-D, 0 dB"] == pytest.approx(cider)


# Options


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("wer", {}, "no task 'wer'"),
        ("asr", {"normalizer": "plain"}, "no option 'normalizer'"),
        ("asr", {"normaliser": "whisper"}, "no normaliser"),
        ("asr", {"question": "mine"}, "option question"),
        ("diarization", {"collar": "much"}, "option collar"),
        ("diarization", {"collar": -1}, "collar cannot be"),
        ("timestamps", {"tolerance": 0}, "tolerance cannot be"),
        ("hallucination", {"seconds": [0]}, "seconds cannot be"),
        ("robustness", {"task": "speed"}, "cannot be done in noise"),
        ("robustness", {"snrs": [500]}, "no such noise"),
        ("robustness", {"snrs": "loud"}, "option snrs"),
        ("robustness", {"options": "plain"}, "option options"),
        ("robustness", {"options": "{plain"}, "option options"),
        ("robustness", {"noise": "not there.wav"}, "not there.wav"),
        ("intent", {"grammar": "not there.yaml"}, "cannot be read"),
        ("schema", {"schema": "not there.json"}, "cannot be read"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises((OptionError, AudioError), match=words) as caught:
        made(name, **options)
    assert caught.value.hint


def test_options_may_come_as_text() -> None:
    task: Any = made("robustness", snrs="10, 0", rooms=0.5, options="{normaliser: none}")
    assert (task.snrs, task.rooms, task.inner.normaliser) == ((10.0, 0.0), (0.5,), "none")
    task = made("robustness", rooms="")
    assert task.rooms == ()
    assert made("diarization", collar="0", overlaps="false") == made("diarization", collar=0.0, overlaps=False)


def test_every_task_is_registered_under_its_name_and_figures_nothing_from_nothing() -> None:
    for name, kind in TASKS.items():
        assert (kind.name, bool(kind.about)) == (name, True)
        assert all(figure.value is None for figure in made(name).total([]).values())


def test_the_task_of_a_sample_is_told() -> None:
    assert fitting(sample("one", task="transcribe")) == "asr"
    assert fitting(sample("one", "What is it?", choices=("one", "two"))) == "choice"
    assert fitting(sample("one", "What is it?")) == "qa"
    assert fitting(sample(about={"intent": "light"})) == "intent"
    assert fitting(sample()) is None
