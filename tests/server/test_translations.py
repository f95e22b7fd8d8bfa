"""Translations as OpenAI's client asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from serving import Running, serving
from tiny.openai_server import TRANSLATE, listening
from tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# OpenAI announces the end of its own; others serve it on.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("models")
    whisper, english = tiny_whisper(folder / "whisper"), tiny_whisper(folder / "english", english=True)
    with serving("echo", "offline=builtin", f"whisper={whisper}", f"english={english}") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def clip(examples: Path) -> Path:
    return examples / "order.flac"


def test_every_form(client: openai.OpenAI, clip: Path) -> None:
    create: Any = client.audio.translations.create
    whole = create(file=clip, model="echo").text
    assert whole.endswith("options to en")
    assert create(file=clip, model="echo", response_format="text") == f"{whole}\n"
    assert create(file=clip, model="echo", response_format="srt").startswith("1\n00:00:00,000 --> 00:00:03,408\n")
    assert create(file=clip, model="echo", response_format="vtt").startswith("WEBVTT\n\n00:00:00.000 --> ")
    values = create(file=clip, model="echo", response_format="verbose_json")
    type(values).model_validate(values.to_dict())
    assert (values.task, values.language, values.text) == ("translate", "en", whole)
    assert [segment.text for segment in values.segments] == [whole]


def test_whisper_translates(client: openai.OpenAI, clip: Path) -> None:
    found = client.audio.translations.create(
        file=clip, model="whisper", response_format="verbose_json", temperature=0, extra_body={"language": "de"}
    )
    assert found.language == "en"  # as the engine says, of what it was told to write
    assert found.text


def test_other_languages_are_wished_for_as_vllm_is_asked(client: openai.OpenAI, clip: Path) -> None:
    found = client.audio.translations.create(file=clip, model="echo", extra_body={"to_language": "fr"})
    assert found.text.endswith("options to fr")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"model": "offline"}, "model"),
        ({"model": "english"}, "model"),
        ({"model": "whisper", "prompt": "In a café."}, "prompt"),
        ({"model": "echo", "response_format": "diarized_json"}, "response_format"),
        ({"model": "echo", "extra_body": {"stream": True}}, "stream"),
        ({"model": "echo", "extra_body": {"timestamp_granularities": ["word"]}}, "timestamp_granularities"),
        ({"model": "whisper", "extra_body": {"language": "xx"}}, "language"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    client: openai.OpenAI, clip: Path, given: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.audio.translations.create(file=clip, **given)
    assert error.value.param == param
    if param == "model":
        assert "cannot" in error.value.message
        assert "transl" in error.value.message


def test_a_server_behind_translates(clip: Path) -> None:
    told = listening()
    with serving(f"front=openai:m@{told.url}") as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        assert client.audio.translations.create(file=clip, model="front").text.startswith("heard ")
        assert told.paths[-1] == TRANSLATE
        client.close()
    told.close()
