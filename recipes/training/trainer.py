"""The `Trainer` of Transformers on clips: shared trunks, a cached prefix, the head on response tokens only."""

import logging
from typing import Any

import torch
from transformers import PreTrainedModel, Trainer
from transformers.modeling_layers import GradientCheckpointingLayer

from modeling_listen.attention_listen import TREE_ATTENTION
from modeling_listen.branches_listen import PrefixCache
from recipes.training.clips import NAMES_IN_LOG
from recipes.training.collator import ClipCollator
from recipes.training.last_layer import last_feed_forward_on
from recipes.training.model import base_model
from recipes.training.packing import IGNORED
from recipes.training.probe import Probe

logger = logging.getLogger(__name__)


def model_inputs(
    batch: dict[str, Any], audio: dict[str, torch.Tensor], prefix: PrefixCache | None = None, masked_head: bool = True
) -> dict[str, Any]:
    """What the model takes for a batch of rows.

    Args:
        batch: tensors of `Rows` on the model's device.
        audio: `input_ids` and `input_features` `(windows, mel_bins, frames)`, or `inputs_embeds` that hold the audio.
        prefix: of the rows that were laid out without it.
        masked_head: run the head on the positions that predict response tokens, not on all (see also
            `last_feed_forward_on`).
    """
    labels = batch["labels"]
    inputs = {name: batch[name] for name in ("position_ids", "attention_mask")} | audio
    if batch["tree_layout"] is not None:
        inputs["tree_layout"] = batch["tree_layout"]
    if masked_head:
        inputs["logits_to_keep"] = labels != IGNORED
        labels = labels[inputs["logits_to_keep"]]
    cache = prefix.expand(len(batch["position_ids"])) if prefix is not None else None
    return {**inputs, "shift_labels": labels, "past_key_values": cache, "use_cache": cache is not None}


class ListenTrainer(Trainer):
    """Trains what of a LISTEN model is not frozen.

    Args:
        data_collator: a `ClipCollator`; its `prefix_cache` says whether the prefix is cached here, its `fill_rows`
            whether the language model gets the attention that its rows want.
        masked_head: see `model_inputs`.
        probe: yes/no questions asked at every evaluation; their scores are metrics named `probe_*`.
        options: those of `Trainer`.

    A loss that is not finite raises FloatingPointError with the step and the clips, before the optimizer sees it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *args: Any,
        data_collator: ClipCollator,
        masked_head: bool = True,
        probe: Probe | None = None,
        **options: Any,
    ):
        # The check that quantized weights are not trained knows PEFT's adapters only; this model brings its own.
        quantized, model.is_quantized = getattr(model, "is_quantized", False), False
        super().__init__(model, *args, data_collator=data_collator, **options)
        model.is_quantized = quantized
        self.masked_head, self.probe = masked_head, probe
        self.unreadable: dict[str, str] = {}
        self._prefix: PrefixCache | None = None
        self._evaluated: list[tuple[float, int]] = []  # of each batch, the sum of its losses and its response tokens
        if data_collator.fill_rows:
            base_model(model).set_attn_implementation({"text_config": TREE_ATTENTION})
        # Called activation_checkpointing from Transformers 5.21 on.
        self.checkpoints_layers = getattr(self.args, "activation_checkpointing", self.args.gradient_checkpointing)
        if self.checkpoints_layers and data_collator.prefix_cache:
            logger.warning("no prefix cache under activation checkpointing, which would fill it once more in backward")
            data_collator.prefix_cache = False
        if not hasattr(model, "peft_config"):
            frozen = {name for name, tensor in model.named_parameters() if not tensor.requires_grad}
            model._keys_to_ignore_on_save = frozen & set(model.state_dict())

    @property
    def prefix(self) -> PrefixCache | None:
        """Keys and values of what precedes every span, computed when first asked for."""
        if not self.data_collator.prefix_cache:
            return None
        if self._prefix is None:
            self._prefix = PrefixCache(self.accelerator.unwrap_model(self.model), self.data_collator.prefix)
        return self._prefix

    def compute_loss(
        self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **options: Any
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """Mean over the response tokens of all batches of an optimizer step, on all processes."""
        self._note_unreadable(inputs["unreadable"])
        if self.checkpoints_layers:
            self._let_frozen_layers_checkpoint()
        inputs = model_inputs(inputs, self._audio(inputs), self.prefix, self.masked_head)
        # A checkpointed layer runs once more in backward, where it must do the same.
        kept = None if self.checkpoints_layers else inputs.get("logits_to_keep")
        with last_feed_forward_on(self.accelerator.unwrap_model(model), kept):
            return super().compute_loss(model, inputs, *args, **options)

    def _audio(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """The audio of a batch as the model takes it, from recordings or from what the encoder made of them."""
        if "waveforms" in batch:
            features, _ = self.processing_class.extract_features(batch["waveforms"], device=self.args.device)
            return {"input_ids": batch["input_ids"], "input_features": features}
        model = base_model(self.accelerator.unwrap_model(self.model)).model
        with self.accelerator.autocast():
            audio_embeds = model.adapter(batch["encoder_states"].transpose(0, 1))
        return {"inputs_embeds": model.embed(batch["input_ids"], audio_embeds)}

    def training_step(self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any) -> torch.Tensor:
        """Forward and backward; refuses a loss that is not finite."""
        loss = super().training_step(model, inputs, *args)
        if not loss.isfinite():
            raise FloatingPointError(
                f"the loss is {loss.item()} in step {self.state.global_step + 1}, on the clips "
                f"{', '.join(inputs['ids'])}; listen to them and read their responses, or lower learning_rate"
            )
        return loss

    def prediction_step(self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **options: Any) -> Any:
        """As `Trainer` does; and add up, as batches differ in response tokens."""
        loss, logits, labels = super().prediction_step(model, inputs, *args, **options)
        if num_tokens := int((inputs["labels"] != IGNORED).sum()):
            self._evaluated.append((loss.item() * num_tokens, num_tokens))
        return loss, logits, labels

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **options: Any) -> Any:
        """The validation loss, a mean over response tokens whatever the batches are; and the probe."""
        self._evaluated = [(0.0, 0)]
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **options)
        sums = torch.tensor([sum(values) for values in zip(*self._evaluated, strict=True)], device=self.args.device)
        loss, num_tokens = self.accelerator.reduce(sums).tolist()
        if num_tokens:
            output.metrics[f"{metric_key_prefix}_loss"] = loss / num_tokens
        if self.probe is not None:
            scores = self.probe(base_model(self.accelerator.unwrap_model(self.model)), self.accelerator)
            output.metrics.update({f"{metric_key_prefix}_probe_{name}": value for name, value in scores.items()})
        return output

    def _let_frozen_layers_checkpoint(self) -> None:
        """Frozen layers are in evaluation mode, in which they would keep their activations."""
        for module in self.model.modules():
            if isinstance(module, GradientCheckpointingLayer):
                module.training = torch.is_grad_enabled()

    def _note_unreadable(self, unreadable: dict[str, str]) -> None:
        for name, why in unreadable.items():
            if name not in self.unreadable and len(self.unreadable) < NAMES_IN_LOG:
                logger.warning("clip %s is passed over: %s", name, why)
            self.unreadable[name] = why
