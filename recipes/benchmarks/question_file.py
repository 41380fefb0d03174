"""Questions from a file of the user's: CSV, JSON Lines or Parquet."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.annotations import AnnotationError, read_csv, read_json_lines
from recipes.benchmarks.answers import parse_word
from recipes.benchmarks.base import apply_missing_audio
from recipes.benchmarks.hub import read_parquet

if TYPE_CHECKING:
    import datasets

SUFFIXES = (".csv", ".jsonl", ".parquet")
ANSWER_TYPES = ("yes_no", "choice", "word")
_NEEDED = ("audio", "question", "answer")
_RESERVED = ("system", "response", "p_yes", "parsed", "error", "clip_key")  # what answers add


def read_questions(
    path: str | Path, missing_audio: str = "keep", audio_dir: str | Path | None = None
) -> "datasets.Dataset":
    """Read question records.

    Args:
        path: a file with the columns `audio` (path; in JSON Lines and Parquet also `{"path", "bytes"}`), `question`
            and `answer`. As you like: `id` (default: the row's number), `benchmark` (default: the file's name),
            `subset`, `seed` (what the text bound reads), `answer_type` and `options` (a list; see
            `recipes.benchmarks.answers.parse_answer`), and others, which are kept. A `word` is stored as
            `recipes.benchmarks.answers.parse_word` reads it.
        missing_audio: see `recipes.benchmarks.load_benchmark`.
        audio_dir: where relative paths start; the file's folder by default.

    Returns:
        Records of `recipes.records.QUESTION_FEATURES` and the other columns.

    Raises:
        AnnotationError: the file is not there, lacks a column, has one that answers will have, or an answer is none
            that its question can have.
        FileNotFoundError: a recording is missing and `missing_audio` is "error".
    """
    import datasets

    from recipes.records import QUESTION_FEATURES

    path = Path(path).expanduser().absolute()
    if not path.is_file() or path.suffix not in SUFFIXES:
        raise AnnotationError(f"{path} is no file of questions: it should be {', '.join(SUFFIXES)} with {_NEEDED}")
    folder = path.parent if audio_dir is None else Path(audio_dir).expanduser().absolute()
    rows = [_checked(row, number, where, path, folder) for number, (where, row) in enumerate(_rows(path), 1)]
    if not rows:
        raise AnnotationError(f"{path} holds no question")
    if len({row["id"] for row in rows}) < len(rows):
        raise AnnotationError(f"{path}: an id is there twice; ids must be unique")
    names = dict.fromkeys(name for row in rows for name in row)
    if reserved := [name for name in _RESERVED if name in names]:
        raise AnnotationError(f"{path}: answers will have the column {', '.join(reserved)}; call yours otherwise")
    questions = datasets.Dataset.from_dict({name: _alike([row.get(name) for row in rows]) for name in names})
    text = datasets.Value("string")
    stored = {**QUESTION_FEATURES, "audio": {"bytes": datasets.Value("binary"), "path": text}}
    own = {name: feature for name, feature in questions.features.items() if name not in stored}
    questions = questions.select_columns([*stored, *own]).cast(datasets.Features({**stored, **own}))
    # `datasets` encodes rows with an audio column only where torchcodec is installed; casting does without.
    questions = questions.cast_column("audio", QUESTION_FEATURES["audio"])
    return apply_missing_audio(questions, missing_audio, path.name)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each row stands, and the row."""
    if path.suffix == ".csv":
        return read_csv(path, _NEEDED)
    if path.suffix == ".jsonl":
        return read_json_lines(path)
    return ((f"{path}, row {number}", row) for number, row in enumerate(read_parquet(path, _NEEDED)))


def _alike(values: list[Any]) -> list[Any]:
    """A column's values; as text where some are of another kind than others."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 or kinds == {int, float}:
        return values
    return [None if value is None else str(value) for value in values]


def _checked(row: dict[str, Any], number: int, where: str, path: Path, folder: Path) -> dict[str, Any]:
    if any(row.get(name) in (None, "") for name in _NEEDED):
        raise AnnotationError(f"{where}: {', '.join(_NEEDED)} are needed, each not empty: {row!r:.200}")
    audio = row["audio"]
    audio = {"path": audio} if isinstance(audio, str) else audio
    if not isinstance(audio, dict) or not (audio.get("path") or audio.get("bytes")):
        raise AnnotationError(f"{where}: `audio` is {audio!r:.200}; a path is needed")
    file = audio.get("path")
    defaults = {"id": number, "benchmark": path.stem, "subset": "all", "answer_type": "yes_no"}
    row |= {name: str(default if row.get(name) in (None, "") else row[name]) for name, default in defaults.items()}
    row |= {name: str(row[name]) for name in ("question", "seed") if row.get(name) is not None}
    return {
        **row,
        "audio": {"path": None if file is None else str(folder / file), "bytes": audio.get("bytes")},
        **_answer(row, where),
    }


def _answer(row: dict[str, Any], where: str) -> dict[str, Any]:
    """The answer, as responses to such a question are read, and the options of a choice."""
    answer, answer_type = str(row["answer"]).strip(), row["answer_type"]
    if answer_type not in ANSWER_TYPES:
        raise AnnotationError(f"{where}: the answer_type is {answer_type!r}; it must be {', '.join(ANSWER_TYPES)}")
    if answer_type == "choice":
        options = row.get("options")
        options = [str(option) for option in options] if isinstance(options, list) else options
        if not isinstance(options, list) or answer not in options:
            raise AnnotationError(f"{where}: the answer {answer!r} must be one of `options`, a list, not {options!r}")
        return {"answer": answer, "options": options}
    if answer_type == "yes_no" and answer.lower() not in ("yes", "no"):
        raise AnnotationError(f"{where}: the answer is {row['answer']!r}; give yes or no, or an `answer_type`")
    if answer_type == "word" and (word := parse_word(answer)) is None:
        raise AnnotationError(f"{where}: the answer is {row['answer']!r}; give one word")
    return {"answer": word if answer_type == "word" else answer.lower()}
