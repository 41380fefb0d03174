"""Finding recordings below a corpus' folder and reading their lengths from their headers."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus")


class AudioFiles:
    """The recordings in some folders; each folder is listed once, which network file systems need.

    Args:
        folders: where recordings may lie, best first; those that are not there are passed over.
        home: where those that are not found are expected; by default the first folder that is there.
    """

    def __init__(self, folders: Sequence[Path], home: Path | None = None) -> None:
        self.folders = [folder for folder in dict.fromkeys(folders) if folder.is_dir()] or list(folders[:1])
        self.home = home or self.folders[0]
        self._names: dict[tuple[Path, str], frozenset[str]] = {}

    def find(self, names: Iterable[str]) -> Path | None:
        """The first recording that exists: each name in each folder, as it is and with every audio suffix."""
        for name in names:
            parent, base = os.path.split(name)
            for folder in self.folders:
                if listing := self._listing(folder, parent):
                    for variant in with_suffixes(base):
                        if variant in listing:
                            return folder / parent / variant
        return None

    def expected(self, name: str) -> Path:
        """Where a recording would lie if it were there."""
        suffix = os.path.splitext(name)[1]
        # What follows the point in `ID_30.5` is a time.
        return self.home / (name if suffix[1:2].isalpha() else name + SUFFIXES[0])

    def _listing(self, folder: Path, below: str) -> frozenset[str]:
        if (folder, below) not in self._names:
            try:
                with os.scandir(folder / below) as entries:
                    self._names[folder, below] = frozenset(entry.name for entry in entries if not entry.is_dir())
            except (FileNotFoundError, NotADirectoryError):
                self._names[folder, below] = frozenset()
        return self._names[folder, below]


def with_suffixes(name: str) -> list[str]:
    """A file name as it is, then with the other audio suffixes (many copies of corpora are converted)."""
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in SUFFIXES:
        stem, suffix = name, ""
    others = (*SUFFIXES, *map(str.upper, SUFFIXES))
    return [name, *(stem + other for other in others if other != suffix)]


def state_of(folders: Iterable[Path]) -> str:
    """A digest of the names, sizes and modification times of the files in folders; any change changes it."""
    total = 0
    for folder in folders:
        try:
            entries = os.scandir(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        with entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except OSError:  # a dangling link; its name still counts
                    status = os.stat_result([0] * 10)
                state = f"{entry.path}\0{status.st_size}\0{status.st_mtime_ns}"
                # A sum does not depend on the order in which the entries come, and holds no list of them.
                total += int.from_bytes(hashlib.blake2b(state.encode("utf-8", "surrogateescape")).digest()[:16], "big")
    return f"{total % (1 << 128):032x}"


def seconds_in(path: Path) -> float | None:
    """The length of a recording in seconds from its header; None where it cannot be read or holds no sample."""
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError):
        return None
    return info.frames / info.samplerate if info.frames > 0 else None
