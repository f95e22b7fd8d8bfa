"""What a voice tells, as far as a model hears it: emotion, traits of the speaker, prosody.

All of it is an impression of a recording, never a fact about a person: the prompts ask for what is apparent, `unknown`
is always allowed, and nothing asks who somebody is. The emotions are Ekman's six, with `neutral` and those that speech
corpora add most often; the fields of prosody are those that phonetics measures.
"""

from __future__ import annotations

from typing import Any

UNKNOWN = "unknown"
EMOTIONS = (
    "neutral", "happy", "sad", "angry", "afraid", "disgusted", "surprised", "calm", "excited", "frustrated", UNKNOWN,
)  # fmt: skip
_EVIDENCE = {"type": "string", "maxLength": 200}


def _one_of(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": [*dict.fromkeys((*values, UNKNOWN))]}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


EMOTION_PROMPT = (
    "What emotion does the voice show, as far as it can be heard? Judge by how it sounds, not only by the words. "
    f"Name one ({', '.join(EMOTIONS)}), how strong it seems (weak, moderate, strong, unknown), and what in the voice "
    "shows it. Answer unknown where it cannot be told."
)
EMOTION = _object(
    apparent_emotion=_one_of(*EMOTIONS), strength=_one_of("weak", "moderate", "strong"), heard_in=_EVIDENCE
)
SPEAKER_PROMPT = (
    "How does the speaker sound? Give the apparent age group (child, teenager, young adult, middle-aged adult, older "
    "adult), the apparent pitch range of the voice (low, middle, high), the accent as heard, the speaking style "
    "(conversational, formal, reading aloud, presenting, commanding), and what in the voice shows it. Describe the "
    "voice only; do not guess who the person is. Answer unknown where it cannot be told."
)
SPEAKER = _object(
    apparent_age_group=_one_of("child", "teenager", "young adult", "middle-aged adult", "older adult"),
    voice=_one_of("low", "middle", "high"),
    accent_as_heard={"type": "string", "maxLength": 60},
    speaking_style=_one_of("conversational", "formal", "reading aloud", "presenting", "commanding"),
    heard_in=_EVIDENCE,
)
PROSODY_PROMPT = (
    "Describe the prosody. Give the pace (slow, normal, fast, varying), the pitch (flat, lively, rising, falling), the "
    "loudness (soft, normal, loud, varying), the pauses (few, some, many), whether there are hesitations (none, some, "
    "many), and the words that are stressed. Answer unknown where it cannot be told."
)
PROSODY = _object(
    pace=_one_of("slow", "normal", "fast", "varying"),
    pitch=_one_of("flat", "lively", "rising", "falling"),
    loudness=_one_of("soft", "normal", "loud", "varying"),
    pauses=_one_of("few", "some", "many"),
    hesitations=_one_of("none", "some", "many"),
    stressed_words={"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": 8},
)
