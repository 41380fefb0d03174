"""Clips as rows of a batch: what their responses share stands in it once, and rows are filled."""

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import torch

from modeling_listen.branches_listen import Tree, pack_trees

IGNORED = -100


class ClipTokens(NamedTuple):
    """Token ids of one clip: its audio span, and each sample's prompt behind the span and response."""

    span: list[int]
    samples: list[tuple[list[int], list[int]]]


class Rows(NamedTuple):
    """A batch as the model takes it, `(rows, positions)`, and the clips whose audio its spans want, in their order.

    `labels` is -100 but on response tokens. `attention_mask` is 2-D where rows are single samples, else the boolean
    `(rows, 1, positions, keys)` of `pack_trees`.
    """

    input_ids: torch.LongTensor
    position_ids: torch.LongTensor
    attention_mask: torch.Tensor
    labels: torch.LongTensor
    audio_order: list[int]


def pack_clips(
    clips: Sequence[ClipTokens],
    prefix: Sequence[int],
    pad_token_id: int,
    *,
    share_clips: bool = True,
    prefix_cache: bool = True,
    row_length: int = 0,
) -> Rows:
    """Lay clips out in rows. Whatever the options, the loss is the same.

    Args:
        clips: of the batch.
        prefix: token ids before every span.
        pad_token_id: fills rows up.
        share_clips: the samples of a clip are branches behind one span; otherwise each has a span of its own.
        prefix_cache: leave the prefix out, its keys and values being in a cache.
        row_length: fill rows to about so many tokens; 0 gives each clip (or sample) a row of its own.
    """
    head = [] if prefix_cache else list(prefix)
    trees, owners = [], []
    for index, clip in enumerate(clips):
        branches = [suffix + response for suffix, response in clip.samples]
        for group in [branches] if share_clips else [[branch] for branch in branches]:
            trees.append(Tree([*head, *clip.span], group))
            owners.append(index)
    lengths = [len(tree.trunk) + sum(map(len, tree.branches)) for tree in trees]
    rows = fill_rows(lengths, row_length)
    packed = pack_trees([[trees[i] for i in row] for row in rows], pad_token_id, len(prefix) if prefix_cache else 0)

    targets = _targets(clips, share_clips, len(head))
    labels = torch.full_like(packed.input_ids, IGNORED)
    for row_labels, row in zip(labels, rows, strict=True):
        ids = [label for index in row for label in targets[index]]
        row_labels[: len(ids)] = torch.tensor(ids)

    attention_mask = packed.attention_mask
    if not (share_clips or prefix_cache or row_length):
        filled = torch.tensor(lengths)[:, None]
        attention_mask = (torch.arange(labels.shape[1]) < filled).long()
    order = [owners[index] for row in rows for index in row]
    return Rows(packed.input_ids, packed.position_ids, attention_mask, labels, order)


def _targets(clips: Sequence[ClipTokens], share_clips: bool, head_length: int) -> list[list[int]]:
    """Labels of each tree, in the layout of `pack_trees`."""
    targets = []
    for clip in clips:
        trunk = [IGNORED] * (head_length + len(clip.span))
        branches = [[IGNORED] * len(suffix) + response for suffix, response in clip.samples]
        if share_clips:
            targets.append(trunk + [label for branch in branches for label in branch])
        else:
            targets += [trunk + branch for branch in branches]
    return targets


def fill_rows(lengths: Sequence[int], row_length: int) -> list[list[int]]:
    """Spread items over rows of nearly equal length: the longest first, each into the row that is shortest so far.

    Args:
        lengths: tokens of each item.
        row_length: wanted length of a row, an upper bound but for items that are longer, and for the last item of a row;
            0 gives each item a row.

    Returns:
        Indices of the items of each row.
    """
    if not row_length:
        return [[index] for index in range(len(lengths))]
    count = -(-sum(lengths) // max(row_length, *lengths))
    shortest_first = [(0, row) for row in range(count)]
    rows: list[list[int]] = [[] for _ in range(count)]
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length, row = heapq.heappop(shortest_first)
        rows[row].append(index)
        heapq.heappush(shortest_first, (length + lengths[index], row))
    return [sorted(row) for row in rows]
