"""`transformers.pipeline("audio-text-to-text")`, and the code of docs/pipelines.md beside plain transformers code."""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.errors import ConversationError, ModelBrokenError, ModelNotFoundError, OptionError, UnsupportedError
from tiny.families import make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")
pipelines = pytest.importorskip("hark.pipelines")
RATE = 16000
SHORT = {"max_new_tokens": 8, "do_sample": False}
GREEDY: dict[str, Any] = {"max_new_tokens": 8, "temperature": 0.0}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("pipelines")
    return {name: make(name, base / name) for name in ("qwen2_audio", "voxtral", "wav2vec2", "granite_speech")}


@pytest.fixture(scope="module")
def pipe(folders: dict[str, Path]) -> Any:
    return transformers.pipeline("audio-text-to-text", model=str(folders["qwen2_audio"]))


@pytest.fixture(scope="module")
def listener(folders: dict[str, Path]) -> Iterator[hark.Listener]:
    with hark.load(str(folders["qwen2_audio"])) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def clips(examples: Path) -> list[str]:
    return [str(examples / "order.flac"), str(examples / "hesitant.flac")]


@pytest.fixture(scope="module")
def texts(listener: hark.Listener, clips: list[str]) -> list[str]:
    found = [listener.ask(clip, "What?", **GREEDY).text for clip in clips]
    assert len(set(found)) == 2
    return found


def said(text: str) -> list[dict[str, str]]:
    return [{"generated_text": text}]


def question(clip: Any, text: str = "What?", key: str = "path") -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "audio", key: clip}, {"type": "text", "text": text}]}]


def test_it_is_a_pipeline_of_transformers(pipe: Any) -> None:
    assert isinstance(pipe, transformers.Pipeline)
    assert pipe.task == "audio-text-to-text"
    assert "audio-text-to-text" in transformers.pipelines.get_supported_tasks()
    assert isinstance(pipe.model, transformers.Qwen2AudioForConditionalGeneration)
    assert isinstance(pipe.processor, transformers.Qwen2AudioProcessor)
    assert pipe.device.type in ("cpu", "cuda")
    assert pipe.dtype == torch.float32


def test_text_and_audio_give_the_listeners_answer(pipe: Any, clips: list[str], texts: list[str]) -> None:
    assert pipe(text="What?", audio=clips[0], **SHORT) == said(texts[0])
    assert pipe(clips[0], text="What?", **SHORT) == said(texts[0])
    assert pipe("What?", audio=clips[0], **SHORT) == said(texts[0])
    assert pipe({"audio": clips[0], "text": "What?"}, **SHORT) == said(texts[0])
    assert pipe({"inputs": {"audio": clips[0], "text": "What?"}, "parameters": SHORT}) == said(texts[0])
    assert pipe.predict({"audio": clips[0], "text": "What?"}) == pipe(text="What?", audio=clips[0])
    assert pipe(text="What?", audio=clips[0], return_full_text=True, **SHORT) == said(f"What?{texts[0]}")


def test_several_clips_are_heard_together(pipe: Any, listener: hark.Listener, clips: list[str]) -> None:
    expected = listener.ask(clips, "Compare.", **GREEDY).text
    assert pipe(text="Compare.", audio=clips, **SHORT) == said(expected)


def test_audio_alone_is_transcribed(pipe: Any, listener: hark.Listener, clips: list[str]) -> None:
    assert pipe(clips[0], **SHORT) == said(listener.transcribe(clips[0], **GREEDY).text)


@pytest.mark.parametrize(
    "given",
    [
        lambda clip: clip,
        lambda clip: {"array": clip.samples(), "sampling_rate": RATE},
        lambda clip: {"raw": clip.samples(), "sampling_rate": RATE},
        lambda clip: (RATE, clip.samples()),
    ],
)
def test_audio_in_any_form(pipe: Any, order: hark.Audio, texts: list[str], given: Callable[[hark.Audio], Any]) -> None:
    assert pipe(text="What?", audio=given(order), **SHORT) == said(texts[0])
    assert pipe(given(order), text="What?", **SHORT) == said(texts[0])


def test_a_bare_array_needs_its_rate(pipe: Any, order: hark.Audio, texts: list[str]) -> None:
    assert pipe(order.samples(), text="What?", sampling_rate=RATE, **SHORT) == said(texts[0])
    doubled = np.repeat(order.samples(), 2)
    assert pipe(doubled, text="What?", sampling_rate=2 * RATE, **SHORT)[0]["generated_text"]
    with pytest.raises(ValueError, match="rate"):
        pipe(order.samples(), text="What?")


def test_messages_come_back_with_the_answer_as_the_last_one(pipe: Any, clips: list[str], texts: list[str]) -> None:
    messages = question(clips[0])
    expected = [*messages, {"role": "assistant", "content": texts[0]}]
    assert pipe(messages, **SHORT) == [{"generated_text": expected}]
    assert pipe(text=messages, return_full_text=True, **SHORT) == [{"generated_text": expected}]
    assert pipe(messages, return_full_text=False, **SHORT) == said(texts[0])
    assert pipe({"messages": messages}, return_full_text=False, **SHORT) == said(texts[0])
    assert messages == question(clips[0])


def test_a_conversation_goes_on_from_what_came_back(pipe: Any, listener: hark.Listener, clips: list[str]) -> None:
    (first,) = pipe(question(clips[0]), **SHORT)
    (second,) = pipe([*first["generated_text"], {"role": "user", "content": "And why?"}], **SHORT)
    chat = listener.chat()
    chat.say(clips[0], "What?", **GREEDY)
    assert second["generated_text"][-1] == {"role": "assistant", "content": chat.say("And why?", **GREEDY).text}


@pytest.mark.parametrize("size", [1, 2])
def test_a_list_gives_a_list(pipe: Any, clips: list[str], texts: list[str], size: int) -> None:
    more: dict[str, Any] = {"batch_size": size, **SHORT}
    expected = [said(text) for text in texts]
    assert pipe([{"audio": clip, "text": "What?"} for clip in clips], **more) == expected
    chats = [question(clip) for clip in clips]
    assert pipe(chats, return_full_text=False, **more) == expected
    assert pipe(text=chats, return_full_text=False, **more) == expected
    assert pipe(text=["What?", "What?"], audio=clips, **more) == [record for (record,) in expected]
    assert pipe(text=["What?", "What?"], audio=clips[0], **more) == said(texts[0]) * 2
    assert pipe([], **more) == []


def test_items_of_a_batch_may_differ_in_what_is_wanted(pipe: Any, listener: hark.Listener, clips: list[str]) -> None:
    items = [
        {"audio": clips[0], "text": "What?"},
        {"audio": clips[0]},
        {"inputs": {"audio": clips[0], "text": "What?"}, "parameters": {"max_new_tokens": 2}},
    ]
    found = [records[0]["generated_text"] for records in pipe(items, batch_size=3, **SHORT)]
    assert found[0] == listener.ask(clips[0], "What?", **GREEDY).text
    assert found[1] == listener.transcribe(clips[0], **GREEDY).text
    assert found[2] == listener.ask(clips[0], "What?", **GREEDY | {"max_new_tokens": 2}).text


def test_a_generator_and_a_dataset_are_answered_as_they_are_read(pipe: Any, clips: list[str], texts: list[str]) -> None:
    from transformers.pipelines.pt_utils import KeyDataset

    read = []
    items = (read.append(clip) or {"audio": clip, "text": "What?"} for clip in clips)  # type: ignore[func-returns-value]
    answers = pipe(items, **SHORT)
    assert next(answers) == said(texts[0])
    assert read == clips[:1]
    assert list(answers) == [said(texts[1])]
    rows = KeyDataset([{"audio": clip} for clip in clips], "audio")
    assert list(pipe(rows, text="What?", **SHORT)) == [said(text) for text in texts]


def test_options_in_words_of_transformers(pipe: Any, listener: hark.Listener, clips: list[str]) -> None:
    def both(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
        (record,) = pipe(clips[0], text="What?", **theirs)
        return bool(record["generated_text"] == listener.ask(clips[0], "What?", **ours).text)

    whole = listener.ask(clips[0], "What?", **GREEDY).text
    assert both({"generate_kwargs": SHORT}, GREEDY)
    assert both({**SHORT, "num_beams": 2}, {**GREEDY, "beams": 2})
    assert both({**SHORT, "stop_strings": [whole[3]]}, {**GREEDY, "stop": whole[3]})
    assert both({"max_new_tokens": 8, "do_sample": True, "seed": 3}, {**GREEDY, "temperature": 1.0, "seed": 3})


@pytest.mark.parametrize(
    ("options", "said_of_it"),
    [
        ({"top_k": 5}, "no option 'top_k'"),
        ({"generate_kwargs": {"repetition_penalty": 1.2}}, "no option 'repetition_penalty'"),
        ({"max_new_tokens": 3, "generate_kwargs": {"max_new_tokens": 3}}, "set twice"),
        ({"do_sample": False, "temperature": 0.7}, "contradict"),
        ({"do_sample": True, "temperature": 0.0}, "contradict"),
        ({"batch_size": 0}, "batch_size"),
        ({"num_workers": 2}, "this process"),
        ({"max_new_tokens": -1}, "max_new_tokens"),
    ],
)
def test_an_option_is_honoured_or_refused(
    pipe: Any, folders: dict[str, Path], clips: list[str], options: dict[str, Any], said_of_it: str
) -> None:
    with pytest.raises(OptionError, match=said_of_it):
        pipe(clips[0], text="What?", **options)
    with pytest.raises(OptionError, match=said_of_it):
        transformers.pipeline("audio-text-to-text", model=str(folders["qwen2_audio"]), **options)


def test_options_given_first_hold_for_every_call_until_it_says_otherwise(
    folders: dict[str, Path], listener: hark.Listener, clips: list[str], texts: list[str]
) -> None:
    short = transformers.pipeline("audio-text-to-text", model=str(folders["qwen2_audio"]), batch_size=2, **SHORT)
    assert short(clips[0], text="What?") == said(texts[0])
    two = listener.ask(clips[0], "What?", **GREEDY | {"max_new_tokens": 2}).text
    assert short(clips[0], text="What?", generate_kwargs={"max_new_tokens": 2}) == said(two)


@pytest.mark.parametrize(
    ("call", "said_of_it"),
    [
        ({}, "no audio"),
        ({"text": "What?"}, "no audio"),
        ({"text": ["a", "b"], "audio": ["clip"]}, "2 texts and 1 recordings"),
        ({"text": question("x"), "audio": "clip"}, "beside them"),
        ({"inputs": "a", "text": "b", "audio": "c"}, "inputs, text and audio"),
        ({"inputs": [*question("x"), {"role": "assistant", "content": "A"}]}, "not the user's"),
        ({"inputs": {"audio": "x", "txt": "What?"}}, "'txt'"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(pipe: Any, call: dict[str, Any], said_of_it: str) -> None:
    with pytest.raises(ConversationError, match=said_of_it):
        pipe(**call)


def test_weights_are_read_once_and_when_first_needed(
    folders: dict[str, Path], clips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    real = transformers.PreTrainedModel.from_pretrained.__func__

    def counted(cls: type, *arguments: Any, **keywords: Any) -> Any:
        read.append(cls.__name__)
        return real(cls, *arguments, **keywords)

    monkeypatch.setattr(transformers.PreTrainedModel, "from_pretrained", classmethod(counted))
    pipe = transformers.pipeline("audio-text-to-text", model=str(folders["qwen2_audio"]))
    assert read == []
    pipe(clips[0], text="What?", **SHORT)
    pipe(clips[1], text="What?", **SHORT)
    assert read == ["Qwen2AudioForConditionalGeneration"]


def test_a_missing_weight_is_an_error_and_no_other_class_is_tried(
    folders: dict[str, Path], tmp_path: Path, clips: list[str]
) -> None:
    from safetensors.numpy import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(folders["qwen2_audio"], broken)
    weights = load_file(broken / "model.safetensors")
    gone = next(name for name in weights if "projector" in name)
    save_file({k: v for k, v in weights.items() if k != gone}, broken / "model.safetensors", metadata={"format": "pt"})
    pipe = transformers.pipeline("audio-text-to-text", model=str(broken))
    with pytest.raises(ModelBrokenError, match="lacks weights"):
        pipe(clips[0], text="What?")


def test_a_model_that_does_not_hear_is_refused(tmp_path: Path) -> None:
    transformers.BertConfig(architectures=["BertModel"]).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedError, match="'bert'"):
        transformers.pipeline("audio-text-to-text", model=str(tmp_path))


def test_precision_and_device_are_honoured_and_what_hark_does_not_know_is_refused(folders: dict[str, Path]) -> None:
    folder = str(folders["qwen2_audio"])
    half = transformers.pipeline("audio-text-to-text", model=folder, dtype=torch.bfloat16, device=-1)
    assert half.dtype == torch.bfloat16
    assert half.device.type == "cpu"
    with pytest.raises(OptionError, match="attn_implementation"):
        transformers.pipeline("audio-text-to-text", model=folder, model_kwargs={"attn_implementation": "eager"})
    with pytest.raises(OptionError, match="processor"):
        transformers.pipeline("audio-text-to-text", model=folder, processor=half.processor)


def test_a_loaded_model_is_served_with_its_processor(
    folders: dict[str, Path], clips: list[str], texts: list[str]
) -> None:
    model = transformers.Qwen2AudioForConditionalGeneration.from_pretrained(folders["qwen2_audio"]).train()
    processor = transformers.AutoProcessor.from_pretrained(folders["qwen2_audio"])
    pipe = transformers.pipeline("audio-text-to-text", model=model, processor=processor)
    assert pipe(clips[0], text="What?", **SHORT) == said(texts[0])
    assert pipe.model is model
    with pytest.raises(OptionError, match="with its processor"):
        transformers.pipeline("audio-text-to-text", model=model)
    with pytest.raises(OptionError, match="keeps its precision"):
        transformers.pipeline("audio-text-to-text", model=model, processor=processor, dtype=torch.float16)


def test_a_loaded_model_that_hark_loads_otherwise_is_refused(folders: dict[str, Path]) -> None:
    """Granite's speech adapter is merged by hark; what somebody else has loaded may lack it."""
    made = transformers.GraniteSpeechForConditionalGeneration
    model = made(transformers.AutoConfig.from_pretrained(folders["granite_speech"]))
    processor = transformers.AutoTokenizer.from_pretrained(folders["granite_speech"])
    with pytest.raises(UnsupportedError, match="way of its own"):
        transformers.pipeline("audio-text-to-text", model=model, processor=processor)
    with pytest.raises(UnsupportedError, match="no model of transformers"):
        transformers.pipeline("audio-text-to-text", model=object(), processor=processor)


def test_a_listener_of_any_engine_may_be_the_model(order: hark.Audio) -> None:
    with hark.load("echo") as echo:
        pipe = transformers.pipeline("audio-text-to-text", model=echo)
        assert pipe(order, text="What?") == said(echo.ask(order, "What?").text)


def test_a_transcriber_writes_down_and_refuses_questions(folders: dict[str, Path], clips: list[str]) -> None:
    pipe = transformers.pipeline("audio-text-to-text", model=str(folders["wav2vec2"]))
    with hark.load(str(folders["wav2vec2"])) as listener:
        assert pipe(clips[0]) == said(listener.transcribe(clips[0]).text)
    with pytest.raises(UnsupportedError, match="cannot be asked questions"):
        pipe(clips[0], text="What?")


def test_what_a_person_should_know_is_logged(pipe: Any, clips: list[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="hark.pipelines"):
        pipe(clips[0], text="What?", **SHORT)
    assert "broke off at the limit" in caplog.text


def test_a_name_of_the_hub_is_found_in_its_cache_and_never_fetched(tmp_path: Path, folders: dict[str, Path]) -> None:
    from hark.engines.transformers.given import Folder, folder_of

    with pytest.raises(ModelNotFoundError, match="not on this machine"):
        folder_of(Folder("org/name", {"cache_dir": tmp_path}))
    kept = tmp_path / "models--org--name"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("0" * 40)
    snapshot = kept / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    shutil.copy(folders["qwen2_audio"] / "config.json", snapshot)
    with pytest.raises(ModelNotFoundError, match="not on this machine") as refusal:  # pipeline() itself got the config
        folder_of(Folder("org/name", {"cache_dir": tmp_path}))
    assert "hf download org/name" in refusal.value.hint
    shutil.copytree(folders["qwen2_audio"], snapshot, dirs_exist_ok=True)
    assert folder_of(Folder("org/name", {"cache_dir": tmp_path})) == str(snapshot)


def samples() -> list[tuple[str, str]]:
    """The pairs of code blocks in docs/pipelines.md: plain transformers code, and the same with hark."""
    text = (Path(__file__).resolve().parents[1] / "docs" / "pipelines.md").read_text(encoding="utf-8")
    found = re.findall(r"```python\n(# (?:transformers|hark).*?\n.*?)```", text, re.DOTALL)
    pairs, plain = [], ""
    for block in found:
        if block.startswith("# transformers"):
            plain = block
        else:
            pairs.append((plain, block))
    return pairs


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what librosa loads
@pytest.mark.parametrize("pair", samples(), ids=["qwen2_audio", "voxtral", "voxtral-pipeline"])
def test_the_rewritten_samples_of_the_docs_give_the_text_of_the_plain_ones(
    pair: tuple[str, str], folders: dict[str, Path], clips: list[str]
) -> None:
    pytest.importorskip("librosa")
    pytest.importorskip("accelerate")
    responses = []
    for code in pair:
        qwen = "Qwen" in code
        model = json.dumps(str(folders["qwen2_audio" if qwen else "voxtral"]))
        code = re.sub(r'"(?:path/to|Qwen|mistralai)/[^"]+"', model, code)
        for name, clip in (("glass", clips[0]), ("speech", clips[1])):
            code = code.replace(f"https://example.org/{name}.flac", f"file://{clip}" if qwen else clip)
        assert "example.org" not in code
        scope: dict[str, Any] = {}
        exec(re.sub(r"max_new_tokens=\d+", "max_new_tokens=12", code), scope)
        responses.append(scope["response"])
    plain, ours = responses
    assert len(plain) > 3
    assert ours == plain
