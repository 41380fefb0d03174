"""MACS: multi-annotator captions of urban scenes (airport, public square, park)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.annotations import AnnotationError, file_name_of, read_text, text_of
from recipes.corpora.base import CorpusBuilder
from recipes.corpora.clips import Clip, Coverage


class MACS(CorpusBuilder):
    """Two to five seeds per clip, one for each caption; `tags` are the union of what its annotators ticked.

    One split, `train`: 3,930 clips, 17,275 captions. The recordings are those of TAU Urban Acoustic Scenes 2019,
    development (https://zenodo.org/records/2589280).
    """

    CORPUS = "macs"
    DESCRIPTION = "Human captions of ten-second recordings of urban scenes, two to five for each."
    HOMEPAGE = "https://zenodo.org/records/5114771"
    LICENSE = "Tampere University licence, non-commercial academic use"
    CITATION = """@inproceedings{martinmorato2021diversity,
  title = {Diversity and bias in audio captioning datasets},
  author = {Mart{\\'i}n-Morat{\\'o}, Irene and Mesaros, Annamaria},
  booktitle = {Proc. DCASE Workshop},
  year = {2021}
}"""
    ROOTS = ("MACS",)
    ANNOTATIONS = {"train": ("MACS.yaml", "*/MACS.yaml")}
    ALIASES = {"paper": ("train",)}

    def audio_folders(self, split: str) -> list[str]:
        """TAU's folder below `data_dir`, `audio`, or the folder itself."""
        return ["TAU-urban-acoustic-scenes-2019-development/audio", "audio", ""]

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """`files:` a list of `filename` and `annotations` (`annotator_id`, `sentence`, `tags`)."""
        for number, entry in enumerate(_load(annotations), 1):
            where = f"{annotations}, file {number}"
            if not isinstance(entry, dict) or not entry.get("annotations"):
                raise AnnotationError(f"{where}: {entry!r} has no annotations; fetch the file again")
            name = file_name_of(entry.get("filename"), where)
            where += f" ({name})"
            notes = [_checked(note, where) for note in entry["annotations"]]
            yield Clip(
                key=name,
                where=where,
                names=[name],
                captions=[
                    (f"{name}#{index}", text_of(note.get("sentence"), "sentence", where))
                    for index, note in enumerate(notes, 1)
                ],
                tags=[tag.replace("_", " ") for tag in dict.fromkeys(tag for note in notes for tag in note["tags"])],
            )


def _load(path: Path) -> list[Any]:
    import yaml

    text = "".join(read_text(path))
    try:
        # libyaml is some ten times faster on the 2.8 MB.
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise AnnotationError(f"{path}: not valid YAML ({error}); fetch it again") from None
    if not isinstance(content, dict) or not isinstance(content.get("files"), list):
        raise AnnotationError(f"{path}: no list `files`; fetch it again")
    return content["files"]


def _checked(note: Any, where: str) -> dict[str, Any]:
    if not isinstance(note, dict) or not isinstance(note.setdefault("tags", []), list):
        raise AnnotationError(f"{where}: {note!r} is not an annotation with `sentence` and a list `tags`")
    return note | {"tags": [text_of(tag, "tag", where) for tag in note["tags"]]}
