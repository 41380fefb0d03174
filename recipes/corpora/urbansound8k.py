"""UrbanSound8K: excerpts of urban sounds, at most four seconds long, in ten folds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.annotations import AnnotationError, file_name_of, read_csv, seconds_of, text_of
from recipes.corpora.base import CorpusBuilder
from recipes.corpora.clips import Clip, Coverage
from recipes.corpora.folds import fold_of, folds_in

FOLDS = tuple(f"fold{number}" for number in range(1, 11))


class UrbanSound8K(CorpusBuilder):
    """One seed per clip: its class.

    Splits: `fold1` to `fold10`, 8,732 clips in all; `train` (and `paper`) means all that are there. The clips last
    8.75 h; the paper's 9.7 h count four seconds for each.
    """

    CORPUS = "urbansound8k"
    DESCRIPTION = "Urban sounds of ten classes, at most four seconds each."
    HOMEPAGE = "https://zenodo.org/records/1203745"
    LICENSE = "CC BY-NC 3.0"
    CITATION = """@inproceedings{salamon2014urbansound,
  title = {A dataset and taxonomy for urban sound research},
  author = {Salamon, Justin and Jacoby, Christopher and Bello, Juan Pablo},
  booktitle = {Proc. ACM Multimedia},
  year = {2014}
}"""
    ROOTS = ("UrbanSound8K",)
    ANNOTATIONS = dict.fromkeys(FOLDS, ("metadata/UrbanSound8K.csv", "UrbanSound8K.csv"))
    ALIASES = {"paper": FOLDS, "train": FOLDS}

    def present_splits(self) -> list[str]:
        """The folds that the metadata has rows of."""
        return folds_in(self.find_annotations(FOLDS[0]), FOLDS)

    def audio_folders(self, split: str) -> list[str]:
        """`audio/<fold>`, `<fold>`, `audio` or the folder itself."""
        return [f"audio/{split}", split, "audio", ""]

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """Rows `slice_file_name,fsID,start,end,salience,fold,classID,class`."""
        for where, row in read_csv(annotations, ("slice_file_name", "start", "end", "fold", "class")):
            if fold_of(row["fold"], FOLDS, where) == split:
                yield self._clip(row, where)

    def mirror_clip(self, row: dict[str, Any], where: str) -> Clip:
        """danavery/urbansound8K: the official columns and `audio`."""
        clip = self._clip(row, where)
        if row.get("fold") is not None:
            clip.split = fold_of(str(row["fold"]), FOLDS, where)
        return clip

    def _clip(self, row: dict[str, Any], where: str) -> Clip:
        name = file_name_of(row["slice_file_name"], where)
        start, end = seconds_of(row["start"], "start", where), seconds_of(row["end"], "end", where)
        if end <= start:
            raise AnnotationError(f"{where}: the clip ends at {end:g} s, before it starts at {start:g} s")
        tag = text_of(row["class"], "class", where).replace("_", " ")
        return Clip(key=name, where=where, names=[name], tags=[tag], seconds=end - start)
