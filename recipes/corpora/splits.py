"""Split specifications: "train", "train+validation", "fold1[:50%]+fold2", names of groups of splits."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import datasets
import numpy as np
import pyarrow.compute as pc

from recipes.annotations import AnnotationError


@dataclass(frozen=True)
class SplitPart:
    """One part of a specification: the name asked for, the splits that it means, and its slice or ""."""

    name: str
    splits: tuple[str, ...]
    slice: str = ""

    def take(self, rows: datasets.Dataset) -> datasets.Dataset:
        """The part's slice of the rows of its splits; percentages are of the recordings, each with all its rows.

        Raises:
            AnnotationError: the slice is malformed.
        """
        if not self.slice:
            return rows
        places = _recordings(rows) if "%" in self.slice else np.arange(len(rows))
        count = int(places.max(initial=-1)) + 1
        try:
            [instruction] = datasets.ReadInstruction.from_spec(str(self)).to_absolute({self.name: count})
        except (ValueError, AssertionError) as error:
            raise AnnotationError(f"split {str(self)!r}: {error}; write e.g. {self.name}[:10%]") from None
        start, stop, _ = slice(instruction.from_, instruction.to).indices(count)
        return rows.select(np.flatnonzero((start <= places) & (places < stop)))

    def __str__(self) -> str:
        return f"{self.name}{self.slice}"


def _recordings(rows: datasets.Dataset) -> np.ndarray:
    """The number of each row's recording, in the order in which recordings first come."""
    audio = rows.select_columns("audio").with_format("arrow")[:].column("audio")
    return pc.struct_field(audio, "path").combine_chunks().dictionary_encode().indices.to_numpy()


def parse_splits(
    specification: str, aliases: Mapping[str, tuple[str, ...]], available: Callable[[str], bool]
) -> list[SplitPart]:
    """The parts of a specification, joined by "+".

    Args:
        specification: what the user asks for.
        aliases: other names of splits, and names of groups of splits.
        available: whether a split can be asked for.

    Raises:
        AnnotationError: a part names nothing that is available, or a split twice.
    """
    parts = []
    for text in specification.split("+"):
        match = re.fullmatch(r"\s*(\w+)(\[[^]]*\])?\s*", text)
        name = match[1] if match else text
        splits = tuple(split for split in aliases.get(name, (name,)) if available(split))
        if not match or not splits:
            raise AnnotationError(f"there is no split {text!r}")
        parts.append(SplitPart(name, splits, match[2] or ""))
    for part in parts:
        if not part.slice and any(other is not part and set(other.splits) & set(part.splits) for other in parts):
            raise AnnotationError(f"{specification!r} has rows of {part.name!r} twice")
    return parts
