"""Audio Flamingo 3 and Music Flamingo, against the plain code of their documentation and their known traps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.engines.transformers.families.flamingo import AudioFlamingo3
from hark.errors import UnsupportedError
from tiny.flamingo import TEMPLATE, tiny_audioflamingo3, tiny_musicflamingo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

transformers = pytest.importorskip("transformers")
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 12}


@pytest.fixture(scope="module", params=[tiny_audioflamingo3, tiny_musicflamingo])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = request.param(tmp_path_factory.mktemp("flamingo") / "tiny")
    return made


def noise(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def test_a_question_is_answered_as_by_the_documented_code(
    folder: Path, listener: hark.Listener, order: hark.Audio
) -> None:
    """Padding handed on flat would reach the extractor, which then makes too few frames for the encoder."""
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    content = [{"type": "text", "text": "What is it?"}, {"type": "audio", "audio": order.samples(RATE)}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=True, add_generation_prompt=True, return_dict=True
    )
    outputs = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    (expected,) = processor.batch_decode(outputs[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert expected
    assert listener.ask(order, "What is it?", **GREEDY).text == expected


def test_each_clip_of_a_question_has_its_place(
    listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio
) -> None:
    """The processor of the library refuses a second clip, and the published template has a place for one."""
    one, two = (listener.ask(clips, "Compare.", **GREEDY) for clips in ([order], [order, hesitant]))
    added = (two.usage.input_tokens or 0) - (one.usage.input_tokens or 0)
    assert added >= int(hesitant.duration * 25) - 1
    assert listener.ask([hesitant, order], "Compare.", **GREEDY).text != two.text


def test_clips_of_several_turns_are_heard(listener: hark.Listener, order: hark.Audio, hesitant: hark.Audio) -> None:
    texts = set()
    for second in (order, hesitant):
        chat = listener.chat(system="You listen.")
        chat.say(order, "What?", **GREEDY)
        texts.add(chat.say(second, "And this?", **GREEDY).text)
    assert len(texts) == 2


def test_several_clips_are_refused_where_the_template_is_of_another_make(
    order: hark.Audio, hesitant: hark.Audio, tmp_path: Path
) -> None:
    template = TEMPLATE.replace("{{ '<sound>' }}", '{{ "<sound>" }}')
    with hark.load(str(tiny_audioflamingo3(tmp_path / "other", template=template))) as other:
        assert other.ask(order, "What?", **GREEDY).text
        with pytest.raises(UnsupportedError, match="one recording in each"):
            other.ask([order, hesitant], "Compare.", **GREEDY)


@pytest.mark.parametrize("seconds", [30.0, 30.005, 31.3])
def test_all_of_a_clip_of_more_than_a_window_is_heard(listener: hark.Listener, seconds: float) -> None:
    answer = listener.ask(hark.Audio.of(noise(seconds), RATE), "What?", **GREEDY)
    short = listener.ask(hark.Audio.of(noise(1), RATE), "What?", **GREEDY)
    added = (answer.usage.input_tokens or 0) - (short.usage.input_tokens or 0)
    assert added == pytest.approx(25 * (seconds - 1), abs=2)


def test_what_the_processor_would_cut_is_refused(listener: hark.Listener) -> None:
    most = listener.can.max_seconds
    assert most in (600.0, 1200.0)
    quiet = hark.Audio.of(np.zeros(round((most + 1) * RATE), dtype=np.float32), RATE)
    with pytest.raises(UnsupportedError, match=rf"hears {most:.0f} s"):
        listener.ask(quiet, "What?", **GREEDY)


def test_the_limit_is_that_of_the_folder(tmp_path: Path) -> None:
    import json

    folder = tiny_audioflamingo3(tmp_path / "short")
    path = folder / "processor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_audio_len": 100}))
    with hark.load(str(folder)) as listener:
        assert listener.can.max_seconds == 90.0  # the processor rounds down to whole windows
        with pytest.raises(UnsupportedError, match="hears 90 s"):
            listener.ask(hark.Audio.of(noise(91), RATE), "What?", **GREEDY)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('The spoken content of the audio is "Come at noon.".', "Come at noon."),
        ("The content of the input audio is 'Come.'", "Come."),
        ("The transcription of the audio is Come at noon.", "Come at noon."),
        ("The audio is loud.", "The audio is loud."),
        ('"Come," he said.', '"Come," he said.'),
    ],
)
def test_a_transcript_loses_its_frame_and_nothing_else(said: str, expected: str) -> None:
    """The library's own `strip_prefix` takes away the last full stop as well."""
    assert AudioFlamingo3().transcript(None, said) == (expected, None)  # type: ignore[arg-type]
