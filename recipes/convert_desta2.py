"""Take over the connector of DeSTA2 (arXiv 2409.20007) or DeSTA2.5-Audio as the adapter of a LISTEN checkpoint.

    python recipes/convert_desta2.py --connector qformer_connector.pth --audio_model openai/whisper-small \\
        --text_model meta-llama/Meta-Llama-3-8B-Instruct --output runs/desta2

The adapter computes what the connector does. The prompt around it is LISTEN's (Eq. 1), without the transcript that
DeSTA2 puts there: train on from it, or compare with it, rather than expect DeSTA2's answers.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.command_line import option, parse_options

if TYPE_CHECKING:
    import torch

# Names of the connector's tensors, which are those of BERT's encoder, -> names in `ListenAdapter`.
_RENAMED = {
    r"qformer\.layer\.": "layers.",
    r"\.crossattention\.": ".cross_attn.",
    r"\.attention\.": ".self_attn.",
    r"\.self\.query\.": ".q_proj.",
    r"\.self\.key\.": ".k_proj.",
    r"\.self\.value\.": ".v_proj.",
    r"attn\.output\.dense\.": "attn.o_proj.",
    r"attn\.output\.LayerNorm\.": "attn.layer_norm.",
    r"\.intermediate\.dense\.": ".fc1.",
    r"\.output\.dense\.": ".fc2.",
    r"\.output\.LayerNorm\.": ".layer_norm.",
    r"^proj\.0\.": "norm.",
    r"^proj\.1\.": "projection.",
}


@dataclass
class ConversionOptions:
    """What to convert, and into what."""

    connector: str = option("", "DeSTA2's qformer_connector.pth, or a safetensors file that holds a connector")
    audio_model: str = option("openai/whisper-small", "Hub id or folder of the Whisper that the connector listens to")
    text_model: str = option("meta-llama/Meta-Llama-3-8B-Instruct", "Hub id or folder of the language model")
    output: str = option("runs/desta2", "folder of the LISTEN checkpoint to write")
    audio_layers: list[int] = option(
        [], "hidden states of the encoder that the connector reads; DeSTA2's own, evenly spaced, when left out"
    )


def read_connector(path: str | Path) -> "dict[str, torch.Tensor]":
    """The tensors of a connector, by their names within it.

    Args:
        path: a file of `torch.save` or safetensors; a whole model's may be given, the connector is taken out of it.

    Raises:
        ValueError: there is no connector in the file; the message names it.
    """
    import torch
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist; give --connector the file that holds DeSTA2's connector")
    tensors = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    prefixes = {name.removesuffix("layer_weights") for name in tensors if re.search(r"(^|\.)layer_weights$", name)}
    if len(prefixes) != 1:
        raise ValueError(f"{path} holds {len(prefixes)} connectors (tensors named layer_weights); wanted is one")
    prefix = prefixes.pop()
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def convert_connector(connector: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """A connector's tensors as those of `ListenAdapter`, in float32."""
    import torch

    num_layers = sum(name.startswith("layer_prompts.") for name in connector)
    prompts = [connector[f"layer_prompts.{index}"].float() for index in range(num_layers)]  # (1, queries, hidden) each
    adapter = {"query_tokens": torch.cat(prompts), "layer_weights": connector["layer_weights"].float()}
    for name, tensor in connector.items():
        if name.startswith(("qformer.", "proj.")):
            for pattern, replacement in _RENAMED.items():
                name = re.sub(pattern, replacement, name)
            adapter[name] = tensor.float().contiguous()
    return adapter


def main(argv: list[str] | None = None) -> None:
    """Convert a connector and save the checkpoint."""
    (options,) = parse_options(ConversionOptions, description=__doc__, argv=argv)
    from transformers import AutoConfig

    from modeling_listen import ListenForConditionalGeneration, ListenProcessor

    try:
        adapter = convert_connector(read_connector(options.connector))
        num_layers, num_queries, _ = adapter["query_tokens"].shape
        depth = AutoConfig.from_pretrained(options.audio_model).encoder_layers
        # DeSTA2 counts the encoder's hidden states as Whisper gives them, of which the first is the embeddings.
        evenly_spaced = [(index + 1) * depth // num_layers - 1 for index in range(num_layers)]
        model = ListenForConditionalGeneration.from_backbones(
            options.audio_model,
            options.text_model,
            num_query_tokens=num_queries,
            num_hidden_layers=sum(name.endswith(".fc1.weight") for name in adapter),
            intermediate_size=adapter["layers.0.fc1.weight"].shape[0],
            audio_layers=options.audio_layers or evenly_spaced,
        )
        model.model.adapter.load_state_dict(adapter)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        sys.exit(f"cannot convert {options.connector}: {error}")
    processor = ListenProcessor.from_backbones(options.audio_model, options.text_model, num_query_tokens=num_queries)
    model.save_pretrained(options.output)
    processor.save_pretrained(options.output)
    print(f"{num_layers} encoder layers, {num_queries} query tokens: {options.output}")


if __name__ == "__main__":
    main()
