"""Files of answers."""

from pathlib import Path

import datasets
import pytest

from recipes.systems.answers_csv import AnswersCSV
from recipes.systems.base import Clip, Settings

QUESTIONS = [
    {"id": "b/s/1", "benchmark": "b", "subset": "s", "entry_id": 1, "audio_index": "Yabc", "answer": "yes"},
    {"id": "b/s/2", "benchmark": "b", "subset": "s", "entry_id": 2, "audio_index": "Yabc", "answer": "no"},
]


def answers_of(path: Path | str, questions: list[dict] = QUESTIONS) -> list:
    return AnswersCSV("x", str(path), Settings()).answer([Clip({}, questions)])[0]


def test_columns_go_by_position(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('number,clip,truth,said\n2,Yabc,No,"No, there is\nnone."\n1,Yabc,Yes,Yes\n')
    assert [each.response for each in answers_of(path)] == ["Yes", "No, there is\nnone."]


def test_a_question_without_a_row_is_unanswered(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("entry_id,audio_index,label,response\n1,Yabc,Yes,\n")
    first, second = answers_of(path)
    assert first.response == ""  # it was asked, and said nothing
    assert second == (None, None, "a.csv has no row 2")


def test_questions_without_entry_id_go_by_id(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("entry_id,audio_index,label,response\nq1,anything,yes,Yes!\n")
    question = {"id": "q1", "benchmark": "b", "subset": "s", "answer": "yes"}
    assert answers_of(path, [question])[0].response == "Yes!"


def test_a_file_for_each_subset(tmp_path: Path) -> None:
    (tmp_path / "b-s.csv").write_text("e,a,l,r\n1,Yabc,Yes,Yes\n2,Yabc,No,No\n")
    assert answers_of(f"{tmp_path}/{{benchmark}}-{{subset}}.csv")[0].response == "Yes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("e,a,l,r\n1,Yabc,No,No\n", "the file answers another benchmark or subset"),
        ("e,a,l,r\n1,Yother,Yes,No\n", "the file answers another benchmark or subset"),
        ("e,a,l,r\n1,Yabc,Yes,No\n1,Yabc,Yes,Yes\n", "line 3: entry_id '1' is there twice"),
        ("e,a,l,r\n1,Yabc,Yes\n", "line 2: \\['1', 'Yabc', 'Yes'\\] has no"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        answers_of(path)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("e,a,l,r\n1,Yabc,Yes,Natürlich\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"a\.csv, line 2: byte 0xfc is not UTF-8"):
        answers_of(path)


@pytest.mark.parametrize("name", ["{benchmark}-{subset}.csv", "b-s.csv"])
def test_a_file_that_changed_is_another_system(tmp_path: Path, name: str) -> None:
    path = tmp_path / "b-s.csv"
    path.write_text("e,a,l,r\n1,Yabc,Yes,Yes\n")
    questions = datasets.Dataset.from_list(QUESTIONS)
    before = AnswersCSV("x", str(tmp_path / name), Settings()).identity_for(questions)
    (tmp_path / "b-other.csv").write_text("e,a,l,r\n")
    assert AnswersCSV("x", str(tmp_path / name), Settings()).identity_for(questions) == before
    path.write_text("e,a,l,r\n1,Yabc,Yes,No way\n")
    assert AnswersCSV("x", str(tmp_path / name), Settings()).identity_for(questions) != before


def test_other_braces_are_part_of_the_name(tmp_path: Path) -> None:
    (tmp_path / "{run}-b.csv").write_text("e,a,l,r\n1,Yabc,Yes,Yes\n2,Yabc,No,No\n")
    assert answers_of(tmp_path / "{run}-{benchmark}.csv")[0].response == "Yes"


def test_a_missing_file_is_found_out_at_once(tmp_path: Path) -> None:
    questions = datasets.Dataset.from_list(QUESTIONS)
    with pytest.raises(ValueError, match=r"there is no file of answers .*b\.csv"):
        AnswersCSV("x", str(tmp_path / "{benchmark}.csv"), Settings()).check(questions)
