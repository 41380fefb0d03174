"""The language model's last feed-forward, on the positions that the head runs on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from recipes.training.model import base_model


@contextmanager
def last_feed_forward_on(model: nn.Module, kept: torch.BoolTensor | None) -> Iterator[None]:
    """Leave out what nothing looks at: behind the last attention, each position is on its own.

    Args:
        model: LISTEN, or what PEFT made of it; a language model whose layers keep no `mlp` runs whole.
        kept: `(rows, positions)`; None for all. Elsewhere the last hidden states lack their feed-forward.
    """
    layers = getattr(base_model(model).model.language_model, "layers", None)
    mlp = getattr(layers[-1], "mlp", None) if layers else None
    if kept is None or mlp is None:
        yield
        return

    def gather(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return inputs[0][kept][None], *inputs[1:]  # (1, kept, hidden)

    def scatter(_: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        whole = output.new_zeros(*kept.shape, output.shape[-1])
        whole[kept] = output[0]
        return whole

    hooks = mlp.register_forward_pre_hook(gather), mlp.register_forward_hook(scatter)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
