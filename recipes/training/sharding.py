"""A frozen language model spread over the processes of a run, for one that does not fit a device.

Each process keeps a part of every decoder layer and gathers a layer when it is its turn (FSDP2). Only what is frozen
is spread: the adapter is whole everywhere and trained by DDP, so that gradients, optimizer, checkpoints and their
resumption are those of a run that is not spread.
"""

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from modeling_listen import ListenForConditionalGeneration


def shard_language_model(model: ListenForConditionalGeneration, device: torch.device) -> None:
    """Spread the decoder layers over all processes; each must then run every forward pass together with the others.

    Args:
        model: frozen but for its adapter, and the same in all processes.
        device: where this process's parts go.

    Raises:
        ValueError: there is only one process, or a quantized or trained language model.
    """
    language_model = model.model.language_model
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        raise ValueError("shard_language_model needs several processes: start the script with torchrun")
    if any(parameter.requires_grad or not parameter.is_floating_point() for parameter in language_model.parameters()):
        raise ValueError("shard_language_model needs a frozen language model: no quantization, no lora_rank")
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for layer in language_model.layers:
        fully_shard(layer, mesh=mesh)
    # The root holds nothing itself, but lets a layer be gathered while the one before it runs.
    others = {parameter for parameter in language_model.parameters() if not isinstance(parameter, DTensor)}
    fully_shard(language_model, mesh=mesh, ignored_params=others)
    sharded = [name for name, parameter in model.named_parameters() if isinstance(parameter, DTensor)]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, sharded)
