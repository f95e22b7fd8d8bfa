"""The server as Hugging Face's clients use it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from huggingface_hub import InferenceClient, set_client_factory
from huggingface_hub.errors import BadRequestError, HfHubHTTPError
from huggingface_hub.utils._http import default_client_factory
from nodejs import node

import hark
from serving import Running, serving
from tiny.openai_server import listening
from tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAID = "please make me a large coffee with two sugars"
QUESTION = "What does the person want?"


@pytest.fixture(scope="module", autouse=True)
def _loopback_only() -> Iterator[None]:
    """HF_HUB_OFFLINE would keep the client from any server; so it may go to this machine, and nowhere else."""

    def refuse(request: httpx2.Request) -> None:
        if request.url.host != "127.0.0.1":
            raise httpx2.ConnectError(f"{request.url} is not on this machine.", request=request)

    set_client_factory(lambda: httpx2.Client(event_hooks={"request": [refuse]}, timeout=30))
    yield
    set_client_factory(default_client_factory)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo", "org/offline=builtin", max_upload_mb=1, max_json_mb=0.5) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def clip(examples: Path) -> bytes:
    return (examples / "order.flac").read_bytes()


@pytest.fixture(scope="module")
def b64(clip: bytes) -> str:
    return base64.b64encode(clip).decode()


@pytest.fixture(scope="module")
def heard(order: hark.Audio) -> str:
    """What the fake says of the clip: it is told by the samples."""
    return hark.load("echo").transcribe(order).text


@pytest.mark.parametrize(
    "place", ["", "/", "/v1", "/v1/", "/models/echo", "/models/echo/", "/hf-inference/models/echo"]
)
def test_the_python_client_is_served_at_each_address(server: Running, examples: Path, heard: str, place: str) -> None:
    client = InferenceClient(model=server.url + place)
    assert client.automatic_speech_recognition(str(examples / "order.flac")).text == heard
    assert InferenceClient().automatic_speech_recognition((examples / "order.flac").read_bytes(),
                                                         model=server.url + place).text == heard  # fmt: skip
    named = InferenceClient(model=server.url + place, provider="hf-inference")  # the one provider that has these two
    assert named.automatic_speech_recognition(str(examples / "order.flac")).text == heard
    assert named.health_check()
    assert named.get_endpoint_info()["model_id"] == "echo"


def test_the_python_client_chooses_a_model_and_gets_times(server: Running, examples: Path, clip: bytes) -> None:
    offline = InferenceClient(model=f"{server.url}/models/org/offline", token="anything", provider="hf-inference")
    assert offline.get_endpoint_info()["model_id"] == "org/offline"
    words = offline.automatic_speech_recognition(clip, extra_body={"return_timestamps": "word"})
    assert words.text == SAID == " ".join(chunk.text for chunk in words.chunks or [])
    times = [second for chunk in words.chunks or [] for second in chunk.timestamp]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] <= 3.41
    (whole,) = offline.automatic_speech_recognition(clip, extra_body={"return_timestamps": True}).chunks or []
    assert (whole.text, whole.timestamp) == (SAID, [times[0], times[-1]])
    plain = offline.automatic_speech_recognition(clip, extra_body={"return_timestamps": False})
    assert (plain.text, plain.chunks) == (SAID, None)
    asked = InferenceClient(model=f"{server.url}/models/org/offline?return_timestamps=word")
    assert asked.automatic_speech_recognition(str(examples / "order.flac")).chunks == words.chunks


def test_generation_parameters_reach_the_model(server: Running, clip: bytes, heard: str) -> None:
    client = InferenceClient(model=server.url)

    def said(**parameters: Any) -> str:
        return client.automatic_speech_recognition(clip, extra_body={"generation_parameters": parameters}).text

    assert said(do_sample=False, use_cache=True, num_beam_groups=1, min_length=0) == f"{heard}; options temperature 0.0"
    assert said(do_sample=True, top_p=0.5) == f"{heard}; options temperature 1.0, top_p 0.5"
    assert said(num_beams=3, temperature=0.5, language="en") == (
        f"{heard}; options language en, temperature 0.5, beams 3"
    )
    assert said(max_new_tokens=2) == "echo heard"
    assert said(task="translate") == f"{heard}; options to en"
    top = client.automatic_speech_recognition(clip, extra_body={"temperature": 0.25, "to": "fr", "task": "translate"})
    assert top.text == f"{heard}; options to fr, temperature 0.25"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"chunk_length_s": 30}, "chunk_length_s"),
        ({"generation_parameters": {"min_length": 5}}, "min_length"),
        ({"generation_parameters": {"max_length": 5}}, "max_length"),
        ({"generation_parameters": {"top_k": 5}}, "top_k"),
        ({"use_cache": False}, "use_cache"),
        ({"use_cache": 1}, "use_cache"),
        ({"return_timestamps": "char"}, "return_timestamps"),
        ({"return_timestamps": "word"}, "times of each word"),
        ({"max_new_tokens": "5"}, "max_new_tokens"),
        ({"max_new_tokens": True}, "max_new_tokens"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"top_k": 5}, "top_k"),
        ({"do_sample": False, "temperature": 0.7}, "do_sample"),
        ({"do_sample": True, "temperature": 0}, "do_sample"),
        ({"do_sample": False, "top_p": 0.5}, "do_sample"),
        ({"temperature": 1, "generate_kwargs": {"temperature": 0.5}}, "temperature"),
        ({"task": "juggle"}, "juggle"),
        ({"task": "classify"}, "classify"),
        ({"grammar": "/etc/passwd", "task": "command"}, "grammar"),
        ({"schema": "/etc/passwd"}, "schema"),
        ([], "parameters"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(http: httpx2.Client, b64: str, parameters: Any, named: str) -> None:
    refused = http.post("/", json={"inputs": b64, "parameters": parameters})
    assert refused.status_code == 400
    assert named in refused.json()["error"]
    assert refused.json()["error_type"] == "validation"
    assert "root:" not in refused.text


def test_a_model_without_choice_samples_nothing_and_refuses_the_rest(http: httpx2.Client, b64: str) -> None:
    def asked(**parameters: Any) -> httpx2.Response:
        body = {"inputs": b64, "parameters": {"generation_parameters": parameters}}
        return http.post("/models/org/offline", json=body)

    assert asked(do_sample=False, num_beams=1, temperature=1.0).json() == {"text": SAID}
    for option, value in {"do_sample": True, "num_beams": 2, "temperature": 0.5, "max_new_tokens": 9}.items():
        assert asked(**{option: value}).status_code == 400, option


def test_query_parameters_are_taken_or_refused(http: httpx2.Client, clip: bytes, b64: str, heard: str) -> None:
    assert http.post("/?temperature=0.5&language=de&return_timestamps=false", content=clip).json() == {
        "text": f"{heard}; options language de, temperature 0.5"
    }
    both = {"inputs": b64, "parameters": {"language": "de"}}
    assert http.post("/?language=de", json=both).status_code == 200
    for wrong in ("language=de&language=en", "nothing=1", "temperature=NaN", "temperature=warm", "stream=true"):
        assert http.post(f"/?{wrong}", content=clip).status_code == 400, wrong
    assert http.post("/?language=en", json=both).status_code == 400


def test_bodies_are_told_by_what_they_hold(http: httpx2.Client, clip: bytes, b64: str, heard: str) -> None:
    for kind in ("application/json", "text/plain", "image/png", "audio/x-wav"):
        sent = http.post("/", content=clip, headers={"content-type": kind})
        assert (sent.json(), sent.headers["content-type"]) == ({"text": heard}, "application/json")
    for content in (b64, f"data:audio/flac;base64,{b64}", json.dumps(b64), json.dumps({"inputs": b64}), f" {b64}\n"):
        for kind in ("application/json", "text/plain;charset=UTF-8", ""):
            assert http.post("/", content=content, headers={"content-type": kind}).json() == {"text": heard}


def test_questions_in_all_their_shapes(http: httpx2.Client, b64: str) -> None:
    asked = f"echo heard user: [3.4 s, 16000 Hz, sha256 cc15d29b] {QUESTION}"
    plain = http.post("/", json={"audio": f"data:audio/flac;base64,{b64}", "text": QUESTION})
    assert plain.json() == {"generated_text": asked}
    wrapped = http.post("/models/echo", json={"inputs": {"audio": b64, "text": QUESTION}, "parameters": {"seed": 3}})
    assert wrapped.json() == [{"generated_text": f"{asked}; options seed 3"}]
    messages = [{"role": "user", "content": [{"type": "audio", "audio": b64}, {"type": "text", "text": QUESTION}]}]
    assert http.post("/", json={"messages": messages}).json() == {"generated_text": asked}
    assert http.post("/", json={"inputs": messages}).json() == [{"generated_text": asked}]
    cut = http.post("/", json={"audio": b64, "text": QUESTION, "parameters": {"max_new_tokens": 2}}).json()
    assert cut == {"generated_text": "echo heard", "notices": ["The answer broke off at 2 tokens."]}
    schema = {"type": "object", "properties": {"sugars": {"type": "integer"}}, "required": ["sugars"]}
    for inputs in ({"audio": b64, "text": QUESTION}, b64):
        (found,) = http.post("/", json={"inputs": inputs, "parameters": {"schema": schema}}).json()
        assert isinstance(json.loads(found["generated_text"])["sugars"], int)
    assert "Summarize" in http.post("/?task=summary", json={"inputs": b64}).text


def test_lists_of_inputs_give_lists_of_results(http: httpx2.Client, b64: str, heard: str) -> None:
    assert http.post("/", json={"inputs": [b64, b64]}).json() == [{"text": heard}] * 2
    several = [{"audio": b64, "text": text} for text in ("one", "two", "three")]
    told = http.post("/", json={"inputs": several}).json()
    assert [one["generated_text"].split()[-1] for one in told] == ["one", "two", "three"]
    assert http.post("/", json={"inputs": [b64, "nonsense!"]}).status_code == 400
    assert http.post("/", json={"inputs": []}).status_code == 400


def test_questions_are_answered_by_a_model_that_is_asked(examples: Path, b64: str) -> None:
    remote = listening()
    try:
        with serving(f"remote=openai:m@{remote.url}") as server, httpx2.Client(base_url=server.url) as client:
            one = client.post("/", json={"audio": b64, "text": QUESTION}).json()["generated_text"]
            other = base64.b64encode((examples / "hesitant.flac").read_bytes()).decode()
            two = client.post("/", json={"audio": other, "text": QUESTION}).json()["generated_text"]
        assert one.startswith("heard ")
        assert one != two
        assert QUESTION in str(remote.asked[-1].json)
    finally:
        remote.close()


@pytest.mark.parametrize(
    "body",
    [
        {"audio": "/etc/passwd"},
        {"audio": "file:///etc/passwd"},
        {"audio": "http://127.0.0.1:9/a.wav"},
        {"inputs": "https://127.0.0.1:9/a.wav"},
        {"inputs": {"audio": 5}},
        {"inputs": {"audio": None, "text": "What?"}},
        {"inputs": {"audio": "UklGRg==", "text": 5}},
        {"inputs": {"text": "What?"}},
        {"inputs": 5},
        {"text": "What?"},
        {},
        {"inputs": "UklGRg==", "surplus": 1},
        {"inputs": "UklGRg==", "text": "What?"},
        {"inputs": {"audio": "UklGRg=="}, "audio": "UklGRg=="},
        {"inputs": "UklGRg==", "stream": True},
        {"inputs": {"audio": "UklGRg=="}, "stream": 1},
        {"inputs": ["UklGRg=="], "stream": True},
        {"messages": [{"role": "assistant", "content": "Hi."}]},
        {"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}]},
        [],
        5,
    ],
)
def test_what_is_no_request_is_refused(http: httpx2.Client, body: Any) -> None:
    refused = http.post("/", json=body)
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/json"
    assert refused.json().keys() == {"error", "error_type"}
    assert "root:" not in refused.text


def test_what_is_no_recording_or_too_large_is_refused(http: httpx2.Client) -> None:
    for content in (
        b"",
        b" ",
        b"{",
        b"{}" * 10,
        b"[" * 100_000,
        b"\xff\xfb" * 9,
        b"#EXTM3U\nfile:///etc/passwd",
        b"\0" * 99,
    ):
        refused = http.post("/", content=content)
        assert refused.status_code == 400, content[:20]
        assert "root:" not in refused.text
    large = http.post("/", content=b"RIFF" + b"\0" * 2**20)
    assert (large.status_code, "1 MB" in large.text) == (413, True)
    text = http.post("/", content=b"A" * 2**19 + b"AAAA")
    assert (text.status_code, "0.5 MB" in text.text) == (413, True)
    form = http.post("/", files={"file": b"RIFF"})
    assert (form.status_code, "no forms" in form.text) == (400, True)
    assert http.post("/models/none", content=b"RIFF").status_code == 404
    assert http.post("/", json={"model": "none", "inputs": "UklGRg=="}).status_code == 404


def test_the_python_client_shows_what_is_wrong(server: Running, clip: bytes) -> None:
    with pytest.raises(BadRequestError, match="min_length"):
        InferenceClient(model=server.url).automatic_speech_recognition(clip, extra_body={"min_length": 3})
    with pytest.raises(HfHubHTTPError, match="There is no model 'none' here"):
        InferenceClient(model=f"{server.url}/models/none").automatic_speech_recognition(clip)
    assert not InferenceClient(model=f"{server.url}/models/none", provider="hf-inference").health_check()


def test_streams_tell_the_tokens_and_then_the_whole(http: httpx2.Client, b64: str) -> None:
    body = {"inputs": {"audio": b64, "text": QUESTION}, "stream": True, "parameters": {"max_new_tokens": 4}}
    with http.stream("POST", "/", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]
    *steps, last = events
    assert "".join(step["token"]["text"] for step in steps) == last["generated_text"] == "echo heard user: [3.4"
    assert {step["generated_text"] for step in steps} == {None}
    assert last["token"]["special"]
    assert last["details"] == {"finish_reason": "length", "generated_tokens": 4, "seed": None}
    refused = http.post("/", json={**body, "parameters": {"min_length": 9}})
    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/json")


def test_json_that_breaks_off_is_given_as_far_as_it_goes(http: httpx2.Client, b64: str) -> None:
    schema = {"type": "object", "properties": {"said": {"type": "string"}}, "required": ["said"]}
    body = {"inputs": {"audio": b64}, "parameters": {"schema": schema, "max_new_tokens": 2}}
    (cut,) = http.post("/", json=body).json()
    assert cut == {"generated_text": '{"said": "echo', "notices": ["The answer broke off at 2 tokens."]}
    with http.stream("POST", "/", json={**body, "stream": True}) as answer:
        last = json.loads([line for line in answer.iter_lines() if line][-1].removeprefix("data: "))
    assert (last["generated_text"], last["details"]["finish_reason"]) == (cut["generated_text"], "length")


def test_what_lies_on_disk_is_heard_to_its_end(http: httpx2.Client, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    noise = np.random.default_rng(0).integers(-9999, 9999, 90 * 16000, dtype=np.int16)
    soundfile.write(tmp_path / "noise.wav", noise, 16000)
    content = (tmp_path / "noise.wav").read_bytes()
    with serving("echo") as server:
        client = InferenceClient(model=server.url)
        assert client.automatic_speech_recognition(content).text == hark.load("echo").transcribe(content).text
    assert len(content) > 2 * 2**20


def test_chat_completions_are_at_the_address_of_a_model(server: Running, b64: str) -> None:
    part = {"type": "input_audio", "input_audio": {"data": b64, "format": "wav"}}
    messages: list[Any] = [{"role": "user", "content": [part, {"type": "text", "text": QUESTION}]}]
    for place in ("", "/v1", "/models/echo", "/hf-inference/models/echo"):
        answer = InferenceClient(model=server.url + place).chat_completion(messages)
        assert answer.choices[0].message.content == (
            f"echo heard user: [3.4 s, 16000 Hz, sha256 cc15d29b] {QUESTION}"
        ), place


def test_whisper_is_served(tmp_path: Path, clip: bytes) -> None:
    folder = tiny_whisper(tmp_path / "whisper")
    expected = hark.load(f"faster-whisper:{folder}").transcribe(hark.Audio.of(clip), timestamps="word")
    with serving(f"whisper=faster-whisper:{folder}") as server:
        client = InferenceClient(model=f"{server.url}/models/whisper")
        found = client.automatic_speech_recognition(clip, extra_body={"return_timestamps": "word"})
    assert (found.text, len(found.chunks or [])) == (expected.text, len(expected.words))
    assert found.text


def test_classifiers_are_served(tmp_path: Path, clip: bytes) -> None:
    pytest.importorskip("torch")
    from tiny.classify import LABELS, tiny_classifier

    folder = tiny_classifier(tmp_path / "feelings")
    expected = hark.load(str(folder)).classify(hark.Audio.of(clip), top=2).data
    with serving(f"feelings={folder}") as server:
        client = InferenceClient(model=server.url)
        every = client.audio_classification(clip)
        assert sorted(one.label for one in every) == sorted(LABELS)
        two = [{"label": one.label, "score": one.score} for one in client.audio_classification(clip, top_k=2)]
        assert two == expected
        with pytest.raises(BadRequestError, match="function_to_apply"):
            client.audio_classification(clip, function_to_apply="none")


def test_the_javascript_client_is_served(server: Running, examples: Path, heard: str) -> None:
    found = node("hf_client.mjs", server.url, str(examples / "order.flac"))
    asked = f"echo heard user: [3.4 s, 16000 Hz, sha256 cc15d29b] {QUESTION}"
    assert found["heard"] == {way: {"text": heard} for way in found["heard"]}
    assert len(found["heard"]) == 8
    assert found["words"]["text"] == SAID == " ".join(chunk["text"] for chunk in found["words"]["chunks"])
    assert found["plain"] == {"generated_text": asked}
    assert found["chat"] == asked
    assert found["wrapped"] == [{"generated_text": f"{asked}; options temperature 0.5"}]
    assert "".join(found["tokens"]) == found["streamed"] == asked
    assert "There is no option 'nothing' here." in found["errors"]["option"]
    assert "Addresses are not fetched here." in found["errors"]["address"]
    assert "There is no model 'none' here." in found["errors"]["model"]
    assert "min_length" in found["errors"]["stream"]
