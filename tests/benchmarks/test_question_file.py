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


def test_recordings_may_lie_in_another_folder(tmp_path: Path) -> None:
    questions = read_questions(write(tmp_path / "mine.csv", ROWS), audio_dir=tmp_path / "recordings")
    assert questions["audio"][1]["path"] == str(tmp_path / "recordings/sub/b.wav")


def test_recordings_may_lie_in_the_file(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "audio": {"path": None, "bytes": b"RIFF"}}]
    assert read_questions(write(tmp_path / "mine.parquet", rows))["audio"][0] == {"path": None, "bytes": b"RIFF"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROWS[0], {**ROWS[0], "question": ""}], r"mine\.jsonl, line 2: audio, question, answer are needed"),
        ([{"audio": "a.wav", "question": "?"}], "line 1: audio, question, answer are needed"),
        ([{**ROWS[0], "answer": "perhaps"}], "line 1: the answer is 'perhaps'; give yes or no"),
        ([{**ROWS[0], "answer_type": "essay"}], "line 1: the answer_type is 'essay'; it must be yes_no, choice, word"),
        (
            [{**ROWS[0], "answer_type": "choice"}],
            "line 1: the answer 'Yes' must be one of `options`",
        ),
        ([{**ROWS[0], "answer_type": "choice", "options": "Yes; No"}], "must be one of `options`, a list"),
        ([{**ROWS[0], "answer_type": "choice", "options": ["A", "B"]}], "must be one of `options`, a list"),
        ([{**ROWS[0], "answer_type": "word", "answer": "the water splashes"}], "'the water splashes'; give one word"),
        ([ROWS[0], {**ROWS[1], "p_yes": 0.5}], r"answers will have the column p_yes; call yours otherwise"),
        ([{**ROWS[0], "system": "x", "response": "y"}], r"answers will have the column system, response"),
        ([{**ROWS[0], "audio": 3}], "a path is needed"),
        ([{**row, "id": "x"} for row in ROWS], "an id is there twice"),
        ([], r"mine\.jsonl is empty"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path: Path, rows: list[dict], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_questions(write(tmp_path / "mine.jsonl", rows))


def test_what_is_no_file_of_questions_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.jsonl is no file of questions"):
        read_questions(tmp_path / "nothing.jsonl")
    (tmp_path / "half.jsonl").write_text('{"audio": "a.wav", ')
    with pytest.raises(ValueError, match=r"half\.jsonl, line 1: not valid JSON"):
        read_questions(tmp_path / "half.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("audio,question\na.wav,Rain?\n", "line 1: no column 'answer'"),
        ("audio,question,answer\na.wav,Rain, or wind?,yes\n", "line 2: 4 cells where 3 are due"),
        ("audio,question,answer\na.wav,,yes\n", "line 2: audio, question, answer are needed"),
        ("audio,question,answer\n", "holds no question"),
    ],
)
def test_malformed_csv_files_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"mine\.csv.*{message}"):
        read_questions(tmp_path / "mine.csv")


def test_missing_recordings_are_kept_skipped_or_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "mine.csv", ROWS)
    (tmp_path / "a.wav").touch()
    assert len(read_questions(path)) == 2
    assert "mine.csv: no recording for 1 of 2 clips (1 of 2 questions)" in caplog.text
    assert read_questions(path, "skip")["question"][:] == ["Is there a dog?"]
    with pytest.raises(FileNotFoundError, match=r"sub/b\.wav"):
        read_questions(path, "error")
    with pytest.raises(ValueError, match="'perhaps' is not one of keep, skip, error"):
        read_questions(path, "perhaps")


def test_choices_have_a_list_of_options(tmp_path: Path) -> None:
    row = {**ROWS[0], "answer_type": "choice", "options": ["Dog", "Cat"], "answer": "Cat"}
    assert read_questions(write(tmp_path / "mine.jsonl", [row]))[0]["options"] == ["Dog", "Cat"]


def test_words_are_stored_as_responses_are_read(tmp_path: Path) -> None:
    answers = ["Water", 2, "a dog", " The answer is eleven.", 0]
    rows = [{**ROWS[0], "answer_type": "word", "answer": answer} for answer in answers]
    questions = read_questions(write(tmp_path / "mine.jsonl", rows))
    assert questions["answer"][:] == ["water", "two", "dog", "eleven", "zero"]


def test_ids_are_counted_from_zero_too(tmp_path: Path) -> None:
    rows = [{**row, "id": number} for number, row in enumerate(ROWS)]
    for suffix in (".csv", ".jsonl", ".parquet"):
        assert read_questions(write(tmp_path / f"mine{suffix}", rows))["id"][:] == ["0", "1"]


def test_columns_may_begin_in_a_later_row(tmp_path: Path) -> None:
    choice = {**ROWS[0], "answer_type": "choice", "options": [1, 2], "answer": 2}
    rows = [{name: ROWS[0][name] for name in ("audio", "question", "answer")}, choice]
    questions = read_questions(write(tmp_path / "mine.jsonl", rows))
    assert questions["options"][:] == [None, ["1", "2"]]
    assert questions["seed"][:] == [None, "a dog"]
    assert questions["answer"][:] == ["yes", "2"]


def test_columns_of_several_kinds_become_text(tmp_path: Path) -> None:
    values = ["loud", 3, None, [1]]
    rows = [
        {**ROWS[0], "level": value, "weight": weight} for value, weight in zip(values, (1, 0.5, 2, 1), strict=True)
    ]
    questions = read_questions(write(tmp_path / "mine.jsonl", rows))
    assert questions["level"][:] == ["loud", "3", None, "[1]"]
    assert questions["weight"][:] == [1, 0.5, 2, 1]
