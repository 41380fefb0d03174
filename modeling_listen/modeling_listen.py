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

"""LISTEN: a frozen Whisper encoder and a frozen language model joined by one trainable adapter."""

import os
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from packaging import version
from torch import nn
from transformers import AutoModel, GenerationMixin
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast, BaseModelOutputWithPooling, CausalLMOutputWithPast
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple, torch_compilable_check
from transformers.utils.output_capturing import maybe_install_capturing_hooks

from .adapter_listen import ListenAdapter, ListenPreTrainedModel
from .attention_listen import TREE_ATTENTION
from .checkpoint_listen import ADAPTER_PREFIX, HUB_OPTIONS, AdapterCheckpointMixin, open_weights
from .configuration_listen import ListenConfig

# Earlier releases keep the hidden states of all layers, or of none.
_CAPTURES_SOME_LAYERS = version.parse(transformers.__version__) >= version.parse("5.23.0")


@dataclass
class ListenModelOutputWithPast(BaseModelOutputWithPast):
    """Output of [`ListenModel`].

    Args:
        audio_hidden_states: the adapter's embeddings `(windows, queries, hidden)`, where audio was given.
    """

    audio_hidden_states: torch.FloatTensor | None = None


@dataclass
class ListenCausalLMOutputWithPast(CausalLMOutputWithPast):
    """Output of [`ListenForConditionalGeneration`].

    Args:
        audio_hidden_states: the adapter's embeddings `(windows, queries, hidden)`, where audio was given.
    """

    audio_hidden_states: torch.FloatTensor | None = None


class ListenModel(ListenPreTrainedModel):
    """Encoder, adapter and language model without its head: audio embeddings take the seed's place in the prompt."""

    def __init__(self, config: ListenConfig):
        super().__init__(config)
        self.audio_tower = WhisperEncoder._from_config(config.audio_config)
        self.adapter = ListenAdapter._from_config(config.adapter_config)
        self.language_model = AutoModel.from_config(config.text_config)
        # The hooks that read hidden states cannot be installed inside a compiled graph.
        maybe_install_capturing_hooks(self.audio_tower)
        self.post_init()

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike | None, *args: Any, **options: Any
    ) -> "ListenModel":
        """Load a self-contained checkpoint; options are those of `PreTrainedModel.from_pretrained`.

        Raises:
            ValueError: a checkpoint of the adapter alone, whose backbones [`ListenForConditionalGeneration`] fetches.
        """
        source = pretrained_model_name_or_path
        if source is not None and options.get("state_dict") is None:
            hub = {name: options[name] for name in (*HUB_OPTIONS, "revision", "subfolder") if name in options}
            names = open_weights(os.fspath(source), **hub)
            if all(name.startswith((ADAPTER_PREFIX, "adapter.")) for name in names):
                raise ValueError(
                    f"{source} holds the adapter alone: take ListenForConditionalGeneration and its `model`"
                )
        return super().from_pretrained(source, *args, **options)

    def get_input_embeddings(self) -> nn.Module:
        """The language model's token embeddings."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the language model's token embeddings."""
        self.language_model.set_input_embeddings(value)

    @can_return_tuple
    def get_audio_features(
        self, input_features: torch.Tensor, **kwargs: Unpack[TransformersKwargs]
    ) -> tuple | BaseModelOutputWithPooling:
        """Encode audio windows as embeddings of the language model.

        Args:
            input_features: log-mel spectrograms `(windows, mel_bins, frames)`, the length that the encoder was made
                for (30 s for Whisper).

        Returns:
            `last_hidden_state`, the encoder's `(windows, frames / 2, hidden)`, and `pooler_output`, the adapter's
            embeddings `(windows, queries, hidden)`.

        Raises:
            ValueError: a window of another length.
        """
        audio_layers = list(self.config.adapter_config.audio_layers)
        wanted = kwargs.pop("output_hidden_states", self.config.output_hidden_states)
        input_features = input_features.to(self.audio_tower.conv1.weight.dtype)
        # A frozen encoder needs no graph.
        trains = input_features.requires_grad or any(each.requires_grad for each in self.audio_tower.parameters())
        with torch.set_grad_enabled(torch.is_grad_enabled() and trains):
            capture = wanted or (audio_layers if _CAPTURES_SOME_LAYERS else True)
            encoded = self.audio_tower(input_features, output_hidden_states=capture, return_dict=True, **kwargs)
        chosen = torch.stack([encoded.hidden_states[layer] for layer in audio_layers])
        return BaseModelOutputWithPooling(
            last_hidden_state=encoded.last_hidden_state,
            pooler_output=self.adapter(chosen),
            hidden_states=encoded.hidden_states if wanted else None,
            attentions=encoded.attentions,
        )

    def find_placeholders(
        self, input_ids: torch.LongTensor | None, inputs_embeds: torch.Tensor | None
    ) -> torch.BoolTensor:
        """Which positions stand for audio, `(batch, positions)`.

        Raises:
            ValueError: only embeddings are given, and none stands for audio in this model.
        """
        if input_ids is not None:
            return input_ids == self.config.audio_token_id
        if self.config.audio_token_id >= self.config.text_config.vocab_size:
            raise ValueError("no embedding stands for audio in this model; give input_ids, not inputs_embeds")
        placeholder = self.embed(torch.tensor([self.config.audio_token_id], device=inputs_embeds.device))
        return (inputs_embeds == placeholder).all(-1)

    def get_placeholder_mask(
        self, input_ids: torch.LongTensor | None, inputs_embeds: torch.Tensor, audio_embeds: torch.Tensor
    ) -> torch.BoolTensor:
        """Where the audio embeddings go.

        Returns:
            Mask of the shape of `inputs_embeds`, `(batch, positions, hidden)`.

        Raises:
            ValueError: placeholders and embeddings differ in number.
        """
        mask = self.find_placeholders(input_ids, inputs_embeds)
        mask = mask.unsqueeze(-1).expand_as(inputs_embeds)
        torch_compilable_check(
            inputs_embeds[mask].numel() == audio_embeds.numel(),
            lambda: (
                f"the prompt holds {mask[..., 0].sum()} audio placeholders, but the audio gives "
                f"{audio_embeds.shape[:-1].numel()} embeddings"
            ),
        )
        return mask

    def embed(self, input_ids: torch.LongTensor, audio_embeds: torch.Tensor | None = None) -> torch.Tensor:
        """Embed a prompt.

        Args:
            input_ids: `(batch, positions)`.
            audio_embeds: the adapter's `(..., hidden)`, in the order of the placeholders.

        Returns:
            `(batch, positions, hidden)`.
        """
        token_ids = input_ids
        if self.config.audio_token_id >= self.config.text_config.vocab_size:  # it has no embedding, and needs none
            token_ids = input_ids.masked_fill(input_ids == self.config.audio_token_id, 0)
        inputs_embeds = self.get_input_embeddings()(token_ids)
        return inputs_embeds if audio_embeds is None else self._fill_spans(input_ids, inputs_embeds, audio_embeds)

    def _fill_spans(
        self, input_ids: torch.LongTensor | None, inputs_embeds: torch.Tensor, audio_embeds: torch.Tensor
    ) -> torch.Tensor:
        mask = self.get_placeholder_mask(input_ids, inputs_embeds, audio_embeds)
        return inputs_embeds.masked_scatter(mask, audio_embeds.to(inputs_embeds.device, inputs_embeds.dtype))

    def _fit_mask(
        self, mask: torch.BoolTensor, position_ids: torch.LongTensor | None, dtype: torch.dtype
    ) -> torch.Tensor:
        """A 4-D mask in the form that the language model's attention takes."""
        window = getattr(self.config.text_config, "sliding_window", None)
        if window is not None and position_ids is not None:
            torch_compilable_check(
                position_ids.max() < window,
                f"a 4-D attention mask cannot slide: prompts must be shorter than the window of {window} tokens",
            )
        implementation = self.config.text_config._attn_implementation
        if implementation in ("sdpa", TREE_ATTENTION):
            return mask
        if implementation == "eager":
            return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
        raise ValueError(f"a 4-D attention mask needs sdpa or eager attention, not {implementation}")

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        input_features: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | ListenModelOutputWithPast:
        """Run the prompt, audio embeddings in place of the placeholders.

        Args:
            input_ids: `(batch, positions)`, `num_query_tokens` placeholders for each audio window.
            input_features: log-mel spectrograms `(windows, mel_bins, frames)`, in the order of their placeholders.
            attention_mask: `(batch, positions)`, or a 4-D mask such as that of shared clips.
            kwargs: the language model's, such as `tree_layout` (see `chain_trees`).

        Raises:
            ValueError: not exactly one of `input_ids` and `inputs_embeds`; placeholders and windows that disagree.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        audio_embeds = None
        if input_features is not None:
            audio_embeds = self.get_audio_features(input_features, return_dict=True).pooler_output
        if inputs_embeds is None:
            inputs_embeds = self.embed(input_ids)
        if audio_embeds is not None:
            inputs_embeds = self._fill_spans(input_ids, inputs_embeds, audio_embeds)

        if attention_mask is not None and attention_mask.ndim == 4 and attention_mask.dtype == torch.bool:
            attention_mask = self._fit_mask(attention_mask, position_ids, inputs_embeds.dtype)
        outputs = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            return_dict=True,
            **kwargs,
        )
        return ListenModelOutputWithPast(
            last_hidden_state=outputs.last_hidden_state,
            past_key_values=outputs.get("past_key_values", past_key_values),  # RecurrentGemma keeps it to itself
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            audio_hidden_states=audio_embeds,
        )


class ListenForConditionalGeneration(AdapterCheckpointMixin, ListenPreTrainedModel, GenerationMixin):
    """LISTEN with its language model's head: asks and answers about audio.

    `from_backbones` composes it from an audio and a text repository, `from_pretrained` loads a checkpoint (of the
    adapter alone, or self-contained), `freeze_backbones` leaves the adapter alone trainable.
    """

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}

    def __init__(self, config: ListenConfig):
        super().__init__(config)
        self.model = ListenModel(config)
        text = config.text_config
        has_bias = getattr(text, "lm_head_bias", False)  # loading says so where the weights have one, as Phi's
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=has_bias)
        self.backbones_frozen = False
        self.post_init()

    def freeze_backbones(self) -> "ListenForConditionalGeneration":
        """Leave only the adapter trainable; encoder and language model stay in evaluation mode from now on."""
        self.requires_grad_(False)
        self.model.adapter.requires_grad_(True)
        self.backbones_frozen = True
        return self.train(self.training)

    def train(self, mode: bool = True) -> "ListenForConditionalGeneration":
        """Set training mode, in which frozen backbones take no part."""
        super().train(mode)
        if self.backbones_frozen:
            self.model.audio_tower.eval()
            self.model.language_model.eval()
        return self

    def get_audio_features(
        self, input_features: torch.Tensor, **kwargs: Unpack[TransformersKwargs]
    ) -> tuple | BaseModelOutputWithPooling:
        """See [`ListenModel.get_audio_features`]."""
        return self.model.get_audio_features(input_features, **kwargs)

    def _project(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Logits of hidden states, with what some language models do to them after their head."""
        logits = self.lm_head(hidden_states)
        config = self.config.text_config
        for name in ("logit_scale", "lm_head_multiplier"):  # Cohere, Falcon-H1
            if (scale := getattr(config, name, None)) is not None:
                logits = logits * scale
        if (scale := getattr(config, "logits_scaling", None)) is not None:  # Granite, MiniCPM3
            logits = logits * scale if config.model_type == "hyperclovax" else logits / scale
        for name in ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap"):  # Gemma, xLSTM
            if (cap := getattr(config, name, None)) is not None:
                logits = torch.tanh(logits / cap) * cap
        return logits

    def _expand_inputs_for_generation(
        self,
        expand_size: int = 1,
        is_encoder_decoder: bool = False,
        input_ids: torch.LongTensor | None = None,
        **model_kwargs: Any,
    ) -> tuple[torch.LongTensor | None, dict[str, Any]]:
        """Repeat rows, and the windows of each row as a block: their axis is not that of the batch.

        Raises:
            ValueError: placeholders and windows that disagree.
        """
        features = model_kwargs.pop("input_features", None)
        if features is not None and expand_size > 1:
            embeds = model_kwargs.get("inputs_embeds")
            windows = self._windows_per_row(input_ids if embeds is None else None, embeds, len(features))
            features = torch.cat([row.repeat(expand_size, 1, 1) for row in features.split(windows)])
        input_ids, model_kwargs = super()._expand_inputs_for_generation(
            expand_size=expand_size, is_encoder_decoder=is_encoder_decoder, input_ids=input_ids, **model_kwargs
        )
        return input_ids, model_kwargs if features is None else {**model_kwargs, "input_features": features}

    def _windows_per_row(
        self, input_ids: torch.LongTensor | None, inputs_embeds: torch.Tensor | None, num_windows: int
    ) -> list[int]:
        placeholders = self.model.find_placeholders(input_ids, inputs_embeds).sum(-1).tolist()
        length = self.config.adapter_config.num_query_tokens
        if sum(placeholders) != num_windows * length or any(count % length for count in placeholders):
            raise ValueError(
                f"the prompts hold {placeholders} audio placeholders, but the audio gives {num_windows} windows of "
                f"{length} embeddings"
            )
        return [count // length for count in placeholders]

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        input_features: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | ListenCausalLMOutputWithPast:
        """Run the prompt and give the next-token logits.

        Args:
            labels: `(batch, positions)`, -100 wherever the loss must not look. With `logits_to_keep` give the
                labels of the positions kept as `shift_labels` instead.
            logits_to_keep: how many last positions, or which positions, the head runs on; a boolean mask
                `(batch, positions)` gives logits `(kept, vocabulary)`.

        The other arguments are those of [`ListenModel.forward`].
        """
        outputs = self.model(
            input_ids=input_ids,
            input_features=input_features,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            return_dict=True,
            **kwargs,
        )
        if isinstance(logits_to_keep, int):
            kept = outputs.last_hidden_state[:, -logits_to_keep or None :]
        elif logits_to_keep.ndim == 2:
            kept = outputs.last_hidden_state[logits_to_keep]
        else:
            kept = outputs.last_hidden_state[:, logits_to_keep]
        logits = self._project(kept)
        loss = None
        if labels is not None or kwargs.get("shift_labels") is not None:
            vocab_size = self.config.text_config.vocab_size
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=vocab_size, **kwargs)
        return ListenCausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            audio_hidden_states=outputs.audio_hidden_states,
        )


ListenForConditionalGeneration.register_for_auto_class("AutoModel")

__all__ = ["ListenAdapter", "ListenForConditionalGeneration", "ListenModel", "ListenPreTrainedModel"]
