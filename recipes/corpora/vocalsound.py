"""VocalSound: crowdsourced recordings of six human vocal sounds."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.annotations import AnnotationError, file_name_of, read_json
from recipes.corpora.base import CorpusBuilder
from recipes.corpora.clips import Clip, Coverage
from recipes.corpora.mirrors import file_name_in

# class_labels_indices_vs.csv of the published archive, in the spelling of a seed.
NAMES = {
    "/m/01j3sz": "laughter",
    "/m/07plz5l": "sigh",
    "/m/01b_21": "cough",
    "/m/0dl9sf8": "throat clearing",
    "/m/01hsr_": "sneeze",
    "/m/07ppn3j": "sniff",
}
OFFICIAL = {"train": "tr", "validation": "val", "test": "te"}


class VocalSound(CorpusBuilder):
    """One seed per clip: its class.

    Splits: `train` (15,570 clips), `validation` (1,860), `test` (3,594), speaker-disjoint. The paper's 20.2 h are
    those of `train+validation`, which is what `paper` means.
    """

    CORPUS = "vocalsound"
    DESCRIPTION = "Laughter, sighs, coughs, throat clearing, sneezes and sniffs of 3,365 people."
    HOMEPAGE = "https://github.com/YuanGongND/vocalsound"
    LICENSE = "CC BY-SA 4.0"
    CITATION = """@inproceedings{gong2022vocalsound,
  title = {{VocalSound}: A dataset for improving human vocal sounds recognition},
  author = {Gong, Yuan and Yu, Jin and Glass, James},
  booktitle = {Proc. ICASSP},
  year = {2022}
}"""
    ROOTS = ("vs_release_16k", "vs_release_44k", "VocalSound", "data")
    ANNOTATIONS = {split: (f"datafiles/{name}.json", f"{name}.json") for split, name in OFFICIAL.items()}
    ALIASES = {"paper": ("train", "validation"), "tr": ("train",), "val": ("validation",), "te": ("test",)}

    def audio_folders(self, split: str) -> list[str]:
        """`audio_16k`, `audio_44k`, `audio` or the folder itself."""
        return ["audio_16k", "audio_44k", "audio", ""]

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """`{"data": [{"wav": PATH, "labels": MID}]}`; of the authors' absolute paths only the file name is used."""
        content = read_json(annotations)
        if not isinstance(content, dict) or not isinstance(content.get("data"), list):
            raise AnnotationError(f"{annotations}: no list `data`; fetch it again")
        for number, entry in enumerate(content["data"], 1):
            where = f"{annotations}, entry {number}"
            if not isinstance(entry, dict) or not isinstance(entry.get("wav"), str):
                raise AnnotationError(f"{where}: {entry!r} has no `wav`; fetch the file again")
            if (label := str(entry.get("labels"))) not in NAMES:
                raise AnnotationError(f"{where}: the label is {label!r}; it must be one of {', '.join(NAMES)}")
            name = file_name_of(re.split(r"[/\\]", entry["wav"])[-1], where)
            yield Clip(key=name, where=where, names=[name], tags=[NAMES[label]])

    def mirror_clip(self, row: dict[str, Any], where: str) -> Clip:
        """flozi00/VocalSound_audio_16k (`audio`, `label`), lmms-lab/vocalsound (`audio`, `answer`)."""
        value = row["answer"] if "answer" in row else row["label"]
        tag = re.sub(r"[\s_]+", " ", str(value)).strip().lower()
        tag = "throat clearing" if tag == "throatclearing" else tag
        if tag not in NAMES.values():
            raise AnnotationError(f"{where}: the class is {value!r}; it must be one of {', '.join(NAMES.values())}")
        name = file_name_in(row, where)
        return Clip(key=name, where=where, names=[name], tags=[tag])
