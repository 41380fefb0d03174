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
"""Attention over trees that follow each other in one row, each run of tokens on exactly the keys that it sees.

Linear layers want all tokens of a batch in one row, without padding; attention does not: with a mask over that row it
would compute mostly what the mask then takes away. So tokens are gathered, for attention alone, into batches of runs
that see equally much, and their results go back to their places in the row.
"""

from typing import Any, TypedDict

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

# What `attn_implementation` calls it. Without a layout it is sdpa.
TREE_ATTENTION = "trees"


class TreeLayout(TypedDict):
    """Which tokens attend to which, as runs of tokens in batches of equally long contexts (see `chain_trees`).

    `queries` holds for each batch the places of its runs in the row, `(runs, longest run)`; `keys` those that they see
    among the keys, `(runs, context + longest run)`: the context, then the run itself, causally. Shorter runs are
    filled up at their end. `outputs` holds for each token of the row its place among the queries of all batches.
    """

    queries: list[torch.LongTensor]
    keys: list[torch.LongTensor]
    outputs: torch.LongTensor


def tree_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    tree_layout: TreeLayout | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as `tree_layout`, an argument of the model's, says.

    Args:
        query: `(1, heads, positions, head_dim)`.
        key, value: `(1, key_value_heads, prefix + positions, head_dim)`.

    Returns:
        `(1, positions, heads, head_dim)`, and no weights.
    """
    if tree_layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    outputs = []
    for batch in zip(
        _gather(query, tree_layout["queries"]),
        _gather(key, tree_layout["keys"]),
        _gather(value, tree_layout["keys"]),
        strict=True,
    ):
        shape = batch[0].shape[2], batch[1].shape[2]
        sees = torch.ones(shape, dtype=torch.bool, device=query.device).tril(shape[1] - shape[0])
        output, _ = sdpa_attention_forward(module, *batch, sees[None, None], dropout, scaling, **kwargs)
        outputs.append(output.flatten(0, 1))  # (runs * longest run, heads, head_dim)
    return torch.cat(outputs).index_select(0, tree_layout["outputs"])[None], None


def _gather(states: torch.Tensor, places: list[torch.Tensor]) -> list[torch.Tensor]:
    """`(1, heads, positions, head_dim)` -> `(runs, heads, longest run, head_dim)` for each batch of runs."""
    # All batches at once: in backward each gathering makes a tensor of all positions.
    runs = states[0].transpose(0, 1).contiguous().index_select(0, torch.cat([each.flatten() for each in places]))
    parts = runs.split([each.numel() for each in places])
    return [part.unflatten(0, each.shape).transpose(1, 2) for part, each in zip(parts, places, strict=True)]


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)

__all__ = ["TREE_ATTENTION", "TreeLayout", "tree_attention"]
