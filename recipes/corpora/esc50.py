"""ESC-50: environmental sounds of fifty classes in five folds; ESC-10: ten of the classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.annotations import AnnotationError, file_name_of, read_csv, text_of
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
    COLUMNS: tuple[str, ...] = ("filename", "fold", "category")

    def present_splits(self) -> list[str]:
        """The folds that the metadata has rows of."""
        return folds_in(self.find_annotations(FOLDS[0]), FOLDS)

    def audio_folders(self, split: str) -> list[str]:
        """`audio`, or the folder itself."""
        return ["audio", ""]

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """Rows `filename,fold,target,category,esc10,src_file,take`."""
        for where, row in read_csv(annotations, self.COLUMNS):
            if fold_of(row["fold"], FOLDS, where) == split and self.includes(row, where):
                yield self._clip(row, where)

    def mirror_clip(self, row: dict[str, Any], where: str) -> Clip | None:
        """ashraq/esc50, mteb/esc50: the official columns and `audio`."""
        if not self.includes(row, where):
            return None
        clip = self._clip(row, where)
        if row.get("fold") is not None:
            clip.split = fold_of(str(row["fold"]), FOLDS, where)
        return clip

    def includes(self, row: dict[str, Any], where: str) -> bool:
        """Whether a row's clip belongs to the corpus."""
        return True

    def _clip(self, row: dict[str, Any], where: str) -> Clip:
        name = file_name_of(row["filename"], where)
        tag = text_of(row["category"], "category", where).replace("_", " ")
        # Named without its suffix, so that copies in another format are the same clips.
        return Clip(key=Path(name).stem, where=where, names=[name], tags=[tag])


class ESC10(ESC50):
    """The clips of ten classes that ESC-50's metadata marks as ESC-10: 80 in each fold. Folds are those of ESC-50."""

    CORPUS = "esc10"
    DESCRIPTION = "Five-second environmental recordings of ten classes."
    LICENSE = "CC BY 3.0"
    ALIASES = {"train": FOLDS}
    COLUMNS = (*ESC50.COLUMNS, "esc10")

    def includes(self, row: dict[str, Any], where: str) -> bool:
        """Whether the column `esc10` is true.

        Raises:
            AnnotationError: it is neither true nor false.
        """
        value = str(row["esc10"]).strip().lower()
        if value not in ("true", "false"):
            raise AnnotationError(f"{where}: the column esc10 is {row['esc10']!r}; it must be True or False")
        return value == "true"
