"""Copies of the Hub's data repositories, laid out as the benchmarks' builders read a local `data_dir`."""

import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recipes.annotations import AnnotationError


def read_parquet(path: Path, required: Sequence[str], batch_size: int = 1000) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file as dictionaries.

    Raises:
        AnnotationError: it is not a whole Parquet file, or lacks one of the required columns.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if missing := [name for name in required if name not in names]:
                raise AnnotationError(f"{path}: no column {', '.join(missing)}; its columns are {', '.join(names)}")
            for batch in file.iter_batches(batch_size):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise AnnotationError(f"{path} is not a whole Parquet file ({error}); fetch it again") from None


def copy_repository(repository: str, parent: Path, patterns: Sequence[str]) -> Path:
    """Fetch files of a data repository of the Hub; those fetched before do where it cannot be reached.

    Args:
        repository: `owner/name`.
        parent: the folder below which the copy lies, as `name`.
        patterns: glob patterns of the files.

    Returns:
        The folder of the copy.

    Raises:
        AnnotationError: the Hub cannot be reached and no copy is there.
    """
    from huggingface_hub import snapshot_download

    folder = parent / repository.split("/")[1]
    try:
        snapshot_download(repository, repo_type="dataset", local_dir=folder, allow_patterns=list(patterns))
    except (OSError, ValueError) as error:
        raise AnnotationError(
            f"{repository} cannot be fetched from the Hub ({type(error).__name__}: {error}); fetch it elsewhere and "
            f"name as data_dir the folder in which {folder.name}/ lies"
        ) from error
    return folder


def write_recordings(parquet_files: Sequence[Path], name_column: str, target: Path) -> None:
    """Write the recordings that Parquet files carry into a folder, each once, as `<name>.wav`.

    Args:
        parquet_files: files with a column `audio` of `{"bytes", "path"}`.
        name_column: the column that holds the recordings' names.
        target: the folder to write to; made if it is not there.
    """
    target.mkdir(parents=True, exist_ok=True)
    for parquet_file in parquet_files:
        for row in read_parquet(parquet_file, [name_column, "audio"], batch_size=16):
            content, path = (row["audio"] or {}).get("bytes"), target / f"{os.path.basename(row[name_column])}.wav"
            if content and not path.exists():
                partial = path.with_suffix(f".{os.getpid()}.partial")
                partial.write_bytes(content)
                os.replace(partial, path)


def unpack(archive: Path, target: Path) -> None:
    """Unpack a tar archive into a folder unless that has been done."""
    done = target / ".unpacked"
    if not done.exists():
        with tarfile.open(archive) as file:
            file.extractall(target, filter="data")
        done.touch()
