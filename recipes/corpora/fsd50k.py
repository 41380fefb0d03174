"""FSD50K: Freesound clips with labels from AudioSet's ontology."""

from collections.abc import Iterator
from pathlib import Path

from recipes.annotations import AnnotationError, file_name_of, read_csv, text_of
from recipes.corpora.base import CorpusBuilder
from recipes.corpora.clips import Clip, Coverage


def _places(name: str) -> tuple[str, ...]:
    return tuple(f"{place}.csv" for place in (f"FSD50K.ground_truth/{name}", f"labels/{name}", name, f"{name}.*"))


class FSD50K(CorpusBuilder):
    """One seed per clip: its labels from the most specific to the most general, as the ground truth has them.

    Splits: `train` and `validation` (together the development set: 36,796 + 4,170 clips; `dev` means both) and `test`
    (the evaluation set, 10,231). The paper's 56.4 h fit none of them; `paper` means `train`.

    Labels of the development set may be incomplete: a class that is not named may still be heard.
    """

    CORPUS = "fsd50k"
    DESCRIPTION = "Freesound clips of 0.3 to 30 seconds with 200 classes of AudioSet's ontology."
    HOMEPAGE = "https://zenodo.org/records/4060432"
    LICENSE = "CC BY 4.0 (dataset); CC0, CC BY, CC BY-NC or CC Sampling+, per clip"
    CITATION = """@article{fonseca2022fsd50k,
  title = {{FSD50K}: An open dataset of human-labeled sound events},
  author = {Fonseca, Eduardo and Favory, Xavier and Pons, Jordi and Font, Frederic and Serra, Xavier},
  journal = {IEEE/ACM Trans. Audio, Speech, Lang. Process.},
  volume = {30},
  year = {2022}
}"""
    ROOTS = ("FSD50K",)
    ANNOTATIONS = {"train": _places("dev"), "validation": _places("dev"), "test": _places("eval")}
    ALIASES = {"paper": ("train",), "dev": ("train", "validation"), "val": ("validation",), "eval": ("test",)}

    def audio_folders(self, split: str) -> list[str]:
        """`FSD50K.dev_audio`, `clips/dev` (the mirror Fhrozen/FSD50k), `dev_audio`, or the same with `eval`."""
        name = "eval" if split == "test" else "dev"
        return [f"FSD50K.{name}_audio", f"clips/{name}", f"{name}_audio", f"audio/{name}", "audio", ""]

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """Rows `fname,labels,mids,split`, the evaluation set's without `split`; labels are joined by commas."""
        evaluation = split == "test"
        for where, row in read_csv(annotations, ("fname", "labels", "mids", *(() if evaluation else ("split",)))):
            if not evaluation and row["split"] not in ("train", "val"):
                raise AnnotationError(f"{where}: the split is {row['split']!r}; it must be 'train' or 'val'")
            if not evaluation and row["split"] != {"validation": "val"}.get(split, split):
                continue
            labels, mids = row["labels"].split(","), row["mids"].split(",")
            if len(labels) != len(mids):
                raise AnnotationError(f"{where}: {len(labels)} labels but {len(mids)} mids; fetch the file again")
            name = file_name_of(row["fname"], where)
            yield Clip(
                key=name,
                where=where,
                names=[name],
                tags=[readable(text_of(label, "label", where)) for label in labels],
            )


def readable(label: str) -> str:
    """The ontology's name of a label: `Accelerating_and_revving_and_vroom` is "Accelerating, revving, vroom"."""
    if label == "Dishes_and_pots_and_pans":  # the one name of the 200 that has an "and" of its own
        return "Dishes, pots, and pans"
    return label.replace("_and_", ", ").replace("_", " ")
