"""Reading annotation files so that every malformed row is an error that names file, line, value and remedy."""

import csv
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


class AnnotationError(ValueError):
    """An annotation file, or a row of one, that cannot be used; the message says where and what to do."""


def find_annotation(roots: Sequence[Path], patterns: Sequence[str]) -> Path | None:
    """The first annotation file that matches, trying each pattern in each root, in order.

    Args:
        roots: folders to look in.
        patterns: paths relative to a root, best first; glob patterns allow for the names found in the wild.

    Raises:
        AnnotationError: several files match one pattern, so that none can be chosen.
    """
    for pattern in patterns:
        for root in roots:
            matches = sorted(path for path in root.glob(pattern) if path.is_file())
            if len(matches) > 1:
                names = ", ".join(str(match) for match in matches)
                raise AnnotationError(f"{names}: several files could be the annotations; leave only one of them there")
            if matches:
                return matches[0]
    return None


def read_text(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 text file, with or without a byte order mark.

    Raises:
        AnnotationError: the file is empty or not UTF-8.
    """
    number = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise AnnotationError(
                    f"{path}, line {number}: byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8, "
                    f"e.g. if it is Latin-1: iconv -f latin1 -t utf8 {path.name} > utf8-{path.name}"
                ) from None
            yield line
    if not number:
        raise AnnotationError(f"{path} is empty; fetch or write it again")


def read_csv(
    path: Path, required: Sequence[str], columns: Sequence[str] | None = None, **dialect: Any
) -> Iterator[tuple[str, dict[str, str]]]:
    """Read a CSV file row by row.

    Args:
        path: the file.
        required: columns that must be there.
        columns: names of the columns where the file has no header line; lines starting with "# " are then comments.
        dialect: further arguments of `csv.reader`.

    Yields:
        Where the row stands ("FILE, line N") and its cells by column name.

    Raises:
        AnnotationError: no header, a missing column, a row with more or fewer cells than columns, an open quote, a
            blank before a quote.
    """
    width = 0
    lines = read_text(path)
    reader = csv.reader(lines if columns is None else _drop_comments(lines), strict=True, **dialect)
    where = f"{path}, line 1"
    try:
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            if not dialect.get("skipinitialspace") and any('"' in cell and re.match(r'\s+"', cell) for cell in row):
                raise AnnotationError(
                    f"{where}: a blank before a double quote, which therefore quotes nothing: {row!r}; take it out"
                )
            if columns is None:
                columns, width = [cell.strip() for cell in row], len(row)
                while not columns[-1]:
                    columns.pop()
                _check_columns(path, columns, required)
                continue
            # Spreadsheets write columns that are empty throughout.
            if len(columns) < len(row) <= width and not any(cell.strip() for cell in row[len(columns) :]):
                row = row[: len(columns)]
            if len(row) != len(columns):
                raise AnnotationError(
                    f"{where}: {len(row)} cells where {len(columns)} are due ({', '.join(columns)}): {row!r}; "
                    "put cells that hold the separator into double quotes"
                )
            yield where, dict(zip(columns, row, strict=True))
    except csv.Error as error:
        raise AnnotationError(f"{where}: not valid CSV ({error}); look for an unclosed double quote") from None
    if columns is None:
        raise AnnotationError(f"{path} holds only blank lines; fetch or write it again")


def _drop_comments(lines: Iterator[str]) -> Iterator[str]:
    # A comment becomes a blank line, so that line numbers stay true.
    return ("\n" if line.startswith("# ") else line for line in lines)


def _check_columns(path: Path, columns: list[str], required: Sequence[str]) -> None:
    if missing := [name for name in required if name not in columns]:
        raise AnnotationError(
            f"{path}, line 1: no column {', '.join(map(repr, missing))} in the header {','.join(columns)!r}; "
            "name the columns in the first line and separate them as the rest of the file does"
        )
    if len(set(columns)) < len(columns):
        raise AnnotationError(f"{path}, line 1: two columns share a name: {', '.join(columns)}; rename one of them")


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read a JSON Lines file; yields where each object stands and the object.

    Raises:
        AnnotationError: a line that is not a JSON object.
    """
    for number, line in enumerate(read_text(path), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise AnnotationError(f"{where}: not valid JSON ({error}); one object stands on each line") from None
        if not isinstance(row, dict):
            raise AnnotationError(f"{where}: {row!r} is not a JSON object; write {{...}} on each line")
        yield where, row


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        AnnotationError: the file is not JSON.
    """
    try:
        return json.loads("".join(read_text(path)))
    except json.JSONDecodeError as error:
        raise AnnotationError(f"{path}: not valid JSON ({error}); fetch it again") from None


def text_of(value: Any, what: str, where: str) -> str:
    """A caption, tag or id without surrounding blanks.

    Raises:
        AnnotationError: it is not a string, an empty one, or one that is no valid Unicode (JSON may escape such).
    """
    if not isinstance(value, str) or not _is_unicode(value):
        raise AnnotationError(f"{where}: the {what} is {value!r}; a text is needed")
    if not value.strip():
        raise AnnotationError(f"{where}: the {what} is empty; write one or take the row out")
    return value.strip()


def seconds_of(value: Any, what: str, where: str) -> float:
    """A time in seconds.

    Raises:
        AnnotationError: it is not a finite number >= 0.
    """
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise AnnotationError(f"{where}: the {what} is {value!r}; a number of seconds is needed")
    return seconds


def file_name_of(value: Any, where: str) -> str:
    """The name of a recording relative to its folder, kept to the letter (real names begin with blanks).

    Raises:
        AnnotationError: it is empty, or would lead out of the corpus' folder.
    """
    if not isinstance(value, str) or not value.strip() or not _is_unicode(value):
        raise AnnotationError(f"{where}: the file name is {value!r}; name a recording or take the row out")
    parts = re.split(r"[/\\]", value)
    if "\0" in value or ".." in parts or not parts[0] or re.fullmatch(r"[A-Za-z]:", parts[0]):
        raise AnnotationError(
            f"{where}: the file name {value!r} leaves the corpus' folder; recordings must lie below data_dir and be "
            "named relative to it"
        )
    return value


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
