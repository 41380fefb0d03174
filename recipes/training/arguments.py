"""Options of training: the model, the data, the run. The defaults train the miniature."""

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from recipes.command_line import option
from recipes.miniature import AUDIO_MODEL, TEXT_MODEL

if TYPE_CHECKING:
    from transformers import TrainingArguments

NO_FP16 = (
    "float16 is refused: the hidden states of Llama-size language models exceed its largest value, 65504, and the "
    "loss becomes NaN; use bfloat16, or float32 where there is no bfloat16"
)
# What `best_by` calls it -> what the evaluation calls it, and whether more of it is better.
BEST_BY = {
    "loss": ("eval_loss", False),
    "accuracy": ("eval_probe_accuracy", True),
    "auroc": ("eval_probe_auroc", True),
}


class JsonMapping(dict):
    """A mapping that the command line spells as JSON."""

    def __init__(self, value: Any = ()):
        super().__init__(json.loads(value) if isinstance(value, str) else value)


@dataclass
class ModelOptions:
    """Backbones and adapter."""

    audio_model: str = option(AUDIO_MODEL, "audio encoder: Hub id or folder of a Whisper")
    text_model: str = option(TEXT_MODEL, "language model: Hub id or folder of an instruction-tuned causal LM")
    audio_revision: str | None = option(None, "branch, tag or commit of audio_model")
    text_revision: str | None = option(None, "branch, tag or commit of text_model")
    num_query_tokens: int = option(8, "query tokens of one window of audio (DeSTA2: 64)")
    num_hidden_layers: int = option(1, "depth of the Q-Former (DeSTA2: 2)")
    audio_layers: list[int] | None = option(None, "encoder hidden states to attend to; four evenly spaced by default")
    dropout: float = option(0.0, "dropout in the adapter")
    dtype: str = option("float32", "of the frozen backbones: bfloat16 or float32; the adapter is always float32")
    quantization: Literal["none", "4bit", "8bit"] = option("none", "of the language model, by bitsandbytes")
    attn_implementation: Literal["sdpa", "eager"] = option("sdpa", "attention of all parts")
    shard_language_model: bool = option(
        False, "spread the frozen language model over the processes of torchrun (FSDP); needs torch 2.7"
    )
    lora_rank: int = option(
        0, "train the language model too, by LoRA of this rank; 0 leaves it frozen as in the paper"
    )
    lora_alpha: int = option(16, "scale of LoRA")
    lora_modules: list[str] = option(["q_proj", "v_proj"], "linear layers of the language model that get LoRA")

    def __post_init__(self) -> None:
        if self.dtype in ("float16", "fp16", "half"):
            raise ValueError(NO_FP16)
        if self.dtype not in ("float32", "bfloat16"):
            raise ValueError(f"dtype is {self.dtype!r}; it must be bfloat16 or float32")
        if self.shard_language_model and (self.lora_rank or self.quantization != "none"):
            raise ValueError(
                "shard_language_model spreads a frozen language model in its own precision: set quantization to none "
                "and lora_rank to 0"
            )
        if self.lora_rank and self.quantization != "none":
            raise ValueError(
                "LoRA is merged into the language model at the end, which quantized weights do not allow without "
                "loss: set quantization to none or lora_rank to 0"
            )


@dataclass
class DataOptions:
    """Responses to train on, and questions to watch the training with."""

    responses: str = option(
        "runs/synthesis", "output folder of synthesize_listen.py, file or folder of Parquet, or Hub id"
    )
    audio_dir: str | None = option(None, "folder from which relative paths of recordings start")
    mixture: str = option(
        "positive+negative", "training set: positive+positive, positive+negative, combined, rule (section 4.3)"
    )
    max_responses_per_clip: int = option(8, "responses of a clip that share a pass; further ones get another pass")
    validation_clips: int = option(100, "clips held out for the validation loss; with all their responses")
    questions: str | None = option(
        "sound_world/dev_random", "yes/no questions of the probe: BENCHMARK[/SUBSET][=FOLDER], or a file of questions"
    )
    max_questions: int = option(400, "questions of the probe, the first so many")

    def __post_init__(self) -> None:
        for name, least in (("max_responses_per_clip", 1), ("validation_clips", 0), ("max_questions", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")


@dataclass
class TrainingOptions:
    """The run. Names that `transformers.TrainingArguments` has mean what they mean there."""

    output_dir: str = option("runs/training", "folder of checkpoints, log, curves and the trained model")
    overwrite: bool = option(False, "begin anew whatever output_dir holds; without it a run is resumed")
    max_steps: int = option(900, "optimizer steps; -1 to train for num_train_epochs")
    num_train_epochs: float = option(1.0, "passes over all clips, if max_steps is -1")
    per_device_train_batch_size: int = option(16, "clips in a batch, each with all its responses")
    gradient_accumulation_steps: int = option(1, "batches in an optimizer step")
    learning_rate: float = option(1e-3, "peak learning rate")
    lr_scheduler_type: str = option("cosine", "decay of the learning rate")
    warmup_steps: float = option(50, "steps to the peak; below 1: their share of all steps")
    weight_decay: float = option(0.0, "of AdamW")
    logging_steps: int = option(10, "steps between lines of the log")
    eval_steps: int = option(300, "steps between evaluations (validation loss and probe); 0 for none")
    save_steps: int = option(300, "steps between checkpoints; 0 for none")
    save_total_limit: int = option(2, "checkpoints to keep")
    best_by: Literal["none", "loss", "accuracy", "auroc"] = option(
        "none", "keep the checkpoint that is best by the validation loss or by the probe instead of the last"
    )
    early_stopping_patience: int = option(0, "stop after so many evaluations without a new best; 0 never stops")
    seed: int = option(0, "of the adapter's initial weights, the order of clips and the choice of responses")
    share_clips: bool = option(True, "run what the responses of a clip have in common once")
    prefix_cache: bool = option(True, "compute keys and values of what precedes the audio once")
    masked_head: bool = option(True, "run the language model's head and last feed-forward on response tokens only")
    fill_rows: bool = option(True, "put all clips of a batch in one row without padding; needs sdpa attention")
    encoder_cache_gib: float = option(
        1.0, "keep the encoder's hidden states of all clips in memory if they take no more than this; 0 for never"
    )
    training_arguments: JsonMapping = option(
        {}, "anything else of transformers.TrainingArguments, as JSON or YAML mapping"
    )

    def __post_init__(self) -> None:
        extra = self.training_arguments = dict(self.training_arguments)
        if extra.get("fp16") or extra.get("fp16_full_eval") or extra.get("half_precision_backend") == "fp16":
            raise ValueError(NO_FP16)
        if extra.get("label_smoothing_factor"):
            raise ValueError("label_smoothing_factor is not supported: the targets are the responses as they are")
        if sharded := [name for name in ("fsdp", "deepspeed") if extra.get(name)]:
            raise ValueError(
                f"{sharded[0]} is not for training_arguments, as it would spread the adapter and its checkpoints too: "
                "where the language model does not fit a GPU, set shard_language_model to true or quantization to 4bit"
            )
        if "hub_token" in extra:
            raise ValueError("hub_token would be written into the run's folder: set HF_TOKEN, or run `hf auth login`")
        counts = ("per_device_train_batch_size", "gradient_accumulation_steps", "logging_steps", "save_total_limit")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        own = {field.name for field in fields(self)}
        if twice := sorted(own & set(extra)):
            raise ValueError(f"options of their own, not for training_arguments: {', '.join(twice)}")
        if self.early_stopping_patience and self.best_by == "none":
            raise ValueError("early_stopping_patience needs best_by: loss, accuracy or auroc")
        if self.best_by != "none" and not self.eval_steps:
            raise ValueError(f"best_by {self.best_by} needs evaluations: set eval_steps above 0")

    def trainer_arguments(self, bf16: bool) -> "TrainingArguments":
        """What `Trainer` takes.

        Args:
            bf16: autocast to bfloat16.

        Raises:
            ValueError: `training_arguments` holds a name or value that `TrainingArguments` does not take.
        """
        import torch
        from transformers import TrainingArguments

        passed = (
            "output_dir", "max_steps", "num_train_epochs", "per_device_train_batch_size", "learning_rate",
            "gradient_accumulation_steps", "lr_scheduler_type", "warmup_steps", "weight_decay", "logging_steps",
            "save_total_limit", "seed",
        )  # fmt: skip
        values: dict[str, Any] = {
            "bf16": bf16,
            "per_device_eval_batch_size": self.per_device_train_batch_size,
            "logging_nan_inf_filter": False,
            "remove_unused_columns": False,
            "dataloader_pin_memory": torch.cuda.is_available(),
            "ddp_find_unused_parameters": False,
            **{name: getattr(self, name) for name in passed},
            "eval_strategy": "steps" if self.eval_steps else "no",
            "eval_steps": self.eval_steps or None,
            "save_strategy": "steps" if self.save_steps else "no",
            "save_steps": self.save_steps or 500,
        }
        if self.best_by != "none":
            metric, greater = BEST_BY[self.best_by]
            values |= {
                "load_best_model_at_end": True,
                "metric_for_best_model": metric,
                "greater_is_better": greater,
                "save_strategy": "steps",
                "save_steps": self.eval_steps,
            }
        try:
            return TrainingArguments(**{**values, **self.training_arguments})
        except (TypeError, ValueError) as error:
            raise ValueError(f"training_arguments {self.training_arguments}: {error}") from error


def check_best_by(options: TrainingOptions, data_options: DataOptions) -> None:
    """Refuse a `best_by` that the evaluations will not tell.

    Raises:
        ValueError: there is nothing to evaluate on; the message names the option.
    """
    if options.best_by == "loss" and not data_options.validation_clips:
        raise ValueError("best_by loss needs clips held out: set validation_clips above 0")
    if options.best_by in ("accuracy", "auroc") and not data_options.questions:
        raise ValueError(f"best_by {options.best_by} needs questions, which are {data_options.questions!r}")
