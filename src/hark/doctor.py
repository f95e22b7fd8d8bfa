"""Is this install able to hear? Packages, decoders, the model folder, and two known clips through the model."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

from hark.errors import HarkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hark.listener import Listener

KNOWN_CLIPS = {"open_the_door.flac": "please open the door", "seven_people.flac": "there are seven people in the room"}
_PACKAGES = ("numpy", "soundfile", "av", "soxr", "onnxruntime", "pocketsphinx", "faster-whisper", "httpx2")
_OPTIONAL = {"librosa": "music"}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `ok` is None for something optional that is absent."""

    name: str
    ok: bool | None
    detail: str
    hint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def examine(model: str | None = None) -> Iterator[Check]:
    """Check everything, one finding after the other; nothing is downloaded and no address is asked."""
    yield Check("python", sys.version_info >= (3, 11), sys.version.split()[0])
    yield from _packages()
    for name, look in (("settings", _settings), ("decoders", _decoders), ("speech detector", _speech)):
        yield _guarded(name, look)
    yield from _model(model)


def _guarded(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except HarkError as error:
        return Check(name, False, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - a doctor reports whatever it finds
        return Check(name, False, f"{type(error).__name__}: {error}")


def _packages() -> Iterator[Check]:
    for name in _PACKAGES:
        try:
            yield Check(name, True, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Check(name, False, "not installed", "pip install --upgrade hark-audio")
    for name, extra in _OPTIONAL.items():
        try:
            yield Check(name, True, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Check(name, None, f"not installed (extra {extra})", f"pip install 'hark-audio[{extra}]'")


def _settings() -> str:
    from hark.settings import current, settings_file

    settings, file = current(), settings_file()
    models = f"models in {settings.models}{'' if settings.models.is_dir() else ' (none yet)'}"
    return f"{file}{'' if file.is_file() else ' (not there, defaults hold)'}; model {settings.model}; {models}"


def _decoders() -> str:
    """Encode a tone with each library and hear it again."""
    import io

    import av
    import numpy as np
    import soundfile

    from hark.audio.audio import Audio

    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)).astype(np.float32)
    heard = []
    for form in ("WAV", "FLAC", "OGG", "MP3"):
        file = io.BytesIO()
        soundfile.write(file, tone, 44100, format=form)
        heard.append((form.lower(), Audio.of(file.getvalue()).samples()))
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        for start in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    heard.append(("m4a", Audio.of(file.getvalue()).samples()))
    wrong = [name for name, samples in heard if len(samples) < 14000 or not 0.3 < np.std(samples[2000:14000]) < 0.4]
    if wrong:
        raise RuntimeError(f"{', '.join(wrong)} came back wrong")
    return ", ".join(name for name, _ in heard) + " decode"


def _speech() -> str:
    from hark.audio.windows import windows

    found = [sum(w.end - w.start for w in windows(clip.stream())) for clip in _clips()]
    if not all(found):
        raise RuntimeError("speech was not found in a clip that holds speech")
    return f"speech found ({', '.join(f'{seconds:.1f} s' for seconds in found)})"


def _clips() -> list[Any]:
    from hark.audio.audio import Audio

    folder = resources.files("hark") / "clips"
    return [Audio.of((folder / name).read_bytes(), name=name) for name in KNOWN_CLIPS]


def _model(name: str | None) -> Iterator[Check]:
    from hark.listener import load

    try:
        listener = load(name)
    except HarkError as error:
        yield Check("model", False, error.message, error.hint)
        return
    with listener:
        yield Check("model", True, listener.engine.name)
        yield _labelling(listener) if "classify" in listener.can.tasks else _hearing(listener)


def _labelling(listener: Listener) -> Check:
    """Play the clips to a classifier: one that hears gives two different sets of scores."""
    try:
        first, second = (listener.classify(clip) for clip in _clips())
    except HarkError as error:
        return Check("hearing", False, error.message, error.hint)
    detail = " and ".join(repr(answer.text.splitlines()[0]) for answer in (first, second))
    if first.data == second.data:
        return Check("hearing", False, f"two clips got the same scores: {detail}", "The audio does not reach it.")
    return Check("hearing", True, f"two clips, two sets of scores: {detail}")


def _hearing(listener: Listener) -> Check:
    """Play two known clips: a model that hears gives two different answers; one that transcribes, the words."""
    try:
        answers = [listener.transcribe(clip).text for clip in _clips()]
    except HarkError as error:
        return Check("hearing", False, error.message, error.hint)
    detail = " and ".join(repr(answer) for answer in answers)
    if answers[0] == answers[1]:
        return Check(
            "hearing", False, f"two clips gave one and the same answer: {detail}", "The audio does not reach it."
        )
    said = [set(words.split()) for words in KNOWN_CLIPS.values()]
    right = sum(len(words & set(answer.lower().split())) for words, answer in zip(said, answers, strict=True))
    total = sum(map(len, said))
    if 2 * right < total:
        return Check(
            "hearing", None, f"two clips, two answers, not their words: {detail}", "A larger model may do better."
        )
    return Check("hearing", True, f"{right} of {total} words of two known clips: {detail}")
