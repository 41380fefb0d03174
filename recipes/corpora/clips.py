"""What builders say about a recording, and what they count."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Clip:
    """What a corpus says about one recording."""

    key: str  # unique within the split
    where: str  # the annotation it comes from, for messages
    names: list[str]  # file names to try in the audio folders; the first is the official one
    captions: list[tuple[str, str]] = field(default_factory=list)  # (key unique within the split, text)
    tags: list[str] = field(default_factory=list)
    seconds: float | None = None  # the length that the annotation gives
    path: Path | None = None  # the recording, where there is no need to look for it
    split: str | None = None  # in a mirror, where all splits are one: the split of its own


@dataclass
class Coverage:
    """What became of the clips of a split; lengths are in seconds."""

    clips: int = 0  # annotated
    missing: int = 0  # of these: no recording was found
    unreadable: int = 0  # of these: the recording's header cannot be read, or it holds no sample
    seeds: int = 0  # that came out
    malformed: int = 0  # rows passed over because the corpus is known to contain such rows
    seconds: float = 0.0  # of all clips whose length is known from the recording or else from the annotation
    unknown: int = 0  # clips whose length is not known
    seconds_on_disk: float = 0.0  # of the recordings found
    first_missing: str | None = None
    first_malformed: str | None = None
