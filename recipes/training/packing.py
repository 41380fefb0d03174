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
    attention_length: int = 0,
) -> Rows:
    """Lay clips out in rows. Whatever the options, the loss is the same.

    Args:
        clips: of the batch.
        prefix: token ids before every span.
        pad_token_id: fills rows up.
        share_clips: the samples of a clip are branches behind one span; otherwise each has a span of its own.
        prefix_cache: leave the prefix out, its keys and values being in a cache.
        attention_length: fill rows with clips (or samples), see `fill_rows`; 0 gives each a row of its own.
    """
    head = [] if prefix_cache else list(prefix)
    trees, owners = [], []
    for index, clip in enumerate(clips):
        branches = [suffix + response for suffix, response in clip.samples]
        for group in [branches] if share_clips else [[branch] for branch in branches]:
            trees.append(Tree([*head, *clip.span], group))
            owners.append(index)
    lengths = [len(tree.trunk) + sum(map(len, tree.branches)) for tree in trees]
    rows = fill_rows(lengths, attention_length)
    packed = pack_trees([[trees[i] for i in row] for row in rows], pad_token_id, len(prefix) if prefix_cache else 0)

    targets = _targets(clips, share_clips, len(head))
    labels = torch.full_like(packed.input_ids, IGNORED)
    for row_labels, row in zip(labels, rows, strict=True):
        ids = [label for index in row for label in targets[index]]
        row_labels[: len(ids)] = torch.tensor(ids)

    attention_mask = packed.attention_mask
    if not (share_clips or prefix_cache or attention_length):
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


def attention_length(hidden_size: int) -> int:
    """Length of a row at which attention costs as much as all other work on its tokens.

    A layer of width h has about 13 h^2 weights, and 2 FLOP for each of them and token; attention has 4 h FLOP for each
    token and key. They are equal at 6.5 h keys; masked attention runs at about a third of the speed of the rest.
    """
    return 2 * hidden_size


def fill_rows(lengths: Sequence[int], attention_length: int) -> list[list[int]]:
    """Spread items over rows: few, long rows have little padding, but attention costs more in them.

    Of all numbers of rows the cheapest is taken, the cost being `positions * (1 + row length / attention_length)`.

    Args:
        lengths: tokens of each item.
        attention_length: see the function of that name; 0 gives each item a row.

    Returns:
        Indices of the items of each row.
    """
    if not attention_length:
        return [[index] for index in range(len(lengths))]
    layouts = (_balanced(lengths, count) for count in range(1, len(lengths) + 1))
    rows, _ = min(layouts, key=lambda layout: len(layout[0]) * layout[1] * (1 + layout[1] / attention_length))
    return rows


def _balanced(lengths: Sequence[int], count: int) -> tuple[list[list[int]], int]:
    """Items in `count` rows, the longest first, each into the row that is shortest so far; and the longest row."""
    shortest_first = [(0, row) for row in range(count)]
    rows: list[list[int]] = [[] for _ in range(count)]
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length, row = heapq.heappop(shortest_first)
        rows[row].append(index)
        heapq.heappush(shortest_first, (length + lengths[index], row))
    return [sorted(row) for row in rows], max(length for length, _ in shortest_first)
