"""Greedy answers to all questions of a clip at once: what they share runs through the language model once."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from modeling_listen.branches_listen import PrefixCache, Tree, pack_trees

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from modeling_listen import ListenProcessor


class Branch(NamedTuple):
    """What was decoded for one branch.

    Attributes:
        logits: of its first new token, `(vocabulary,)`.
        tokens: ids of the response, without the token that ends it; empty where none was wanted.
    """

    logits: torch.Tensor
    tokens: list[int]


class SharedClipDecoder:
    """Decodes the branches of trees greedily, each as if it stood alone.

    One row holds a tree: the trunk's keys and values are computed once and seen by every branch. Each step appends one
    column for each branch; a branch sees the trunk, itself and its own columns.

    Args:
        model: a `ListenForConditionalGeneration`, or a causal LM that takes 4-D boolean masks.
        processor: its processor.
        max_new_tokens: a response is cut there.
        prefix: keys and values of what stands before every trunk.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        processor: "ListenProcessor",
        max_new_tokens: int,
        prefix: PrefixCache | None = None,
    ) -> None:
        self.model, self.processor, self.max_new_tokens, self.prefix = model, processor, max_new_tokens, prefix
        self.end_token_ids = torch.tensor(end_token_ids(model, processor), device=model.device)

    @torch.inference_mode()
    def decode(
        self,
        trees: Sequence[Tree],
        generate: Sequence[Sequence[bool]],
        input_features: torch.Tensor | None = None,
    ) -> list[list[Branch]]:
        """Decode every branch.

        Args:
            trees: trunks and branches, at least one branch each.
            generate: for each branch whether a response is wanted, or only the logits of its first token.
            input_features: of the placeholders in the trunks, `(windows, mel_bins, frames)`.

        Returns:
            For each tree, what came of its branches.
        """
        device = self.model.device
        first_key = self.prefix.length if self.prefix else 0
        packed = pack_trees(trees, self.processor.tokenizer.pad_token_id, first_key)
        last, positions, key_branches = (each.to(device) for each in _layout(trees, packed.input_ids.shape, first_key))
        exists = last >= 0  # (trees, branches)
        ends = torch.zeros(packed.input_ids.shape, dtype=torch.bool, device=device)
        ends[exists.nonzero()[:, 0], last[exists]] = True

        wanted = torch.zeros_like(exists)
        wanted[exists] = torch.tensor([each for row in generate for each in row], device=device)
        keeps_cache = bool(wanted.any())
        inputs = {} if input_features is None else {"input_features": input_features.to(device)}
        outputs = self.model(
            input_ids=packed.input_ids.to(device),
            position_ids=packed.position_ids.to(device),
            attention_mask=packed.attention_mask.to(device),
            past_key_values=self.prefix.expand(len(trees)) if self.prefix else None,
            use_cache=keeps_cache or first_key > 0,
            logits_to_keep=ends,
            **inputs,
        )
        # Rows of the head's output stand in the order of trees and, in a tree, of branches.
        first_logits = outputs.logits.float()
        tokens = torch.full(exists.shape, self.processor.tokenizer.pad_token_id, device=device)
        tokens[exists] = first_logits.argmax(dim=-1)
        steps = self._continue(tokens, wanted, positions, key_branches, outputs.past_key_values) if keeps_cache else []

        responses = torch.stack(steps, dim=-1) if steps else tokens.new_empty(*tokens.shape, 0)
        ended = torch.isin(responses, self.end_token_ids).cumsum(dim=-1) > 0
        decoded = (each[exists].cpu() for each in (responses, ended, wanted))
        kept = [ids[~end].tolist() if want else [] for ids, end, want in zip(*decoded, strict=True)]
        branches = iter(map(Branch, first_logits, kept))
        return [[next(branches) for _ in tree.branches] for tree in trees]

    def _continue(
        self,
        tokens: torch.Tensor,
        running: torch.Tensor,
        positions: torch.Tensor,
        key_branches: torch.Tensor,
        cache: "object",
    ) -> list[torch.Tensor]:
        """New tokens `(trees, branches)` step by step, until every branch has ended."""
        own = torch.arange(1, tokens.shape[1] + 1, device=tokens.device).expand_as(tokens)
        steps = []
        while True:
            steps.append(tokens)
            running = running & ~torch.isin(tokens, self.end_token_ids)
            if len(steps) == self.max_new_tokens or not running.any():
                return steps
            key_branches = torch.cat([key_branches, own], dim=1)
            mask = (key_branches[:, None] == 0) | (key_branches[:, None] == own[:, :, None])
            logits = self.model(
                input_ids=tokens,
                position_ids=positions,
                attention_mask=mask[:, None],
                past_key_values=cache,
                use_cache=True,
            ).logits
            tokens, positions = logits.argmax(dim=-1), positions + 1


def _layout(
    trees: Sequence[Tree], shape: torch.Size, first_key: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where branches end in rows of one tree each.

    Returns:
        `(trees, branches)` the column of each branch's last token, -1 where there is no such branch; the position of
        its next token; `(trees, first_key + columns)` whose each key is: 0 of all, -1 of none, else a branch's.
    """
    most = max(len(tree.branches) for tree in trees)
    last = torch.full((len(trees), most), -1)
    positions = torch.zeros(len(trees), most, dtype=torch.long)
    key_branches = torch.full((shape[0], first_key + shape[1]), -1)
    for row, tree in enumerate(trees):
        end = len(tree.trunk)
        key_branches[row, : first_key + end] = 0
        for number, branch in enumerate(tree.branches):
            key_branches[row, first_key + end : first_key + end + len(branch)] = number + 1
            end += len(branch)
            last[row, number] = end - 1
            positions[row, number] = first_key + len(tree.trunk) + len(branch)
    return last, positions, key_branches


def end_token_ids(model: "PreTrainedModel", processor: "ListenProcessor") -> list[int]:
    """The tokens that end a response: the model's, the tokenizer's and the chat template's."""
    configured = model.generation_config.eos_token_id
    configured = configured if isinstance(configured, Iterable) else [configured]
    end_of_turn = processor.tokenize_prompt("x", "x").response[-1]
    ids = {*configured, processor.tokenizer.eos_token_id, end_of_turn}
    return sorted(each for each in ids if each is not None)
