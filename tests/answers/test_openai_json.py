"""OpenAI's shapes of a transcript, as its own client reads them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest

import hark
from hark.answers.transcript import Segment, Transcript, Word
from hark.errors import OptionError
from tiny.openai_server import TRANSCRIBE, LoopbackServer

if TYPE_CHECKING:
    from pathlib import Path

WORDS = (Word("Good", 0.1, 0.4, 0.9), Word("morning.", 0.45, 1.0, 0.7))
SAID = Transcript(
    (
        Segment("Good morning.", 0.1, 1.0, WORDS, 0.8, speaker="Speaker 1"),
        Segment("Grüß Gott.", 1.5, 2.25, speaker="Speaker 2"),
    ),
    2.4,
    "en",
)


def test_verbose_json() -> None:
    values = json.loads(SAID.to("verbose_json"))
    assert list(values) == ["task", "language", "duration", "text", "segments", "words", "usage"]
    assert (values["task"], values["language"], values["duration"]) == ("transcribe", "en", 2.4)
    assert values["text"] == "Good morning. Grüß Gott."
    assert values["usage"] == {"type": "duration", "seconds": 3}
    assert values["words"] == [
        {"word": "Good", "start": 0.1, "end": 0.4},
        {"word": "morning.", "start": 0.45, "end": 1.0},
    ]
    first, second = values["segments"]
    assert set(first) == set(
        "id seek start end text tokens temperature avg_logprob compression_ratio no_speech_prob".split()
    )
    assert (first["id"], first["start"], first["end"], first["text"]) == (0, 0.1, 1.0, "Good morning.")
    assert first["avg_logprob"] == pytest.approx(math.log(0.8), abs=1e-4)
    assert 0 < first["compression_ratio"] < 1.5
    assert (second["id"], second["avg_logprob"]) == (1, 0.0)


def test_a_transcript_without_words_has_none() -> None:
    assert "words" not in json.loads(Transcript((Segment("Hm.", 0, 1),), 1.0).to("verbose_json"))
    empty = json.loads(Transcript((), 1.0).to("verbose_json"))
    assert (empty["text"], empty["segments"], empty["language"]) == ("", [], "")
    assert json.loads(Transcript((), 1.0).to("diarized_json"))["segments"] == []


def test_diarized_json() -> None:
    values = json.loads(SAID.to("diarized_json"))
    assert list(values) == ["task", "duration", "text", "segments", "usage"]
    assert values["segments"] == [
        {
            "type": "transcript.text.segment",
            "id": "seg_000",
            "start": 0.1,
            "end": 1.0,
            "text": "Good morning.",
            "speaker": "Speaker 1",
        },
        {
            "type": "transcript.text.segment",
            "id": "seg_001",
            "start": 1.5,
            "end": 2.25,
            "text": "Grüß Gott.",
            "speaker": "Speaker 2",
        },
    ]


def test_without_speakers_it_is_refused() -> None:
    with pytest.raises(OptionError, match="who speaks") as caught:
        Transcript((Segment("Hm.", 0, 1),), 1.0).to("diarized_json")
    assert "--speakers" in caught.value.hint


def test_files_are_named_json(tmp_path: Path) -> None:
    SAID.save(tmp_path / "talk.json", "verbose_json")
    assert json.loads((tmp_path / "talk.json").read_text("utf-8"))["task"] == "transcribe"


def test_what_is_written_is_what_is_read_from_a_server(order: hark.Audio) -> None:
    server = LoopbackServer({TRANSCRIBE: lambda ask: ask.reply(json.loads(SAID.to("verbose_json")))})
    try:
        with hark.load(f"openai:m@{server.url}") as listener:
            found = listener.transcribe(order)
    finally:
        server.close()
    assert found.text == SAID.text
    assert [(w.text, w.start, w.end) for w in found.words] == [(w.text, w.start, w.end) for w in SAID.words]
    assert [segment.start for segment in found.segments] == [0.1, 1.5]


def test_the_types_of_openais_client_take_it() -> None:
    pytest.importorskip("openai")
    from openai.types.audio import TranscriptionDiarized, TranscriptionVerbose

    assert TranscriptionVerbose.model_validate_json(SAID.to("verbose_json")).words
    assert TranscriptionDiarized.model_validate_json(SAID.to("diarized_json")).segments[1].speaker == "Speaker 2"
