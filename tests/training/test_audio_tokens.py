"""A text model learns to hear: a few samples of three tasks, told apart by their tags, are learned by heart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hark
from hark.conversation.conversation import Clip, Conversation, Message, Text
from hark.data import Sample
from hark.errors import DataError, ModelBrokenError, OptionError, OutputError
from hark.training.audio_tokens import centres, extend, row, train
from hark.training.tagged import IGNORED, Fitting, languages, tag_of
from tiny.units import kmeans, tiny_text

RATE = 16000
NAMES = {"en": "English", "fr": "French"}
CODES = 24


def tone(hertz: float, seconds: float = 0.4) -> hark.Audio:
    time = np.arange(round(RATE * seconds)) / RATE
    noise = np.random.default_rng(int(hertz)).normal(0, 0.05, len(time))
    return hark.Audio.of((0.5 * np.sin(2 * np.pi * hertz * time) + noise).astype(np.float32), RATE)


def sample(number: int, question: Any, answer: str, **about: Any) -> Sample:
    said = Message("user", (Text(question) if isinstance(question, str) else Clip(question),))
    return Sample(f"s{number}", Conversation((said, Message("assistant", (Text(answer),)))), **about)


EXAMPLES = Path(__file__).parents[2] / "examples"
HIGH, LOW = hark.Audio.of(EXAMPLES / "order.flac")[0.2:1.2], hark.Audio.of(EXAMPLES / "hesitant.flac")[0.4:1.3]
SAMPLES = [
    sample(1, HIGH, "high", language="en", task="transcribe"),
    sample(2, LOW, "low", language="en"),
    sample(3, HIGH, "haut", language="en", to="fr", task="translate"),
    sample(4, LOW, "bas", language="en", to="fr"),
    sample(5, "high", "haut", language="en", to="fr"),
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A text model, and an encoder."""
    folder = tmp_path_factory.mktemp("parts")
    return tiny_text(folder / "text"), kmeans(folder / "quantizer") / "encoder"


@pytest.fixture(scope="module")
def extended(parts: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = centres(parts[1], 2, [HIGH, LOW, HIGH, LOW], CODES)
    assert found.shape == (CODES, 16)
    return extend(parts[0], parts[1], 2, found, tmp_path_factory.mktemp("audio_tokens") / "model", names=NAMES)


def test_the_vocabulary_grows_by_the_units(parts: tuple[Path, Path], extended: Path) -> None:
    before, after = (json.loads((folder / "config.json").read_text())["vocab_size"] for folder in (parts[0], extended))
    told = json.loads((extended / "quantizer" / "units.json").read_text())
    assert after == before + CODES
    assert (told["offset"], told["count"], told["languages"]) == (before, CODES, NAMES)
    assert told["tags"] == {"transcribe": "ASR", "translate": "S2TT"}


def test_only_the_answer_is_learned_after_what_inference_asks(extended: Path) -> None:
    with hark.load(str(extended)) as listener:
        engine: Any = listener.engine
        loaded = engine.loaded()
        made = row(loaded, SAMPLES[2])
        words = loaded.processor.tokenizer
    learned = [token for token in made["labels"] if token != IGNORED]
    assert words.decode(learned[:-1]) == "haut"
    assert learned[-1] == words.eos_token_id
    asked = made["input_ids"][: -len(learned)]
    first = next(n for n, token in enumerate(asked) if token in loaded.processor.ids.all)
    assert words.decode(asked[:first]).endswith("[S2TT English French]")
    assert 10 < len(asked) - first <= 50  # a second
    text = row(loaded, SAMPLES[4])
    assert words.decode(text["input_ids"]).endswith("[MT English French] highhaut<|eot_id|>")


def test_a_few_samples_of_mixed_tasks_are_learned_by_heart(extended: Path) -> None:
    train(extended, SAMPLES, Fitting(steps=80, batch_size=5, learning_rate=1e-2, log_every=40, save_every=80))
    with hark.load(str(extended)) as listener:
        said = [
            listener.transcribe(HIGH, language="en").text, listener.transcribe(LOW, language="en").text,
            listener.translate(HIGH, "fr", language="en").text, listener.translate(LOW, "fr", language="en").text,
        ]  # fmt: skip
    assert said == ["high", "low", "haut", "bas"]
    state = json.loads((extended / "trainer_state.json").read_text())
    assert state["global_step"] == 80
    assert (extended / "report.html").is_file()
    with pytest.raises(OutputError, match="There is a training"):
        train(extended, SAMPLES, Fitting(steps=5))


def test_what_cannot_be_learned_is_told(extended: Path, parts: tuple[Path, Path], tmp_path: Path) -> None:
    with hark.load(str(extended)) as listener:
        engine: Any = listener.engine
        loaded = engine.loaded()
        for wrong, what in (
            (sample(1, HIGH, "hoch", language="en", to="de"), "'de' has no name"),
            (sample(2, HIGH, "x", task="emotion"), "emotion"),
            (sample(3, hark.Audio.of(np.zeros(80 * RATE, np.float32), RATE), "x"), "tokens"),
            (Sample("s4", Conversation((Message("user", (Clip(HIGH),)),))), "no answer"),
        ):
            with pytest.raises(DataError, match=what):
                row(loaded, wrong)
    with pytest.raises(DataError, match="no sample"):
        train(extended, [], Fitting(steps=1))
    with pytest.raises(DataError, match="frames"):
        centres(parts[1], 2, [tone(300, 0.1)], 50)
    with pytest.raises(ModelBrokenError, match="layers"):
        centres(parts[1], 9, [HIGH], 2)
    (tmp_path / "there").write_text("")
    with pytest.raises(OutputError, match="something"):
        extend(parts[0], parts[1], 2, np.zeros((2, 16), np.float32), tmp_path)
    with pytest.raises(ModelBrokenError):
        extend(parts[1], parts[1], 2, np.zeros((2, 16), np.float32), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_tags_name_tasks_and_languages() -> None:
    tags = {"transcribe": "ASR", "translate": "S2TT"}
    assert tag_of("transcribe", "en", "en", tags, NAMES) == "[ASR English]"
    assert tag_of("transcribe", None, None, tags, {}) == "[ASR]"
    assert tag_of("translate", "en", "fr", tags, NAMES) == "[S2TT English French]"
    assert languages(["en=English", " fr = French "]) == NAMES
    with pytest.raises(OptionError, match="en"):
        languages(["en"])
