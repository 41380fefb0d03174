"""What a run is trained on, in a few lines: to know its data again, and to tell the readers of its card."""

import json
from collections import Counter, defaultdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from recipes.training.clips import Clips

_TELLS_APART = ("corpus", "benchmark", "id", "prompt", "response", "question", "answer")
_ROWS_AT_ONCE = 10_000


def describe_data(train: Clips, validation: Clips, questions: Clips | None = None) -> dict[str, Any]:
    """The data of a run.

    Returns:
        `digest`: of all records that are trained on, held out or asked, in their order; of those that are trained on,
        `corpora`: clips and responses of each, and `generators`: responses by each.
    """
    digest = blake2b(digest_size=16)
    clips: defaultdict[str, set[int]] = defaultdict(set)
    responses: Counter[str] = Counter()
    generators: Counter[str] = Counter()
    numbers = iter(np.repeat(train.numbers, train.bounds[:, 1] - train.bounds[:, 0]))
    for each in (train, validation, questions):
        digest.update(b"\n")
        for table in _tables(each) if each is not None else ():
            told = table.select([name for name in _TELLS_APART if name in table.column_names])
            digest.update(json.dumps(told.to_pydict()).encode())
            if each is not train:
                continue
            if "corpus" in table.column_names:
                for corpus, number in zip(table["corpus"].to_pylist(), numbers, strict=False):
                    clips[corpus].add(number)
                    responses[corpus] += 1
            if "generator" in table.column_names:
                generators.update(table["generator"].to_pylist())
    return {
        "digest": digest.hexdigest(),
        "corpora": {name: {"clips": len(clips[name]), "responses": responses[name]} for name in sorted(clips)},
        "generators": dict(sorted(generators.items())),
    }


def is_written_by(generator: str, text_model: str) -> bool:
    """Whether the generator that a response names is a language model, given by its Hub id or folder."""
    return Path(generator.partition("@")[0]).name == Path(text_model).name


def _tables(clips: Clips) -> Any:
    """Arrow tables of the records of clips, in the clips' order, without the recordings."""
    rows = np.concatenate([np.empty(0, dtype=int), *(clips.rows[start:end] for start, end in clips.bounds)])
    records = clips.records.remove_columns("audio").with_format("arrow")
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield records[rows[start : start + _ROWS_AT_ONCE]]
