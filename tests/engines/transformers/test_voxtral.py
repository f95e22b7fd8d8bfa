"""Voxtral, against the plain transformers code of its documentation and its known traps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.audio.windows import windows
from hark.errors import OptionError, UnsupportedError
from tiny.voxtral import tiny_voxtral

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("mistral_common")
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 16}
FAMILY = "voxtral"


@pytest.fixture(scope="module")
def wavs(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    import soundfile

    paths = []
    for name in ("order", "hesitant"):
        path = tmp_path_factory.mktemp("wav") / f"{name}.wav"
        soundfile.write(path, hark.Audio.of(examples / f"{name}.flac").samples(16000), 16000)
        paths.append(str(path))
    return paths


def plain(folder: Path, inputs: Any, processor: Any) -> str:
    model = transformers.VoxtralForConditionalGeneration.from_pretrained(folder)
    outputs = model.generate(**inputs, max_new_tokens=16, do_sample=False)
    decoded = processor.batch_decode(outputs[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)
    return str(decoded[0])


def test_a_question_is_answered_as_by_the_documented_code(
    folder: Path, listener: hark.Listener, wavs: list[str]
) -> None:
    processor = transformers.AutoProcessor.from_pretrained(folder)
    content = [*({"type": "audio", "path": wav} for wav in wavs), {"type": "text", "text": "What are they?"}]
    expected = plain(folder, processor.apply_chat_template([{"role": "user", "content": content}]), processor)
    assert expected
    assert listener.ask(wavs, "What are they?", **GREEDY).text == expected


def test_a_chat_goes_on_as_by_the_documented_code(folder: Path, listener: hark.Listener, wavs: list[str]) -> None:
    chat = listener.chat()
    first = chat.say(wavs[0], "What?", **GREEDY).text
    processor = transformers.AutoProcessor.from_pretrained(folder)
    messages = [
        {"role": "user", "content": [{"type": "audio", "path": wavs[0]}, {"type": "text", "text": "What?"}]},
        {"role": "assistant", "content": first},
        {"role": "user", "content": [{"type": "text", "text": "And why?"}]},
    ]
    assert chat.say("And why?", **GREEDY).text == plain(folder, processor.apply_chat_template(messages), processor)


def kinds(answer: hark.Answer) -> set[str]:
    return {notice.kind for notice in answer.notices}


@pytest.mark.parametrize("language", ["fr", None])
def test_a_transcript_is_as_by_the_documented_code(
    folder: Path, listener: hark.Listener, wavs: list[str], language: str | None, tmp_path: Path
) -> None:
    """For a stretch of speech; the silence before and after it is not given to a model."""
    import soundfile

    (window,) = windows(hark.Audio.of(wavs[0]).stream(16000))
    soundfile.write(tmp_path / "speech.wav", window.samples, 16000, subtype="FLOAT")
    processor = transformers.AutoProcessor.from_pretrained(folder)
    speech = str(tmp_path / "speech.wav")
    inputs = processor.apply_transcription_request(language=language, audio=speech, model_id=str(folder))
    options = {"language": language} if language else {}
    transcript = listener.transcribe(wavs[0], **options, **GREEDY)
    assert transcript.text == plain(folder, inputs, processor).strip()


def test_a_language_changes_what_is_asked_for(listener: hark.Listener, wavs: list[str]) -> None:
    texts = {listener.transcribe(wavs[0], language=language, **GREEDY).text for language in ("fr", "de", "en")}
    assert len(texts) > 1


def test_a_language_that_cannot_be_honoured_is_refused(listener: hark.Listener, wavs: list[str]) -> None:
    with pytest.raises(UnsupportedError, match="'xx'"):
        listener.transcribe(wavs[0], language="xx")
    with pytest.raises(OptionError, match="plain transcript"):
        listener.ask(wavs[0], "What?", language="fr")


@pytest.mark.parametrize("version", ["v7", "v11"])
def test_a_system_prompt_is_put_into_the_first_question_and_told(version: str, wavs: list[str], tmp_path: Path) -> None:
    """The tokenizer refuses it beside audio before version 13."""
    with hark.load(str(tiny_voxtral(tmp_path / "old", version=version))) as old:
        answer = old.ask(wavs[0], "What?", system="Be brief.", **GREEDY)
        assert "method" in kinds(answer)
        assert "method" not in kinds(old.ask(wavs[0], "What?", **GREEDY))
        chat = old.chat(system="Be brief.")
        assert chat.say(wavs[0], "What?", **GREEDY).text == answer.text
        assert chat.say("And why?", **GREEDY).usage.input_tokens


def test_a_system_prompt_stays_one_where_the_tokenizer_takes_it(wavs: list[str], tmp_path: Path) -> None:
    folder = tiny_voxtral(tmp_path / "new", version="v13")
    processor = transformers.AutoProcessor.from_pretrained(folder)
    content = [{"type": "audio", "path": wavs[0]}, {"type": "text", "text": "What?"}]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
    expected = plain(folder, processor.apply_chat_template(messages), processor)
    with hark.load(str(folder)) as new:
        answer = new.ask(wavs[0], "What?", system="Be brief.", **GREEDY)
    assert answer.text == expected
    assert "method" not in kinds(answer)


def test_a_system_prompt_is_honoured_in_a_transcript(listener: hark.Listener, wavs: list[str]) -> None:
    """The transcription request has no room for it."""
    plain, other = (
        listener.ask(wavs[0], system=system, task="transcribe", **GREEDY) for system in (None, "Write in capitals.")
    )
    assert (other.usage.input_tokens or 0) > (plain.usage.input_tokens or 0) + len("Write in capitals.")
    assert "method" in kinds(other)
    assert "method" not in kinds(plain)


def test_a_transcript_is_of_one_recording(listener: hark.Listener, wavs: list[str]) -> None:
    with pytest.raises(UnsupportedError, match="one recording at a time"):
        listener.ask(wavs)


def test_an_answer_without_text_does_not_break_the_chat(listener: hark.Listener, wavs: list[str]) -> None:
    """The request format refuses messages that say nothing."""
    conversation = hark.Conversation.ask((hark.Audio.of(wavs[0]),), "What?").reply("").say("And why?")
    assert listener.ask(conversation, **GREEDY).usage.output_tokens


def test_nothing_of_a_long_clip_is_left_out(listener: hark.Listener, wavs: list[str]) -> None:
    """45 s are two stretches of 30 s, 375 tokens each."""
    import numpy as np

    long = np.resize(hark.Audio.of(wavs[0]).samples(16000), 45 * 16000)
    short = listener.ask(wavs[0], "What?", **GREEDY).usage.input_tokens
    assert listener.ask(hark.Audio.of(long, 16000), "What?", **GREEDY).usage.input_tokens == (short or 0) + 375


def test_text_stops_at_a_stop_though_the_tokenizer_knows_none(listener: hark.Listener, wavs: list[str]) -> None:
    whole = listener.ask(wavs[0], "What?", **GREEDY).text
    stop = whole[len(whole) // 2]
    assert listener.ask(wavs[0], "What?", stop=stop, **GREEDY).text == whole[: whole.index(stop)]
