"""Clips as rows of a batch: what their responses share stands in it once, and nothing is padding."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from modeling_listen.attention_listen import TreeLayout
from modeling_listen.branches_listen import Tree, chain_trees, pack_trees

IGNORED = -100


class ClipTokens(NamedTuple):
    """Token ids of one clip: its audio span, and each sample's prompt behind the span and response."""

    span: list[int]
    samples: list[tuple[list[int], list[int]]]


class Rows(NamedTuple):
    """A batch as the model takes it, `(rows, positions)`, and the clips whose audio its spans want, in their order.

    `labels` holds the token that each position predicts, -100 where that is none of a response. `attention_mask` is
    2-D where rows are single samples, else the boolean one of `pack_trees`, or of `chain_trees`, and then
    `tree_layout` is its layout.
    """

    input_ids: torch.LongTensor
    position_ids: torch.LongTensor
    attention_mask: torch.Tensor
    tree_layout: TreeLayout | None
    labels: torch.LongTensor
    audio_order: list[int]


def pack_clips(
    clips: Sequence[ClipTokens],
    prefix: Sequence[int],
    pad_token_id: int,
    *,
    share_clips: bool = True,
    prefix_cache: bool = True,
    fill_rows: bool = True,
) -> Rows:
    """Lay clips out in rows. Whatever the options, the loss is the same.

    Args:
        clips: of the batch.
        prefix: token ids before every span.
        pad_token_id: fills rows up.
        share_clips: the samples of a clip are branches behind one span; otherwise each has a span of its own.
        prefix_cache: leave the prefix out, its keys and values being in a cache.
        fill_rows: put all clips (or samples) in one row without padding; otherwise each has a padded row of its own.
    """
    head = [] if prefix_cache else list(prefix)
    trees, targets, owners = [], [], []
    for index, clip in enumerate(clips):
        trunk = [*head, *clip.span]
        for samples in [clip.samples] if share_clips else [[sample] for sample in clip.samples]:
            # A response's last token is predicted, but predicts nothing.
            trees.append(Tree(trunk, [suffix + response[:-1] for suffix, response in samples]))
            labels = [IGNORED] * len(trunk)
            for suffix, response in samples:
                labels += [IGNORED] * (len(suffix) - 1) + response
            targets.append(torch.tensor(labels))
            owners.append(index)

    prefix_length = len(prefix) if prefix_cache else 0
    if fill_rows:
        return Rows(*chain_trees(trees, prefix_length), torch.cat(targets)[None], owners)
    labels = pad_sequence(targets, batch_first=True, padding_value=IGNORED)
    input_ids, position_ids, attention_mask, _ = pack_trees(trees, pad_token_id, prefix_length)
    if not (share_clips or prefix_cache):
        filled = torch.tensor([len(each) for each in targets])[:, None]
        attention_mask = (torch.arange(labels.shape[1]) < filled).long()
    return Rows(input_ids, position_ids, attention_mask, None, labels, owners)
