"""Questions from the user's files."""

import json
from pathlib import Path

import pytest

from recipes.benchmarks.question_file import read_questions
from recipes.records import QUESTION_FEATURES

ROWS = [
    {"audio": "a.wav", "question": "Is there a dog?", "answer": "Yes", "seed": "a dog"},
    {"audio": "sub/b.wav", "question": "Is there a cat?", "answer": "no", "seed": "rain"},
]


def write(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_all_formats_give_the_same_questions(tmp_path: Path, suffix: str) -> None:
    questions = read_questions(write(tmp_path / f"mine{suffix}", ROWS))
    assert {name: questions.features[name] for name in QUESTION_FEATURES} == dict(QUESTION_FEATURES)
    assert questions["audio"][1] == {"path": str(tmp_path / "sub/b.wav"), "bytes": None}
    assert (questions["id"][:], questions["benchmark"][0], questions["subset"][0]) == (["1", "2"], "mine", "all")
    assert questions["answer"][:] == ["yes", "no"]
    assert questions["seed"][:] == ["a dog", "rain"]


def test_recordings_may_lie_in_the_file(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "audio": {"path": None, "bytes": b"RIFF"}}]
    assert read_questions(write(tmp_path / "mine.parquet", rows))["audio"][0] == {"path": None, "bytes": b"RIFF"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{**ROWS[0], "question": ""}], r"question 1: audio, question, answer are needed"),
        ([{"audio": "a.wav", "question": "?"}], "question 1: audio, question, answer are needed"),
        ([{**ROWS[0], "answer": "perhaps"}], "the answer is 'perhaps'; give yes or no"),
        ([{**ROWS[0], "audio": 3}], "a path is needed"),
        ([{**row, "id": "x"} for row in ROWS], "an id is there twice"),
        ([], "holds no question"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path: Path, rows: list[dict], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_questions(write(tmp_path / "mine.jsonl", rows))


def test_what_is_no_file_of_questions_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.jsonl is no file of questions"):
        read_questions(tmp_path / "nothing.jsonl")
    (tmp_path / "half.jsonl").write_text('{"audio": "a.wav", ')
    with pytest.raises(ValueError, match=r"half\.jsonl cannot be read"):
        read_questions(tmp_path / "half.jsonl")
