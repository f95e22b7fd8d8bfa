"""The decoder of Berard et al. 2018 (arXiv:1802.04200): LSTMs that attend, with a cache for generation.

As in fairseq's `s2t_berard`: the first layer's output asks the encoder's states, what it attends to goes into the
layers above, and the last output, what was attended to and the embedding make the word. No layer's input needs the
output of the step before, so all steps of teacher forcing are done at once. Attention is a scaled dot product with a
learned projection (Luong et al. 2015, arXiv:1508.04025), where fairseq has a perceptron: that needs memory for every
pair of states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions
from transformers.models.speech_to_text.modeling_speech_to_text import Speech2TextPreTrainedModel

if TYPE_CHECKING:
    from hark.training.model import HarkSpeech2TextConfig


class LSTMCache(Cache):  # type: ignore[misc]  # transformers is typed loosely
    """The states of all layers after the tokens so far; beams reorder it."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.states: list[tuple[Any, Any]] = []  # of each layer: hidden and cell, (1, batch, d_model)
        self.tokens = 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """How many tokens it has seen."""
        del layer_idx
        return self.tokens

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """-1: there is no limit."""
        del layer_idx
        return -1

    @property
    def is_compileable(self) -> bool:
        """Its length is not fixed."""
        return False

    def reorder_cache(self, beam_idx: Any) -> None:
        """Take the states of the beams that go on."""
        self._each(lambda state: state.index_select(1, beam_idx.to(state.device)))

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Have each row several times."""
        self._each(lambda state: state.repeat_interleave(repeats, dim=1))

    def batch_select_indices(self, indices: Any) -> None:
        """Keep some rows."""
        self._each(lambda state: state[:, indices])

    def crop(self, tokens_to_remove: int) -> None:
        """Refuse to forget tokens.

        Raises:
            ValueError: there are some to forget.
        """
        if tokens_to_remove:
            raise ValueError("An LSTM cannot go back: what it was before a token is not kept.")

    def reset(self) -> None:
        """Forget all tokens."""
        self.states, self.tokens = [], 0

    def _each(self, changed: Any) -> None:
        self.states = [(changed(hidden), changed(cell)) for hidden, cell in self.states]


class LSTMDecoder(Speech2TextPreTrainedModel):  # type: ignore[misc]
    """Takes the place of Speech2Text's decoder."""

    def __init__(self, config: HarkSpeech2TextConfig) -> None:
        super().__init__(config)
        wide = config.d_model
        self.embed_tokens = nn.Embedding(config.vocab_size, wide, config.pad_token_id)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            [
                nn.LSTM(wide if number == 0 else 2 * wide, wide, batch_first=True)
                for number in range(config.decoder_layers)
            ]
        )
        self.query, self.key = nn.Linear(wide, wide, bias=False), nn.Linear(wide, wide, bias=False)
        self.deep_output = nn.Linear(3 * wide, wide)
        self.post_init()

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        encoder_hidden_states: Any = None,
        encoder_attention_mask: Any = None,
        past_key_values: LSTMCache | None = None,
        inputs_embeds: Any = None,
        use_cache: bool | None = None,
        **_: Any,
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        """(batch, tokens) ids to (batch, tokens, d_model); tokens follow those that the cache has seen."""
        del attention_mask  # padding follows the text, and nothing looks ahead
        embedded = self.dropout(self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds)
        cache = past_key_values if past_key_values is not None else LSTMCache()
        before: list[Any] = [*cache.states] or [None for _ in self.layers]
        after: list[Any] = []
        hidden, context, weights = embedded, None, None
        for layer, state in zip(self.layers, before, strict=True):
            hidden, changed = layer(hidden if context is None else torch.cat((hidden, context), dim=-1), state)
            after.append(changed)
            hidden = self.dropout(hidden)
            if context is None:
                context, weights = self._attended(hidden, encoder_hidden_states, encoder_attention_mask)
        cache.states, cache.tokens = after, cache.tokens + embedded.shape[1]
        said = torch.tanh(self.deep_output(torch.cat((hidden, context, embedded), dim=-1)))
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=self.dropout(said),
            past_key_values=cache if use_cache else None,
            cross_attentions=None if weights is None else (weights[:, None],),
        )

    def _attended(self, hidden: Any, states: Any, mask: Any) -> tuple[Any, Any]:
        scores = self.query(hidden) @ self.key(states).transpose(1, 2) * states.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None].bool(), torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        return weights @ states, weights
