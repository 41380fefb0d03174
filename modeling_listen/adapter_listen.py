# Copyright 2026 The LISTEN team. All rights reserved.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The adapter (paper, section 3.2): a Q-Former over encoder layers, a learned mix of them, a linear projection."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_listen import ListenAdapterConfig, ListenConfig


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Plain attention: `(batch, heads, queries, head_dim)` in, `(batch, queries, heads, head_dim)` and weights out."""
    weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = nn.functional.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


class ListenQFormerAttention(nn.Module):
    """Post-norm attention of the query tokens, to themselves or to the encoder's hidden states."""

    def __init__(self, config: ListenAdapterConfig):
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.attention_dropout = config.dropout
        self.is_causal = False
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states: torch.Tensor, context: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Attend from `hidden_states` `(batch, queries, hidden)` to `context` `(batch, frames, hidden)`."""
        # (batch, positions, hidden) -> (batch, heads, positions, head_dim)
        heads = (-1, self.config.num_attention_heads, self.head_dim)
        query = self.q_proj(hidden_states).unflatten(-1, heads[1:]).transpose(1, 2)
        key = self.k_proj(context).unflatten(-1, heads[1:]).transpose(1, 2)
        value = self.v_proj(context).unflatten(-1, heads[1:]).transpose(1, 2)

        attention: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        attended, _ = attention(
            self,
            query,
            key,
            value,
            None,
            scaling=self.scaling,
            dropout=self.attention_dropout if self.training else 0.0,
            **kwargs,
        )
        attended = self.o_proj(attended.flatten(2).contiguous())
        return self.layer_norm(hidden_states + self.dropout(attended))


class ListenQFormerLayer(GradientCheckpointingLayer):
    """BERT's layer with cross-attention: self-attention, cross-attention, feed-forward, each post-norm."""

    def __init__(self, config: ListenAdapterConfig):
        super().__init__()
        self.self_attn = ListenQFormerAttention(config)
        self.cross_attn = ListenQFormerAttention(config)
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states: torch.Tensor, context: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Refine query tokens `(batch, queries, hidden)` with `context` `(batch, frames, hidden)`."""
        hidden_states = self.self_attn(hidden_states, hidden_states, **kwargs)
        hidden_states = self.cross_attn(hidden_states, context, **kwargs)
        fed_forward = self.fc2(self.activation(self.fc1(hidden_states)))
        return self.layer_norm(hidden_states + self.dropout(fed_forward))


class ListenPreTrainedModel(PreTrainedModel):
    """What LISTEN's modules share: initialisation, and what the attention backends and loaders may do."""

    config: ListenConfig
    base_model_prefix = "model"
    input_modalities = ("audio", "text")
    supports_gradient_checkpointing = True
    _no_split_modules = ["ListenQFormerLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ListenAdapter):
            init.normal_(module.query_tokens)
            init.zeros_(module.layer_weights)

    @classmethod
    def is_custom_code(cls) -> bool:
        """Whether the loader must expect weights to be initialized in place, and so leaves buffers unfilled."""
        return False  # Falcon-H1's language model fills buffers there


class ListenAdapter(ListenPreTrainedModel):
    """The only trainable part (paper, section 3.2): what the encoder heard, as embeddings of the language model.

    Each chosen encoder layer has query tokens of its own; one Q-Former, shared by all layers, lets them gather that
    layer's hidden states; a softmax over layers, learned per query, mixes the results; a layer norm and a linear
    projection take them to the language model's width.
    """

    config: ListenAdapterConfig
    base_model_prefix = "adapter"
    main_input_name = "hidden_states"
    input_modalities = ("audio",)

    def __init__(self, config: ListenAdapterConfig):
        super().__init__(config)
        num_audio_layers = len(config.audio_layers)
        self.query_tokens = nn.Parameter(torch.empty(num_audio_layers, config.num_query_tokens, config.hidden_size))
        self.layers = nn.ModuleList([ListenQFormerLayer(config) for _ in range(config.num_hidden_layers)])
        self.layer_weights = nn.Parameter(torch.empty(config.num_query_tokens, num_audio_layers))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.projection = nn.Linear(config.hidden_size, config.output_size)
        self.gradient_checkpointing = False
        self.post_init()

    def forward(self, hidden_states: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Turn encoder hidden states into embeddings.

        Args:
            hidden_states: `(audio_layers, windows, frames, hidden)`, the chosen encoder layers stacked.

        Returns:
            Embeddings `(windows, queries, output)`.
        """
        num_audio_layers, num_windows = hidden_states.shape[:2]
        # Every layer and window is a row of one batch: (audio_layers * windows, queries | frames, hidden)
        queries = self.query_tokens[:, None].expand(-1, num_windows, -1, -1).flatten(0, 1)
        context = hidden_states.flatten(0, 1).to(queries.dtype)
        for layer in self.layers:
            queries = layer(queries, context, **kwargs)

        queries = queries.unflatten(0, (num_audio_layers, num_windows))  # (audio_layers, windows, queries, hidden)
        weights = self.layer_weights.softmax(dim=-1, dtype=torch.float32).to(queries.dtype)  # (queries, audio_layers)
        mixed = torch.einsum("lwqh,ql->wqh", queries, weights)
        return self.projection(self.norm(mixed))

    def layer_importance(self) -> dict[int, torch.Tensor]:
        """The learned weight of each encoder layer for each query token.

        Returns:
            Encoder layer index -> weights `(queries,)`; for each query they sum to one over the layers.
        """
        weights = self.layer_weights.detach().float().softmax(dim=-1)
        return dict(zip(self.config.audio_layers, weights.unbind(dim=-1), strict=True))


__all__ = ["ListenAdapter", "ListenPreTrainedModel"]
