"""What the builders of all corpora share: from the clips that an annotation file lists to the records of seeds."""

import abc
import dataclasses
import hashlib
import inspect
import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import datasets

from recipes.annotations import AnnotationError, find_annotation
from recipes.audio_files import AudioFiles, seconds_in, state_of
from recipes.corpora.clips import Clip, Coverage
from recipes.corpora.splits import SplitPart, parse_splits
from recipes.records import SEED_FEATURES

logger = logging.getLogger(__name__)

MISSING_AUDIO = ("skip", "keep", "error")
TAG_SEPARATOR = "; "

# The records as they are stored: `datasets` encodes rows with an audio column only where torchcodec is installed, and
# for this column, which is not encoded, nothing else differs.
_STORED = datasets.Features(
    {**SEED_FEATURES, "audio": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}}
)


class CorpusBuilder(datasets.GeneratorBasedBuilder):
    """Seeds of one corpus; subclasses say where its files lie and what its annotations mean.

    Args:
        data_dir: the folder with the annotation files and the recordings, laid out as the corpus is published.
        split: splits to build and their parts: "train", "train+validation", "fold1+fold2", "test[:10%]", an
            official name such as "eval", or "paper" for what LISTEN's Table 2 counts; None for all that are there.
            Percentages are of recordings, so that none is cut in two; numbers count seeds.
        missing_audio: what happens to clips whose recording is missing or unreadable: "skip" (counted, reported
            once, see `coverage`), "keep" (its expected path stands in the record) or "error".
        mirror: a loaded dataset from the Hub that stands in for annotation files and recordings; see `from_mirror`.
        cache_dir: where the Arrow files go; the `datasets` cache by default.

    Raises:
        AnnotationError: `data_dir`, `split` or an annotation file cannot be used.
    """

    VERSION = datasets.Version("1.0.0")

    CORPUS: str
    DESCRIPTION: str
    HOMEPAGE: str
    LICENSE: str
    CITATION: str
    ROOTS: tuple[str, ...] = ()  # names of the folder that the published archive unpacks to
    ANNOTATIONS: dict[str, tuple[str, ...]] = {}  # for each split, patterns of its annotation file
    ALIASES: dict[str, tuple[str, ...]] = {}  # other names of splits, and of groups of splits
    OPT_IN: tuple[str, ...] = ()  # splits that are built only if named

    def __init__(
        self,
        data_dir: str | Path | None = None,
        split: str | None = None,
        missing_audio: str = "skip",
        mirror: datasets.Dataset | None = None,
        cache_dir: str | Path | None = None,
    ) -> None:
        if missing_audio not in MISSING_AUDIO:
            raise ValueError(f"missing_audio={missing_audio!r} is not one of {', '.join(MISSING_AUDIO)}")
        self.missing_audio = missing_audio
        self.mirror = mirror
        self.data_dir = self.usable(data_dir)
        self.roots = [self.data_dir, *(self.data_dir / root for root in self.ROOTS)]
        self.parts = self._parse(split)
        super().__init__(
            cache_dir=None if cache_dir is None else str(cache_dir),
            dataset_name=self.CORPUS,
            hash=self._code(),
            config_id=self._state(),
            data_dir=str(self.data_dir),
        )

    @property
    def remedy(self) -> str:
        """What to do where files are missing."""
        return f"get it from {self.HOMEPAGE}"

    def usable(self, data_dir: str | Path | None) -> Path:
        """The corpus' folder as an absolute path.

        Raises:
            AnnotationError: it is not there.
        """
        if data_dir is None:
            raise AnnotationError(
                f"{self.CORPUS} needs data_dir, the folder of its annotation files and recordings; {self.remedy}"
            )
        path = Path(data_dir).expanduser().absolute()
        if self.mirror is not None:
            path.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            raise AnnotationError(f"data_dir {path} of {self.CORPUS} is not a folder; correct it, or {self.remedy}")
        return path

    # What subclasses say.

    @abc.abstractmethod
    def audio_folders(self, split: str) -> Sequence[str]:
        """Folders of a split's recordings, relative to `data_dir` or to one of `ROOTS`; best first."""

    @abc.abstractmethod
    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """The clips of a split, in the annotation file's order; malformed rows raise or are counted."""

    def mirror_clip(self, row: dict[str, Any], where: str) -> Clip | None:
        """The clip in a row of a Hub mirror; None if it is not one of the corpus'."""
        raise AnnotationError(f"{self.CORPUS} has no known mirror on the Hub; load it from its own files")

    def present_splits(self) -> list[str]:
        """The splits whose annotation files are there."""
        return [split for split in self.ANNOTATIONS if self.find_annotations(split)]

    def annotation_files(self) -> list[Path]:
        """Every file, recordings apart, on which the seeds depend."""
        return [self.annotations(split) for split in self.build_splits]

    # Files.

    def find_annotations(self, split: str) -> Path | None:
        """The annotation file of a split; None if it is not there."""
        return find_annotation(self.roots, self.ANNOTATIONS[split])

    def annotations(self, split: str) -> Path:
        """The annotation file of a split.

        Raises:
            AnnotationError: it is not there.
        """
        return self.find_annotations(split) or self._raise_absent(self.ANNOTATIONS[split], f"split {split!r}")

    def companion(self, patterns: Sequence[str], what: str) -> Path:
        """A further file that the annotations need.

        Raises:
            AnnotationError: it is not there.
        """
        return find_annotation(self.roots, patterns) or self._raise_absent(patterns, what)

    def _raise_absent(self, patterns: Sequence[str], what: str) -> NoReturn:
        raise AnnotationError(
            f"{self.CORPUS}: no file for {what} in {self.data_dir}; looked for {', '.join(dict.fromkeys(patterns))}. "
            f"Correct data_dir, or {self.remedy}"
        )

    def _audio_folders(self, split: str) -> list[Path]:
        if self.mirror is not None:
            return [self.data_dir / split, self.data_dir]
        return [root / folder for folder in self.audio_folders(split) for root in self.roots]

    def watched_folders(self) -> list[Path]:
        """Folders whose files, if any is added, taken away or changed, make a build in the cache out of date."""
        return list(dict.fromkeys(folder for name in self.build_splits for folder in self._audio_folders(name)))

    # Splits.

    def _parse(self, split: str | None) -> list[SplitPart]:
        if self.mirror is not None:
            return [SplitPart(split or "train", (split or "train",))]
        present = self.present_splits()
        if split is None:
            if not (names := tuple(name for name in present if name not in self.OPT_IN)):
                self._raise_absent([pattern for each in self.ANNOTATIONS.values() for pattern in each], "any split")
            return [SplitPart("all", names)]

        def available(name: str) -> bool:
            # A known split whose annotation file is absent passes: what tells of the file to fetch comes later.
            return name in present or (name in self.ANNOTATIONS and not self.find_annotations(name))

        try:
            return parse_splits(split, self.ALIASES, available)
        except AnnotationError as error:
            known = dict.fromkeys([*self.ANNOTATIONS, *present, *self.ALIASES])
            raise AnnotationError(
                f"{self.CORPUS} in {self.data_dir}: {error}; it has {', '.join(present) or 'none'} "
                f"(known names: {', '.join(known)})"
            ) from None

    @property
    def build_splits(self) -> list[str]:
        """The splits that are built, each once."""
        return list(dict.fromkeys(split for part in self.parts for split in part.splits))

    # The cache: a build is used again only if nothing that it depends on has changed.

    def _code(self) -> str:
        here = Path(__file__).parent
        shared = (here.parent / name for name in ("annotations.py", "audio_files.py", "records.py"))
        files = {*here.glob("*.py"), *shared, Path(inspect.getfile(type(self)))}
        return hashlib.blake2b(b"".join(file.read_bytes() for file in sorted(files)), digest_size=8).hexdigest()

    def _state(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        digest.update(
            repr((str(self.data_dir), self.build_splits, self.missing_audio)).encode("utf-8", "surrogateescape")
        )
        if self.mirror is not None:
            digest.update(self.mirror._fingerprint.encode())
        else:
            for path in self.annotation_files():
                digest.update(os.fsencode(path))
                with path.open("rb") as file:
                    while block := file.read(1 << 20):
                        digest.update(block)
        digest.update(state_of(self.watched_folders()).encode())
        return f"{self.CORPUS}-{digest.hexdigest()}"

    # `datasets`' side.

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description=self.DESCRIPTION,
            homepage=self.HOMEPAGE,
            license=self.LICENSE,
            citation=self.CITATION,
            features=_STORED,
        )

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        self._coverage: dict[str, Coverage] = {}
        return [datasets.SplitGenerator(name=name, gen_kwargs={"split": name}) for name in self.build_splits]

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        coverage = self._coverage[split] = Coverage()
        folders = self._audio_folders(split)
        home = next((folder for folder in folders if folder.is_dir() and folder not in self.roots), folders[0])
        audio_files = AudioFiles(folders, home)
        seen: set[bytes] = set()
        for clip in self._clips(split, coverage):
            coverage.clips += 1
            records = self._records(clip, split)
            for record in records:
                # Digests, because a million ids as text would be a tenth of a gigabyte and more.
                key = hashlib.blake2b(record["id"].encode(), digest_size=16).digest()
                if key in seen:
                    raise AnnotationError(f"{clip.where}: the id {record['id']!r} is there twice; ids must be unique")
                seen.add(key)
            path = clip.path or audio_files.find(clip.names)
            if self._count(clip, path, audio_files, coverage):
                for record in records:
                    record["audio"] = {"path": str(path or audio_files.expected(clip.names[0])), "bytes": None}
                    record["duration"] = clip.seconds
                    coverage.seeds += 1
                    yield record["id"], record

    def _clips(self, split: str, coverage: Coverage) -> Iterator[Clip]:
        if self.mirror is None:
            yield from self.read_clips(self.annotations(split), split, coverage)
            return
        from recipes.corpora.mirrors import mirror_clips

        yield from mirror_clips(self, split)

    def _count(self, clip: Clip, path: Path | None, audio_files: AudioFiles, coverage: Coverage) -> bool:
        """Sets the clip's true length, counts it, and tells whether its seeds go into the corpus."""
        seconds = None if path is None else seconds_in(path)
        if seconds is not None:
            clip.seconds = seconds
            coverage.seconds_on_disk += seconds
        if clip.seconds is None:
            coverage.unknown += 1
        else:
            coverage.seconds += clip.seconds
        if seconds is not None:
            return True
        if path is None:
            folders = ", ".join(map(str, audio_files.folders))
            message = f"{clip.where}: {audio_files.expected(clip.names[0])} is not there, nor is it in {folders}"
        else:
            message = f"{clip.where}: the recording {path} cannot be read or is empty"
        if self.missing_audio == "error":
            raise FileNotFoundError(f'{message}; put it there, or use missing_audio="skip" to go without it')
        if path is None:
            coverage.missing += 1
        else:
            coverage.unreadable += 1
        coverage.first_missing = coverage.first_missing or message
        return self.missing_audio == "keep"

    def _records(self, clip: Clip, split: str) -> list[dict[str, Any]]:
        seeds = clip.captions or [(clip.key, TAG_SEPARATOR.join(clip.tags))]
        return [
            {
                "id": f"{self.CORPUS}/{split}/{key}",
                "corpus": self.CORPUS,
                "split": split,
                "seed": seed,
                "seed_type": "caption" if clip.captions else "tags",
                "captions": [caption for _, caption in clip.captions],
                "tags": clip.tags,
            }
            for key, seed in seeds
        ]

    def _download_and_prepare(self, dl_manager: datasets.DownloadManager, *args: Any, **kwargs: Any) -> None:
        super()._download_and_prepare(dl_manager, *args, **kwargs)
        coverage = {name: dataclasses.asdict(each) for name, each in self._coverage.items()}
        Path(self._output_dir, "coverage.json").write_text(json.dumps(coverage), encoding="utf-8")

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Build the corpus unless an unchanged build is in the cache; what went missing is reported once.

        Raises:
            AnnotationError: a malformed row.
            FileNotFoundError: a recording is missing and `missing_audio` is "error".
        """
        try:
            super().download_and_prepare(*args, **kwargs)
        except datasets.exceptions.DatasetGenerationError as error:
            # What the user can act upon is the cause.
            raise (error.__cause__ or error) from None
        self._report()

    def _as_dataset(self, *args: Any, **kwargs: Any) -> datasets.Dataset:
        return _as_seeds(super()._as_dataset(*args, **kwargs))

    @property
    def coverage(self) -> dict[str, Coverage]:
        """For each split built, what became of its clips; there once the corpus is prepared."""
        content = json.loads(Path(self._output_dir, "coverage.json").read_text(encoding="utf-8"))
        return {name: Coverage(**values) for name, values in content.items()}

    def _report(self) -> None:
        each = self.coverage.values()
        if lost := sum(split.missing + split.unreadable for split in each):
            logger.warning(
                "%s: %d of %d clips have no usable recording (%d missing, %d unreadable) and are %s; the first: %s",
                self.CORPUS,
                lost,
                sum(split.clips for split in each),
                sum(split.missing for split in each),
                sum(split.unreadable for split in each),
                "kept" if self.missing_audio == "keep" else "skipped",
                next(split.first_missing for split in each if split.first_missing),
            )
        if malformed := sum(split.malformed for split in each):
            first = next(split.first_malformed for split in each if split.first_malformed)
            logger.warning("%s: %d malformed rows are skipped; the first: %s", self.CORPUS, malformed, first)

    def seeds(self) -> datasets.Dataset:
        """The seeds of the splits asked for, once the corpus is prepared; memory-mapped.

        Raises:
            AnnotationError: a slice is malformed, or slices overlap.
        """
        parts = []
        for part in self.parts:
            # `datasets` cannot read a split of no rows.
            filled = [self.as_dataset(split=split) for split in part.splits if self.info.splits[split].num_examples]
            if filled:
                parts.append(part.take(datasets.concatenate_datasets(filled)))
        if not parts:
            return _as_seeds(datasets.Dataset.from_dict({name: [] for name in _STORED}, features=_STORED))
        seeds = datasets.concatenate_datasets(parts)
        if len(self.build_splits) < sum(len(part.splits) for part in self.parts):
            self._check_overlap(seeds)
        return seeds

    def _check_overlap(self, seeds: datasets.Dataset) -> None:
        seen: set[str] = set()
        for each in seeds["id"]:
            if each in seen:
                raise AnnotationError(
                    f"{self.CORPUS}: the slices of {'+'.join(map(str, self.parts))!r} overlap: {each!r} is in two of "
                    "them; let each begin where another ends"
                )
            seen.add(each)


def _as_seeds(stored: datasets.Dataset) -> datasets.Dataset:
    return stored.cast_column("audio", SEED_FEATURES["audio"])
