"""Cross-validation folds as splits, for the corpora that are published in folds."""

from collections.abc import Sequence
from pathlib import Path

from recipes.annotations import AnnotationError, read_csv


def fold_of(value: str, folds: Sequence[str], where: str) -> str:
    """The split name of a fold's number.

    Raises:
        AnnotationError: the corpus has no such fold.
    """
    fold = f"fold{value.strip()}"
    if fold not in folds:
        raise AnnotationError(f"{where}: the fold is {value!r}; it must be a number from 1 to {len(folds)}")
    return fold


def folds_in(annotations: Path | None, folds: Sequence[str]) -> list[str]:
    """The folds that an annotation file has rows of, in order; none if there is no file."""
    if annotations is None:
        return []
    found = {fold_of(row["fold"], folds, where) for where, row in read_csv(annotations, ("fold",))}
    return [fold for fold in folds if fold in found]
