"""Greedy CTC in the shape of transformers' `generate`, so that whatever calls that gets the text of the CTC head."""

from __future__ import annotations

from typing import Any

import torch

# What says how something is said, and not what: given by callers who do not know how the model decodes.
_NO_MATTER = frozenset({"labels", "synced_gpus", "generation_config", "use_cache", "return_timestamps"})


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is typed loosely
def generate(model: Any, inputs: Any = None, generation_config: Any = None, **kwargs: Any) -> Any:
    """Ids (batch, n): the start, the likeliest tokens without repetitions and blanks, the end, padding.

    Raises:
        ValueError: an option is given that it does not know, such as `num_beams`.
    """
    features = kwargs.pop("input_features", inputs)
    mask, streamer = kwargs.pop("attention_mask", None), kwargs.pop("streamer", None)
    longest = kwargs.pop("max_length", None)  # with the start
    most = kwargs.pop("max_new_tokens", None) or getattr(generation_config, "max_new_tokens", None)
    most = most or (longest - 1 if longest else None)
    kwargs.pop("stopping_criteria", None)  # it is over before they could be asked
    wrong = refused(kwargs)
    if wrong:
        raise ValueError(f"Greedy CTC takes no {', '.join(wrong)}; decoding='attention' does.")
    log_probs, lengths = model.ctc_log_probs(features, mask)
    start, end, blank = model.config.decoder_start_token_id, model.config.eos_token_id, model.config.pad_token_id
    paths = [row[:length].tolist() for row, length in zip(log_probs.argmax(-1), lengths.tolist(), strict=True)]
    rows = [[token for token in collapsed(path, blank) if token != end] for path in paths]
    whole = [[start, *row, end] if most is None or len(row) < most else [start, *row[:most]] for row in rows]
    ids = [row + [blank] * (max(map(len, whole)) - len(row)) for row in whole]
    if streamer is not None:
        _stream(streamer, whole[0])
    return torch.tensor(ids, dtype=torch.long, device=log_probs.device)


def collapsed(ids: list[int], blank: int) -> list[int]:
    """The tokens that a path of CTC stands for: repetitions once, no blanks (Graves et al. 2006)."""
    return [token for before, token in zip([blank, *ids], ids, strict=False) if token not in (before, blank)]


def refused(options: dict[str, Any]) -> list[str]:
    """The names of options that ask for something which a search of its own does not know."""
    return sorted(name for name, value in options.items() if name not in _NO_MATTER and not _plain(name, value))


def _plain(name: str, value: Any) -> bool:
    """Whether an option asks for what greedy decoding does anyway."""
    return value is None or (name, value) in {("num_beams", 1), ("do_sample", False), ("num_return_sequences", 1)}


def _stream(streamer: Any, row: list[int]) -> None:
    streamer.put(torch.tensor([row[0]]))
    for token in row[1:]:
        streamer.put(torch.tensor([token]))
    streamer.end()
