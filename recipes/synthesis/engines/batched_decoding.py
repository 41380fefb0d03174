"""Decoding in one batch that rows leave when they end, over prompts that share what they begin with."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicLayer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Ended rows are replaced once they are one in so many: seldom enough to spare copies, often enough to keep it full.
REFILL = 8


@dataclass
class Row:
    """One prompt `prefix + span + suffix` and its growing response.

    Attributes:
        index: the caller's own number for it.
        span, suffix: token ids; the prefix is the decoder's.
        uniforms: (max_new_tokens,) numbers in [0, 1) that its draws are made with; None for greedy decoding.
        response: the token ids so far, without the one that ends it.
        last: the token that the next step starts from.
        finish_reason: `stop` or `length` once it has ended.
    """

    index: int
    span: tuple[int, ...]
    suffix: tuple[int, ...]
    uniforms: np.ndarray | None = None
    response: list[int] = field(default_factory=list)
    last: int = 0
    finish_reason: str | None = None


@dataclass
class _Columns:
    """What several rows have seen, side by side.

    Attributes:
        cache: keys and values of every layer, (rows, heads, columns, head size).
        mask: (rows, columns), true where a column holds a token of the row.
        position: (rows,), the position of the row's next token.
    """

    cache: Cache
    mask: torch.Tensor
    position: torch.Tensor

    @classmethod
    def gather(cls, parts: list[tuple["_Columns", list[int]]]) -> "_Columns":
        """A copy of some rows of each part, their last columns aligned, without leading columns that none uses."""
        device = parts[0][0].mask.device
        taken = [(columns, torch.tensor(rows, device=device)) for columns, rows in parts]
        masks = [columns.mask[rows] for columns, rows in taken]
        width = max(mask.shape[1] - int(mask.any(dim=0).int().argmax()) for mask in masks)
        layers = []
        for of_parts in zip(*(columns.cache.layers for columns, _ in taken), strict=True):
            chosen = [(layer.keys[rows], layer.values[rows]) for layer, (_, rows) in zip(of_parts, taken, strict=True)]
            keys, values = (torch.cat([_fit(each, width) for each in states]) for states in zip(*chosen, strict=True))
            layers.append(DynamicLayer())
            layers[-1].lazy_initialization(keys, values)
            layers[-1].keys, layers[-1].values = keys, values  # `update` would copy them once more
        mask = torch.cat([_fit(mask[..., None], width)[..., 0] for mask in masks])
        return cls(Cache(layers=layers), mask, torch.cat([columns.position[rows] for columns, rows in taken]))


class SharedPrefixDecoder:
    """Generates responses for prompts `prefix + span + suffix`, all with the same prefix.

    The prefix runs through the model once, each distinct span once for the rows that start together, and only the
    suffixes once for each row. Rows that end leave the batch and others take their places, an eighth of it at a time.
    What a row draws depends on its own logits and its own `uniforms`; which rows stand beside it changes the logits by
    no more than rounding.

    Args:
        model: any causal LM of Transformers whose cache holds keys and values.
        prefix: token ids, at least one.
        end_token_ids: the tokens that end a response.
        batch_size: rows in flight.
        max_new_tokens: a response is cut there.
        temperature, top_p: of the draws; a temperature of 0 is greedy decoding.

    Raises:
        ValueError: the model keeps a recurrent state, which prompts cannot share.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        prefix: list[int],
        end_token_ids: list[int],
        batch_size: int,
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
    ) -> None:
        if getattr(model, "_is_stateful", False):
            raise ValueError(
                f"{type(model).__name__} keeps a recurrent state that prompts cannot share: serve it, and give its URL"
            )
        self.model, self.end_token_ids = model, set(end_token_ids)
        self.batch_size, self.max_new_tokens = batch_size, max_new_tokens
        self.temperature, self.top_p = temperature, top_p
        with torch.inference_mode():
            empty = torch.empty(1, 0, dtype=torch.bool, device=model.device)
            start = torch.zeros(1, dtype=torch.long, device=model.device)
            self._prefix, _ = self._extend(
                _Columns(Cache(layer_class_to_replicate=DynamicLayer), empty, start), [prefix]
            )

    @torch.inference_mode()
    def decode(self, rows: list[Row]) -> Iterator[Row]:
        """Complete the rows; yields each as it ends. The order of work depends on the rows alone."""
        waiting = deque(sorted(rows, key=lambda row: (-len(row.span), row.span, -len(row.suffix), row.index)))
        ready: deque[tuple[int, Row]] = deque()  # rows that have their first token, with their places in `started`
        batch: list[Row] = []
        columns = started = None
        while batch or ready or waiting:
            live = [place for place, row in enumerate(batch) if row.finish_reason is None]
            if REFILL * (len(batch) - len(live)) < len(batch):
                columns, logits = self._extend(columns, [[row.last] for row in batch])
                yield from self._choose(batch, logits)
                continue
            # An eighth has ended: the others close ranks, and more join them.
            parts = [(columns, live)] if live else []
            batch = [batch[place] for place in live]
            while (ready or waiting) and len(batch) < self.batch_size:
                if not ready:
                    block = [waiting.popleft() for _ in range(min(self.batch_size, len(waiting)))]
                    started, logits = self._start(block)
                    yield from self._choose(block, logits)
                    ready.extend((place, row) for place, row in enumerate(block) if row.finish_reason is None)
                joining = [ready.popleft() for _ in range(min(self.batch_size - len(batch), len(ready)))]
                if joining:
                    parts.append((started, [place for place, _ in joining]))
                    batch += [row for _, row in joining]
            columns = _Columns.gather(parts) if parts else None

    def _start(self, rows: list[Row]) -> tuple[_Columns, torch.Tensor]:
        """Run whole prompts through the model, each distinct span once; returns what `_extend` does."""
        spans = {span: place for place, span in enumerate(dict.fromkeys(row.span for row in rows))}
        trunks, _ = self._extend(_Columns.gather([(self._prefix, [0] * len(spans))]), [list(span) for span in spans])
        starts = _Columns.gather([(trunks, [spans[row.span] for row in rows])])
        return self._extend(starts, [list(row.suffix) for row in rows])

    def _extend(self, columns: _Columns, tokens: list[list[int]]) -> tuple[_Columns, torch.Tensor]:
        """Run each row's next tokens through the model, on top of what it has seen.

        Returns:
            The longer columns, which take over the cache of the given ones, and the logits after each row's last
            token: (rows, vocabulary), float32.
        """
        device = self.model.device
        width = max(map(len, tokens))
        input_ids = torch.tensor([[0] * (width - len(each)) + each for each in tokens], device=device)
        lengths = torch.tensor([len(each) for each in tokens], device=device)
        steps = torch.arange(width, device=device) - (width - lengths)[:, None]
        mask = torch.cat([columns.mask, steps >= 0], dim=1)
        output = self.model(
            input_ids=input_ids,
            attention_mask=mask.long(),
            position_ids=columns.position[:, None] + steps.clamp(min=0),
            past_key_values=columns.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return _Columns(columns.cache, mask, columns.position + lengths), output.logits[:, -1].float()

    def _choose(self, rows: list[Row], logits: torch.Tensor) -> Iterator[Row]:
        """Give each unfinished row its next token; yields the rows that end with it."""
        for row, token in zip(rows, self._next_tokens(rows, logits).tolist(), strict=True):
            row.last = token
            if row.finish_reason is not None:
                continue
            if token in self.end_token_ids:
                row.finish_reason = "stop"
            else:
                row.response.append(token)
                if len(row.response) == self.max_new_tokens:
                    row.finish_reason = "length"
            if row.finish_reason is not None:
                yield row

    def _next_tokens(self, rows: list[Row], logits: torch.Tensor) -> torch.Tensor:
        if self.temperature == 0:
            return logits.argmax(dim=-1)
        uniforms = [row.uniforms[min(len(row.response), self.max_new_tokens - 1)] for row in rows]
        probabilities = (logits / self.temperature).softmax(dim=-1)
        ordered, tokens = probabilities.sort(descending=True, stable=True)
        outside = ordered.cumsum(dim=-1) - ordered >= self.top_p
        kept = probabilities.masked_fill(outside.gather(1, tokens.argsort(dim=-1)), 0)
        # In the order of the vocabulary, where rounding cannot swap two tokens that are nearly as probable.
        reached = kept.cumsum(dim=-1, dtype=torch.float64)
        drawn = torch.tensor(uniforms, dtype=torch.float64, device=reached.device)[:, None]
        return torch.searchsorted(reached, drawn * reached[:, -1:], right=True)[:, 0]


def _fit(states: torch.Tensor, width: int) -> torch.Tensor:
    """The last `width` columns of states (..., columns, size), with empty ones before them where there are fewer."""
    return torch.nn.functional.pad(states, (0, 0, width - states.shape[-2], 0))
