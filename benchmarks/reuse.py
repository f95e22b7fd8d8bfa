"""Questions about one recording, and chats about it: hark beside transformers' own `generate`, in the same process.

python benchmarks/reuse.py [--batch] [--device cuda --dtype bfloat16] [--size half]

With --batch: one question about each of 16 clips of 2 to 28 s, beside one padded batch of them all.

The model is a Qwen2-Audio with random weights of real proportions (encoder 12 x 768, language model 24 x 896 with a
vocabulary of 151,936), the clip lasts 30 s, each answer is 16 tokens, greedy. CPU seconds, or wall seconds on a GPU.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import hark

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE, TOKENS = 16000, 16
QUESTIONS = [
    "Who speaks?",
    "Where is it?",
    "What is said?",
    "Which song?",
    "Is it loud?",
    "Any bells?",
    "Why so?",
    "When?",
]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>"]
TEMPLATE = "system\nYou are a helpful assistant.\nuser\nAudio 1: \nassistant\n"
LETTERS = "BCDEFGHJKLMNOPQRSTUVXZ"
AUDIO = {"audio_token": "<|AUDIO|>", "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>"}


@dataclass
class Sizes:
    """Layers and widths of the encoder and of the language model."""

    encoder: tuple[int, int] = (12, 768)
    text: tuple[int, int] = (24, 896)
    vocabulary: int = 151_936


SIZES = {"full": Sizes(), "half": Sizes((12, 384), (12, 512), 65_536), "small": Sizes((2, 128), (4, 256), 4096)}


@dataclass
class Clock:
    """Seconds by name: of the CPU, or of the wall where a GPU works."""

    device: str
    found: dict[str, float] = field(default_factory=dict)

    def now(self) -> float:
        import torch

        if self.device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = self.now()
        yield
        self.found[name] = self.found.get(name, 0.0) + self.now() - start


def words() -> Any:
    """A tokenizer with about as many tokens for the template and the questions as that of Qwen2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=600, min_frequency=1, initial_alphabet=alphabet, special_tokens=SPECIALS, show_progress=False
    )
    made.train_from_iterator([TEMPLATE, *QUESTIONS], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>", padding_side="left",
        extra_special_tokens=AUDIO,
    )  # fmt: skip


def build(folder: Path, sizes: Sizes) -> None:
    """Write the folder of the model."""
    import torch
    import transformers

    torch.manual_seed(0)
    tokenizer, (layers, width), (deep, wide) = words(), sizes.encoder, sizes.text
    encoder = transformers.Qwen2AudioEncoderConfig(
        num_mel_bins=128, d_model=width, encoder_layers=layers, encoder_attention_heads=width // 64,
        encoder_ffn_dim=4 * width,
    )  # fmt: skip
    text = transformers.Qwen2Config(
        vocab_size=sizes.vocabulary, hidden_size=wide, intermediate_size=wide * 38 // 7, num_hidden_layers=deep,
        num_attention_heads=wide // 64, num_key_value_heads=2, max_position_embeddings=8192,
    )  # fmt: skip
    config = transformers.Qwen2AudioConfig(
        audio_config=encoder, text_config=text, audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = transformers.Qwen2AudioForConditionalGeneration(config)
    # Answers are made of letters that the tokenizer never joins: texts of trained models, too, are read back into the
    # tokens that they were written in. None ends early.
    letters = tokenizer.convert_tokens_to_ids(list(LETTERS))
    with torch.no_grad():
        kept = model.lm_head.weight[letters].clone()
        model.lm_head.weight.zero_()
        model.lm_head.weight[letters] = kept
    model.save_pretrained(folder)
    features = transformers.WhisperFeatureExtractor(feature_size=128)
    transformers.Qwen2AudioProcessor(features, tokenizer).save_pretrained(folder)


class Plain:
    """transformers' own way, as the model's documentation shows it."""

    def __init__(self, folder: Path, model: Any) -> None:
        import transformers

        self.processor, self.model = transformers.AutoProcessor.from_pretrained(folder), model

    def inputs(self, turns: list[dict[str, Any]]) -> Any:
        found = self.processor.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        return found.to(self.model.device, dtype=self.model.dtype)

    def answer(self, turns: list[dict[str, Any]]) -> str:
        inputs = self.inputs(turns)
        ids = self.model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
        (text,) = self.processor.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return str(text)


def asked(samples: np.ndarray, question: str) -> list[dict[str, Any]]:
    content = [{"type": "audio", "audio": samples}, {"type": "text", "text": question}]
    return [{"role": "user", "content": content}]


def measure(folder: Path, samples: np.ndarray, given: argparse.Namespace) -> tuple[Clock, dict[str, list[Any]]]:
    """Ask each in its ways, cold but for one token that wakes the libraries."""
    clock, texts = Clock(given.device), {}
    clip, how = hark.Audio.of(samples, RATE), {"temperature": 0.0, "max_new_tokens": TOKENS}
    listener = hark.load(str(folder), device=given.device, dtype=given.dtype)
    listener.ask(clip[0:1], "Hm?", temperature=0.0, max_new_tokens=2)
    model = listener.engine.loaded().model
    plain = Plain(folder, model)
    plain.model.generate(**plain.inputs(asked(samples[:RATE], "Hm?")), max_new_tokens=2, do_sample=False)

    with clock("8 plain"):
        texts["plain"] = [plain.answer(asked(samples, question)) for question in QUESTIONS]
    with clock("1 hark"):
        first = listener.ask(clip, QUESTIONS[0], **how).text
    with clock("7 hark"):
        texts["hark"] = [first, *(listener.ask(clip, question, **how).text for question in QUESTIONS[1:])]
    listener.close()  # forgets; the weights are read again below, outside the clock
    listener.engine.loaded()
    with clock("8 together"):
        texts["together"] = [answer.text for answer in listener.ask(clip, QUESTIONS, **how)]
    listener.close()
    plain.model = listener.engine.loaded().model
    chat = listener.chat()
    with clock("chat hark"):
        texts["chat"] = [chat.say(clip, QUESTIONS[0], **how).text]
        texts["chat"] += [chat.say(question, **how).text for question in QUESTIONS[1:6]]
    turns = asked(samples, QUESTIONS[0])
    with clock("chat plain"):
        for number in range(6):
            if number:
                turns.append({"role": "user", "content": QUESTIONS[number]})
            text = plain.answer(turns)
            texts.setdefault("plain chat", []).append(text)
            turns.append({"role": "assistant", "content": text})
    stages(clock, plain, samples)
    return clock, texts


def batches(folder: Path, samples: np.ndarray, given: argparse.Namespace) -> tuple[Clock, dict[str, list[Any]]]:
    """Ask about clips of many lengths at once."""
    from hark.engines.engine import Options

    clock, texts = Clock(given.device), {}
    lengths = np.random.default_rng(1).permutation(np.linspace(2, 28, 16))
    clips = [samples[: round(seconds * RATE)] for seconds in lengths]
    listener = hark.load(str(folder), device=given.device, dtype=given.dtype)
    listener.ask(hark.Audio.of(samples[:RATE], RATE), "Hm?", temperature=0.0, max_new_tokens=2)
    plain = Plain(folder, listener.engine.loaded().model)
    options = Options(temperature=0.0, max_new_tokens=TOKENS)
    said = [hark.Conversation.ask((hark.Audio.of(clip, RATE),), QUESTIONS[0]) for clip in clips]
    with clock("hark"):
        texts["hark"] = [answer.text for answer in listener.engine.generate_batch(said, options)]
    with clock("padded"):
        found = plain.processor.apply_chat_template(
            [asked(clip, QUESTIONS[0]) for clip in clips], add_generation_prompt=True, tokenize=True,
            return_dict=True, return_tensors="pt",
            processor_kwargs={"text_kwargs": {"padding": True, "padding_side": "left"}},
        )  # fmt: skip
        found = found.to(plain.model.device, dtype=plain.model.dtype)
        ids = plain.model.generate(**found, max_new_tokens=TOKENS, do_sample=False)
        cut = ids[:, found["input_ids"].shape[1] :]
        texts["padded"] = plain.processor.batch_decode(cut, skip_special_tokens=True)
    with clock("alone"):
        texts["alone"] = [plain.answer(asked(clip, QUESTIONS[0])) for clip in clips]
    return clock, texts


def print_batches(clock: Clock, texts: dict[str, list[Any]]) -> None:
    """A table of the three ways."""
    print("| | s | hark is times as fast | same texts as alone |\n|---|---|---|---|")
    for name, what in (("padded", "one padded batch"), ("alone", "one by one"), ("hark", "hark, by length")):
        same = "yes" if texts[name] == texts["alone"] else "NO"
        print(f"| {what} | {clock.found[name]:.1f} | {clock.found[name] / clock.found['hark']:.2f} | {same} |")


def stages(clock: Clock, plain: Plain, samples: np.ndarray) -> None:
    """What one question is made of."""
    import torch

    with clock("features"):
        inputs = plain.inputs(asked(samples, QUESTIONS[0]))
    model = plain.model
    with torch.inference_mode():
        mask = torch.zeros(1, 1, 1500, 1500, dtype=model.dtype, device=model.device)
        with clock("encoder"):
            model.model.audio_tower(inputs["input_features"], attention_mask=mask)
        with clock("prefill"):
            states = model.model(**inputs).last_hidden_state
        with clock("vocabulary"):
            model.lm_head(states)
        ids = inputs["input_ids"]
        del states
        for count in (1, TOKENS):
            with clock(f"{count} tokens"):
                model.generate(**inputs, max_new_tokens=count, do_sample=False)
    clock.found["prompt"] = ids.shape[1]


def main() -> None:
    """Print ratios, and what limits them."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch", action="store_true", help="clips of many lengths at once")
    parser.add_argument("--size", choices=SIZES, default="full")
    given = parser.parse_args()
    samples = np.random.default_rng(0).normal(0, 0.1, 30 * RATE).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), SIZES[given.size])
        clock, texts = (batches if given.batch else measure)(Path(folder), samples, given)
    if given.batch:
        print_batches(clock, texts)
        return
    took = clock.found
    print(f"{given.device}, {given.dtype}, {torch.get_num_threads()} threads; prompts of {took['prompt']:.0f} tokens\n")
    print("| | transformers s | hark s | times as fast | same texts |\n|---|---|---|---|---|")
    rows = [
        ("1 question, the first", took["8 plain"] / 8, took["1 hark"], texts["plain"][:1] == texts["hark"][:1]),
        ("8 questions, one by one", took["8 plain"], took["1 hark"] + took["7 hark"], texts["plain"] == texts["hark"]),
        ("8 questions at once", took["8 plain"], took["8 together"], texts["plain"] == texts["together"]),
        ("chat of 6 turns", took["chat plain"], took["chat hark"], texts["plain chat"] == texts["chat"]),
    ]
    for name, plain, own, same in rows:
        print(f"| {name} | {plain:.1f} | {own:.1f} | {plain / own:.1f} | {'yes' if same else 'NO'} |")
    step = (took[f"{TOKENS} tokens"] - took["1 tokens"]) / (TOKENS - 1)
    print("\nwhat a question of transformers' own is made of, in s:")
    print(
        f"  features {took['features']:.2f}, encoder {took['encoder']:.2f}, the prompt in the language model "
        f"{took['prefill'] - took['encoder']:.2f}, the vocabulary after each of its tokens {took['vocabulary']:.2f}, "
        f"{TOKENS} tokens {TOKENS * step:.2f}"
    )
    print(
        f"a further question costs {took['7 hark'] / 7:.2f}: its own tokens and its answer; with an answer of no cost "
        "8 questions would be 8 times as fast"
    )


if __name__ == "__main__":
    main()
