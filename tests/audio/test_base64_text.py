"""Base64: what Python's strict decoder takes, no more and no less."""

from __future__ import annotations

import base64
import random

import pytest

from hark.audio.base64_text import decode


def strictly(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def found(text: str) -> bytes | None:
    try:
        return decode(text)
    except ValueError:
        return None


def test_it_takes_what_python_takes() -> None:
    made = random.Random(5)
    signs = 'AZaz09+/==-_\\" \n\té\ud800\0,'
    taken = 0
    for _ in range(20_000):
        text = base64.b64encode(made.randbytes(made.randrange(12))).decode()
        for _ in range(made.randrange(3)):
            at = made.randrange(len(text) + 1)
            text = text[:at] + made.choice(signs) + text[at + made.randrange(2) :]
        assert found(text) == strictly(text)
        taken += found(text) is not None
    assert 5000 < taken < 19_000


@pytest.mark.parametrize("text", ["QUI", "QUI-QUI_", "\\u0041AA=", 'QUJD","a"', "QUJDRA=\n", "A===", "AB==CD=="])
def test_what_is_near_to_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)base64|padding|ascii"):
        decode(text)


def test_a_recording() -> None:
    sound = random.Random(6).randbytes(1_000_001)
    assert decode(base64.b64encode(sound).decode()) == sound
