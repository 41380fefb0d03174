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
"""Several prompts on one clip: the audio span is run once, and each prompt sees it and itself.

A clip's prompts begin alike: header, audio span. That trunk has to pass the language model only once, if each branch
attends to the trunk and to itself and counts its positions on from the trunk. The result is that of separate rows,
exactly. What stands before the audio is the same for all clips and depends on nothing trainable, so its keys and
values are computed once and kept.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from transformers import DynamicCache, PreTrainedModel

from .attention_listen import TreeLayout

# Runs of tokens are attended to in one batch if none is shorter than this share of the longest.
LEAST_FILL = 0.75


class Tree(NamedTuple):
    """Token ids of a trunk and of the branches that go on from it."""

    trunk: list[int]
    branches: list[list[int]]


class PackedTrees(NamedTuple):
    """Trees as the model takes them, a row each: `(trees, positions)`, the mask `(trees, 1, positions, keys)`.

    `branch_ids` is 0 on trunks and padding; the branches of a tree count on from 1.
    """

    input_ids: torch.LongTensor
    position_ids: torch.LongTensor
    attention_mask: torch.BoolTensor
    branch_ids: torch.LongTensor


class ChainedTrees(NamedTuple):
    """Trees as the model takes them, all in one row `(1, positions)` without padding.

    `layout` is the model's argument `tree_layout`. `attention_mask` fits nothing: it keeps a language model from
    making a mask of its own, and from attending without the layout, should it not hand that on.
    """

    input_ids: torch.LongTensor
    position_ids: torch.LongTensor
    attention_mask: torch.BoolTensor
    layout: TreeLayout


def pack_trees(trees: Sequence[Tree], pad_token_id: int, prefix_length: int = 0) -> PackedTrees:
    """Lay trees out in rows of their own.

    Args:
        trees: trunks and branches.
        pad_token_id: fills rows up at their end.
        prefix_length: tokens before every trunk whose keys and values are in the cache (see `PrefixCache`).

    Returns:
        Ids, positions and mask. A token sees the prefix, the tokens before it in the trunk, and those before it in its
        own branch. `keys` is `prefix_length + positions`.
    """
    length = max(len(tree.trunk) + sum(map(len, tree.branches)) for tree in trees)
    shape = (len(trees), length)
    input_ids = torch.full(shape, pad_token_id)
    position_ids = torch.zeros(shape, dtype=torch.long)
    branch_ids = torch.zeros(shape, dtype=torch.long)
    for row, tree in enumerate(trees):
        end = 0
        for branch, ids in enumerate((tree.trunk, *tree.branches)):
            part = (row, slice(end, end + len(ids)))
            input_ids[part] = torch.tensor(ids, dtype=torch.long)
            position_ids[part] = _positions(tree, branch, prefix_length)
            branch_ids[part] = branch
            end += len(ids)

    query_branch, key_branch = branch_ids[:, :, None], branch_ids[:, None, :]
    mask = (key_branch == 0) | (key_branch == query_branch)
    mask &= torch.ones(length, length, dtype=torch.bool).tril()
    prefix = torch.ones(*shape, prefix_length, dtype=torch.bool)
    return PackedTrees(input_ids, position_ids, torch.cat([prefix, mask], dim=-1)[:, None], branch_ids)


def chain_trees(trees: Sequence[Tree], prefix_length: int = 0) -> ChainedTrees:
    """Lay trees out one behind the other, for a model whose `attn_implementation` is `TREE_ATTENTION`.

    What a token sees is what it sees in `pack_trees`; arguments are those of that function.
    """
    runs: list[tuple[list[int], list[int]]] = []  # what a trunk or branch sees before it, and itself, as keys
    input_ids, position_ids = [], []
    end = prefix_length
    for tree in trees:
        trunk = list(range(end, end + len(tree.trunk)))
        for branch, ids in enumerate((tree.trunk, *tree.branches)):
            context = [*range(prefix_length), *(trunk if branch else ())]
            runs.append((context, list(range(end, end + len(ids)))))
            input_ids += ids
            position_ids.append(_positions(tree, branch, prefix_length))
            end += len(ids)
    return ChainedTrees(
        torch.tensor([input_ids]),
        torch.cat(position_ids)[None],
        torch.ones(1, 1, 0, 0, dtype=torch.bool),
        _lay_out(runs, prefix_length),
    )


def _positions(tree: Tree, branch: int, prefix_length: int) -> torch.LongTensor:
    """Position ids of the trunk (0) or of a branch."""
    first = prefix_length + (len(tree.trunk) if branch else 0)
    return torch.arange(first, first + len(tree.branches[branch - 1] if branch else tree.trunk))


def _lay_out(runs: Sequence[tuple[list[int], list[int]]], prefix_length: int) -> TreeLayout:
    """Batches of runs with equally long contexts, so that padding stands at the end, where no token looks."""
    runs = sorted((run for run in runs if run[1]), key=lambda run: (len(run[0]), len(run[1])), reverse=True)
    layout = TreeLayout(queries=[], keys=[], outputs=torch.empty(sum(len(tokens) for _, tokens in runs)).long())
    num_queries = 0
    while runs:
        context, longest = map(len, runs[0])
        alike = [run for run in runs if len(run[0]) == context and len(run[1]) >= LEAST_FILL * longest]
        runs = runs[len(alike) :]
        keys = torch.tensor([[*seen, *tokens, *tokens[-1:] * (longest - len(tokens))] for seen, tokens in alike])
        layout["keys"].append(keys)
        layout["queries"].append(keys[:, context:] - prefix_length)
        for _, tokens in alike:
            part = slice(tokens[0] - prefix_length, tokens[-1] - prefix_length + 1)
            layout["outputs"][part] = torch.arange(num_queries, num_queries + len(tokens))
            num_queries += longest
    return layout


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
