"""What synthesis and training left behind: responses per corpus, loss curves, layer weights, the backbone's gates."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.report.inputs import find

if TYPE_CHECKING:
    import numpy as np

ADAPTER_PREFIX = "model.adapter."
# What the log of a training holds -> what it is.
HISTORY_SCORES = {
    "loss": "training",
    "eval_loss": "validation",
    "eval_probe_accuracy": "accuracy",
    "eval_probe_auroc": "AUROC",
}


@dataclass
class CorpusCount:
    """One corpus among the responses: hours of its clips, each counted once, and samples by kind."""

    corpus: str
    hours: float | None
    clips: int
    samples: Counter


@dataclass
class History:
    """The log of a model's training: for each score of `HISTORY_SCORES` that it has, steps and values."""

    name: str
    scores: dict[str, list[tuple[int, float]]]


@dataclass
class LayerWeights:
    """What an adapter makes of the encoder: weights (layers, query tokens), each column adding up to one."""

    name: str
    layers: list[int]
    weights: "np.ndarray"


@dataclass
class Backbones:
    """The backbones of some models, and what `gates.json` says of them where they were made here."""

    names: list[str]
    audio_model: str
    text_model: str
    audio_notes: dict[str, Any] = field(default_factory=dict)
    text_notes: dict[str, Any] = field(default_factory=dict)


def count_responses(folders: Iterable[Path]) -> list[CorpusCount]:
    """Hours and samples of the response records below some folders, by corpus."""
    from pyarrow import parquet

    durations: dict[str, dict[str, float | None]] = {}
    samples: dict[str, Counter] = {}
    for path in _unique(folders, "*.parquet"):
        file = parquet.ParquetFile(path)
        columns = ["id", "corpus", "duration", "sample_type", "audio"]
        if not set(columns) <= set(file.schema_arrow.names):
            continue
        for batch in file.iter_batches(columns=[*columns[:-1], "audio.path"]):
            for row in batch.to_pylist():
                clip = (row["audio"] or {}).get("path") or row["id"]  # several captions may be of one clip
                durations.setdefault(row["corpus"], {})[clip] = row["duration"]
                samples.setdefault(row["corpus"], Counter())[row["sample_type"]] += 1
    return [
        CorpusCount(
            corpus,
            hours=None if None in clips.values() else sum(clips.values()) / 3600,
            clips=len(clips),
            samples=samples[corpus],
        )
        for corpus, clips in durations.items()
    ]


def histories(folders: Iterable[Path], names: Mapping[Path, str]) -> list[History]:
    """The `history.jsonl` of training runs.

    Args:
        folders: where they are looked for.
        names: of models, by folder; others are called as their folder is.

    Raises:
        ValueError: a line of one is not JSON.
    """
    found = []
    for path in _unique(folders, "history.jsonl"):
        try:
            entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} holds a line that is not JSON: {error}") from None
        scores = {
            name: [
                (entry["step"], entry[name]) for entry in entries if _is_number(entry.get(name)) and "step" in entry
            ]
            for name in HISTORY_SCORES
        }
        if any(scores.values()):
            found.append(
                History(
                    names.get(path.parent, path.parent.name),
                    {name: points for name, points in scores.items() if points},
                )
            )
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def checkpoints(folders: Iterable[Path]) -> list[Path]:
    """Folders of finished LISTEN models; checkpoints within a training run are left out."""
    return [
        path.parent
        for path in _unique(folders, "config.json")
        if _json(path).get("model_type") == "listen" and not path.parent.name.startswith("checkpoint-")
    ]


def layer_weights(checkpoint: Path, name: str) -> LayerWeights | None:
    """The layer weights of a checkpoint's adapter, read without its backbones; None if it holds no adapter."""
    import numpy as np

    from modeling_listen import ListenAdapter, ListenConfig
    from modeling_listen.checkpoint_listen import open_weights

    tensors = {
        name.removeprefix(ADAPTER_PREFIX): tensor[:]
        for name, tensor in open_weights(str(checkpoint)).items()
        if name.startswith(ADAPTER_PREFIX)
    }
    if not tensors:
        return None
    adapter = ListenAdapter(ListenConfig.from_pretrained(checkpoint).adapter_config)
    adapter.load_state_dict(tensors)
    importance = adapter.layer_importance()
    return LayerWeights(name, list(importance), np.stack([each.numpy() for each in importance.values()]))


def backbones(models: Mapping[Path, str]) -> list[Backbones]:
    """What checkpoints say of their backbones, and the `gates.json` beside these; each pair of backbones once.

    Args:
        models: names of the models by checkpoint.
    """
    found: dict[tuple[str, str], Backbones] = {}
    for checkpoint, name in models.items():
        config = _json(checkpoint / "config.json")
        # Folders are relative to the checkpoint.
        pair = tuple(
            str((checkpoint / model).resolve() if model and (checkpoint / model).is_dir() else model)
            for model in (config.get("audio_model_id") or "", config.get("text_model_id") or "")
        )
        found.setdefault(pair, Backbones([], *pair, *map(_notes, pair))).names.append(name)
    return list(found.values())


def _notes(model: str) -> dict[str, Any]:
    """What the builder of a local backbone noted of it."""
    folder = Path(model)
    if folder.is_absolute() and (folder.parent / "gates.json").is_file():
        return _json(folder.parent / "gates.json").get(folder.name) or {}
    return {}


def _unique(folders: Iterable[Path], pattern: str) -> list[Path]:
    return list(dict.fromkeys(path.resolve() for folder in folders for path in find(Path(folder), pattern)))


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold an object, not {type(content).__name__}")
    return content
