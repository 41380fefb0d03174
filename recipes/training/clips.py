"""Responses and questions, grouped by the clip that they are about; recordings are read when a clip is asked for.

The records stay memory-mapped in Arrow files: a clip costs its name, about 40 bytes and 8 for each of its records in
memory, however large they are, and any clip can be read at any time, which an exact shuffle and an exact resume need.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

if TYPE_CHECKING:
    import pyarrow as pa
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
        ValueError: a file that cannot be read, or holds nothing.
    """
    from datasets import Audio, load_dataset, load_from_disk

    path = Path(source)
    if (path / "dataset_info.json").is_file():
        return load_from_disk(path)
    files = [path] if path.is_file() else sorted([*path.glob("*.parquet"), *path.glob("data/*.parquet")])
    if files:
        kind = {".parquet": "parquet", ".csv": "csv"}.get(files[0].suffix, "json")
        try:
            records = load_dataset(kind, data_files=[str(file) for file in files], split="train")
        except Exception as error:  # whatever `datasets` and Arrow raise
            reason = error.__cause__ or error
            message = f"{source} holds no {what} that can be read as {kind} ({reason!r:.300}): {remedy}"
            raise ValueError(message) from error
        if kind != "parquet" and "audio" in records.column_names:  # a path, or a mapping without bytes
            records = records.cast_column("audio", Audio(decode=False))
        return records
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
        max_records: further records of a clip become another entry of it.

    `clips[i]` is `{"id": ..., "audio": source, column: list, ...}`. `numbers` says which clip each entry is of, and
    `seconds` how long its recording is, once `without_unreadable` has seen that.
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
        self._group(records, max_records)
        self.seconds = np.full(len(self), np.nan)

    def _group(self, records: "Dataset", max_records: int | None) -> None:
        """Find the clips, in the order of their first records, and the rows of each entry's records."""
        import pyarrow as pa

        owners = [name for name in ("corpus", "benchmark", "id") if name in records.column_names]
        places = records.select_columns([*owners, "audio"]).with_format("arrow")
        tables = places.iter(batch_size=10_000)
        chunks = [chunk for table in tables for chunk in _keys(table).dictionary_encode().chunks]
        keys = pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.large_string())).combine_chunks()
        numbers = keys.indices.to_numpy()
        self.keys = keys.dictionary
        self.rows = np.argsort(numbers, kind="stable")
        numbers = numbers[self.rows]
        nth_of_clip = np.arange(len(numbers)) - np.searchsorted(numbers, numbers)
        starts = np.flatnonzero(nth_of_clip % (max_records or len(numbers) or 1) == 0)
        self.numbers = numbers[starts]
        self.bounds = np.stack([starts, np.append(starts, len(numbers))[1:]], axis=1)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self.texts_of(index), "audio": self.source(index)}

    def id_of(self, index: int) -> str:
        """The clip's name: corpus or benchmark, and path, or id where there is none."""
        return "/".join(filter(None, self.keys[self.numbers[index]].as_py().split("\0")))

    def texts_of(self, index: int) -> dict[str, Any]:
        """The clip without its recording."""
        start, end = self.bounds[index]
        return {"id": self.id_of(index), **self.texts[self.rows[start:end]].to_pydict()}

    def source(self, index: int) -> dict[str, Any] | None:
        """The recording, `{"path", "bytes"}`, paths resolved; None where the record has none."""
        return self._resolved(self._audio_of(index).as_py())

    def _audio_of(self, index: int) -> "pa.StructScalar":
        return self.audio[int(self.rows[self.bounds[index, 0]])]["audio"][0]

    def _resolved(self, audio: dict[str, Any] | None) -> dict[str, Any] | None:
        if audio is None or (audio["path"] is None and audio["bytes"] is None):
            return None
        if audio["bytes"] is None and self.audio_dir is not None:
            return {**audio, "path": str(Path(self.audio_dir, audio["path"]))}
        return audio

    def select(self, indices: Sequence[int] | np.ndarray) -> "Clips":
        """Some of the entries, in that order; the records stay shared."""
        chosen = object.__new__(type(self))
        vars(chosen).update(vars(self))
        places = np.asarray(indices, dtype=np.int64)
        chosen.numbers, chosen.bounds, chosen.seconds = (
            array[places] for array in (self.numbers, self.bounds, self.seconds)
        )
        return chosen

    def one_entry_each(self) -> np.ndarray:
        """The first entry of each clip."""
        return np.unique(self.numbers, return_index=True)[1]

    @property
    def num_clips(self) -> int:
        """Clips, however many entries each has."""
        return len(self.one_entry_each())

    @property
    def num_records(self) -> int:
        """Records of all clips."""
        return int(np.diff(self.bounds).sum())

    def without_unreadable(self, what: str) -> "Clips":
        """The clips whose recordings are there and begin like audio, having said which are not and how many.

        Audio inside the records is taken as it is; a recording that turns out to be damaged further on is skipped when
        it is read.

        Args:
            what: the clips' name in messages.

        Raises:
            ValueError: not one of them can be read.
        """
        _, firsts, places = np.unique(self.numbers, return_index=True, return_inverse=True)
        with ThreadPoolExecutor(_FILE_CHECKS_AT_ONCE) as threads:
            checks = threads.map(lambda index: _seconds_or_problem(self._undecoded(index)), firsts)
            found = list(tqdm(checks, total=len(firsts), desc=f"checking audio of {what}", unit="clip", delay=2))
        unreadable = {
            self.id_of(index): each for index, each in zip(firsts, found, strict=True) if isinstance(each, str)
        }
        if unreadable:
            report_unreadable(unreadable, len(firsts), what)
        seconds = np.array([np.nan if isinstance(each, str) else each for each in found])[places]
        kept = self.select(np.flatnonzero(~np.isnan(seconds)))
        if not len(kept):
            raise ValueError(
                f"none of the {len(firsts)} {what} can be read; is the folder of the recordings there? "
                f"The first: {next(iter(unreadable.values()), 'there is none')}"
            )
        kept.seconds = seconds[~np.isnan(seconds)]
        return kept

    def _undecoded(self, index: int) -> dict[str, Any] | None:
        """As `source`, with a buffer of mapped memory in the place of bytes."""
        audio = self._audio_of(index)
        if not audio.is_valid:
            return None
        inside = audio["bytes"]
        return self._resolved(
            {"path": audio["path"].as_py(), "bytes": inside.as_buffer() if inside.is_valid else None}
        )


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


def _keys(records: "pa.Table") -> "pa.ChunkedArray":
    """What tells the clips of records apart: their corpus or benchmark, id where there is no path, and path."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.large_string()
    paths = pc.struct_field(records["audio"], "path").cast(text)  # does not touch the bytes
    has_path = pc.fill_null(pc.not_equal(paths, ""), False)
    parts = [records[name].cast(text) for name in ("corpus", "benchmark") if name in records.column_names]
    if "id" in records.column_names:  # without a path, every id is a clip of its own
        parts.append(pc.if_else(has_path, pa.scalar("", text), records["id"].cast(text)))
    separator = pa.scalar("\0", text)
    return pc.binary_join_element_wise(*parts, paths, separator, null_handling="replace", null_replacement="")


def _seconds_or_problem(source: dict[str, Any] | None) -> float | str:
    """How long a recording is, or why it cannot be read, as far as its first bytes say."""
    import pyarrow as pa
    import soundfile

    if source is None:
        return "there is neither a path nor audio in the record"
    inside = source["bytes"] is not None
    if not inside and not Path(source["path"]).is_file():
        return f"audio file {source['path']!r} does not exist"
    try:
        with soundfile.SoundFile(pa.BufferReader(source["bytes"]) if inside else source["path"]) as sound:
            if inside or sound.frames:
                return sound.frames / sound.samplerate
            return f"audio file {source['path']!r} holds no samples"
    except (soundfile.SoundFileError, RuntimeError) as error:
        return 0.0 if inside else f"audio file {source['path']!r} cannot be decoded: {error}"


def report_unreadable(unreadable: dict[str, str], total: int, what: str) -> None:
    """Log how many clips of `total` are left out, and the first of them."""
    first = "\n  ".join(list(unreadable.values())[:NAMES_IN_LOG])
    more = len(unreadable) - NAMES_IN_LOG
    logger.warning(
        "%d of %d %s cannot be read and are left out:\n  %s%s",
        len(unreadable), total, what, first, f"\n  and {more} more" if more > 0 else "",
    )  # fmt: skip


def split_off(clips: Clips, count: int, seed: int) -> tuple[Clips, Clips]:
    """Hold `count` clips out, with all their entries.

    Returns:
        (what remains, what is held out).

    Raises:
        ValueError: nothing would remain.
    """
    numbers = np.unique(clips.numbers)
    if count >= len(numbers):
        raise ValueError(f"validation_clips is {count}, but there are only {len(numbers)} clips")
    chosen = np.random.default_rng(seed).permutation(len(numbers))[:count]
    held_out = np.isin(clips.numbers, numbers[chosen])
    return clips.select(np.flatnonzero(~held_out)), clips.select(np.flatnonzero(held_out))
