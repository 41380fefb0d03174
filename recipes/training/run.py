"""The folder of a run: whose it is, where the run goes on, and its publication."""

import json
import logging
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from recipes.command_line import write_options

if TYPE_CHECKING:
    from recipes.training.arguments import TrainingOptions
    from recipes.training.trainer import ListenTrainer

logger = logging.getLogger(__name__)

OPTIONS, STATE = "training.yaml", "trainer_state.json"


def claim_output_dir(options: "TrainingOptions", *others: Any, write: bool = True) -> bool:
    """Write the options of a run into its folder, unless they are there.

    Args:
        options: name the folder, and whether to clear it of another run.
        others: further options of the run.
        write: as the one process that does; the others come after it.

    Returns:
        Whether there is anything left to train.

    Raises:
        ValueError: the folder holds a run with other options; the message names them.
    """
    folder = Path(options.output_dir)
    file = folder / OPTIONS
    if not write:
        return not (folder / STATE).is_file()
    if options.overwrite:
        for checkpoint in checkpoints(folder):
            shutil.rmtree(checkpoint)
        (folder / STATE).unlink(missing_ok=True)
    elif file.is_file():
        wanted = folder / f"{OPTIONS}.new"
        write_options(wanted, *others, options)
        old, new = (yaml.safe_load(each.read_text(encoding="utf-8")) for each in (file, wanted))
        wanted.unlink()
        other = [
            f"{name} {old.get(name)!r}, not {new.get(name)!r}"
            for name in old  # what it does not tell came later, and has a default that changes nothing
            if old.get(name) != new.get(name)
        ]
        if other:
            raise ValueError(
                f"{folder} holds a run with {'; '.join(other)}: choose another output_dir, or --overwrite true"
            )
    write_options(file, *others, options)
    return not (folder / STATE).is_file()


def checkpoints(folder: str | Path) -> list[Path]:
    """Checkpoints in a folder, the oldest first."""
    found = {path: re.fullmatch(r"checkpoint-(\d+)", path.name) for path in Path(folder).glob("checkpoint-*")}
    return sorted((path for path, match in found.items() if match), key=lambda path: int(found[path][1]))


def last_checkpoint(folder: str | Path) -> str | None:
    """The newest checkpoint that was written to its end; a run may have been killed while it wrote one."""
    for checkpoint in reversed(checkpoints(folder)):
        try:
            json.loads((checkpoint / STATE).read_text(encoding="utf-8"))  # written last
        except (OSError, ValueError):
            continue
        return str(checkpoint)
    return None


def finish(trainer: "ListenTrainer", options: "TrainingOptions") -> None:
    """Mark the run as finished, and publish it where `training_arguments` say push_to_hub."""
    trainer.state.save_to_json(str(Path(options.output_dir, STATE)))
    if trainer.args.push_to_hub:
        publish(options.output_dir, trainer.hub_model_id, trainer.args.hub_token)


def publish(folder: str, repository: str, token: str | None = None) -> None:
    """Upload a finished run with a filled card; with the backbones where they are folders of this machine."""
    from huggingface_hub import upload_folder

    from modeling_listen import ListenConfig, ListenForConditionalGeneration
    from recipes.model_card import write_model_card

    left_out = ["checkpoint-*"]
    config = ListenConfig.from_pretrained(folder)
    local = [name for name in (config.audio_model_id, config.text_model_id) if name and name.startswith(".")]
    if local:
        logger.info("the published model holds its backbones, because nobody else has %s", " and ".join(local))
        ListenForConditionalGeneration.from_pretrained(folder).push_to_hub(repository, token=token)
        left_out += ["config.json", "model*.safetensors*"]
    write_model_card(folder, repository=repository)
    upload_folder(
        repo_id=repository,
        folder_path=folder,
        token=token,
        ignore_patterns=left_out,
        commit_message="The trained model",
    )
