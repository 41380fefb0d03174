"""Clotho: five human captions for each of several thousand Freesound recordings of 15 to 30 seconds."""

import html
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.annotations import AnnotationError, file_name_of, read_csv, text_of
from recipes.corpora.base import CorpusBuilder
from recipes.corpora.clips import Clip, Coverage
from recipes.corpora.mirrors import file_name_in

OFFICIAL = {"train": "development", "validation": "validation", "test": "evaluation"}
CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))


def _places(name: str) -> tuple[str, ...]:
    file = f"clotho_captions_{name}.csv"
    return (f"clotho_csv_files/{file}", file, f"clotho*captions_{name}*.csv")


class Clotho(CorpusBuilder):
    """Five seeds per clip, one for each caption.

    Splits: `train` (development), `validation` (from version 2 on), `test` (evaluation); the official names work too.
    Versions 1, 2 and 2.1 have the same files; the hours of the paper's Table 2 are those of version 1's development
    split (2,893 clips).
    """

    CORPUS = "clotho"
    DESCRIPTION = "Human captions of Freesound recordings, five for each."
    HOMEPAGE = "https://zenodo.org/records/4783391"
    LICENSE = "Tampere University licence, non-commercial (captions); Creative Commons, per file (recordings)"
    CITATION = """@inproceedings{drossos2020clotho,
  title = {{Clotho}: An audio captioning dataset},
  author = {Drossos, Konstantinos and Lipping, Samuel and Virtanen, Tuomas},
  booktitle = {Proc. ICASSP},
  year = {2020}
}"""
    ROOTS = ("CLOTHO_v2.1", "CLOTHO_v2", "CLOTHO_v1", "clotho")
    ANNOTATIONS = {split: _places(name) for split, name in OFFICIAL.items()}
    ALIASES = {
        "paper": ("train",),
        "development": ("train",),
        "dev": ("train",),
        "val": ("validation",),
        "evaluation": ("test",),
        "eval": ("test",),
    }

    def audio_folders(self, split: str) -> list[str]:
        """`<official name>`, below `clotho_audio_files` or `clotho_audio_<name>`, `audio`, or the folder itself."""
        name = OFFICIAL[split]
        above = ("", "clotho_audio_files/", f"clotho_audio_{name}/", "audio/")
        return [*(f"{folder}{name}" for folder in above), f"clotho_audio_{name}", "audio", ""]

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """Rows `file_name,caption_1..caption_5`; a file name may begin with a blank and hold HTML entities."""
        for where, row in read_csv(annotations, ("file_name", *CAPTIONS)):
            yield self._clip(row["file_name"], [row[column] for column in CAPTIONS], where)

    def mirror_clip(self, row: dict[str, Any], where: str) -> Clip:
        """CLAPv2/Clotho, mteb/Clotho: `index`, `audio`, `raw_text` (five captions)."""
        captions = row["raw_text"]
        return self._clip(file_name_in(row, where), [captions] if isinstance(captions, str) else captions or [], where)

    def _clip(self, name: str, captions: list[str], where: str) -> Clip:
        file_name_of(name, where)
        if not captions:
            raise AnnotationError(f"{where}: no caption; a clip needs at least one")
        texts = [text_of(caption, f"caption_{number}", where) for number, caption in enumerate(captions, 1)]
        return Clip(
            key=name,
            where=where,
            names=_spellings(name),
            captions=[(f"{name}#{number}", text) for number, text in enumerate(texts, 1)],
        )


def _spellings(name: str) -> list[str]:
    """The name as it is, then what archivers and file systems have made of it."""
    plain = [name, html.unescape(name)]
    plain += [re.sub(r"[:/\\]", "_", each) for each in plain]
    plain += [each.strip() for each in plain]
    forms = [unicodedata.normalize(form, each) for form in ("NFC", "NFD") for each in plain]
    return [each for each in dict.fromkeys([*plain, *forms]) if "/" not in each]
