"""Questions from a file of the user's: CSV, JSON Lines or Parquet."""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.annotations import AnnotationError

if TYPE_CHECKING:
    import datasets

SUFFIXES = (".csv", ".jsonl", ".parquet")
_NEEDED = ("audio", "question", "answer")


def read_questions(path: str | Path) -> "datasets.Dataset":
    """Read question records.

    Args:
        path: a file with the columns `audio` (path, relative to the file's folder; in JSON Lines and Parquet also
            `{"path", "bytes"}`), `question` and `answer`. As you like: `id` (default: the row's number), `benchmark`
            (default: the file's name), `subset`, `seed` (what the text bound reads), `answer_type` and `options` (see
            `recipes.benchmarks.answers.parse_answer`), and others, which are kept.

    Returns:
        Records of `recipes.records.QUESTION_FEATURES` and the other columns.

    Raises:
        AnnotationError: the file is not there, lacks a column, or an answer to a yes/no question is neither.
    """
    import datasets

    from recipes.records import QUESTION_FEATURES

    path = Path(path).expanduser().absolute()
    if not path.is_file() or path.suffix not in SUFFIXES:
        raise AnnotationError(f"{path} is no file of questions: it should be {', '.join(SUFFIXES)} with {_NEEDED}")
    rows = [_checked(row, number, path) for number, row in enumerate(_rows(path), 1)]
    if not rows:
        raise AnnotationError(f"{path} holds no question")
    if len({row["id"] for row in rows}) < len(rows):
        raise AnnotationError(f"{path}: an id is there twice; ids must be unique")
    questions = datasets.Dataset.from_list(rows)
    text = datasets.Value("string")
    stored = {**QUESTION_FEATURES, "audio": {"bytes": datasets.Value("binary"), "path": text}}
    own = {name: feature for name, feature in questions.features.items() if name not in stored}
    questions = questions.select_columns([*stored, *own]).cast(datasets.Features({**stored, **own}))
    # `datasets` encodes rows with an audio column only where torchcodec is installed; casting does without.
    return questions.cast_column("audio", QUESTION_FEATURES["audio"])


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        if path.suffix == ".parquet":
            from pyarrow import parquet

            return parquet.read_table(path).to_pylist()
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                return list(csv.DictReader(file))
            return [json.loads(line) for line in file if line.strip()]
    except ValueError as error:  # pyarrow's and json's errors are of this kind
        raise AnnotationError(f"{path} cannot be read: {error}") from error


def _checked(row: Any, number: int, path: Path) -> dict[str, Any]:
    where = f"{path}, question {number}"
    if not isinstance(row, dict) or any(not row.get(name) for name in _NEEDED):
        raise AnnotationError(f"{where}: {', '.join(_NEEDED)} are needed, each not empty: {row!r:.200}")
    audio = row["audio"]
    audio = {"path": audio} if isinstance(audio, str) else audio
    if not isinstance(audio, dict) or not (audio.get("path") or audio.get("bytes")):
        raise AnnotationError(f"{where}: `audio` is {audio!r:.200}; a path is needed")
    file = audio.get("path")
    answer_type = row.get("answer_type") or "yes_no"
    answer = str(row["answer"]).strip()
    if answer_type == "yes_no":
        answer = answer.lower()
        if answer not in ("yes", "no"):
            raise AnnotationError(f"{where}: the answer is {row['answer']!r}; give yes or no, or an `answer_type`")
    return {
        **row,
        "id": str(row.get("id") or number),
        "benchmark": row.get("benchmark") or path.stem,
        "subset": row.get("subset") or "all",
        "audio": {"path": None if file is None else str(path.parent / file), "bytes": audio.get("bytes")},
        "answer": answer,
        "answer_type": answer_type,
    }
