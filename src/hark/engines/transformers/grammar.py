"""Answers held to a JSON Schema while they are written: every token that would break the JSON is masked (llguidance).

The masks are made with numpy: the kernel in `llguidance.torch` compiles for 23 s on first use and needs a C++ compiler.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any

from hark.errors import MissingExtraError, OptionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hark.answers.schema import Schema

_KEPT = 16  # compiled schemas of a model; one takes up to some megabytes
# Spaced as `json.dumps` does, which models have read most of, and nothing but that: models that may write any white
# space sometimes write little else.
_FORM = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "coerce_one_of": True}


class Grammars:
    """The schemas one model was asked for, compiled once, and its tokenizer as llguidance wants it."""

    def __init__(self) -> None:
        self._tokenizer: Any = None
        self._compiled: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def processor(self, schema: Schema, tokenizer: Any, ends: Sequence[int]) -> Held:
        """What keeps one generation to the schema; `ends` are the tokens that end an answer of this model.

        Raises:
            MissingExtraError: llguidance is not installed.
            OptionError: the schema is one that cannot be enforced, such as one that nothing fits.
            UnsupportedError: it is a tokenizer whose tokens are not known as bytes.
        """
        try:
            import llguidance  # noqa: F401
        except ImportError as error:
            raise MissingExtraError.of("An answer that fits a schema", "transformers") from error
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = _tokenizer(tokenizer, ends)
            if schema.text not in self._compiled:
                self._compiled[schema.text] = _compile(schema, self._tokenizer)
            self._compiled.move_to_end(schema.text)
            while len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
            return Held(self._compiled[schema.text], self._tokenizer.vocab_size, ends)


class Held:
    """A logits processor, as transformers wants one, for one call of `generate` with any number of rows or beams.

    A row is known by what it has written, not by its place: beams change places.
    """

    def __init__(self, matcher: Any, tokens: int, ends: Sequence[int]) -> None:
        self._fresh, self._tokens, self._ends = matcher, tokens, list(ends)
        self._start: int | None = None
        self._matchers: dict[tuple[int, ...], Any] = {}

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores (rows, vocabulary) after `input_ids` (rows, n), minus infinity where a token does not fit."""
        import numpy as np
        import torch

        if self._start is None:
            self._start = input_ids.shape[1]
        written = [tuple(row) for row in input_ids[:, self._start :].tolist()]
        self._advance(written)
        allowed = {said: self._allowed(matcher, scores.shape[1]) for said, matcher in self._matchers.items()}
        mask = torch.from_numpy(np.stack([allowed[said] for said in written]))
        return scores.masked_fill(~mask.to(scores.device), float("-inf"))

    def _advance(self, written: list[tuple[int, ...]]) -> None:
        parents = Counter(said[:-1] for said in set(written))
        matchers: dict[tuple[int, ...], Any] = {}
        for said in written:
            if said in matchers:
                continue
            before = self._matchers.get(said[:-1], self._fresh)
            matcher = before if said and before is not self._fresh and parents[said[:-1]] == 1 else before.deep_copy()
            if said:
                matcher.consume_token(said[-1])
            matchers[said] = matcher
        self._matchers = matchers

    def _allowed(self, matcher: Any, size: int) -> Any:
        """Which tokens may come next, as booleans (size,); after the end, and off the path, only the end."""
        import numpy as np
        from llguidance.numpy import fill_next_token_bitmask

        allowed = np.zeros(size, dtype=bool)  # heads of models are often wider than their vocabulary
        if matcher.is_stopped():
            allowed[self._ends] = True
            return allowed
        bits = np.zeros((1, (self._tokens + 31) // 32), dtype=np.int32)
        fill_next_token_bitmask(matcher, bits)
        told = np.unpackbits(bits.view(np.uint8)[0], bitorder="little")[: min(self._tokens, size)]
        allowed[: len(told)] = told
        return allowed


def _compile(schema: Schema, tokenizer: Any) -> Any:
    """A matcher at its start. What cannot be enforced while writing (`uniqueItems`) is left to the check afterwards."""
    import json

    from llguidance import LLMatcher

    from hark.answers.narrow import closed

    text = json.dumps(closed(schema.values))
    found = ""
    for lenient in (False, True):
        if lenient and not re.search(r"Unimplemented|Unknown format", found):
            break
        form: Any = {**_FORM, "lenient": lenient}
        grammar = LLMatcher.grammar_from_json_schema(text, overrides=form)
        found = LLMatcher.validate_grammar(grammar, tokenizer)
        if not found:
            return LLMatcher(tokenizer, grammar, log_level=0)
    wrong = " ".join(found.split()).rstrip(".")
    raise OptionError(f"The schema cannot be enforced: {wrong}.", hint="Leave that out of it, or say it in the prompt.")


def _tokenizer(tokenizer: Any, ends: Sequence[int]) -> Any:
    """A tokenizer of transformers, fast or of mistral-common, as llguidance takes it."""
    from llguidance import LLTokenizer, TokenizerWrapper
    from transformers import PreTrainedTokenizerFast

    if isinstance(tokenizer, PreTrainedTokenizerFast):
        return LLTokenizer(_without_names(tokenizer), eos_token=list(ends) or tokenizer.eos_token_id)
    words = getattr(getattr(tokenizer, "tokenizer", None), "instruct_tokenizer", None)
    if words is None or not hasattr(words.tokenizer, "id_to_byte_piece"):
        raise UnsupportedError(
            f"Answers cannot be held to a schema with a {type(tokenizer).__name__}.", hint="Leave out the schema."
        )
    return LLTokenizer(TokenizerWrapper(_Tekken(words.tokenizer)), eos_token=list(ends) or None)


def _without_names(tokenizer: Any) -> str:
    """The JSON of a tokenizer in which no text names a control token.

    llguidance splits text that a schema forces (a choice, a name) into tokens, and fails where that is a control token.
    """
    import json

    told = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary, renamed = told["model"].get("vocab"), dict[str, str]()
    for token in told["added_tokens"]:
        name = token["content"]
        if token["special"] or re.fullmatch("<.*>", name):  # those that it takes for control tokens
            token["content"], token["special"] = renamed.setdefault(name, f"\ue000{name}"), True
    if isinstance(vocabulary, dict):
        told["model"]["vocab"] = {renamed.get(piece, piece): number for piece, number in vocabulary.items()}
    elif vocabulary:
        told["model"]["vocab"] = [[renamed.get(piece, piece), score] for piece, score in vocabulary]
    if told["model"].get("unk_token") in renamed:
        told["model"]["unk_token"] = renamed[told["model"]["unk_token"]]
    told.update(padding=None, truncation=None, post_processor=None)
    return json.dumps(told)


class _Tekken:
    """Mistral's tokenizer with the attributes that `TokenizerWrapper` asks for."""

    def __init__(self, tekken: Any) -> None:
        from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy

        self._tekken = tekken
        self.bos_token_id, self.eos_token_id = tekken.bos_id, tekken.eos_id
        self.special_token_ids = list(range(tekken.num_special_tokens))
        self.tokens = [tekken.id_to_byte_piece(n, SpecialTokenPolicy.KEEP) for n in range(tekken.n_words)]

    def __call__(self, text: str) -> list[int]:
        ids: list[int] = self._tekken.encode(text if isinstance(text, str) else text.decode(), bos=False, eos=False)
        return ids
