"""One generation: text as its tokens come, stopped when nobody wants it any more."""

from __future__ import annotations

import contextlib
import inspect
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.engines.steps import unwanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hark.answers.transcript import Segment
    from hark.engines.engine import Options
    from hark.engines.transformers.families.family import Family, Inputs, Loaded

DEFAULT_TOKENS = 1024


@dataclass(slots=True)
class Counted:
    """What a generation took, known when it is over."""

    input_tokens: int = 0
    output_tokens: int = 0
    cut: bool = False  # ended by the limit on tokens, not by the model
    text: str = ""  # the last text in full: Whisper takes some of what it streamed back
    cached_tokens: int = 0  # of the input tokens, those not worked through again
    cached_clips: int = 0  # clips that were not heard again


class _Tokens:
    """A streamer (as transformers wants one) that hands on token ids, without the prompt's."""

    def __init__(self, *, skip_first: bool) -> None:
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._skip = skip_first

    def put(self, ids: Any) -> None:
        if self._skip:
            self._skip = False
            return
        self.queue.put(ids.reshape(-1).tolist())

    def end(self) -> None:
        """`generate` is over; the thread says so itself, failures included."""


def generate(
    family: Family,
    loaded: Loaded,
    inputs: Inputs,
    options: Options,
    counted: Counted,
    run: Callable[..., Any] | None = None,
) -> Iterator[str]:
    """Pieces of text as they are generated; closing the iterator stops the model within a token.

    Each token gives a piece, an empty one where its text is held back: a place to stop. `run` takes the place of
    `family.run`.

    Raises:
        Exception: whatever the model raises, in the caller's thread.
    """
    ids = inputs.tensors.get("input_ids") if hasattr(inputs.tensors, "get") else None
    counted.input_tokens += 0 if ids is None else int(ids.shape[-1])
    limit = _limit(family, loaded, inputs, options)
    closed = threading.Event()
    tokens = _Tokens(skip_first=ids is not None or not family.echoes_prompt)
    streams, left = (options.beams or 1) == 1, unwanted()

    def ended(row: int) -> bool:
        if not streams and row == 0:
            tokens.queue.put([])  # a search tells its text at the end
        return closed.is_set() or left()

    keywords = _keywords(options, limit, ended) | grammar(family, loaded, options) | fused(loaded)
    if streams:
        keywords["streamer"] = tokens
    work = (family, loaded, inputs, keywords, tokens, options, run or family.run)
    thread = threading.Thread(target=_work, args=work, daemon=True)
    thread.start()
    try:
        yield from _texts(family, loaded, tokens, options, limit, counted)
    finally:
        closed.set()
        thread.join()


def _limit(family: Family, loaded: Loaded, inputs: Inputs, options: Options) -> int:
    wished = options.max_new_tokens or loaded.model.generation_config.max_new_tokens or DEFAULT_TOKENS
    limits = (wished, family.most_tokens(loaded, inputs, options))
    return min(most for most in limits if most)


def generate_rows(
    family: Family,
    loaded: Loaded,
    rows: Sequence[Inputs],
    options: Options,
    counted: Sequence[Counted],
    run: Callable[..., Any],
    gone: Callable[[int], bool],
) -> bool:
    """Generate several texts at once, each as `generate` gives it alone, into `counted`.

    `run` makes a batch of the rows, padded before their new tokens, and gives its ids (rows, n); or None, and then
    this gives False, as it does where the rows may not all write the same number of tokens. A row of which `gone`
    says, after a token, that nobody wants it any more, writes no more.

    Raises:
        Exception: whatever the model raises.
    """
    import torch

    limit, *others = {_limit(family, loaded, row, options) for row in rows}
    if others:
        return False
    longest = max(row.tensors["input_ids"].shape[-1] for row in rows)
    keywords = _keywords(options, limit, gone) | grammar(family, loaded, options)
    if options.stop:
        keywords["stopping_criteria"].append(_stopped(family, loaded, longest, options.stop))
    with loaded.lock, quiet(), last_logits(loaded.model), torch.inference_mode():
        if options.seed is not None:
            torch.manual_seed(options.seed)
        ids = run(loaded, rows[0], **keywords)
    if ids is None:
        return False
    for row, said, told in zip(rows, ids[:, longest:].tolist(), counted, strict=True):
        told.input_tokens += int(row.tensors["input_ids"].shape[-1])
        _tell(family, loaded, said, options, limit, told)
    return True


def _stopped(family: Family, loaded: Loaded, start: int, stops: tuple[str, ...]) -> Any:
    """What ends a row where one of the stops is written."""
    import torch
    from transformers import StoppingCriteria

    class Stopped(StoppingCriteria):  # type: ignore[misc]  # torch is typed loosely
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            del scores
            texts = [family.read(loaded, row) for row in input_ids[:, start:].tolist()]
            found = [any(stop in text for stop in stops) for text in texts]
            return torch.tensor(found, dtype=torch.bool, device=input_ids.device)

    return Stopped()


def _tell(family: Family, loaded: Loaded, ids: list[int], options: Options, limit: int, counted: Counted) -> None:
    """The text of one row, without what fills it up after its end."""
    count = next((place for place, token in enumerate(ids, 1) if _ended(loaded, token)), len(ids))
    counted.text, stopped = _until(family.read(loaded, ids[:count]), options.stop or (), last=True)
    if stopped:
        texts = ((place, family.read(loaded, ids[:place])) for place in range(1, count + 1))
        count = next(place for place, text in texts if any(stop in text for stop in options.stop or ()))
        counted.text, _ = _until(family.read(loaded, ids[:count]), options.stop or (), last=True)
    counted.output_tokens += count
    counted.cut = counted.cut or (not stopped and count >= limit and not _ended(loaded, ids[count - 1]))


def _work(
    family: Family,
    loaded: Loaded,
    inputs: Inputs,
    keywords: dict[str, Any],
    tokens: _Tokens,
    options: Options,
    run: Callable[..., Any],
) -> None:
    import torch

    try:
        with loaded.lock, quiet(), last_logits(loaded.model), torch.inference_mode():
            if options.seed is not None:
                torch.manual_seed(options.seed)
            ids = run(loaded, inputs, **keywords)[0]
        prompt = inputs.tensors["input_ids"].shape[-1] if family.echoes_prompt and "input_ids" in inputs.tensors else 0
        tokens.queue.put(("done", ids[prompt:].tolist()))
    except BaseException as error:  # noqa: BLE001 - raised again where the text is read
        tokens.queue.put(error)


def at_once(family: Family, loaded: Loaded, inputs: Inputs) -> Segment | None:
    """What a family writes down without generating token by token; None where it has to."""
    import torch

    with loaded.lock, quiet(), torch.inference_mode():
        return family.timed(loaded, inputs)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep advice and progress bars of transformers, which are for programmers, off a person's terminal."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def last_logits(model: Any) -> Iterator[None]:
    """Choose the next token alone: some models score the whole vocabulary after each token of the prompt as well."""
    head = None if model.config.is_encoder_decoder else model.get_output_embeddings()
    if head is None or "logits_to_keep" in inspect.signature(model.forward).parameters:
        yield
        return
    handle = head.register_forward_pre_hook(lambda _, states: (states[0][:, -1:],) if states[0].ndim == 3 else None)
    try:
        yield
    finally:
        handle.remove()


def _texts(
    family: Family, loaded: Loaded, tokens: _Tokens, options: Options, limit: int, counted: Counted
) -> Iterator[str]:
    ids: list[int] = []
    reader, said = Reader(family, loaded), ""
    while True:
        got = tokens.queue.get()
        if isinstance(got, BaseException):
            raise got
        last = isinstance(got, tuple)
        ids = got[1] if last else ids + got
        if not got:
            yield ""
            continue
        text, stopped = _until(family.read(loaded, ids) if last else reader.read(ids), options.stop or (), last=last)
        whole = last or stopped or not text.endswith("\N{REPLACEMENT CHARACTER}")  # else of a letter's bytes
        piece = text[len(said) :] if text.startswith(said) and whole else ""
        said += piece
        yield piece
        if last or stopped:
            counted.text = text
            counted.output_tokens += len(ids)
            counted.cut = counted.cut or (not stopped and len(ids) >= limit and not _ended(loaded, ids[-1]))
            return


class Reader:
    """The text of tokens as they come: what was read before is not read again but for a few tokens, as context.

    A token can change the text of those before it (a letter of several bytes, white space that is stripped), though
    not of those well before it; where it seems to, all are read.
    """

    STRIDE, CONTEXT = 32, 16

    def __init__(self, family: Family, loaded: Loaded) -> None:
        self._read: Callable[[list[int]], str] = lambda ids: family.read(loaded, ids)
        self._settled, self._count = "", 0

    def read(self, ids: list[int]) -> str:
        """The text of all tokens; each time there are more of them."""
        text = self._continued(ids)
        if len(ids) - self._count >= self.STRIDE and not text.endswith("\N{REPLACEMENT CHARACTER}"):
            self._settled, self._count = text, len(ids)
        return text

    def _continued(self, ids: list[int]) -> str:
        start = max(0, self._count - self.CONTEXT)
        context = self._read(ids[start : self._count]) if self._count else ""
        text = self._read(ids[start:])
        if self._count and not (context and text.startswith(context)):
            return self._read(ids)
        return self._settled + text[len(context) :]


def _until(text: str, stops: tuple[str, ...], *, last: bool) -> tuple[str, bool]:
    """Text up to the first stop; what may be the beginning of one is held back until more is known."""
    places = [text.find(stop) for stop in stops if stop in text]
    if places:
        return text[: min(places)], True
    if not last:
        held = max((n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
        text = text[: len(text) - held]
    return text, False


def _ended(loaded: Loaded, token: int) -> bool:
    ends = loaded.model.generation_config.eos_token_id
    return token in (ends if isinstance(ends, list) else [ends])


def _keywords(options: Options, limit: int, ended: Callable[[int], bool]) -> dict[str, Any]:
    """Options in the words of `generate`; what is not set is left to the model's own generation config.

    `ended` is asked for each row, after each token, whether it is to end.
    """
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Unwanted(StoppingCriteria):  # type: ignore[misc]  # torch is typed loosely
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            import torch

            del scores
            rows = [ended(row) for row in range(input_ids.shape[0])]
            return torch.tensor(rows, dtype=torch.bool, device=input_ids.device)

    found: dict[str, Any] = {"max_new_tokens": limit, "stopping_criteria": StoppingCriteriaList([Unwanted()])}
    if options.temperature is not None:
        found |= (
            {"do_sample": True, "temperature": options.temperature} if options.temperature else {"do_sample": False}
        )
    if options.top_p is not None:
        found |= {"top_p": options.top_p, "do_sample": options.temperature != 0}
    if options.beams is not None:
        found["num_beams"] = options.beams
    return found


def fused(loaded: Loaded) -> dict[str, Any]:
    """What adds the scores of the language model beside a recogniser, for one call of `generate`; else nothing."""
    if loaded.scorer is None:
        return {}
    from hark.training.fusion import ShallowFusion

    ends = loaded.model.generation_config.eos_token_id
    return {"logits_processor": [ShallowFusion(loaded.scorer, ends if isinstance(ends, list) else [ends])]}


def grammar(family: Family, loaded: Loaded, options: Options) -> dict[str, Any]:
    """What keeps `generate` to the schema that is asked for, for one call of it with any number of rows; else nothing.

    Raises:
        OptionError: the schema cannot be enforced.
    """
    if options.schema is None:
        return {}
    ends = loaded.model.generation_config.eos_token_id
    ends = [] if ends is None else ends if isinstance(ends, list) else [ends]
    held = loaded.grammars.processor(options.schema, family.tokenizer(loaded), ends)
    return {"logits_processor": [held]}
