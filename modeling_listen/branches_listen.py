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
"""Several prompts on one clip in one row: the audio span is run once, and each prompt sees it and itself.

A clip's prompts begin alike: header, audio span. That trunk has to pass the language model only once, if each branch
attends to the trunk and to itself and counts its positions on from the trunk. The result is that of separate rows,
exactly. What stands before the audio is the same for all clips and depends on nothing trainable, so its keys and
values are computed once and kept.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from transformers import DynamicCache, PreTrainedModel


class Tree(NamedTuple):
    """Token ids of a trunk and of the branches that go on from it."""

    trunk: list[int]
    branches: list[list[int]]


class PackedTrees(NamedTuple):
    """Rows of trees as the model takes them; `(batch, positions)`, the mask `(batch, 1, positions, keys)`.

    `branch_ids` is 0 on trunks and padding; the branches of a row count on from 1, in the order given.
    """

    input_ids: torch.LongTensor
    position_ids: torch.LongTensor
    attention_mask: torch.BoolTensor
    branch_ids: torch.LongTensor


def pack_trees(rows: Sequence[Sequence[Tree]], pad_token_id: int, prefix_length: int = 0) -> PackedTrees:
    """Lay trees out in rows, several to a row where they fit.

    Args:
        rows: the trees of each row.
        pad_token_id: fills rows up at their end.
        prefix_length: tokens before every trunk whose keys and values are in the cache (see `PrefixCache`).

    Returns:
        Ids, positions and mask. A token sees the prefix, the tokens before it in its tree's trunk, and those before it
        in its own branch. `keys` is `prefix_length + positions`.
    """
    length = max(sum(len(tree.trunk) + sum(map(len, tree.branches)) for tree in row) for row in rows)
    shape = (len(rows), length)
    input_ids = torch.full(shape, pad_token_id)
    position_ids = torch.zeros(shape, dtype=torch.long)
    tree_ids = torch.full(shape, -1)
    branch_ids = torch.zeros(shape, dtype=torch.long)
    for row_index, row in enumerate(rows):
        end = branch = 0
        for tree_index, tree in enumerate(row):
            for number, ids in enumerate((tree.trunk, *tree.branches)):
                branch += number > 0
                part = (row_index, slice(end, end + len(ids)))
                first = prefix_length + (len(tree.trunk) if number else 0)
                input_ids[part] = torch.tensor(ids, dtype=torch.long)
                position_ids[part] = torch.arange(first, first + len(ids))
                tree_ids[part] = tree_index
                branch_ids[part] = branch if number else 0
                end += len(ids)

    query_tree, key_tree = tree_ids[:, :, None], tree_ids[:, None, :]
    query_branch, key_branch = branch_ids[:, :, None], branch_ids[:, None, :]
    mask = (query_tree == key_tree) & ((key_branch == 0) | (key_branch == query_branch))
    mask &= torch.ones(length, length, dtype=torch.bool).tril()
    prefix = torch.ones(*shape, prefix_length, dtype=torch.bool)
    return PackedTrees(input_ids, position_ids, torch.cat([prefix, mask], dim=-1)[:, None], branch_ids)


class PrefixCache:
    """Keys and values of the tokens before the audio: the same for every clip, whatever the adapter has learned.

    Args:
        model: a `ListenForConditionalGeneration`.
        prefix: token ids.
    """

    def __init__(self, model: PreTrainedModel, prefix: Sequence[int]):
        self.length = len(prefix)
        self.config = model.config.text_config
        self.layers: list[tuple[torch.Tensor, torch.Tensor]] = []
        if self.length:
            with torch.no_grad():
                cache = model.model.language_model(
                    input_ids=torch.tensor([list(prefix)], device=model.device), use_cache=True
                ).past_key_values
            self.layers = [(layer.keys, layer.values) for layer in cache.layers]  # (1, heads, prefix, head_dim) each

    def expand(self, batch_size: int) -> DynamicCache | None:
        """A cache of its own for a batch: the prefix's keys and values for each row, unrepeated in memory."""
        if not self.length:
            return None
        return DynamicCache(
            [(k.expand(batch_size, -1, -1, -1), v.expand(batch_size, -1, -1, -1)) for k, v in self.layers],
            config=self.config,
        )
