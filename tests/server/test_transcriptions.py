"""Transcriptions as OpenAI's clients, curl and others ask for them."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import httpx2
import numpy as np
import openai
import pytest
import soundfile
from nodejs import node

import hark
from serving import Running, serving
from tiny.openai_server import CHAT, TRANSCRIBE, LoopbackServer, chat_chunks, listening, verbose
from tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tiny.openai_server import Exchange

SAID = "please make me a large coffee with two sugars"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    whisper = tiny_whisper(tmp_path_factory.mktemp("models") / "whisper")
    with serving("offline=builtin", "echo", f"whisper={whisper}") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def http(server: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{server.url}/v1/audio", timeout=30) as made:
        yield made


@pytest.fixture(scope="module")
def clip(examples: Path) -> Path:
    return examples / "order.flac"


@pytest.fixture(scope="module")
def known(clip: Path) -> hark.Transcript:
    with hark.load("builtin") as listener:
        return listener.transcribe(clip)


@pytest.fixture(scope="module")
def call(order: hark.Audio, hesitant: hark.Audio) -> bytes:
    """Two people, each in a channel of their own."""
    first, second = (audio.samples(rate=16000, mono=True) for audio in (order, hesitant))
    quiet = np.zeros(16000, np.float32)
    left = np.concatenate([first, quiet, np.zeros_like(second)])
    right = np.concatenate([np.zeros_like(first), quiet, second])
    file = io.BytesIO()
    soundfile.write(file, np.stack([left, right], axis=1), 16000, format="WAV")
    return file.getvalue()


def refusal(work: Any, **given: Any) -> dict[str, Any]:
    """The error that a client of OpenAI makes of a refusal."""
    with pytest.raises(openai.BadRequestError) as error:
        work(**given)
    assert isinstance(error.value.body, dict)
    assert error.value.body["type"] == "invalid_request_error"
    return error.value.body


def checked(found: Any) -> dict[str, Any]:
    """What a client read; it holds all that its own type demands, which clients themselves do not check."""
    values: dict[str, Any] = found.to_dict()
    type(found).model_validate(values)
    return values


# --- forms


def test_json_holds_the_text_the_usage_and_what_a_person_should_know(client: openai.OpenAI, clip: Path) -> None:
    values = checked(client.audio.transcriptions.create(file=clip, model="offline"))
    assert values["text"] == SAID
    assert values["usage"] == {"type": "duration", "seconds": 4}
    assert values["languages"] == [{"code": "en"}]
    assert "pocketsphinx" in values["notices"][0]["text"]


def test_tokens_are_told_where_the_model_counts_them(client: openai.OpenAI, clip: Path) -> None:
    values = checked(client.audio.transcriptions.create(file=clip, model="echo"))
    count = len(values["text"].split())
    assert values["usage"] == {"type": "tokens", "input_tokens": 0, "output_tokens": count, "total_tokens": count}
    assert "notices" not in values


@pytest.mark.parametrize(("form", "kind"), [("text", "text/plain"), ("srt", "text/plain"), ("vtt", "text/vtt")])
def test_text_and_subtitles_are_plain(
    client: openai.OpenAI, clip: Path, known: hark.Transcript, form: Any, kind: str
) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(file=clip, model="offline", response_format=form)
    assert raw.headers["content-type"] == f"{kind}; charset=utf-8"
    assert raw.parse() == (f"{SAID}\n" if form == "text" else known.to(form))
    told = json.loads(raw.headers["x-hark-notices"])
    assert told == [notice.to_dict() for notice in known.notices]


@pytest.mark.parametrize(
    ("asked", "has"), [([], "segments"), (["segment"], "segments"), (["word"], "words"), (["word", "segment"], "both")]
)
def test_verbose_json_has_the_times_asked_for(
    client: openai.OpenAI, clip: Path, known: hark.Transcript, asked: Any, has: str
) -> None:
    given = {"timestamp_granularities": asked} if asked else {}
    values = checked(
        client.audio.transcriptions.create(file=clip, model="offline", response_format="verbose_json", **given)
    )
    assert (values["task"], values["language"], values["text"]) == ("transcribe", "en", SAID)
    assert values["duration"] == pytest.approx(known.duration)
    assert ("segments" in values, "words" in values) == (has != "words", has != "segments")
    for segment, own in zip(values.get("segments", ()), known.segments, strict=has != "words"):
        assert (segment["start"], segment["end"], segment["text"]) == (own.start, own.end, own.text)
    if "words" in values:
        assert [(w["word"], w["start"], w["end"]) for w in values["words"]] == [
            (w.text, w.start, w.end) for w in known.words
        ]


def test_whisper_takes_a_language_and_a_temperature(client: openai.OpenAI, clip: Path) -> None:
    values = checked(
        client.audio.transcriptions.create(
            file=clip, model="whisper", language="de", temperature=0, response_format="verbose_json",
            timestamp_granularities=["word"], extra_body={"max_completion_tokens": 5},
        )
    )  # fmt: skip
    assert values["language"] == "de"
    assert values["words"]
    assert any(notice["kind"] == "limit" for notice in values["notices"])


def test_who_speaks(client: openai.OpenAI, call: bytes) -> None:
    found = client.audio.transcriptions.create(
        file=("call.wav", call), model="offline", response_format="diarized_json", chunking_strategy="auto"
    )
    values = checked(found)
    assert {segment["speaker"] for segment in values["segments"]} == {"Speaker 1", "Speaker 2"}
    assert values["segments"][0]["text"] == SAID
    assert values["text"] == " ".join(segment["text"] for segment in values["segments"])


# --- streams


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_stream_is_the_whole_text_in_pieces(client: openai.OpenAI, clip: Path, form: Any) -> None:
    whole = client.audio.transcriptions.create(file=clip, model="echo").text
    with client.audio.transcriptions.create(file=clip, model="echo", response_format=form, stream=True) as stream:
        *deltas, done = stream
    assert [event.type for event in deltas] == ["transcript.text.delta"] * len(whole.split())
    assert "".join(getattr(event, "delta", "") for event in deltas) == whole
    assert done.type == "transcript.text.done"
    assert checked(done)["text"] == whole
    assert done.usage
    assert done.usage.output_tokens == len(whole.split())


def test_a_stream_tells_who_speaks(client: openai.OpenAI, call: bytes) -> None:
    events = list(
        client.audio.transcriptions.create(
            file=("call.wav", call), model="offline", response_format="diarized_json", stream=True
        )
    )
    segments = [event for event in events if event.type == "transcript.text.segment"]
    deltas = [event for event in events if event.type == "transcript.text.delta"]
    done = events[-1]
    assert [event.segment_id for event in deltas] == [segment.id for segment in segments]
    assert {checked(segment)["speaker"] for segment in segments} == {"Speaker 1", "Speaker 2"}
    assert done.type == "transcript.text.done"
    assert done.text == "".join(event.delta for event in deltas)
    assert done.to_dict()["notices"]


def test_a_stream_begins_as_soon_as_there_is_text_and_stops_with_its_client(clip: Path) -> None:
    told = listening()

    def slow(ask: Exchange) -> None:
        def pieces() -> Iterator[Any]:
            yield {"type": "transcript.text.delta", "delta": "heard "}
            while not ask.gone.wait(0.02):
                yield {"type": "transcript.text.delta", "delta": "on "}

        ask.stream(pieces())

    told.routes[TRANSCRIBE] = slow
    with serving(f"front=openai:m@{told.url}") as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        stream = client.audio.transcriptions.create(file=clip, model="front", stream=True)
        assert next(iter(stream)).to_dict()["delta"] == "heard "
        stream.close()
        assert told.asked[-1].gone.wait(10)
        client.close()
    told.close()


def test_a_stream_that_breaks_off_says_so(clip: Path) -> None:
    told = listening()
    told.routes[TRANSCRIBE] = lambda ask: ask.stream([{"type": "transcript.text.delta", "delta": "half "}], done=False)
    with serving(f"front=openai:m@{told.url}") as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        stream = iter(client.audio.transcriptions.create(file=clip, model="front", stream=True))
        assert next(stream).to_dict()["delta"] == "half "
        with pytest.raises(openai.APIError, match="broke off"):
            list(stream)
        client.close()
    told.close()


# --- clients


def test_many_at_once_each_have_their_own(server: Running, clip: Path) -> None:
    whole, rate = soundfile.read(clip)

    def wav(seconds: float) -> bytes:
        file = io.BytesIO()
        soundfile.write(file, whole[: int(seconds * rate)], rate, format="WAV")
        return file.getvalue()

    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            create = client.audio.transcriptions.create
            found = await asyncio.gather(
                *[create(file=wav(1 + number / 10), model="echo") for number in range(12)],
            )
        return [one.text for one in found]

    for number, text in enumerate(asyncio.run(ask())):
        assert text.startswith(f"echo heard {1 + number / 10:.1f} s")


def test_asynchronous_streams(server: Running, clip: Path) -> None:
    async def ask() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            return [
                event async for event in await client.audio.transcriptions.create(file=clip, model="echo", stream=True)
            ]

    *deltas, done = asyncio.run(ask())
    assert "".join(event.delta for event in deltas) == done.text


def test_streamed_bodies(client: openai.OpenAI, clip: Path) -> None:
    create = client.audio.transcriptions.with_streaming_response.create
    with create(file=clip, model="offline", response_format="text") as response:
        assert "".join(response.iter_text()) == f"{SAID}\n"


def test_openai_for_node(server: Running, clip: Path, known: hark.Transcript) -> None:
    found = node("openai_transcriptions.mjs", server.url, str(clip))
    forms = found["forms"]
    assert forms["json"]["text"] == found["unnamed"]["text"] == SAID
    assert forms["json"]["notices"]
    assert [forms["text"], forms["srt"], forms["vtt"]] == [f"{SAID}\n", known.to_srt(), known.to_vtt()]
    assert forms["verbose_json"]["segments"][0]["text"] == SAID
    assert forms["diarized_json"]["segments"][0]["speaker"] == "Speaker 1"
    assert [word["word"] for word in found["words"]["words"]] == SAID.split()
    *deltas, done = found["events"]
    assert "".join(event["delta"] for event in deltas) == done["text"]
    assert done["usage"]["type"] == "tokens"
    assert found["translated"]["task"] == "translate"
    assert found["translated"]["text"].endswith("options to en")
    failures = found["failures"]
    assert (failures["model"]["status"], failures["model"]["code"]) == (404, "model_not_found")
    params = {name: failure["param"] for name, failure in failures.items()}
    assert params == {
        "model": "model",
        "include": "include",
        "threshold": "chunking_strategy.threshold",
        "languages": "languages",
        "translation": "model",
    }
    assert "cannot translate" in failures["translation"]["message"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl(server: Running, clip: Path) -> None:
    fields = [f"file=@{clip}", "model=offline", "response_format=verbose_json", "timestamp_granularities[]=word",
              'chunking_strategy={"type": "server_vad"}', "language="]  # fmt: skip
    flags = [part for field in fields for part in ("-F", field)]
    ran = subprocess.run(
        ["curl", "-sS", f"{server.url}/v1/audio/transcriptions", *flags], capture_output=True, check=True
    )
    assert [word["word"] for word in json.loads(ran.stdout)["words"]] == SAID.split()


# --- what is heard


def test_what_is_wrong_with_a_file_is_told_in_every_form(client: openai.OpenAI, clip: Path) -> None:
    broken = clip.read_bytes()[:-20000]
    values = checked(client.audio.transcriptions.create(file=("cut.flac", broken), model="echo"))
    assert [notice["kind"] for notice in values["notices"]] == ["truncated"]
    for name in ("schön\r\n.flac", "long" * 700 + ".flac"):
        raw = client.audio.transcriptions.with_raw_response.create(
            file=(name, broken), model="echo", response_format="text"
        )
        header = raw.headers["x-hark-notices"]
        assert [notice["kind"] for notice in json.loads(header)] == ["truncated"]
        assert len(header) < 500


def test_silence_has_no_text(client: openai.OpenAI) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(16000, np.float32), 16000, format="WAV")
    for model in ("offline", "echo"):
        values = checked(
            client.audio.transcriptions.create(
                file=("quiet.wav", file.getvalue()), model=model, response_format="verbose_json"
            )
        )
        assert (values["text"], values["segments"]) == ("", [])
        assert "silence" in [notice["kind"] for notice in values["notices"]]


def test_a_server_behind_is_told_the_language_and_gives_times(clip: Path) -> None:
    told = listening()
    with serving(f"front=openai:m@{told.url}") as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        values = checked(
            client.audio.transcriptions.create(
                file=clip, model="front", language="fr", response_format="verbose_json",
                timestamp_granularities=["segment", "word"],
            )
        )  # fmt: skip
        assert told.asked[-1].form["language"] == [b"fr"]
        own = verbose(told.asked[-1].wavs[0], values["text"])
        assert [word["word"] for word in values["words"]] == [word["word"] for word in own["words"]]
        assert len(values["segments"]) == 2
        plain = client.audio.transcriptions.create(file=clip, model="front", response_format="verbose_json").to_dict()
        assert "words" not in plain  # though this server sends them unasked
        client.close()
    told.close()


def test_a_prompt_reaches_a_model_that_minds_it(clip: Path) -> None:
    told = LoopbackServer({CHAT: lambda ask: ask.stream(chat_chunks("two ", "sugars"))})
    with serving(f"front=openai:m@{told.url}") as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        found = client.audio.transcriptions.create(
            file=clip, model="front", prompt="In a café.", keywords=["Kona", "oat milk"]
        )
        assert found.text == "two sugars"
        assert checked(found)["usage"]["output_tokens"] == 3
        system = told.asked[-1].json["messages"][0]
        assert (system["role"], system["content"][0]["text"]) == ("system", "In a café.\nKona, oat milk")
        refused = refusal(
            client.audio.transcriptions.create, file=clip, model="front", prompt="In a café.",
            response_format="diarized_json",
        )  # fmt: skip
        assert refused["param"] == "prompt"
        client.close()
    told.close()


# --- refusals


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"model": "offline", "prompt": "In a café."}, "prompt"),
        ({"model": "whisper", "prompt": "In a café."}, "prompt"),
        ({"model": "echo", "keywords": ["Kona"]}, "keywords"),
        ({"model": "offline", "language": "de"}, "language"),
        ({"model": "offline", "languages": ["de"]}, "languages"),
        ({"model": "whisper", "languages": ["de", "en"]}, "languages"),
        ({"model": "whisper", "language": "de", "languages": ["en"]}, "languages"),
        ({"model": "offline", "temperature": 0.5}, "temperature"),
        ({"model": "whisper", "temperature": 3}, "temperature"),
        ({"model": "whisper", "temperature": float("nan")}, "temperature"),
        ({"model": "offline", "extra_body": {"seed": 1}}, "seed"),
        ({"model": "echo", "extra_body": {"repetition_penalty": 1.1}}, "repetition_penalty"),
        ({"model": "echo", "extra_body": {"nested": {"b": [1]}}}, "nested"),
        ({"model": "echo", "extra_body": {"stream": "perhaps"}}, "stream"),
        ({"model": "echo", "response_format": "verbose_json", "timestamp_granularities": ["word"]},
         "timestamp_granularities"),
        ({"model": "offline", "timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"model": "offline", "response_format": "verbose_json", "timestamp_granularities": ["frame"]},
         "timestamp_granularities.0"),
        ({"model": "echo", "include": ["logprobs"]}, "include"),
        ({"model": "echo", "known_speaker_names": ["Ann"], "response_format": "diarized_json"}, "known_speaker_names"),
        ({"model": "echo", "known_speaker_references": ["data:audio/wav;base64," + "A" * 2**21]},
         "known_speaker_references"),
        ({"model": "echo", "chunking_strategy": {"type": "server_vad", "silence_duration_ms": 200}},
         "chunking_strategy.silence_duration_ms"),
        ({"model": "echo", "chunking_strategy": "never"}, "chunking_strategy"),
        ({"model": "echo", "stream": True, "response_format": "srt"}, "stream"),
        ({"model": "echo", "stream": True, "response_format": "verbose_json"}, "stream"),
        ({"model": "offline", "language": "de", "stream": True}, "language"),
        ({"model": "echo", "file": b""}, "file"),
        ({"model": "echo", "file": b"no recording at all"}, "file"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused(
    client: openai.OpenAI, clip: Path, given: dict[str, Any], param: str
) -> None:
    body = refusal(client.audio.transcriptions.create, **{"file": clip, **given})
    assert body["param"] == param
    assert body["message"]


def test_a_form_nobody_knows_is_refused(http: httpx2.Client, clip: Path) -> None:
    found = http.post("/transcriptions", data={"response_format": "xml"}, files={"file": clip.read_bytes()})
    assert (found.status_code, found.json()["error"]["param"]) == (400, "response_format")


def test_a_model_nobody_serves(client: openai.OpenAI, clip: Path) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.audio.transcriptions.create(file=clip, model="whisper-1")
    assert (error.value.code, error.value.param) == ("model_not_found", "model")


def test_without_a_model_it_is_the_first(http: httpx2.Client, clip: Path) -> None:
    assert http.post("/transcriptions", files={"file": clip.read_bytes()}).json()["text"] == SAID


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"data": {"model": "echo"}, "files": {"other": b"x"}}, "file"),
        ({"data": {"model": "echo"}}, None),
        ({"json": {"model": "echo", "file": "x"}}, None),
        ({"files": [("file", ("a.wav", b"x")), ("file", ("b.wav", b"y"))]}, "file"),
        ({"data": {"file": "text"}, "files": {"image": b"x"}}, "file"),
        ({"data": {"language": ["en", "de"]}, "files": {"file": b"x"}}, "language"),
        ({"data": {"temperature": ""}, "files": {"file": b"x"}}, "temperature"),
        ({"data": {"a": "1", "a[b]": "2"}, "files": {"file": b"x"}}, "a[b]"),
        ({"data": {"a[b]": "1", "a": "2"}, "files": {"file": b"x"}}, "a"),
        ({"data": {"a[][b]": "1"}, "files": {"file": b"x"}}, "a[][b]"),
        ({"data": {"[]": "1"}, "files": {"file": b"x"}}, "[]"),
        ({"data": {"model[name]": "1"}, "files": {"file": b"x"}}, "model"),
        ({"files": {"file": b"x", "prompt": b"y"}}, "prompt"),
        ({"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data; boundary=x"}}, "file"),
        ({"content": b"", "headers": {"content-type": "multipart/form-data"}}, None),
    ],
)
def test_bodies_that_are_no_form_of_this_kind(http: httpx2.Client, request_: dict[str, Any], param: str | None) -> None:
    found = http.post("/transcriptions", **request_)
    assert found.status_code == 400, found.text
    error = found.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"]
