"""Section 3.2 of the paper: responses -> the adapter, encoder and language model staying as they are.

    # The miniature, on any CPU; `python recipes/synthesize_listen.py` makes its responses.
    python recipes/train_listen.py

    # The paper's model on one 80 GB GPU, on eight, or on a GPU of 24 GB; a language model that no single GPU holds.
    python recipes/train_listen.py recipes/configs/paper.yaml
    torchrun --nproc_per_node 8 recipes/train_listen.py recipes/configs/paper.yaml --per_device_train_batch_size 2
    python recipes/train_listen.py recipes/configs/paper_24gb.yaml
    torchrun --nproc_per_node 4 recipes/train_listen.py recipes/configs/paper_sharded.yaml

    # Any row of Table 3, any option, anything that transformers.TrainingArguments takes.
    python recipes/train_listen.py recipes/configs/ablations/rule.yaml --seed 1 \\
        --training_arguments '{"report_to": "tensorboard", "push_to_hub": true}'

The output folder gets the adapter and the processor (`from_pretrained` loads them), checkpoints, the resolved options,
the log as `history.jsonl` and its curves. `torchrun` starts one process a GPU, or several on a CPU, where
`accelerate launch --cpu` starts one only. A run that was stopped, by whatever, goes on from its last checkpoint when
the same command is given again, and ends as if it had not been stopped.
"""

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.command_line import errors_as_messages, parse_options
from recipes.training.arguments import DataOptions, ModelOptions, TrainingOptions, check_best_by

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from recipes.training.clips import Clips

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """Train, or go on."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    resumes = "the same command, without --overwrite, goes on from the last checkpoint"
    with errors_as_messages(FloatingPointError, resumes=resumes):
        train(*parse_options(ModelOptions, DataOptions, TrainingOptions, description=__doc__, argv=argv))


def train(model_options: ModelOptions, data_options: DataOptions, options: TrainingOptions) -> None:
    """Train what is not trained yet, and publish it where `training_arguments` say push_to_hub.

    Raises:
        ValueError, OSError: options, data or backbones that cannot be used; the message says what to do.
        FloatingPointError: the loss is not finite; the message names the step and the clips.
        RuntimeError: a frozen tensor has changed.
    """
    from recipes.training.data import answers_in, load_clips, load_questions
    from recipes.training.description import describe_data, is_written_by
    from recipes.training.run import claim_output_dir, create_repository, locked, publish

    check_best_by(options, data_options)
    arguments = options.trainer_arguments(bf16=model_options.dtype == "bfloat16")
    train_clips, validation_clips = load_clips(data_options, options.seed)
    questions = load_questions(data_options) if data_options.questions and options.eval_steps else None
    if options.best_by == "auroc" and len(answers_in(questions)) < 2:
        raise ValueError(f"best_by auroc needs questions of both answers; {data_options.questions} has one kind alone")
    data = describe_data(train_clips, validation_clips, questions)
    written = [name for name in data["generators"] if name != "rule"]
    if others := [name for name in written if not is_written_by(name, model_options.text_model)]:
        logger.warning(
            "the responses were written by %s, not by the language model %s: the paper (Table 3) finds this worse",
            ", ".join(others), model_options.text_model,
        )  # fmt: skip
    with locked(options.output_dir) if arguments.should_save else nullcontext():
        with arguments.main_process_first(local=False):
            to_train = claim_output_dir(options, model_options, data_options, data=data, write=arguments.should_save)
        repository = create_repository(arguments) if arguments.push_to_hub and arguments.should_save else None
        arguments.push_to_hub = False  # the trainer's own uploads would hold names of folders of this machine
        if to_train:
            _train(arguments, model_options, options, train_clips, validation_clips, questions)
        else:
            logger.info("%s is trained already; --overwrite true trains it anew", options.output_dir)
        if repository is not None:
            publish(options.output_dir, repository)


def _train(
    arguments: "TrainingArguments",
    model_options: ModelOptions,
    options: TrainingOptions,
    train_clips: "Clips",
    validation_clips: "Clips",
    questions: "Clips | None",
) -> None:
    """Load, build, train, save."""
    from transformers import EarlyStoppingCallback, set_seed

    from recipes.training.callbacks import HistoryCallback
    from recipes.training.clips import WaveformClips, report_unreadable
    from recipes.training.collator import ClipCollator
    from recipes.training.encoder_states import EncodedClips, states_size
    from recipes.training.frozen import check_frozen, hash_frozen
    from recipes.training.model import base_model, load_model, load_processor, save_trained
    from recipes.training.probe import Probe
    from recipes.training.run import STATE, last_checkpoint
    from recipes.training.sharding import shard_language_model
    from recipes.training.trainer import ListenTrainer

    processor = load_processor(model_options)
    set_seed(options.seed)
    model = load_model(model_options, arguments.device)
    if model_options.shard_language_model:
        shard_language_model(model, arguments.device)
    sets = (train_clips, validation_clips)
    size = sum(states_size(base_model(model), processor, clips) for clips in sets)
    if size <= options.encoder_cache_gib * 2**30:
        model.to(arguments.device)
        train_set, validation_set = (EncodedClips(clips, base_model(model), processor) for clips in sets)
    else:
        train_set, validation_set = (WaveformClips(clips, processor.load_audio) for clips in sets)
    callbacks = [HistoryCallback()]
    if options.early_stopping_patience:
        callbacks.append(EarlyStoppingCallback(options.early_stopping_patience))
    trainer = ListenTrainer(
        model,
        arguments,
        data_collator=ClipCollator(
            processor,
            share_clips=options.share_clips,
            prefix_cache=options.prefix_cache and not model_options.lora_rank,
            fill_rows=options.fill_rows and model_options.attn_implementation == "sdpa",
        ),
        train_dataset=train_set,
        eval_dataset=validation_set,
        processing_class=processor,
        masked_head=options.masked_head,
        probe=Probe(questions, processor) if questions else None,
        callbacks=callbacks,
    )
    before = hash_frozen(model)
    trainer.train(resume_from_checkpoint=last_checkpoint(options.output_dir))
    check_frozen(before, hash_frozen(model))
    if trainer.unreadable:
        report_unreadable(trainer.unreadable, train_clips.num_clips, "clips")
    if arguments.should_save:
        save_trained(model, processor, options.output_dir)
        trainer.state.save_to_json(str(Path(options.output_dir, STATE)))  # from now on it counts as trained
    trainer.accelerator.end_training()


if __name__ == "__main__":
    main()
