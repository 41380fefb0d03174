"""AQUA-Bench (C.-Y. Kuan, H.-y. Lee, ICASSP 2026): multiple-choice questions, three in four of them unanswerable.

Three tracks (`animal`: ESC-50, `music`: Music Instrument Sounds, `vocal`: VocalSound) in four variants: the main one
and `<track>_option_design1`, `<track>_option_design2` (other wordings of the option to abstain), `<track>_uncertainty`
(a hint to abstain in the question). Each is 360 groups of four questions on one clip, in this order:

- `Solvable`: the right option is there;
- `AAD` (absent answer detection): the right option is missing;
- `IASD` (incompatible answer set detection): no option is of the kind that is asked for;
- `IAQD` (incompatible audio question detection): the question cannot be answered from any audio.

`data_dir` holds the JSON files of `evaluation-data/` and, anywhere below it, the recordings under their own names.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets

from recipes.annotations import AnnotationError, read_json
from recipes.benchmarks.base import BenchmarkBuilder, Question

TYPES = ("Solvable", "AAD", "IASD", "IAQD")
_TRACKS = {"animal": "Animal-Sounds", "music": "Music-Instruments-Sounds", "vocal": "Vocal-Sounds"}
_VARIANTS = {
    "main": "",
    "option_design1": "-Option-Design1",
    "option_design2": "-Option-Design2",
    "uncertainty": "-Uncertainty",
}


class AquaBench(BenchmarkBuilder):
    """The benchmark as `datasets` builder; see the module."""

    BENCHMARK = "aqua_bench"
    DESCRIPTION = "Multiple-choice questions on animal, music and vocal sounds, most of which have no right option."
    HOMEPAGE = "https://github.com/kuan2jiu99/aqua-bench"
    LICENSE = "none stated"
    CITATION = "C.-Y. Kuan, H.-y. Lee: AQUA-Bench (ICASSP 2026), arXiv 2601.12248"
    SUBSETS = tuple(track if variant == "main" else f"{track}_{variant}" for variant in _VARIANTS for track in _TRACKS)
    COLUMNS = {
        "options": datasets.List(datasets.Value("string")),
        "type": datasets.Value("string"),  # one of TYPES
        "subtype": datasets.Value("string"),  # null for Solvable
        "group": datasets.Value("int64"),  # the four questions on one clip share it
    }
    ANSWER_TYPE = "choice"

    @cached_property
    def _json(self) -> Path:
        track, _, variant = self.subset.partition("_")
        # Half of the official files are spelled "AUQA".
        names = [
            f"{name}-Bench-{_TRACKS[track]}-Track{_VARIANTS[variant or 'main']}.json" for name in ("AQUA", "AUQA")
        ]
        folders = ("", "evaluation-data/", "*/evaluation-data/")
        return self.find([folder + name for folder in folders for name in names], f"subset {self.subset}")

    def annotation_files(self) -> list[Path]:
        """The subset's JSON file."""
        return [self._json]

    def read_questions(self) -> Iterator[Question]:
        """The subset's questions, in the file's order."""
        entries = read_json(self._json)
        if not isinstance(entries, list) or len(entries) % len(TYPES):
            raise AnnotationError(f"{self._json}: not a list of groups of {len(TYPES)} questions; fetch it again")
        for index, entry in enumerate(entries):
            _check(entry, index, f"{self._json}, entry {index}")
            yield Question(
                key=str(index),
                names=_names(entry["audio_filename"]),
                question=entry["question"],
                answer=entry["answer"],
                columns={
                    "options": entry["options"],
                    "type": entry["type"],
                    "subtype": entry.get("subtype"),
                    "group": index // len(TYPES),
                },
            )


def _check(entry: Any, index: int, where: str) -> None:
    wanted = {"type": str, "question": str, "answer": str, "audio_filename": str, "options": list}
    for name, kind in wanted.items():
        if not isinstance(entry, dict) or not isinstance(entry.get(name), kind):
            raise AnnotationError(f"{where}: {name!r} must be there as {kind.__name__}: {entry!r}")
    if entry["type"] != TYPES[index % len(TYPES)]:
        raise AnnotationError(
            f"{where}: the type is {entry['type']!r} where {TYPES[index % len(TYPES)]!r} is due; fetch the file again"
        )
    if entry["answer"] not in entry["options"]:
        raise AnnotationError(f"{where}: the answer {entry['answer']!r} is none of the options {entry['options']!r}")


def _names(audio_filename: str) -> list[str]:
    """From the author's path: the name, first with the folder that tells an instrument's clips from another's."""
    parts = [part for part in re.split(r"[/\\]", audio_filename) if part not in ("", ".", "..")]
    return ["/".join(parts[-2:]), parts[-1]] if parts else [audio_filename]
