"""A file of answers as a system: what the benchmarks' official inference scripts write."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.annotations import read_text
from recipes.systems.base import Answer, Clip, Settings, System

if TYPE_CHECKING:
    import datasets


class AnswersCSV(System):
    """Reads responses from CSV files with the columns entry_id, audio_index, label, response, in this order.

    Rows are matched with questions by `entry_id`: the benchmark's own, or the question's `id` where it has none. Names
    in the header do not matter. A question without a row is unanswered.

    Args:
        name: how tables call it.
        path: the file; `{benchmark}` and `{subset}` stand for a file for each of them.
        settings: not used.
    """

    hears = False

    def __init__(self, name: str, path: str, settings: Settings) -> None:
        self.name, self.path = name, str(Path(path).expanduser().absolute())
        self._files: dict[Path, dict[str, tuple[str, str, str]]] = {}

    def identity(self) -> dict[str, Any]:
        """The file's name."""
        return {"answers": self.path}

    def identity_for(self, questions: "datasets.Dataset") -> dict[str, Any]:
        """The file's name and state."""
        state = self._path_for(questions[0]).stat()
        return {**self.identity(), "state": f"{state.st_size}@{state.st_mtime_ns}"}

    def check(self, questions: "datasets.Dataset") -> None:
        """Look whether the file is there."""
        self._rows_for(questions[0])

    def answer(self, clips: Sequence[Clip]) -> list[list[Answer]]:
        """Look up the responses to the questions of several clips.

        Raises:
            ValueError: the file cannot be used, or belongs to other questions.
        """
        return [[self._look_up(question) for question in clip.questions] for clip in clips]

    def _look_up(self, question: dict[str, Any]) -> Answer:
        entry = question.get("entry_id")
        key = str(question["id"] if entry is None else entry)
        path, rows = self._rows_for(question)
        if key not in rows:
            return Answer(None, None, f"{path.name} has no row {key}")
        audio_index, label, response = rows[key]
        expected = str(question.get("audio_index") or audio_index)
        if (audio_index, label.lower()) != (expected, question["answer"].lower()):
            raise ValueError(
                f"{path}: row {key} is about {audio_index!r} with the label {label!r}, but the question is about "
                f"{expected!r} with {question['answer']!r}: the file answers another benchmark or subset than "
                f"{question['benchmark']}/{question['subset']}"
            )
        return Answer(response)

    def _path_for(self, question: dict[str, Any]) -> Path:
        path = self.path
        for name in ("benchmark", "subset"):
            path = path.replace(f"{{{name}}}", str(question[name]))
        return Path(path)

    def _rows_for(self, question: dict[str, Any]) -> tuple[Path, dict[str, tuple[str, str, str]]]:
        path = self._path_for(question)
        if path not in self._files:
            self._files[path] = _read(path)
        return path, self._files[path]


def _read(path: Path) -> dict[str, tuple[str, str, str]]:
    """entry_id -> audio_index, label, response."""
    if not path.is_file():
        raise ValueError(f"there is no file of answers {path}")
    rows: dict[str, tuple[str, str, str]] = {}
    reader = csv.reader(read_text(path))
    next(reader, None)  # the header, as the official scripts do
    for row in reader:
        if not row:
            continue
        if len(row) < 4:
            raise ValueError(f"{path}, line {reader.line_num}: {row!r} has no entry_id, audio_index, label, response")
        if row[0] in rows:
            raise ValueError(f"{path}, line {reader.line_num}: entry_id {row[0]!r} is there twice")
        rows[row[0]] = (row[1], row[2], row[3])
    return rows
