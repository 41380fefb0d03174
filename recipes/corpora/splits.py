"""Split specifications: "train", "train+validation", "fold1[:50%]+fold2", names of groups of splits."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import datasets

from recipes.annotations import AnnotationError


@dataclass(frozen=True)
class SplitPart:
    """One part of a specification: the name asked for, the splits that it means, and its slice or ""."""

    name: str
    splits: tuple[str, ...]
    slice: str = ""

    def take(self, rows: datasets.Dataset) -> datasets.Dataset:
        """The part's slice of the rows of its splits.

        Raises:
            AnnotationError: the slice is malformed.
        """
        if not self.slice:
            return rows
        specification = f"{self.name}{self.slice}"
        try:
            [instruction] = datasets.ReadInstruction.from_spec(specification).to_absolute({self.name: len(rows)})
        except (ValueError, AssertionError) as error:
            raise AnnotationError(f"split {specification!r}: {error}; write e.g. {self.name}[:10%]") from None
        wanted = range(*slice(instruction.from_, instruction.to).indices(len(rows)))
        return rows.select(wanted or [])  # an empty range that begins at the end would be out of range


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
