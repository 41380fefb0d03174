"""The folder of a run: whose it is, where the run goes on, and its publication."""

import json
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from recipes.command_line import resolved, write_values

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from recipes.training.arguments import TrainingOptions

logger = logging.getLogger(__name__)

OPTIONS, DATA, STATE = "training.yaml", "data.yaml", "trainer_state.json"


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Keep other processes from training into a folder.

    Raises:
        ValueError: one does already.
    """
    from filelock import FileLock, Timeout

    Path(folder).mkdir(parents=True, exist_ok=True)
    lock = FileLock(Path(folder, ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"another process trains into {folder}: wait for it, or choose another output_dir") from None
    with lock:
        yield


def claim_output_dir(options: "TrainingOptions", *others: Any, data: dict[str, Any], write: bool = True) -> bool:
    """Write what a run is made of into its folder, unless it is there.

    Args:
        options: name the folder, and whether to clear it of another run.
        others: further options of the run.
        data: what `describe_data` says of the data.
        write: as the one process that does; the others come after it.

    Returns:
        Whether there is anything left to train.

    Raises:
        ValueError: the folder holds a run with other options or data; the message names them.
    """
    folder = Path(options.output_dir)
    if write:
        made_of = {OPTIONS: resolved(*others, options), DATA: data}
        del made_of[OPTIONS]["overwrite"]
        if options.overwrite:
            for checkpoint in checkpoints(folder):
                shutil.rmtree(checkpoint)
            (folder / STATE).unlink(missing_ok=True)
        elif other := [each for name, values in made_of.items() for each in _differences(folder / name, values)]:
            raise ValueError(
                f"{folder} holds a run with {'; '.join(other)}: choose another output_dir, or --overwrite true"
            )
        for name, values in made_of.items():
            write_values(folder / name, values)
    return not (folder / STATE).is_file()


def _differences(file: Path, new: dict[str, Any]) -> list[str]:
    """What a file of an earlier run holds that is not so now; what it does not tell came later, with a default."""
    if not file.is_file():
        return []
    try:
        old = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        old = None
    if not isinstance(old, dict):
        raise ValueError(f"{file} cannot be read: choose another output_dir, or --overwrite true")
    return [f"{name} {old[name]!r}, not {new.get(name)!r}" for name in old if name in new and old[name] != new[name]]


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


def create_repository(arguments: "TrainingArguments") -> str:
    """The repository that a run is published to, made if it is not there; before the training, as a token may lack.

    Raises:
        OSError: the Hub cannot be reached, or refuses.
    """
    from huggingface_hub import create_repo

    name = arguments.hub_model_id or Path(arguments.output_dir).resolve().name
    return create_repo(name, private=arguments.hub_private_repo, exist_ok=True).repo_id


def publish(folder: str, repository: str) -> None:
    """Upload a finished run with a filled card; with the backbones where they are folders of this machine."""
    from huggingface_hub import upload_folder

    from modeling_listen import ListenConfig, ListenForConditionalGeneration
    from recipes.model_card import write_model_card

    left_out = ["checkpoint-*", OPTIONS, DATA, ".*"]  # the card has them, without names of folders of this machine
    config = ListenConfig.from_pretrained(folder)
    local = [name for name in (config.audio_model_id, config.text_model_id) if name and name.startswith(".")]
    if local:
        logger.info("the published model holds its backbones, because nobody else has %s", " and ".join(local))
        ListenForConditionalGeneration.from_pretrained(folder).push_to_hub(repository)
        left_out += ["config.json", "model*.safetensors*"]
    write_model_card(folder, repository=repository)
    upload_folder(repo_id=repository, folder_path=folder, ignore_patterns=left_out, commit_message="The trained model")
