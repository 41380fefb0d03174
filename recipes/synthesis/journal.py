"""The append-only record of all responses, from which a run that was killed at any moment goes on."""

import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

logger = logging.getLogger(__name__)

FIELDS = ("key", "response", "finish_reason", "response_tokens", "generator")


class Journal:
    """A folder of JSONL files, one for each part of a run, one line for each response.

    This process appends to one file, whose lock it holds, and reads them all. `append` is atomic: after a crash either
    all of its responses are there or none. The last line of each such batch says `"commit": true`; what follows the
    last commit is cut off when the file is opened again. Keys are indexed in a temporary SQLite database that spills
    to disk, so that memory stays flat however many responses there are.

    Args:
        folder: where the files are; made if it is not there.
        part: which part of how many this process writes; (1, 1) is all.

    Raises:
        RuntimeError: another process is writing this part.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: str | Path, part: tuple[int, int] = (1, 1)) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / f"part-{part[0]:05d}-of-{part[1]:05d}.jsonl"
        self.corrupt_lines = 0
        self._lock = FileLock(f"{self.path}.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RuntimeError(f"another process is writing {self.path}: wait for it or stop it") from None
        self._readers: list[BinaryIO] = []
        self._index = sqlite3.connect("", isolation_level=None)  # temporary, on disk once it outgrows its cache
        self._index.execute("PRAGMA cache_size = -32768")
        self._index.execute(
            "CREATE TABLE responses (key BLOB PRIMARY KEY, file INTEGER, offset INTEGER) WITHOUT ROWID"
        )
        self.path.touch()
        for path in sorted(self.folder.glob("part-*.jsonl")):
            self._readers.append(path.open("rb"))
            committed = self._scan(path, len(self._readers) - 1)
            if path == self.path:
                self._own = len(self._readers) - 1
                os.truncate(path, committed)
        self._writer = self.path.open("ab", buffering=0)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._index.execute("SELECT COUNT(*) FROM responses").fetchone()[0]

    def __contains__(self, key: str) -> bool:
        return self._find(key) is not None

    def __getitem__(self, key: str) -> dict[str, Any]:
        """The response with this key. Raises KeyError where there is none."""
        if (place := self._find(key)) is None:
            raise KeyError(key)
        reader = self._readers[place[0]]
        reader.seek(place[1])
        return json.loads(reader.readline())

    def append(self, responses: Iterable[dict[str, Any]]) -> None:
        """Keep responses (dictionaries with at least `FIELDS`) durably, all or none; return when they are on disk.

        Raises:
            OSError: they could not be written; what was kept before is still there.
        """
        lines, places, responses = [], [], list(responses)
        offset = start = self._writer.tell()
        for response in responses:
            if response is responses[-1]:
                response = {**response, "commit": True}
            lines.append(json.dumps(response, ensure_ascii=False).encode() + b"\n")
            places.append((bytes.fromhex(response["key"]), self._own, offset))
            offset += len(lines[-1])
        if not lines:
            return
        rest = memoryview(b"".join(lines))
        try:
            while rest:
                rest = rest[self._writer.write(rest) :]
            os.fsync(self._writer.fileno())
        except OSError as error:
            self._writer.truncate(start)
            remedy = "what was kept before is safe; make room and run the same command again"
            raise OSError(error.errno, f"{error.strerror} ({remedy})", str(self.path)) from error
        self._insert(places)

    def close(self) -> None:
        """Release the lock and every file."""
        try:
            self._writer.close()
        finally:
            for reader in self._readers:
                reader.close()
            self._index.close()
            self._lock.release()

    def _find(self, key: str) -> tuple[int, int] | None:
        query = "SELECT file, offset FROM responses WHERE key = ?"
        return self._index.execute(query, (bytes.fromhex(key),)).fetchone()

    def _insert(self, places: list[tuple[bytes, int, int]]) -> None:
        self._index.execute("BEGIN")
        self._index.executemany("INSERT OR IGNORE INTO responses VALUES (?, ?, ?)", places)
        self._index.execute("COMMIT")

    def _scan(self, path: Path, file: int) -> int:
        """Index a file up to its last commit; return where that is, in bytes."""
        places, committed = [], 0
        for number, offset, line in _lines(path):
            try:
                response = json.loads(line)
                key = bytes.fromhex(response["key"])
                complete = line.endswith(b"\n") and all(name in response for name in FIELDS)
            except (ValueError, KeyError, TypeError):
                complete = False
            if not complete:
                corrupt = (number, offset)
                places.append(None)
                continue
            places.append((key, file, offset))
            if response.get("commit"):
                if dropped := places.count(None):
                    self.corrupt_lines += dropped
                    logger.warning(
                        "%s: %d unreadable lines before line %d are passed over (the last is line %d); "
                        "their responses are made again",
                        path, dropped, number, corrupt[0],
                    )  # fmt: skip
                self._insert([place for place in places if place])
                places, committed = [], offset + len(line)
        return committed


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield number, offset, line
            offset += len(line)
