"""Models that read units: their quantisers against computations of their own, their prompts against published code."""

from __future__ import annotations

import json
import math
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.conversation.conversation import Clip, Conversation, Message, Text
from hark.errors import ModelBrokenError, UnsupportedError
from tiny.units import CODES, tiny_audiopalm, tiny_ichigo, tiny_speechgpt, tiny_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hark.engines.transformers.families.units import UnitLM

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 16}
META = (
    "You are an AI assistant whose name is SpeechGPT.\n- SpeechGPT is a intrinsic cross-modal conversational language "
    "model that is developed by Fudan University.  SpeechGPT can understand and communicate fluently with human "
    "through speech or text chosen by the user.\n- It can perceive cross-modal inputs and generate "
    "cross-modal outputs.\n"
)


@pytest.fixture(scope="module")
def ichigo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_ichigo(tmp_path_factory.mktemp("units") / "ichigo")


@pytest.fixture(scope="module")
def speechgpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_speechgpt(tmp_path_factory.mktemp("units") / "speechgpt")


@pytest.fixture(scope="module")
def audiopalm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_audiopalm(tmp_path_factory.mktemp("units") / "audiopalm")


@pytest.fixture(params=["ichigo", "speechgpt", "audiopalm"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def listener(folder: Path) -> Iterator[hark.Listener]:
    with hark.load(str(folder)) as loaded:
        yield loaded


def parts(folder: Path) -> tuple[UnitLM, Any]:
    """The family and what it loads."""
    engine: Any = hark.load(str(folder)).engine
    return engine.family, engine.loaded()


def units(folder: Path, clip: hark.Audio) -> list[int]:
    """The units of a clip, as its quantiser gives them."""
    _, loaded = parts(folder)
    found: list[int] = loaded.processor.feature_extractor(clip.samples(RATE), "cpu").tolist()
    return found


def prompt(folder: Path, *given: Any, system: str | None = None) -> str:
    """What the model is given, as text."""
    family, loaded = parts(folder)
    said = tuple(Clip(part) if isinstance(part, hark.Audio) else Text(part) for part in given)
    conversation = Conversation((*([Message("system", (Text(system),))] if system else []), Message("user", said)))
    clips = [clip.samples(RATE) for clip in conversation.clips]
    ids = family.ask(loaded, conversation, clips, hark.Options()).tensors["input_ids"][0]
    return str(loaded.processor.tokenizer.decode(ids))


def changed(folder: Path, tmp_path: Path, **fields: Any) -> Path:
    """A copy of a folder with other fields in `units.json`; None removes one."""
    copy = tmp_path / "changed"
    shutil.copytree(folder, copy)
    path = copy / "quantizer" / "units.json"
    told = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({name: value for name, value in told.items() if value is not None}))
    return copy


def generated(folder: Path, ids: list[int]) -> str:
    """The greedy answer of plain transformers, without the units in it."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    words = transformers.AutoTokenizer.from_pretrained(folder)
    given = torch.tensor([ids])
    found = model.generate(given, attention_mask=torch.ones_like(given), max_new_tokens=16, do_sample=False)
    found = found[0, len(ids) :].tolist()
    names = re.compile(r"<(?:\|sound_)?(?:\d+|start|end|sosp|eosp)\|?>")
    units = {token for name, token in words.get_added_vocab().items() if names.fullmatch(name)}
    return str(words.decode([token for token in found if token not in units], skip_special_tokens=True))


def whisper_vq_in_numpy(folder: Path, samples: np.ndarray) -> list[int]:
    """Whisper's log-mel filled up with -1.5, its encoder, and WhisperSpeech's bottleneck, by their formulas."""
    from safetensors.numpy import load_file
    from transformers.audio_utils import mel_filter_bank
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    padded = np.pad(samples.astype(np.float64), 200, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 400)[::160][:-1]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    mel = np.log10(np.maximum(power @ mel_filter_bank(201, 80, 0.0, 8000.0, RATE, "slaney", "slaney"), 1e-10))
    mel = (np.maximum(mel, mel.max() - 8) + 4) / 4
    full = np.full((3000, 80), -1.5)
    full[: len(mel)] = mel
    encoder = WhisperEncoder.from_pretrained(folder / "quantizer" / "encoder").eval()
    with torch.inference_mode():
        x = encoder(torch.from_numpy(full.T[None].astype(np.float32))).last_hidden_state[0].double().numpy()
    t = load_file(folder / "quantizer" / "codebook.safetensors")
    x = (x[0::2] + x[1::2]) / 2
    normed = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    inner = (normed * t["norm.weight"] + t["norm.bias"]) @ t["mlp.0.weight"].T + t["mlp.0.bias"]
    inner = inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2))) / 2
    x = x + inner @ t["mlp.2.weight"].T + t["mlp.2.bias"]
    x = x @ t["project.weight"].T + t["project.bias"]
    cosine = (x @ t["codebook"].T) / np.linalg.norm(x, axis=1, keepdims=True)
    return [int(unit) for unit in cosine.argmax(1)[: len(mel) // 4]]


def test_whisper_vq_gives_the_units_of_its_formulas(ichigo: Path, order: hark.Audio) -> None:
    found = units(ichigo, order)
    expected = whisper_vq_in_numpy(ichigo, order.samples(RATE))
    assert len(found) == int(order.duration * 25)
    assert len(set(found)) > 2
    assert sum(one != other for one, other in zip(found, expected, strict=True)) <= 1  # one may lie between two entries


def test_kmeans_gives_the_nearest_centre_of_each_frame(speechgpt: Path, order: hark.Audio) -> None:
    from safetensors.numpy import load_file

    encoder = transformers.HubertModel.from_pretrained(speechgpt / "quantizer" / "encoder").eval()
    with torch.inference_mode():
        told = encoder(torch.from_numpy(order.samples(RATE))[None], output_hidden_states=True)
    frames = told.hidden_states[2][0].double().numpy()
    centres = load_file(speechgpt / "quantizer" / "codebook.safetensors")["codebook"].astype(np.float64)
    distances = ((frames[:, None] - centres[None]) ** 2).sum(2)
    found = units(speechgpt, order)
    assert len(found) == (len(order.samples(RATE)) - 400) // 320 + 1
    assert len(set(found)) > 5
    assert sum(one != other for one, other in zip(found, distances.argmin(1), strict=True)) <= 1


@pytest.mark.parametrize("seconds", [45.0, 61.3])
def test_whisper_vq_hears_all_of_a_long_clip(ichigo: Path, order: hark.Audio, seconds: float) -> None:
    long = np.resize(order.samples(RATE), int(seconds * RATE))
    count = math.ceil(seconds / 30)
    cut = math.ceil(len(long) / count / 640) * 640
    expected = [
        unit for at in range(0, len(long), cut) for unit in units(ichigo, hark.Audio.of(long[at : at + cut], RATE))
    ]
    assert units(ichigo, hark.Audio.of(long, RATE)) == expected
    assert len(expected) == int(seconds * 25)


@pytest.mark.parametrize("names", ["rq.layers.0.project_in", "rq.project_in", "lightning"])
def test_a_published_checkpoint_gives_the_same_units(
    ichigo: Path, order: hark.Audio, tmp_path: Path, names: str
) -> None:
    """As WhisperSpeech saved it, as Ichigo's "-fixed" one was, and as a checkpoint of Lightning without settings."""
    copy = changed(ichigo, tmp_path, codebook="whisper-vq.model")
    publish(copy / "quantizer" / "codebook.safetensors", copy / "quantizer" / "whisper-vq.model", names)
    assert units(copy, order) == units(ichigo, order)


def publish(codebook: Path, to: Path, names: str = "rq.layers.0.project_in", **config: Any) -> Path:
    """Write our tensors under the names of WhisperSpeech, and remove ours."""
    from safetensors.torch import load_file

    t = load_file(codebook)
    first = "rq.project_in" if names == "rq.project_in" else "rq.layers.0.project_in"
    states = {
        "rq.layers.0._codebook.embed": t["codebook"][None], "rq.layers.0._codebook.initted": torch.ones(1),
        f"{first}.weight": t["project.weight"], f"{first}.bias": t["project.bias"],
        "mlp_ln.weight": t["norm.weight"], "mlp_ln.bias": t["norm.bias"],
        **{name: tensor for name, tensor in t.items() if name.startswith("mlp.")},
        "positional_embedding.weight": torch.randn(4, 4),
    }  # fmt: skip
    if names == "lightning":
        torch.save({"state_dict": {f"model.{name}": tensor for name, tensor in states.items()}}, to)
    else:
        told = {"downsample": 2, "use_cosine_sim": True, "whisper_model_name": "medium", **config}
        tunables = {"mask_embs": True, "downsample_mean": True, "rope": True}
        torch.save({"config": told, "tunables": tunables, "state_dict": states}, to)
    codebook.unlink()
    return to


def test_a_checkpoint_that_is_not_as_units_json_says_is_refused(ichigo: Path, tmp_path: Path) -> None:
    copy = changed(ichigo, tmp_path, codebook="whisper-vq.model", downsample=1)
    publish(copy / "quantizer" / "codebook.safetensors", copy / "quantizer" / "whisper-vq.model")
    with pytest.raises(ModelBrokenError, match="downsample 1"):
        parts(copy)


class Evil:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        import os

        return os.system, (f"touch {self.path}",)


def test_no_pickle_runs_code(ichigo: Path, speechgpt: Path, tmp_path: Path) -> None:
    import pickle

    for number, (folder, name) in enumerate(((ichigo, "whisper-vq.model"), (speechgpt, "k.bin"))):
        copy = changed(folder, tmp_path / str(number), codebook=name)
        path = copy / "quantizer" / name
        if name == "k.bin":
            path.write_bytes(pickle.dumps({"cluster_centers_": Evil(tmp_path / "ran")}))
        else:
            torch.save({"state_dict": Evil(tmp_path / "ran")}, path)
        with pytest.raises(ModelBrokenError, match=r"could run code|it names posix.system"):
            parts(copy)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["npy", "npz", "KMeans", "MiniBatchKMeans", "pickle"])
def test_centres_are_read_as_they_are_published(speechgpt: Path, order: hark.Audio, tmp_path: Path, kind: str) -> None:
    import pickle

    from safetensors.numpy import load_file

    copy = changed(speechgpt, tmp_path, codebook={"npy": "k.npy", "npz": "k.npz"}.get(kind, "k.bin"))
    centres = load_file(copy / "quantizer" / "codebook.safetensors")["codebook"]
    (copy / "quantizer" / "codebook.safetensors").unlink()
    if kind == "npy":
        np.save(copy / "quantizer" / "k.npy", np.asfortranarray(centres))
    elif kind == "npz":
        np.savez_compressed(copy / "quantizer" / "k.npz", centres=centres)
    else:
        cluster, joblib = pytest.importorskip("sklearn.cluster"), pytest.importorskip("joblib")
        made = getattr(cluster, "MiniBatchKMeans" if kind == "MiniBatchKMeans" else "KMeans")(2, n_init=1)
        made.fit(centres)
        made.cluster_centers_ = centres
        if kind == "pickle":
            (copy / "quantizer" / "k.bin").write_bytes(pickle.dumps(made))
        else:
            joblib.dump(made, copy / "quantizer" / "k.bin")
    assert units(copy, order) == units(speechgpt, order)


def test_ichigo_is_asked_as_by_its_published_code(ichigo: Path, order: hark.Audio) -> None:
    sound = "".join(f"<|sound_{unit:04d}|>" for unit in units(ichigo, order))
    words = transformers.AutoTokenizer.from_pretrained(ichigo)
    content = f"<|sound_start|>{sound}<|sound_end|>What?"
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
    expected = words.apply_chat_template(chat, add_generation_prompt=True).input_ids
    assert prompt(ichigo, order, "What?", system="Be brief.") == words.decode(expected)
    with hark.load(str(ichigo)) as listener:
        assert listener.ask(order, "What?", system="Be brief.", **GREEDY).text == generated(ichigo, expected)


def test_ichigo_writes_down_what_follows_its_token(ichigo: Path, order: hark.Audio) -> None:
    family, loaded = parts(ichigo)
    words = loaded.processor.tokenizer
    ids = family.transcribe(loaded, order.samples(RATE), hark.Options()).tensors["input_ids"][0]
    sound = "".join(f"<|sound_{unit:04d}|>" for unit in units(ichigo, order))
    content = f"<|reserved_special_token_69|><|sound_start|>{sound}<|sound_end|>"
    chat = words.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    assert ids.tolist() == chat.input_ids


def test_ichigo_hears_clips_where_they_stand(ichigo: Path, order: hark.Audio, hesitant: hark.Audio) -> None:
    first, second = ("".join(f"<|sound_{unit:04d}|>" for unit in units(ichigo, clip)) for clip in (order, hesitant))
    said = prompt(ichigo, "First:", order, "Second:", hesitant)
    expected = f"First:<|sound_start|>{first}<|sound_end|>Second:<|sound_start|>{second}<|sound_end|><|eot_id|>"
    assert expected in said


def test_speechgpt_is_asked_as_by_its_published_code(speechgpt: Path, order: hark.Audio) -> None:
    """Run-lengths are gone, and the turn is the template of `cli_infer.py`."""
    found = units(speechgpt, order)
    merged = [unit for place, unit in enumerate(found) if place == 0 or unit != found[place - 1]]
    assert len(merged) < len(found)
    speech = "<sosp>" + "".join(f"<{unit}>" for unit in merged) + "<eosp>"
    question = f"[Human]: Recognize this speech, this is input: {speech} <eoh>. [SpeechGPT]: "
    words = transformers.AutoTokenizer.from_pretrained(speechgpt)
    family, loaded = parts(speechgpt)
    ids = family.transcribe(loaded, order.samples(RATE), hark.Options()).tensors["input_ids"][0].tolist()
    assert ids == words(META + question).input_ids
    said = f"{META}Be brief.\n[Human]: What? This is input: {speech} <eoh>. [SpeechGPT]: "
    assert prompt(speechgpt, order, "What?", system="Be brief.") == f"<s>{said}"
    with hark.load(str(speechgpt)) as listener:
        answer = listener.ask(order, "What?", system="Be brief.", **GREEDY).text
    assert answer == generated(speechgpt, words(said).input_ids)


def test_speechgpts_end_of_an_answer_is_no_part_of_it(speechgpt: Path) -> None:
    family, loaded = parts(speechgpt)
    words = loaded.processor.tokenizer

    def read(text: str) -> str:
        return family.read(loaded, words(text, add_special_tokens=False).input_ids)

    assert read("It rains.<eoa> [Human]") == "It rains."
    assert [read(text) for text in ("It<", "It<eo", "It<eoa", "It<b")] == ["It", "It", "It", "It<b"]
    assert read("It rains.; [ua] <sosp><1><2><eosp>") == "It rains.; [ua] "


def test_audiopalm_is_told_the_task_by_a_tag(audiopalm: Path, order: hark.Audio) -> None:
    family, loaded = parts(audiopalm)
    words, samples = loaded.processor.tokenizer, order.samples(RATE)
    offset = len(words)

    def tag(**options: Any) -> str:
        ids = family.transcribe(loaded, samples, hark.Options(**options)).tensors["input_ids"][0].tolist()
        assert ids[-len(heard) :] == heard
        return str(words.decode(ids[: -len(heard)], skip_special_tokens=True))

    heard = [offset + unit for unit in units(audiopalm, order)]
    assert tag(task="transcribe") == "[ASR]"
    assert tag(task="transcribe", language="en") == "[ASR English]"
    assert tag(task="translate", language="en", to="fr") == "[AST English French]"
    assert tag(task="translate", to="fr") == "[AST French]"


def test_audiopalms_tags_can_be_others(audiopalm: Path, order: hark.Audio, tmp_path: Path) -> None:
    copy = changed(audiopalm, tmp_path, tags={"translate": "S2TT"})
    family, loaded = parts(copy)
    options = hark.Options(task="translate", language="en", to="fr")
    ids = family.transcribe(loaded, order.samples(RATE), options).tensors["input_ids"][0].tolist()
    assert loaded.processor.tokenizer.decode(ids).startswith("<s>[S2TT English French]")
    with hark.load(str(copy)) as listener, pytest.raises(UnsupportedError, match="transcribe"):
        listener.transcribe(order)


def test_audiopalm_translates_into_the_languages_it_has_a_name_for(audiopalm: Path, order: hark.Audio) -> None:
    with hark.load(str(audiopalm)) as listener:
        french, english = (listener.translate(order, to=to, **GREEDY).text for to in ("fr", "en"))
        assert french != english
        for wrong in ({"to": "de"}, {"language": "de", "to": "fr"}):
            with pytest.raises(UnsupportedError, match="'de'"):
                listener.translate(order, **wrong)
        with pytest.raises(UnsupportedError, match="language"):
            listener.ask(order, task="translate")


def asked(folder: Path, clip: hark.Audio, *texts: str) -> list[int]:
    """What the model is given."""
    family, loaded = parts(folder)
    conversation = Conversation((Message("user", (Clip(clip), *(Text(text) for text in texts))),))
    found: list[int] = (
        family.ask(loaded, conversation, [clip.samples(RATE)], hark.Options()).tensors["input_ids"][0].tolist()
    )
    return found


@pytest.mark.parametrize("said", ["<|sound_0001|>", "<|sound_start|><|sound_end|>", "<|eot_id|>"])
def test_text_does_not_become_sound(ichigo: Path, order: hark.Audio, said: str) -> None:
    without = len(asked(ichigo, order))
    assert len(asked(ichigo, order, said)) == without + len(said)  # one token for each letter
    assert len(asked(ichigo, order, said[:6], said[6:])) == without + len(said) + 1  # and one for the line break


@pytest.mark.parametrize("said", ["<5>", "<eoh>", "[SpeechGPT]", "<sosp>"])
def test_text_does_not_become_a_turn(speechgpt: Path, order: hark.Audio, said: str) -> None:
    assert len(asked(speechgpt, order, f"x{said}")) == len(asked(speechgpt, order, "x")) + len(said)


def test_a_question_hears_all_of_a_clip_longer_than_the_encoder(
    ichigo: Path, order: hark.Audio, tmp_path: Path
) -> None:
    copy = tmp_path / "long"
    shutil.copytree(ichigo, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 8192}))
    long = hark.Audio.of(np.resize(order.samples(RATE), 70 * RATE), RATE)
    with hark.load(str(copy)) as listener:
        assert (listener.can.max_seconds or 0) > 200
        short = listener.ask(order, "What?", **GREEDY).usage.input_tokens or 0
        assert listener.ask(long, "What?", **GREEDY).usage.input_tokens == short - int(order.duration * 25) + 70 * 25


def test_a_conversation_too_long_for_the_context_is_refused(ichigo: Path, order: hark.Audio) -> None:
    with hark.load(str(ichigo)) as listener, pytest.raises(UnsupportedError, match="the model holds 1024"):
        listener.ask(order, "x" * 1000)


def test_each_clip_is_heard_once(ichigo: Path, order: hark.Audio) -> None:
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    with hark.load(str(ichigo)) as listener:
        first = listener.ask(order, "What?", **GREEDY).text
        with pytest.MonkeyPatch.context() as patch:
            forward = WhisperEncoder.forward
            patch.setattr(WhisperEncoder, "forward", lambda *a, **k: (count(), forward(*a, **k))[1])
            assert listener.ask(order, "What?", **GREEDY).text == first
            assert calls == 0
            listener.ask(order[0:2], "What?", **GREEDY)
            assert calls == 1


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"kind": "gpt"}, "kind"),
        ({"kinds": "ichigo"}, "kinds"),
        ({"encoder": "../.."}, "encoder"),
        ({"encoder": "none"}, "There is no .*preprocessor_config.json"),
        ({"codebook": "none.safetensors"}, "none.safetensors cannot be read"),
        ({"unit": "<|snd_{}|>"}, r"no token <\|snd_0\|> nor 63 others"),
        ({"unit": "<{name}>"}, "unit is a format"),
        ({"start": ""}, "cannot be empty"),
        ({"offset": 5}, "come together"),
        ({"offset": 100000, "count": CODES}, "in a vocabulary of"),
        ({"quantizer": "kmeans"}, "needs the layer"),
        ({"downsample": 7}, "does not divide"),
    ],
)
def test_a_broken_quantizer_is_told(
    ichigo: Path, order: hark.Audio, tmp_path: Path, fields: dict[str, Any], what: str
) -> None:
    copy = changed(ichigo, tmp_path, **fields)
    with pytest.raises(ModelBrokenError, match=what), hark.load(str(copy)) as listener:
        listener.ask(order, "What?")


@pytest.mark.parametrize("name", ["codebook.safetensors", "encoder/model.safetensors", "units.json"])
def test_a_file_that_breaks_off_is_told(folder: Path, order: hark.Audio, tmp_path: Path, name: str) -> None:
    path = changed(folder, tmp_path) / "quantizer" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelBrokenError), hark.load(str(tmp_path / "changed")) as listener:
        listener.transcribe(order)


def test_a_preprocessor_of_another_encoder_is_told(ichigo: Path, speechgpt: Path, tmp_path: Path) -> None:
    for number, (one, other) in enumerate(((ichigo, speechgpt), (speechgpt, ichigo))):
        name = "quantizer/encoder/preprocessor_config.json"
        copy = changed(one, tmp_path / str(number))
        shutil.copy(other / name, copy / name)
        with pytest.raises(ModelBrokenError, match="for another encoder"):
            parts(copy)
    path = changed(ichigo, tmp_path) / "quantizer" / "encoder" / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "feature_size": 128}))
    with pytest.raises(ModelBrokenError, match="80 mel bands"):
        parts(tmp_path / "changed")


def test_a_layer_that_the_encoder_lacks_is_told(speechgpt: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelBrokenError, match="has 3 layers"):
        parts(changed(speechgpt, tmp_path, layer=4))


def test_weights_that_are_missing_in_the_quantizer_are_told(folder: Path, order: hark.Audio, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    path = copy / "quantizer" / "encoder" / "model.safetensors"
    weights = load_file(path)
    del weights[next(name for name in weights if "layers.0" in name)]
    save_file(weights, path, metadata={"format": "pt"})
    with hark.load(str(copy)) as listener, pytest.raises(ModelBrokenError, match="lacks weights"):
        listener.transcribe(order)


def test_a_language_model_without_a_quantizer_is_refused_with_what_it_needs(ichigo: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ichigo, copy, ignore=shutil.ignore_patterns("quantizer"))
    with pytest.raises(UnsupportedError, match="'llama'") as refusal:
        hark.load(str(copy))
    assert "docs/unit-models.md" in refusal.value.hint


def test_text_models_are_asked_through_their_template(tmp_path: Path) -> None:
    """Their answer is that of plain transformers, and a system prompt reaches templates that refuse it or forget it."""
    from hark.engines.transformers.engine import read_config
    from hark.engines.transformers.families.text import TextLM, text_family
    from tiny.units import TEMPLATE

    said = Conversation.ask((), "What is it? <|eot_id|>", "Be brief.")
    refusing = "{%- if messages[0].role == 'system' %}{{ raise_exception('no') }}{%- endif %}" + TEMPLATE
    forgetful = TEMPLATE.replace("for m in messages", "for m in messages if m.role != 'system'")
    for number, template in enumerate((TEMPLATE, refusing, forgetful)):
        folder = tiny_text(tmp_path / str(number), template=template)
        family = text_family(read_config(folder), folder)
        assert isinstance(family, TextLM)
        loaded = family.load(folder)
        inputs = family.ask(loaded, said, [], hark.Options())
        text = loaded.processor.tokenizer.decode(inputs.tensors["input_ids"][0])
        system = "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>" if number == 0 else ""
        start = f"<|begin_of_text|>{system}<|start_header_id|>user<|end_header_id|>\n\n"
        assert text.startswith(start + ("" if system else "Be brief.\n\n") + "What is it? <|eot_id|><|eot_id|>")
        assert ["method"] * bool(number) == [notice.kind for notice in inputs.notices]
        ids = family.run(loaded, inputs, max_new_tokens=16, do_sample=False)[0][inputs.tensors["input_ids"].shape[1] :]
        assert family.read(loaded, ids) == generated(folder, inputs.tensors["input_ids"][0].tolist())
        with pytest.raises(UnsupportedError, match="hears nothing"):
            family.transcribe(loaded, np.zeros(RATE), hark.Options())


def test_a_base_model_is_no_text_model(tmp_path: Path) -> None:
    from hark.engines.transformers.families.text import text_family

    folder = tiny_text(tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelBrokenError, match="chat template"):
        text_family({}, folder).load(folder)
    with pytest.raises(UnsupportedError, match="no language model"):
        text_family({"architectures": ["BertModel"]}, folder)
