"""What the builders of all benchmarks share: from the questions that an annotation file lists to question records."""

import abc
import hashlib
import inspect
import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pyarrow

from recipes.annotations import AnnotationError, find_annotation
from recipes.audio_files import AudioFiles, state_of
from recipes.records import QUESTION_FEATURES

logger = logging.getLogger(__name__)

MISSING_AUDIO = ("keep", "skip", "error")


@dataclass
class Question:
    """One question of a benchmark, its recording not looked up yet."""

    key: str  # unique within the benchmark and subset
    names: Sequence[str]  # file names to try for the recording; the first is the official one
    question: str
    answer: str
    columns: dict[str, Any] = field(default_factory=dict)  # the benchmark's own


class BenchmarkBuilder(datasets.ArrowBasedBuilder):
    """Questions of one benchmark; subclasses say where its files lie and what they mean.

    Args:
        data_dir: a folder with the annotation files and, anywhere below it, the recordings; None for the Hub's copy
            where there is one.
        subset: one of `SUBSETS`; the first by default.
        missing_audio: what happens to questions whose recording is not there: "keep" (its expected path stands in the
            record; a system cannot answer it and it counts as wrong), "skip" or "error". What is missing is reported.
        cache_dir: where the Arrow files go; the `datasets` cache by default.

    Raises:
        AnnotationError: `data_dir` or an annotation file is not there.
        ValueError: an unknown subset or value of `missing_audio`.
    """

    VERSION = datasets.Version("1.0.0")

    BENCHMARK: str
    DESCRIPTION: str
    HOMEPAGE: str
    LICENSE: str
    CITATION: str
    SUBSETS: tuple[str, ...]
    COLUMNS: dict[str, Any] = {}  # features of the benchmark's own columns
    ANSWER_TYPE = "yes_no"  # how `recipes.benchmarks.answers.parse_answer` reads responses; a question may differ

    def __init__(
        self,
        data_dir: str | Path | None = None,
        subset: str | None = None,
        missing_audio: str = "keep",
        cache_dir: str | Path | None = None,
    ) -> None:
        self.subset = self.SUBSETS[0] if subset is None else subset
        if self.subset not in self.SUBSETS:
            raise ValueError(f"{self.BENCHMARK} has no subset {subset!r}; it has {', '.join(self.SUBSETS)}")
        if missing_audio not in MISSING_AUDIO:
            raise ValueError(f"missing_audio={missing_audio!r} is not one of {', '.join(MISSING_AUDIO)}")
        self.missing_audio = missing_audio
        self.data_dir = self._usable(data_dir)
        self.folders = list(_folders_below(self.data_dir))  # recordings lie in folders of many names
        super().__init__(
            cache_dir=None if cache_dir is None else str(cache_dir),
            dataset_name=self.BENCHMARK,
            hash=self._code(),
            config_id=f"{self.subset}-{self._state()}",
            data_dir=str(self.data_dir),
        )

    # What a benchmark defines.

    @abc.abstractmethod
    def annotation_files(self) -> list[Path]:
        """The files, recordings apart, on which the subset's questions depend."""

    @abc.abstractmethod
    def read_questions(self) -> Iterator[Question]:
        """The subset's questions, in the annotation files' order."""

    def hub_folder(self) -> Path:
        """A local copy of what the subset needs from the Hub."""
        raise AnnotationError(
            f"{self.BENCHMARK} has no copy on the Hub that is known to be true to the original: get it from "
            f"{self.HOMEPAGE} and name its folder as data_dir"
        )

    # Files.

    def _usable(self, data_dir: str | Path | None) -> Path:
        if data_dir is None:
            return self.hub_folder()
        folder = Path(data_dir).expanduser().absolute()
        if not folder.is_dir():
            raise AnnotationError(f"data_dir {str(data_dir)!r} is not a folder; name the one with {self.BENCHMARK}")
        return folder

    def find(self, patterns: Sequence[str], what: str) -> Path:
        """The annotation file that matches one of the glob patterns below `data_dir`.

        Raises:
            AnnotationError: none does, or several match the same pattern.
        """
        if path := find_annotation([self.data_dir], patterns):
            return path
        raise AnnotationError(
            f"{self.BENCHMARK}: no file with {what} in {self.data_dir}; looked for {', '.join(patterns)}. "
            f"Check data_dir or get the file from {self.HOMEPAGE}"
        )

    # The cache: a build is used again only if nothing that it depends on has changed.

    def _code(self) -> str:
        files = sorted({inspect.getfile(cls) for cls in type(self).__mro__ if issubclass(cls, BenchmarkBuilder)})
        return hashlib.blake2b(b"".join(Path(file).read_bytes() for file in files), digest_size=8).hexdigest()

    def _state(self) -> str:
        digest = hashlib.blake2b(str(self.data_dir).encode("utf-8", "surrogateescape"), digest_size=16)
        for path in self.annotation_files():
            digest.update(str(path).encode("utf-8", "surrogateescape"))
            digest.update(path.read_bytes())
        digest.update(state_of(self.folders).encode())
        return digest.hexdigest()

    # `datasets`' side.

    def _info(self) -> datasets.DatasetInfo:
        own = {"answer_type": datasets.Value("string"), **self.COLUMNS}
        return datasets.DatasetInfo(
            description=self.DESCRIPTION,
            homepage=self.HOMEPAGE,
            license=self.LICENSE,
            citation=self.CITATION,
            features=datasets.Features({**QUESTION_FEATURES, **own}),
        )

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator(name="test")]

    # Whole tables, because `datasets` encodes single rows with an audio column only where torchcodec is installed.
    def _generate_tables(self) -> Iterator[tuple[int, pyarrow.Table]]:
        records = self._records()
        index = 0
        while rows := list(itertools.islice(records, 1000)):
            yield index, pyarrow.Table.from_pylist(rows, schema=self.info.features.arrow_schema)
            index += 1

    def _records(self) -> Iterator[dict[str, Any]]:
        audio_files = AudioFiles(self.folders)
        paths: dict[tuple[str, ...], str] = {}
        seen: set[str] = set()
        for question in self.read_questions():
            if question.key in seen:
                raise AnnotationError(f"{self.BENCHMARK}: the question {question.key!r} is there twice")
            seen.add(question.key)
            names = tuple(question.names)
            if names not in paths:  # a clip has many questions
                paths[names] = str(audio_files.find(names) or audio_files.expected(names[0]))
            yield {
                "id": f"{self.BENCHMARK}/{self.subset}/{question.key}",
                "benchmark": self.BENCHMARK,
                "subset": self.subset,
                "audio": {"path": paths[names], "bytes": None},
                "question": question.question,
                "answer": question.answer,
                "answer_type": self.ANSWER_TYPE,
                **question.columns,
            }

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Build the subset unless an unchanged build is in the cache.

        Raises:
            AnnotationError: an annotation file holds what cannot be used.
        """
        try:
            super().download_and_prepare(*args, **kwargs)
        except datasets.exceptions.DatasetGenerationError as error:
            # What the user can act upon is the cause.
            raise (error.__cause__ or error) from None

    def questions(self) -> datasets.Dataset:
        """The questions; `missing_audio` is applied to the recordings that are there now.

        Raises:
            AnnotationError: an annotation file holds what cannot be used, or no question at all.
            FileNotFoundError: a recording is missing and `missing_audio` is "error".
        """
        self.download_and_prepare()
        if not self.info.splits["test"].num_examples:
            raise AnnotationError(f"{self.BENCHMARK}: the files of subset {self.subset} hold no question")
        return apply_missing_audio(
            self.as_dataset(split="test"), self.missing_audio, f"{self.BENCHMARK}, {self.subset}"
        )


def apply_missing_audio(questions: datasets.Dataset, missing_audio: str, name: str) -> datasets.Dataset:
    """Keep, skip or refuse questions whose recording is not there; what is missing is reported.

    Args:
        questions: records of `recipes.records.QUESTION_FEATURES`; recordings inside them are there.
        missing_audio: one of `MISSING_AUDIO`.
        name: what the questions are called.

    Raises:
        ValueError: an unknown value of `missing_audio`.
        FileNotFoundError: a recording is missing and `missing_audio` is "error".
    """
    if missing_audio not in MISSING_AUDIO:
        raise ValueError(f"missing_audio={missing_audio!r} is not one of {', '.join(MISSING_AUDIO)}")
    paths = [None if audio["bytes"] else audio["path"] for audio in questions["audio"][:]]
    missing = {path for path in dict.fromkeys(paths) if path is not None and not os.path.isfile(path)}
    if not missing:
        return questions
    present = [index for index, path in enumerate(paths) if path not in missing]
    message = (
        f"{name}: no recording for {len(missing):,} of {len(set(paths)):,} clips "
        f"({len(paths) - len(present):,} of {len(paths):,} questions), the first: {min(missing)}"
    )
    if missing_audio == "error":
        raise FileNotFoundError(f'{message}; put them there, or use missing_audio="keep" or "skip"')
    logger.warning("%s (missing_audio is %r)", message, missing_audio)
    return questions if missing_audio == "keep" else questions.select(present)


def _folders_below(root: Path) -> Iterator[Path]:
    """A folder and those below it, but hidden ones, each once even where links lead back."""
    seen: set[str] = set()
    for folder, names, _ in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield Path(folder)
