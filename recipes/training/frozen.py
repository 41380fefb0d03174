"""Proof that what is frozen stays so: a hash of every tensor that must not change."""

import logging
from collections.abc import Iterator
from hashlib import blake2b

import torch
from torch.distributed.tensor import DTensor

logger = logging.getLogger(__name__)

_ELEMENTS_AT_ONCE = 1 << 24


def frozen_tensors(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters that are not trained, and buffers, with their names; of what is sharded, this process's part."""
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            tensor = parameter.detach()
            yield name, tensor.to_local() if isinstance(tensor, DTensor) else tensor
    yield from model.named_buffers()


def hash_tensor(tensor: torch.Tensor) -> str:
    """128 bits that change when any bit of the tensor does, in all likelihood; computed on its device in one pass.

    Two sums modulo 2**64 over the tensor's bytes, read as integers of the elements' size: one plain, one in which each
    is weighted by an odd number that depends on its place. A change of a single element always shows.
    """
    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    flat = tensor.contiguous().flatten().view(integers)
    plain = weighted = 0
    for start in range(0, flat.numel(), _ELEMENTS_AT_ONCE):
        part = flat[start : start + _ELEMENTS_AT_ONCE].long()
        weights = torch.arange(start, start + part.numel(), device=part.device) * 0x1E3779B97F4A7C15 | 1
        plain += part.sum().item()
        weighted += (part * weights).sum().item()
    content = f"{tensor.dtype} {tuple(tensor.shape)} {plain % 2**64} {weighted % 2**64}"
    return blake2b(content.encode(), digest_size=16).hexdigest()


def hash_frozen(model: torch.nn.Module) -> dict[str, str]:
    """Hash of every tensor that must not change, by name."""
    return {name: hash_tensor(tensor) for name, tensor in frozen_tensors(model)}


def check_frozen(before: dict[str, str], after: dict[str, str]) -> None:
    """Refuse a training that changed what it should not have.

    Raises:
        RuntimeError: tensors differ; the message names them.
    """
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    if changed:
        raise RuntimeError(f"{len(changed)} frozen tensors changed while training: {', '.join(changed[:10])}")
    digest = blake2b("".join(before.values()).encode(), digest_size=8).hexdigest()
    logger.info("%d frozen tensors are as they were (hash %s)", len(before), digest)
