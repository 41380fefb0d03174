"""ESC-50: environmental sounds of fifty classes in five folds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.annotations import file_name_of, read_csv, text_of
from recipes.corpora.base import CorpusBuilder
from recipes.corpora.clips import Clip, Coverage
from recipes.corpora.folds import fold_of, folds_in

FOLDS = tuple(f"fold{number}" for number in range(1, 6))


class ESC50(CorpusBuilder):
    """One seed per clip: its category.

    Splits: `fold1` to `fold5`, 400 clips each; `train` (and `paper`) means all that are there. To train on three folds
    and evaluate on the fourth: "fold1+fold2+fold3" and "fold4".
    """

    CORPUS = "esc50"
    DESCRIPTION = "Five-second environmental recordings of fifty classes."
    HOMEPAGE = "https://github.com/karolpiczak/ESC-50"
    LICENSE = "CC BY-NC 3.0 (the ten classes of ESC-10: CC BY 3.0)"
    CITATION = """@inproceedings{piczak2015esc,
  title = {{ESC}: Dataset for environmental sound classification},
  author = {Piczak, Karol J.},
  booktitle = {Proc. ACM Multimedia},
  year = {2015}
}"""
    ROOTS = ("ESC-50-master", "ESC-50")
    ANNOTATIONS = dict.fromkeys(FOLDS, ("meta/esc50.csv", "esc50.csv"))
    ALIASES = {"paper": FOLDS, "train": FOLDS}

    def present_splits(self) -> list[str]:
        """The folds that the metadata has rows of."""
        return folds_in(self.find_annotations(FOLDS[0]), FOLDS)

    def audio_folders(self, split: str) -> list[str]:
        """`audio`, or the folder itself."""
        return ["audio", ""]

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """Rows `filename,fold,target,category,esc10,src_file,take`."""
        for where, row in read_csv(annotations, ("filename", "fold", "category")):
            if fold_of(row["fold"], FOLDS, where) == split:
                yield self._clip(row, where)

    def mirror_clip(self, row: dict[str, Any], where: str) -> Clip:
        """ashraq/esc50, mteb/esc50: the official columns and `audio`."""
        return self._clip(row, where)

    def _clip(self, row: dict[str, Any], where: str) -> Clip:
        name = file_name_of(row["filename"], where)
        return Clip(
            key=name, where=where, names=[name], tags=[text_of(row["category"], "category", where).replace("_", " ")]
        )
