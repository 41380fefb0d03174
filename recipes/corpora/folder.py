"""Your own recordings: a folder with a CSV or JSON Lines file of file names and captions or tags."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.annotations import (
    AnnotationError,
    file_name_of,
    read_csv,
    read_json_lines,
    seconds_of,
    text_of,
)
from recipes.corpora.base import CorpusBuilder
from recipes.corpora.clips import Clip, Coverage

SUFFIXES = (".csv", ".tsv", ".jsonl")
FILE_COLUMNS = ("file", "file_name")  # the second is what `datasets`' AudioFolder calls it


class Folder(CorpusBuilder):
    """Seeds from a table that the user wrote.

    `data_dir` is the folder, or the table itself: a `.csv` (comma), `.tsv` (tab) or `.jsonl` file in UTF-8. Columns:

    * `file` (or `file_name`): the recording, relative to the table's folder and below it;
    * `caption`, or `caption_1`, `caption_2`, ...; in JSON Lines also a list `captions`: one seed for each caption;
    * `tags`, separated by ";" (in JSON Lines also a list): one seed, where a row has no caption;
    * if you like `split` (default: train), `id` (default: the file name) and `duration` in seconds (the recording's
      header goes before it).

    Several rows may name the same recording. Other columns are ignored.
    """

    CORPUS = "folder"
    DESCRIPTION = "The user's own recordings."
    HOMEPAGE = ""
    LICENSE = ""
    CITATION = ""
    ALIASES = {"val": ("validation",), "valid": ("validation",), "dev": ("validation",), "eval": ("test",)}

    @property
    def remedy(self) -> str:
        """What to do where the table is missing."""
        return "write a .csv or .jsonl file with the columns `file` and `caption` or `tags`"

    def usable(self, data_dir: str | Path | None) -> Path:
        """The folder of the table, which is found if `data_dir` does not name it."""
        path = Path(data_dir or "").expanduser()
        if data_dir is not None and path.is_file():
            self._table = path.absolute()
            if path.suffix.lower() not in SUFFIXES:
                raise AnnotationError(f"{path} is not a table that can be read; {self.remedy}")
            return super().usable(path.parent)
        folder = super().usable(data_dir)
        tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        tables = [path for path in tables if path.stem == "metadata"] or tables
        if len(tables) != 1:
            found = f"holds {', '.join(path.name for path in tables)}" if tables else "holds no table"
            remedy = "give the one to use as data_dir" if tables else self.remedy
            raise AnnotationError(f"folder: {folder} {found}; {remedy}")
        self._table = tables[0]
        return folder

    def present_splits(self) -> list[str]:
        """The splits that the table names, after a first pass over it that also finds where the recordings lie."""
        splits: dict[str, None] = {}
        self._folders: dict[str, None] = {"": None}
        for where, row in self._rows():
            splits[_split_of(row, where)] = None
            self._folders[os.path.dirname(self._file_of(row, where))] = None
        if not splits:
            raise AnnotationError(f"{self._table} has no rows; {self.remedy}")
        return list(splits)

    def find_annotations(self, split: str) -> Path:
        """The table, whatever the split."""
        return self._table

    def annotations(self, split: str) -> Path:
        """The table, whatever the split."""
        return self._table

    def audio_folders(self, split: str) -> list[str]:
        """The table's folder, relative to which files are named."""
        return [""]

    def watched_folders(self) -> list[Path]:
        """The folders of the recordings that the table names."""
        return [self.data_dir / folder for folder in self._folders]

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """The rows of a split."""
        # Digests keep a million names and rows small.
        repeats: dict[bytes, int] = {}
        rows: set[bytes] = set()
        for where, row in self._rows():
            if _split_of(row, where) != split:
                continue
            file = self._file_of(row, where)
            captions, tags = _captions(row, where), _tags(row, where)
            if not captions and not tags:
                raise AnnotationError(
                    f"{where}: no caption and no tags in the columns {', '.join(map(repr, row))}; write one into "
                    "`caption` or `tags`, or take the row out"
                )
            if row.get("id") not in (None, ""):
                key = text_of(str(row["id"]), "id", where)
            else:
                content = _digest(repr((file, captions, tags)))
                if content in rows:
                    raise AnnotationError(f"{where}: {file!r} is there twice with the same text; take one row out")
                rows.add(content)
                number = repeats[_digest(file)] = repeats.get(_digest(file), 0) + 1
                key = file if number == 1 else f"{file}/{number}"  # no file has this name, and no caption's key
            seconds = row.get("duration")
            yield Clip(
                key=key,
                where=where,
                names=[file],
                captions=[
                    (key if len(captions) == 1 else f"{key}#{number}", caption)
                    for number, caption in enumerate(captions, 1)
                ],
                tags=tags,
                seconds=None if seconds in (None, "") else seconds_of(seconds, "duration", where),
            )

    def _rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if self._table.suffix.lower() == ".jsonl":
            return read_json_lines(self._table)
        return read_csv(self._table, (), delimiter="\t" if self._table.suffix.lower() == ".tsv" else ",")

    def _file_of(self, row: dict[str, Any], where: str) -> str:
        column = next((name for name in FILE_COLUMNS if name in row), None)
        if column is None:
            raise AnnotationError(
                f"{where}: no column 'file' among {', '.join(map(repr, row))}; name the columns in the first line and "
                "separate them by commas in .csv, by tabs in .tsv"
            )
        name = row[column]
        if isinstance(name, str) and name.startswith(f"{self.data_dir}{os.sep}"):
            name = os.path.relpath(name, self.data_dir)
        name = file_name_of(name, where)
        # Tables from Windows; elsewhere a backslash in a file name is legal but all but unknown.
        return name.replace("\\", "/") if "\\" in name and not (self.data_dir / name).exists() else name


def _split_of(row: dict[str, Any], where: str) -> str:
    split = row.get("split") or "train"
    if not isinstance(split, str) or not re.fullmatch(r"\s*\w+\s*", split) or split.strip() == "all":
        raise AnnotationError(f"{where}: the split is {split!r}; use one word such as train, validation or test")
    return Folder.ALIASES.get(split.strip(), (split.strip(),))[0]


def _captions(row: dict[str, Any], where: str) -> list[str]:
    value = row.get("caption") if row.get("captions") in (None, "", []) else row["captions"]
    if isinstance(value, list):
        return [text_of(caption, "caption", where) for caption in value]
    numbered = [row[column] for column in row if re.fullmatch(r"caption_\d+", column)]
    return [text_of(caption, "caption", where) for caption in (value, *numbered) if caption not in (None, "")]


def _tags(row: dict[str, Any], where: str) -> list[str]:
    value = row.get("tags")
    if value in (None, ""):
        return []
    if not isinstance(value, list | str):
        raise AnnotationError(f"{where}: the tags are {value!r}; a list is needed, or a text with ';' between tags")
    tags = value if isinstance(value, list) else value.rstrip("; ").split(";")
    return [text_of(tag, "tag", where) for tag in tags]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
