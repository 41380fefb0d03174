"""Responses and questions, grouped by the clip that they are about; recordings are read when a clip is asked for.

The records stay memory-mapped in Arrow files: a clip costs 8 bytes of memory for each of its records, however large
the data set is, and any clip can be read at any time, which an exact shuffle and an exact resume need.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

NAMES_IN_LOG = 10
_FILE_CHECKS_AT_ONCE = 16


def load_records(source: str, what: str, remedy: str) -> "Dataset":
    """Records as a memory-mapped dataset.

    Args:
        source: folder of Parquet files (its own, or in `data/`) or of `Dataset.save_to_disk`, a Parquet, JSON-lines or
            CSV file, or a Hub id.
        what: what the records are, for the message.
        remedy: what to do where there are none.

    Raises:
        FileNotFoundError: there is nothing of that name.
    """
    from datasets import load_dataset, load_from_disk

    path = Path(source)
    if (path / "dataset_info.json").is_file():
        return load_from_disk(path)
    files = [path] if path.is_file() else sorted([*path.glob("*.parquet"), *path.glob("data/*.parquet")])
    if files:
        kind = {".parquet": "parquet", ".csv": "csv"}.get(files[0].suffix, "json")
        return load_dataset(kind, data_files=[str(file) for file in files], split="train")
    if path.exists() or source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise FileNotFoundError(f"{source} holds no {what}: {remedy}")
    try:
        return load_dataset(source, split="train")
    except Exception as error:  # whatever the Hub, or being offline, raises
        raise FileNotFoundError(
            f"{source} is neither a folder or file here nor a data set on the Hub that can be read: {remedy}. {error}"
        ) from error


class Clips(Sequence):
    """Clips with the records about them.

    Args:
        records: with `audio`, and whatever else is wanted of them.
        columns: of the records that each clip gives.
        audio_dir: where relative paths start.
        max_records: further records of a clip become another clip.

    `clips[i]` is `{"id": ..., "audio": source, column: list, ...}`.
    """

    def __init__(
        self,
        records: "Dataset",
        columns: Sequence[str],
        audio_dir: str | None = None,
        max_records: int | None = None,
    ):
        if missing := sorted({*columns, "audio"} - set(records.column_names)):
            raise ValueError(f"the records have no column {', '.join(missing)}; they have {records.column_names}")
        self.records, self.audio_dir = records, audio_dir
        self.audio = records.select_columns(["audio"]).with_format("arrow")
        self.texts = records.select_columns(list(columns)).with_format("arrow")
        self.ids, self.groups = self._group(records, max_records)
        self.unreadable: dict[str, str] = {}

    def _group(self, records: "Dataset", max_records: int | None) -> tuple[list[str], list[np.ndarray]]:
        """Clips in the order of their first record: their names and the rows of their records."""
        names = [name for name in ("corpus", "benchmark", "id") if name in records.column_names]
        clips: dict[tuple, list[int]] = {}
        places = records.select_columns([*names, "audio"]).with_format("arrow")
        row = 0
        for table in places.iter(batch_size=10_000):
            paths = table["audio"].combine_chunks().field("path").to_pylist()
            keys = [table[name].to_pylist() for name in names]
            for path, *identity in zip(paths, *keys, strict=True):
                owner = identity[:-1] if path else identity  # without a path, every id is a clip of its own
                clips.setdefault((*owner, path), []).append(row)
                row += 1
        ids, groups = [], []
        for key, rows in clips.items():
            for start in range(0, len(rows), max_records or len(rows)):
                ids.append("/".join(str(part) for part in key if part))
                groups.append(np.array(rows[start : start + (max_records or len(rows))]))
        return ids, groups

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self.texts_of(index), "audio": self.source(index)}

    def texts_of(self, index: int) -> dict[str, Any]:
        """The clip without its recording."""
        return {"id": self.ids[index], **self.texts[self.groups[index]].to_pydict()}

    def source(self, index: int) -> dict[str, Any] | None:
        """The recording, `{"path", "bytes"}`, paths resolved; None where the record has none."""
        audio = self.audio[int(self.groups[index][0])]["audio"][0].as_py()
        return self._resolved(audio)

    def _resolved(self, audio: dict[str, Any] | None) -> dict[str, Any] | None:
        if audio is None or (audio["path"] is None and audio["bytes"] is None):
            return None
        if audio["bytes"] is None and self.audio_dir is not None:
            return {**audio, "path": str(Path(self.audio_dir, audio["path"]))}
        return audio

    def select(self, indices: Sequence[int]) -> "Clips":
        """Some of the clips, in that order; the records stay shared."""
        chosen = object.__new__(type(self))
        vars(chosen).update(vars(self))
        chosen.ids = [self.ids[index] for index in indices]
        chosen.groups = [self.groups[index] for index in indices]
        return chosen

    @property
    def num_records(self) -> int:
        """Records of all clips."""
        return sum(map(len, self.groups))

    def without_unreadable(self, what: str) -> "Clips":
        """The clips whose recordings are there and begin like audio, having said which are not and how many.

        Audio inside the records is taken as it is; a recording that turns out to be damaged further on is skipped when
        it is read.

        Args:
            what: the clips' name in messages.

        Raises:
            ValueError: not one of them can be read.
        """
        with ThreadPoolExecutor(_FILE_CHECKS_AT_ONCE) as threads:
            checks = threads.map(lambda index: _problem(self._source_without_bytes(index)), range(len(self)))
            bar = tqdm(checks, total=len(self), desc=f"checking audio of {what}", unit="clip", delay=2)
            problems = dict(enumerate(bar))
        unreadable = {self.ids[index]: problem for index, problem in problems.items() if problem}
        if unreadable:
            report_unreadable(unreadable, len(self), what)
        kept = self.select([index for index, problem in problems.items() if not problem])
        if not len(kept):
            raise ValueError(
                f"none of the {len(self)} {what} can be read; is the folder of the recordings there? "
                f"The first: {next(iter(unreadable.values()), 'there is none')}"
            )
        kept.unreadable = unreadable
        return kept

    def _source_without_bytes(self, index: int) -> dict[str, Any] | None:
        audio = self.audio[int(self.groups[index][0])]["audio"].combine_chunks()
        has_bytes = audio.field("bytes")[0].is_valid
        return self._resolved({"path": audio.field("path")[0].as_py(), "bytes": b"" if has_bytes else None})


class WaveformClips:
    """A `torch` data set of clips with their waveforms; where one cannot be read, the next that can stands in.

    Args:
        clips: as they are.
        load_audio: gives the waveform of a source, or raises ValueError.

    An item is the clip's, and `waveform` float32 `(samples,)`, and `unreadable`: clips passed over, and why.
    """

    def __init__(self, clips: Clips, load_audio: Callable[[Any], np.ndarray]):
        self.clips, self.load_audio = clips, load_audio

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        unreadable = {}
        for offset in range(len(self)):
            place = (index + offset) % len(self)
            clip = dict(self.clips[place])
            try:
                waveform = self.load_audio(clip.pop("audio"))
            except ValueError as error:
                unreadable[clip["id"]] = str(error)
            else:
                return {**clip, "waveform": waveform, "unreadable": unreadable}
        raise ValueError(f"none of {len(self)} clips can be read: {next(iter(unreadable.values()))}")


def _problem(source: dict[str, Any] | None) -> str | None:
    """Why a recording cannot be read, as far as its first bytes say."""
    import soundfile

    if source is None:
        return "there is neither a path nor audio in the record"
    if source["bytes"] is not None:
        return None
    if not Path(source["path"]).is_file():
        return f"audio file {source['path']!r} does not exist"
    try:
        with soundfile.SoundFile(source["path"]) as sound:
            return None if sound.frames else f"audio file {source['path']!r} holds no samples"
    except (soundfile.SoundFileError, RuntimeError) as error:
        return f"audio file {source['path']!r} cannot be decoded: {error}"


def report_unreadable(unreadable: dict[str, str], total: int, what: str) -> None:
    """Log how many clips of `total` are left out, and the first of them."""
    first = "\n  ".join(list(unreadable.values())[:NAMES_IN_LOG])
    more = len(unreadable) - NAMES_IN_LOG
    logger.warning(
        "%d of %d %s cannot be read and are left out:\n  %s%s",
        len(unreadable), total, what, first, f"\n  and {more} more" if more > 0 else "",
    )  # fmt: skip


def split_off(clips: Clips, count: int, seed: int) -> tuple[Clips, Clips]:
    """Hold `count` clips out, all entries of a recording on the same side.

    Returns:
        (what remains, what is held out).

    Raises:
        ValueError: nothing would remain.
    """
    names = list(dict.fromkeys(clips.ids))
    if count >= len(names):
        raise ValueError(f"validation_clips is {count}, but there are only {len(names)} clips")
    held_out = {names[index] for index in np.random.default_rng(seed).permutation(len(names))[:count]}
    sides: tuple[list[int], list[int]] = ([], [])
    for index, name in enumerate(clips.ids):
        sides[name in held_out].append(index)
    return clips.select(sides[0]), clips.select(sides[1])
