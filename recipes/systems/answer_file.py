"""The append-only file of a system's answers, from which a run that was killed at any moment goes on."""

import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from recipes.systems.base import Answer

SYNC_SECONDS = 2.0


class AnswerFile:
    """JSON Lines, one answer each, in the order in which the questions are asked.

    Batches are kept whole: what a killed run left of one is cut off and asked again, together, so that the file is the
    one of an undisturbed run. One process writes it; others are refused.

    Args:
        path: made if it is not there.
        batches: ids of the questions, batch by batch.

    Raises:
        RuntimeError: another process is writing the file.
        ValueError: it holds answers to other questions.
    """

    def __init__(self, path: Path, batches: Sequence[Sequence[str]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = _locked(path)
        try:
            self.batches_done = self._cut_to_whole_batches(batches)
            self._file = path.open("ab")
            self._last_sync = time.monotonic()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> "AnswerFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        self._lock.release()

    def append(self, questions: Sequence[dict[str, Any]], answers: Sequence[Answer]) -> None:
        """Keep the answers to a batch: a kill cannot take them from now on, a power cut from `SYNC_SECONDS` on."""
        lines = [
            json.dumps(
                {
                    "id": question["id"],
                    "question": question["question"],
                    "answer": question["answer"],
                    **answer._asdict(),
                },
                ensure_ascii=False,
            )
            for question, answer in zip(questions, answers, strict=True)
        ]
        self._file.write("".join(f"{line}\n" for line in lines).encode())
        self._file.flush()
        if time.monotonic() - self._last_sync > SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._last_sync = time.monotonic()

    def _cut_to_whole_batches(self, batches: Sequence[Sequence[str]]) -> int:
        """Cut the file after its last whole batch; returns how many there are."""
        if not self.path.exists():
            return 0
        kept = 0
        with self.path.open("rb") as file:
            for number, batch in enumerate(batches):
                for wanted in batch:
                    line = file.readline()
                    if (found := _id_in(line)) is None:  # the end, or torn
                        self._cut(kept)
                        return number
                    if found != wanted:
                        raise ValueError(
                            f"{self.path} holds an answer to {found!r} where the one to {wanted!r} is due: delete the "
                            "file, or answer into another folder"
                        )
                kept = file.tell()
        self._cut(kept)
        return len(batches)

    def _cut(self, size: int) -> None:
        if self.path.stat().st_size > size:
            os.truncate(self.path, size)


def remove_answers(paths: Iterable[Path]) -> None:
    """Delete files of answers: all of them, or none.

    Raises:
        RuntimeError: another process is writing one of them.
    """
    paths = list(paths)
    with ExitStack() as locks:
        for path in paths:
            locks.callback(_locked(path).release)
        for path in paths:
            path.unlink(missing_ok=True)


def _locked(path: Path) -> FileLock:
    """The lock of a file's writer, acquired."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RuntimeError(f"another process is writing {path}: wait for it or stop it") from None
    return lock


def read_answers(path: Path) -> dict[str, Answer]:
    """All answers in a file, by the ids of their questions; a last line that is torn is left out."""
    answers = {}
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                row = json.loads(line)
                answers[row["id"]] = Answer(row["response"], row["p_yes"], row["error"])
    return answers


def _id_in(line: bytes) -> str | None:
    try:
        return json.loads(line)["id"] if line.endswith(b"\n") else None
    except (ValueError, KeyError, TypeError):
        return None
