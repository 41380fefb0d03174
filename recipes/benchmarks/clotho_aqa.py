"""Clotho-AQA (Lipping et al., EUSIPCO 2022): crowdsourced questions on Clotho clips, three annotators each.

Its test split has 2,838 questions on 473 clips; two thirds are yes/no questions, the others want a single word. The
paper scores "only questions with unanimous annotator agreement" without saying which kind; its figures fit `yes_no`.

- `yes_no`: all three annotators said yes, or all said no (1,109 questions, 684 yes and 425 no); the primary subset.
- `words`: all three gave the same single word (203 questions).
- `all`: every question; its answer is the word that most annotators gave, the first among equals.

`data_dir` holds `clotho_aqa_test.csv` and, anywhere below it, the recordings of `audio_files.zip`.
"""

import html
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import datasets

from recipes.annotations import AnnotationError, file_name_of, read_csv
from recipes.benchmarks.base import BenchmarkBuilder, Question

ANNOTATORS = 3
_COLUMNS = ("file_name", "QuestionText", "answer", "confidence")


class ClothoAQA(BenchmarkBuilder):
    """The benchmark as `datasets` builder; see the module."""

    BENCHMARK = "clotho_aqa"
    DESCRIPTION = "Questions on everyday recordings, answered by three annotators with yes, no or a word."
    HOMEPAGE = "https://zenodo.org/records/6473207"
    LICENSE = "see https://zenodo.org/records/6473207; each clip has its own Creative Commons licence"
    CITATION = "S. Lipping, P. Sudarsanam, K. Drossos, T. Virtanen: Clotho-AQA (EUSIPCO 2022), arXiv 2204.09634"
    SUBSETS = ("yes_no", "words", "all")
    COLUMNS = {
        "answers": datasets.List(datasets.Value("string")),  # one for each annotator
        "confidence": datasets.List(datasets.Value("string")),  # "yes", "maybe" or "no", for each annotator
        "unanimous": datasets.Value("bool"),
    }

    @cached_property
    def _csv(self) -> Path:
        name = "clotho_aqa_test.csv"
        return self.find([name, f"*/{name}", f"*/*/{name}"], "the test questions")

    def annotation_files(self) -> list[Path]:
        """The test split's CSV file."""
        return [self._csv]

    def read_questions(self) -> Iterator[Question]:
        """The subset's questions, in the file's order."""
        for index, (where, file_name, question, rows) in enumerate(self._grouped()):
            answers = [answer for answer, _ in rows]
            if len(answers) % ANNOTATORS:
                raise AnnotationError(
                    f"{where}: {question!r} has {len(answers)} answers; each question has {ANNOTATORS} rows"
                )
            yes_no = set(answers) <= {"yes", "no"}
            unanimous = len(set(answers)) == 1
            if self.subset == "all" or (unanimous and yes_no == (self.subset == "yes_no")):
                yield Question(
                    key=str(index),
                    names=_names(file_name),
                    question=question,
                    answer=Counter(answers).most_common(1)[0][0],
                    columns={
                        "answer_type": "yes_no" if yes_no else "word",
                        "answers": answers,
                        "confidence": [confidence for _, confidence in rows],
                        "unanimous": unanimous,
                    },
                )

    def _grouped(self) -> Iterator[tuple[str, str, str, list[tuple[str, str]]]]:
        """Where each question stands, its file name, its text, and the answers with their confidence."""
        questions: dict[tuple[str, str], tuple[str, list[tuple[str, str]]]] = {}
        for where, row in read_csv(self._csv, _COLUMNS):
            file_name = file_name_of(row["file_name"], where)
            answer = row["answer"].strip().lower()
            if not answer or not row["QuestionText"].strip():
                raise AnnotationError(f"{where}: the question or its answer is empty: {row!r}")
            _, rows = questions.setdefault((file_name, row["QuestionText"].strip()), (where, []))
            rows.append((answer, row["confidence"].strip().lower()))
        for (file_name, question), (where, rows) in questions.items():
            yield where, file_name, question, rows


def _names(file_name: str) -> list[str]:
    """The name as published, which holds HTML entities, then the forms that file systems and copies give it."""
    forms = [file_name, html.unescape(file_name), *(unicodedata.normalize(form, file_name) for form in ("NFC", "NFD"))]
    return list(dict.fromkeys([*forms, *(form.replace(":", "_").replace("/", "_") for form in forms)]))
