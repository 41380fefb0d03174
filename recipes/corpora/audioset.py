"""AudioSet: ten-second YouTube clips with event labels; the balanced training set is the paper's AudioSet-20K."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.annotations import AnnotationError, read_csv, read_json, seconds_of
from recipes.corpora.base import CorpusBuilder
from recipes.corpora.clips import Clip, Coverage

# Where the labels' names are, best first.
NAMES = ("class_labels_indices.csv", "*/class_labels_indices.csv", "ontology.json", "*/ontology.json")


class AudioSet(CorpusBuilder):
    """One seed per clip: its labels' display names.

    Splits: `train` (balanced, 22,160 clips), `test` (the evaluation segments, 20,371) and, if asked for by name,
    `unbalanced_train` (2,041,789).
    """

    CORPUS = "audioset"
    DESCRIPTION = "Sound events in ten-second excerpts of YouTube videos, 527 classes."
    HOMEPAGE = "https://research.google.com/audioset/download.html"
    LICENSE = "CC BY 4.0 (labels), CC BY-SA 4.0 (ontology); the recordings belong to their uploaders"
    CITATION = """@inproceedings{gemmeke2017audioset,
  title = {{Audio Set}: An ontology and human-labeled dataset for audio events},
  author = {Gemmeke, Jort F. and Ellis, Daniel P. W. and Freedman, Dylan and Jansen, Aren and Lawrence, Wade and
            Moore, R. Channing and Plakal, Manoj and Ritter, Marvin},
  booktitle = {Proc. ICASSP},
  year = {2017}
}"""
    ROOTS = ("audioset", "AudioSet")
    ANNOTATIONS = {
        "train": ("balanced_train_segments.csv", "*/balanced_train_segments.csv", "balanced_train_segments*.csv"),
        "test": ("eval_segments.csv", "*/eval_segments.csv", "eval_segments*.csv"),
        "unbalanced_train": ("unbalanced_train_segments.csv", "*/unbalanced_train_segments.csv"),
    }
    ALIASES = {"paper": ("train",), "balanced_train": ("train",), "eval": ("test",)}
    OPT_IN = ("unbalanced_train",)

    def audio_folders(self, split: str) -> list[str]:
        """`audio/<name>`, `<name>`, `audio` or the folder itself, with the split's official names."""
        official = {"train": "balanced_train", "test": "eval"}.get(split, split)
        names = (
            official,
            f"{official}_segments",
            {"train": "bal_train", "unbalanced_train": "unbal_train"}.get(split),
        )
        below = [folder for name in names if name for folder in (f"audio/{name}", name)]
        return [*below, f"{official}_segments/audio", "audio", ""]

    def annotation_files(self) -> list[Path]:
        """The segments and what the labels are named in."""
        return [*super().annotation_files(), self._names_file()]

    def _names_file(self) -> Path:
        return self.companion(NAMES, "the labels' names")

    def label_names(self) -> dict[str, str]:
        """The display name of each label id (mid)."""
        path = self._names_file()
        if path.suffix == ".json":
            try:
                return {entry["id"]: entry["name"] for entry in read_json(path)}
            except (TypeError, KeyError) as error:
                raise AnnotationError(f"{path}: no list of entries with `id` and `name`; fetch it again") from error
        return {row["mid"]: row["display_name"].strip() for _, row in read_csv(path, ("mid", "display_name"))}

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """Rows `YTID, start, end, "mid,mid"`; rows whose id a spreadsheet has damaged are counted and skipped."""
        names = self.label_names()
        columns = ("YTID", "start_seconds", "end_seconds", "positive_labels")
        for where, row in read_csv(annotations, columns, columns, skipinitialspace=True):
            if not (video := youtube_id(row["YTID"], where, coverage)):
                continue
            start = seconds_of(row["start_seconds"], "start", where)
            end = seconds_of(row["end_seconds"], "end", where)
            if end <= start:
                raise AnnotationError(f"{where}: the segment ends at {end:g} s, before it starts at {start:g} s")
            yield Clip(
                key=video,
                where=where,
                names=youtube_names(video, start, end),
                tags=_tags(row["positive_labels"].split(","), names, where),
                seconds=end - start,
            )

    def mirror_clip(self, row: dict[str, Any], where: str) -> Clip:
        """agkphysics/AudioSet: `video_id`, `audio`, `labels` (mids), `human_labels` (names)."""
        tags = [label.strip() for label in row["human_labels"] or []]
        if not tags:
            raise AnnotationError(f"{where}: `human_labels` is empty; a clip needs a label")
        return Clip(key=row["video_id"], where=where, names=youtube_names(row["video_id"]), tags=tags)


def _tags(mids: list[str], names: dict[str, str], where: str) -> list[str]:
    try:
        return [names[mid.strip()] for mid in mids]
    except KeyError as error:
        raise AnnotationError(
            f"{where}: the label {error} is not among the class names; use the class_labels_indices.csv or "
            "ontology.json that belongs to the segments"
        ) from None


def youtube_id(value: str, where: str, coverage: Coverage) -> str | None:
    """A YouTube id; None (and counted) for what spreadsheets make of ids that begin with "-" or "=".

    Raises:
        AnnotationError: anything else that is not eleven characters of an id.
    """
    if value.startswith("#"):  # such as #NAME?
        coverage.malformed += 1
        coverage.first_malformed = coverage.first_malformed or f"{where}: {value!r} is no YouTube id"
        return None
    if not re.fullmatch(r"[\w-]{11}", value, re.ASCII):
        raise AnnotationError(f"{where}: {value!r} is not a YouTube id of eleven characters; fetch the file again")
    return value


def youtube_names(video: str, start: float | None = None, end: float | None = None) -> list[str]:
    """The names under which a YouTube segment's recording goes around, without suffix; the usual one first."""
    names = [video, f"Y{video}"]
    if start is not None and end is not None:
        spans = [f"{start:g}_{end:g}", f"{start:.3f}_{end:.3f}", f"{start:.1f}_{end:.1f}"]
        spans += [f"{1000 * start:.0f}_{1000 * end:.0f}", f"{start:g}", f"{1000 * start:.0f}"]
        names += [f"{prefix}{video}_{span}" for span in spans for prefix in ("", "Y")]
    return names
