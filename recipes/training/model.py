"""The model to train: composed from its backbones, frozen, quantized or with LoRA as the options say."""

import os
from typing import TYPE_CHECKING, Any

import torch
from transformers import BitsAndBytesConfig, PreTrainedModel

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from recipes.training.arguments import ModelOptions

if TYPE_CHECKING:
    from peft import PeftModel


def load_processor(options: ModelOptions) -> ListenProcessor:
    """The processor of the backbones."""
    return ListenProcessor.from_backbones(
        options.audio_model,
        options.text_model,
        num_query_tokens=options.num_query_tokens,
        audio_revision=options.audio_revision,
        text_revision=options.text_revision,
    )


def load_model(options: ModelOptions, device: torch.device) -> "ListenForConditionalGeneration | PeftModel":
    """The model, on `device` where it is quantized: backbones in `options.dtype`, a new adapter in float32.

    Only the adapter is trainable, and LoRA where it is asked for.
    """
    loading: dict[str, Any] = {}
    if quantization := _quantization(options):
        loading = {"quantization_config": quantization, "device_map": {"": device}}
    model = ListenForConditionalGeneration.from_backbones(
        options.audio_model,
        options.text_model,
        audio_revision=options.audio_revision,
        text_revision=options.text_revision,
        num_query_tokens=options.num_query_tokens,
        num_hidden_layers=options.num_hidden_layers,
        audio_layers=options.audio_layers,
        dropout=options.dropout,
        dtype=getattr(torch, options.dtype),
        attn_implementation=options.attn_implementation,
        **loading,
    )
    model.model.adapter.float()
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):  # of bitsandbytes, faster on a CPU, but without a gradient
            module.support_avx512bf16_for_cpu = False
    return with_lora(model, options) if options.lora_rank else model.freeze_backbones()


def _quantization(options: ModelOptions) -> BitsAndBytesConfig | None:
    if options.quantization == "none":
        return None
    if options.quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, options.dtype),
    )


def with_lora(model: ListenForConditionalGeneration, options: ModelOptions) -> "PeftModel":
    """Train the adapter and low-rank updates of the language model's linear layers.

    Raises:
        ValueError: the language model has no layers of those names.
    """
    from peft import LoraConfig, get_peft_model

    names = "|".join(options.lora_modules)
    lora = LoraConfig(
        r=options.lora_rank,
        lora_alpha=options.lora_alpha,
        target_modules=rf"model\.language_model\..*\.({names})",
        modules_to_save=["model.adapter"],
    )
    return get_peft_model(model, lora)


def base_model(model: torch.nn.Module) -> ListenForConditionalGeneration:
    """The model itself, where PEFT has wrapped it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def save_trained(model: PreTrainedModel, processor: ListenProcessor, folder: str | os.PathLike) -> None:
    """Write what `from_pretrained` loads: the adapter alone, or everything where LoRA has changed the backbone."""
    if hasattr(model, "merge_and_unload"):
        model.merge_and_unload().save_pretrained(folder, include_backbones=True)
    else:
        model.save_pretrained(folder)
    processor.save_pretrained(folder)
