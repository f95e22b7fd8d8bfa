"""Prompts as people write them, and the jobs they ask for."""

from __future__ import annotations

import time

import pytest

from hark.engines.builtin.router import TASKS, route

PROMPTS = {
    "": "transcribe",
    "   \n": "transcribe",
    "What does the person say?": "transcribe",
    "what is the speaker saying": "transcribe",
    "What did she say?": "transcribe",
    "What's being said in this clip?": "transcribe",
    "Transcribe this": "transcribe",
    "please transcibe the recording": "transcribe",
    "TRANSCRIBE THE AUDIO VERBATIM, PLEASE!": "transcribe",
    "Generate a transcription of the speech.": "transcribe",
    "Can you write down what they say?": "transcribe",
    "<|audio|>Transcribe the audio to text.": "transcribe",
    "You are a helpful assistant. What does the person say?": "transcribe",
    "I want you to give me the transcript with timestamps": "transcribe",
    "Summarize": "summary",
    "Please sumarize this in one sentence.": "summary",
    "Could you give me a short summary of the meeting?": "summary",
    "What is this recording about?": "summary",
    "what are they talking about?": "summary",
    "tl;dr": "summary",
    "Give me three bullet points.": "summary",
    "What are the main points?": "summary",
    "Write me a summary in 3 sentences": "summary",
    "What was decided?": "decisions",
    "WHAT DID THEY DECIDE?": "decisions",
    "List all decisions": "decisions",
    "Summarize the key decisions.": "decisions",
    "Summarize key decisions and list action items with assignees.": "decisions actions",
    "List the action items": "actions",
    "Who does what?": "actions",
    "what are the next steps": "actions",
    "Extract the to-dos with owners and deadlines": "actions",
    "What tasks were assigned?": "actions",
    "Write the meeting minutes": "summary decisions actions",
    "Summarize the meeting, the decisions and the action items": "summary decisions actions",
    "What did they decide about the release?": "question",
    "Who has to send the report?": "question",
    "When will Daniel fix the login page?": "question",
    "Who is responsible for the budget?": "question",
    "What did the man say about the weather?": "question",
    "Why was the release moved?": "question",
    "How long does the backup take?": "question",
    "How many guests are coming?": "question",
    "What is the deadline for the report?": "question",
    "Does anyone mention the budget?": "question",
    "Who will write the summary?": "question",
    "Where is the meeting?": "question",
    "Who is speaking at the conference?": "question",
    "Did someone write an article about it?": "question",
    "What is the dog lying on?": "question",
    "How old is she?": "question",
    "What did they say about the translation?": "question",
    "Why did he play the song?": "question",
    "What decisions about the hotel were made?": "question",
    "What is the intent of this command?": "intent",
    "What does the speaker want?": "intent",
    "Is this a question or an order?": "intent",
    "How does the speaker feel?": "sentiment",
    "Is the customer angry?": "sentiment",
    "What is the sentiment?": "sentiment",
    "What emotion does the caller express?": "sentiment",
    "Is the speaker sure about this?": "uncertainty",
    "how confident does she sound": "uncertainty",
    "Does he hesitate?": "uncertainty",
    "What is the key and tempo of this song?": "music",
    "what's the bpm": "music",
    "Is the piece in major or minor?": "music",
    "What kind of music is this?": "music",
    "What instrument is playing?": "music sound",
    "What's that sound?": "sound",
    "Is this speech or music?": "sound",
    "what kind of noise is that": "sound",
    "Is there any background noise?": "sound",
    "Describe this audio": "summary sound",
    "What do you hear?": "transcribe sound",
    "What are the keywords?": "keywords",
    "which topics come up": "keywords",
    "Compare these.": "compare",
    "What do the two recordings have in common?": "compare",
    "How long is the recording?": "duration",
    "What is the person in the audio trying to say?": "transcribe",
    "Please convert this speech to text.": "transcribe",
    "Identify the emotion in the voice.": "sentiment",
    "Give me the minutes of this meeting": "summary decisions actions",
    "What's the command?": "intent",
    "Which city do they mention?": "question",
    "Any deadlines?": "actions",
    "Transcribe this and summarize it": "transcribe summary",
    "What is the tempo, and how does the singer feel?": "sentiment music",
    "How fast is it?": "music",
    "Is this in a minor key?": "music",
    "How many times does the bell ring?": "sound",
    "how often did they meet, and how many times did they vote?": "question",
    "What is the speaker worried about?": "question",
    "Is the speaker worried?": "sentiment",
    "What does Susan have to do?": "question",
    "Summarize the talk about the café": "summary",
    "Explain Die Zauberflöte": "question",
    "Zoë tasks": "actions",
    "What should the robot do?": "intent",
    "What does the customer want us to do?": "actions intent",
    "What do we have to do?": "actions",
}
REFUSED = {
    "Translate this to French": "translate",
    "translate": "translate",
    "Transcribe this and translate it into German.": "translate",
    "Answer in Spanish: what do they say?": "another language",
    "Summarize the meeting in Japanese": "another language",
    "Write a poem about it": "write anything new",
    "Write an email to Daniel with the action items": "write anything new",
    "Give me a haiku about this recording": "write anything new",
    "Rewrite it in a formal style": "rewrite",
    "Summarize in the style of a pirate": "rewrite",
    "Write Python code that parses it": "write",
    "Tell me a joke": "write anything new",
    "Turn this into a blog post": "write anything new",
    "Transcribe the audio in Chinese.": "another language",
    "Tell the speakers apart: identify the voices": "voices",
    "sing it": "make or change sound",
    "Remove the background noise": "make or change sound",
    "turn off the lights": "act",
    "Send it to Daniel": "act",
    "how many people speak?": "voices",
    "Who is speaking?": "voices",
    "Is the speaker a man or a woman?": "judge a voice",
    "What language is spoken?": "languages",
    "What do you think about it?": "opinion",
    "How can I improve my sales pitch?": "opinion",
    "What is 2 + 2?": "knowledge of the world",
    "What is the capital of France?": "knowledge of the world",
    "Was wurde über das Budget entschieden?": "English only",
    "¿Qué dice la persona?": "English only",
    "Übersetze das ins Deutsche": "English only",
    "Résume la réunion": "English only",
    "Zusammenfassung": "English only",
    "Nenne die Aufgaben": "English only",
    "Liste les décisions": "English only",
    "Resumen de la reunión": "English only",
    "この音声を要約してください": "English only",
}


@pytest.mark.parametrize(("prompt", "jobs"), PROMPTS.items(), ids=PROMPTS)
def test_a_prompt_is_routed_to_its_jobs(prompt: str, jobs: str) -> None:
    request = route(prompt)
    assert request.refusal is None
    assert set(request.jobs) == set(jobs.split())
    assert bool(request.question) == ("question" in request.jobs)


@pytest.mark.parametrize(("prompt", "reason"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_done_is_refused_with_what_can(prompt: str, reason: str) -> None:
    request = route(prompt)
    assert request.jobs == ()
    assert request.refusal is not None
    assert reason in request.refusal.reason
    assert any(word in request.refusal.instead for word in ("model", "--json", "program"))


@pytest.mark.parametrize("prompt", [p for p in PROMPTS if p.strip() and p[:3] not in ("You", "I w", "ple", "<|a")])
def test_politeness_changes_nothing(prompt: str) -> None:
    assert route(f"Hey, please {prompt[0].lower()}{prompt[1:]}").jobs == route(prompt).jobs


@pytest.mark.parametrize(
    ("prompt", "sentences", "words"),
    [
        ("Summarize in one sentence", 1, None),
        ("Give me 5 key points", 5, None),
        ("three short bullet points please", 3, None),
        ("Summarize briefly", 2, None),
        ("Summarize in 40 words", None, 40),
        ("Summarize", None, None),
        ("How long is the recording?", None, None),
    ],
)
def test_the_length_asked_for_is_read(prompt: str, sentences: int | None, words: int | None) -> None:
    request = route(prompt)
    assert (request.sentences, request.words) == (sentences, words)


@pytest.mark.parametrize(
    ("prompt", "follow"),
    [("And then?", "next"), ("What happened next?", "next"), ("what else?", "more"), ("Tell me more.", "more"),
     ("When?", "kind"), ("and who?", "kind"), ("By when?", "kind"), ("Why?", "kind"), ("Thank you!", "courtesy"),
     ("ok", "courtesy"), ("Okay, thanks a lot.", "courtesy"), ("When is it due?", "")],
)  # fmt: skip
def test_follow_ups_are_told_apart(prompt: str, follow: str) -> None:
    request = route(prompt)
    assert request.jobs == ("question",)
    assert request.follow == follow


def test_limits_are_said() -> None:
    assert "Instruments" in route("Which instruments do you hear?").limits[0]
    assert "--json" in route("Give me the action items as JSON").limits[0]


@pytest.mark.parametrize("task", TASKS)
def test_a_named_task_decides_whatever_its_prompt_says(task: str) -> None:
    request = route("What was the sound of the weather?", task)
    assert request.jobs == TASKS[task]


def test_a_named_task_honours_length_and_refuses_languages() -> None:
    assert route("Summarize in two sentences.", "summary").sentences == 2
    assert route("Summarize in French.", "summary").refusal is not None
    refused = route("", "dance").refusal
    assert refused is not None
    assert "dance" in refused.reason
    assert "summary" in refused.instead


@pytest.mark.parametrize("piece", ["what ", "summarize ", "the and ", "a", " \n", "is it not ", ", then list "])
def test_an_endless_prompt_is_read_in_time(piece: str) -> None:
    started = time.perf_counter()
    route(piece * (20_000 // len(piece)))
    assert time.perf_counter() - started < 5
