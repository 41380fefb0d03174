# Copyright 2026 The LISTEN team. All rights reserved.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Configuration of LISTEN: a frozen audio encoder, a trainable adapter, a frozen language model."""

from copy import deepcopy

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig
from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec
from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES

# `transformers serve` and `pipeline("any-to-any")` look the model type up here before they look at `auto_map`.
MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES.setdefault("listen", "ListenForConditionalGeneration")


@strict
class ListenAdapterConfig(PreTrainedConfig):
    r"""Configuration of the adapter (paper, section 3.2): a Q-Former over intermediate encoder layers, a learned
    weighted sum over those layers, a linear projection.

    The paper gives no sizes. The defaults are those of DeSTA2 (arXiv 2409.20007), its closest relative.

    Args:
        num_query_tokens (`int`, defaults to 64):
            Query tokens per audio window: the number of embeddings that the language model receives.
        num_hidden_layers (`int`, defaults to 2):
            Depth of the Q-Former.
        num_attention_heads (`int`, *optional*):
            Attention heads of the Q-Former; the audio encoder's when left out.
        intermediate_size (`int`, *optional*):
            Width of the feed-forward layers; four times `hidden_size` when left out.
        audio_layers (`list[int]`, *optional*):
            Indices into the encoder's hidden states: 0 is the embeddings, `n` the output of layer `n`; the last one
            is taken after the encoder's final layer norm. Four evenly spaced ones when left out (3, 6, 9 and 12
            of whisper-small; DeSTA2's code, counting from 0, reads 2, 5, 8 and 11).
        hidden_size (`int`, *optional*):
            Width of the Q-Former, which is the audio encoder's.
        output_size (`int`, *optional*):
            Width of the embeddings produced, which is the language model's.
        hidden_act (`str`, defaults to `"gelu"`):
            Activation of the feed-forward layers.
        dropout (`float`, defaults to 0.0):
            Dropout on attention weights and on each sublayer's output.
        layer_norm_eps (`float`, defaults to 1e-12):
            Epsilon of the Q-Former's layer norms.
        initializer_range (`float`, defaults to 0.02):
            Standard deviation of the initial linear weights.
    """

    model_type = "listen_adapter"
    base_config_key = "adapter_config"

    num_query_tokens: int = 64
    num_hidden_layers: int = 2
    num_attention_heads: int | None = None
    intermediate_size: int | None = None
    audio_layers: list[int] | tuple[int, ...] | None = None
    hidden_size: int | None = None
    output_size: int | None = None
    hidden_act: str = "gelu"
    dropout: float | int = 0.0
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02

    def fit(self, audio_config: PreTrainedConfig, text_config: PreTrainedConfig) -> None:
        """Resolve what was left out from the backbones, and refuse what cannot fit them.

        Raises:
            ValueError: a size that differs from the backbones', or an encoder layer that does not exist.
        """
        for name, size, owner in (
            ("hidden_size", audio_config.hidden_size, "audio encoder"),
            ("output_size", text_config.hidden_size, "language model"),
        ):
            if getattr(self, name) is None:
                setattr(self, name, size)
            elif getattr(self, name) != size:
                raise ValueError(f"adapter {name} is {getattr(self, name)}, but the {owner} is {size} wide")
        self.num_attention_heads = self.num_attention_heads or audio_config.encoder_attention_heads
        self.intermediate_size = self.intermediate_size or 4 * self.hidden_size
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is no multiple of {self.num_attention_heads} heads")

        depth = audio_config.encoder_layers
        if self.audio_layers is None:
            self.audio_layers = sorted({max(1, round(depth * quarter / 4)) for quarter in (1, 2, 3, 4)})
        self.audio_layers = [layer + depth + 1 if layer < 0 else layer for layer in self.audio_layers]
        if not self.audio_layers or not all(0 <= layer <= depth for layer in self.audio_layers):
            raise ValueError(f"audio_layers {self.audio_layers} must name some of the hidden states 0 to {depth}")
        if self.num_query_tokens < 1:
            raise ValueError(f"num_query_tokens must be at least 1, not {self.num_query_tokens}")


@strict
class ListenConfig(PreTrainedConfig):
    r"""Configuration of a LISTEN model.

    Args:
        audio_config (`WhisperConfig` or `dict`, *optional*):
            Of the audio encoder; whisper-small's sizes are not assumed, Whisper's defaults are.
        text_config (`PreTrainedConfig` or `dict`, *optional*):
            Of the language model; Llama's defaults when left out.
        adapter_config (`ListenAdapterConfig` or `dict`, *optional*):
            Of the adapter.
        audio_token_id (`int`, defaults to 128002):
            Placeholder that stands in the audio span (Llama 3's `<|reserved_special_token_0|>`). Its embedding is
            never read, so it may lie outside the embedding matrix.
        audio_model_id, text_model_id (`str`, *optional*):
            Hub id, or folder, of the backbones: an adapter-only checkpoint takes their weights from there. A path that
            begins with "." is relative to the checkpoint.
        audio_model_revision, text_model_revision (`str`, *optional*):
            Their revisions on the Hub.
        tie_word_embeddings (`bool`):
            Follows the language model's.

    Example:

    ```python
    >>> from modeling_listen import ListenConfig, ListenForConditionalGeneration

    >>> model = ListenForConditionalGeneration(ListenConfig())  # random weights
    ```
    """

    model_type = "listen"
    sub_configs_defaults = {
        "audio_config": SubConfigSpec(config_class=AutoConfig, model_type="whisper"),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
        "adapter_config": SubConfigSpec(config_class=ListenAdapterConfig),
    }

    audio_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    adapter_config: dict | PreTrainedConfig | None = None
    audio_token_id: int = 128002
    audio_model_id: str | None = None
    audio_model_revision: str | None = None
    text_model_id: str | None = None
    text_model_revision: str | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        self.adapter_config = deepcopy(self.adapter_config)  # the caller's fits other backbones too
        self.adapter_config.fit(self.audio_config, self.text_config)
        self.tie_word_embeddings = getattr(self.text_config, "tie_word_embeddings", False)


ListenConfig.register_for_auto_class()

__all__ = ["ListenAdapterConfig", "ListenConfig"]
