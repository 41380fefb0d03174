"""Corpora from their mirrors on the Hugging Face Hub: column mapping from a loaded dataset."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets

from recipes.annotations import AnnotationError
from recipes.corpora.base import CorpusBuilder
from recipes.corpora.clips import Clip

_SIGNATURES = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg"}


def undecoded(mirror: datasets.Dataset) -> datasets.Dataset:
    """The dataset with its recordings as they are stored, so that reading a row decodes nothing."""
    if isinstance(mirror.features.get("audio"), datasets.Audio):
        mirror = mirror.cast_column("audio", datasets.Audio(decode=False))
    return mirror


def mirror_clips(builder: CorpusBuilder, split: str) -> Iterator[Clip]:
    """The clips of a mirror; recordings that it carries are written below the builder's `data_dir`, each once.

    Beside them stands `metadata.jsonl`, a table for `recipes.corpora.folder`.
    """
    folder = builder.data_dir / split
    rows = []
    classes = {name: kind for name, kind in builder.mirror.features.items() if isinstance(kind, datasets.ClassLabel)}
    for index, row in enumerate(builder.mirror):
        where = f"mirror of {builder.CORPUS}, row {index}"
        row |= {name: kind.int2str(row[name]) for name, kind in classes.items() if row[name] is not None}
        try:
            clip = builder.mirror_clip(row, where)
        except KeyError as error:
            raise AnnotationError(
                f"{where}: no column {error}; the columns are {', '.join(builder.mirror.column_names)}. Rename them "
                "(`Dataset.rename_column`) as the mirror in the documentation has them"
            ) from None
        if clip is None:
            continue
        if audio := row.get("audio"):
            clip.path = _recording(audio, clip, folder, where)
            if clip.path and clip.path.parent == folder:
                rows.append(_table_row(clip, split))
        yield clip
    if rows:
        _write(folder / "metadata.jsonl", "".join(rows).encode())


def _table_row(clip: Clip, split: str) -> str:
    row = {
        "file": clip.path.name,
        "captions": [caption for _, caption in clip.captions],
        "tags": clip.tags,
        "split": clip.split or split,
        "id": clip.key,
    }
    return json.dumps(row, ensure_ascii=False) + "\n"


def _recording(audio: Any, clip: Clip, folder: Path, where: str) -> Path | None:
    if not isinstance(audio, dict) or not {"path", "bytes"} & set(audio):
        raise AnnotationError(f"{where}: the audio is decoded; give the dataset with Audio(decode=False)")
    content, path = audio.get("bytes"), audio.get("path")
    if content is None:
        return Path(path).absolute() if path and os.path.isfile(path) else None
    # Named by what is in it, so that the rows of one recording share a file and no other content can stand in for it.
    readable = re.sub(r"[^\w\-]", "_", clip.names[0], flags=re.ASCII)[:80]
    digest = hashlib.blake2b(content, digest_size=8).hexdigest()
    target = folder / f"{readable}-{digest}{_suffix(content, path)}"
    if not target.exists():
        _write(target, content)
    return target


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{os.getpid()}.{target.name}")
    partial.write_bytes(content)
    os.replace(partial, target)


def _suffix(content: bytes, path: str | None) -> str:
    return _SIGNATURES.get(content[:4]) or os.path.splitext(path or "")[1] or ".mp3"


def file_name_in(row: dict[str, Any], where: str, column: str | None = None) -> str:
    """The file name of a row's recording: from a column of its own or else from the audio's path."""
    name = row[column] if column else (row["audio"] or {}).get("path")
    if not name:
        raise AnnotationError(f"{where}: the recording has no file name, which is what identifies it")
    return os.path.basename(name)
