"""From answers to rows of results.json."""

import json
from pathlib import Path

import datasets
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from recipes.records import ANSWER_FEATURES
from recipes.systems.base import Answer
from recipes.systems.results import answer_records, merge_results, score, write_records


def make_questions(answers: list[str], benchmark: str = "b", **columns: list) -> datasets.Dataset:
    rows = [
        {
            "id": str(number),
            "benchmark": benchmark,
            "subset": "s",
            "audio": {"path": f"clip{number // 2}.wav", "bytes": b"sound" if number == 0 else None},
            "question": "Is there a dog?",
            "answer": answer,
            **{name: values[number] for name, values in columns.items()},
        }
        for number, answer in enumerate(answers)
    ]
    return datasets.Dataset.from_list(rows).cast_column("audio", ANSWER_FEATURES["audio"])


GIVEN = [Answer("Yes.", 0.9), Answer("No.", 0.4), Answer("Noise", 0.6), Answer("Yes", 0.7), Answer(None, None, "gone")]
TRUE = ["yes", "yes", "no", "no", "no"]


def test_records_have_the_columns_of_answers_and_no_recording_inside(tmp_path: Path) -> None:
    records = answer_records(make_questions(TRUE), GIVEN, "me")
    assert set(ANSWER_FEATURES) <= set(records.features)
    assert records["parsed"][:] == ["yes", "no", None, "yes", None]
    assert records["error"][4] == "gone"
    assert all(audio["bytes"] is None for audio in records["audio"])
    write_records(records, tmp_path / "a.parquet")
    assert datasets.Dataset.from_parquet(str(tmp_path / "a.parquet")).to_list() == records.to_list()
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_scores_are_those_of_scikit_learn() -> None:
    row = score(answer_records(make_questions(TRUE), GIVEN, "me"))
    assert (row["system"], row["benchmark"], row["subset"], row["n"]) == ("me", "b", "s", 5)
    read = ["yes", "no", "", "yes", ""]
    assert row["accuracy"] == pytest.approx(accuracy_score(TRUE, read))
    for answer in ("yes", "no"):
        f1 = f1_score(TRUE, read, labels=[answer], average="macro", zero_division=0)
        assert row[f"f1_{answer}"] == pytest.approx(f1)
    assert row["yes_rate"] == pytest.approx(2 / 5)
    assert row["auroc"] == pytest.approx(roc_auc_score([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.7]))
    assert (row["unparsed"], row["unanswered"]) == (2 / 5, 1 / 5)
    low, high = row["intervals"]["accuracy"]
    assert 0 <= low <= row["accuracy"] <= high <= 1
    # The official script takes "Noise" for a no, and LISTEN's table what is left for one too.
    assert row["readings"]["official"]["accuracy"] == pytest.approx(2 / 5)
    assert row["readings"]["listen"]["unparsed"] == pytest.approx(1 / 5)
    json.dumps(row)


def test_pairs_and_relations_are_scored_where_there_are_any() -> None:
    relations = ["synonym", "hypernym", "synonym", "hypernym", "hypernym"]
    row = score(answer_records(make_questions(TRUE, "synonym_hypernym", relation=relations), GIVEN, "me"))
    assert row["by_relation"]["synonym"]["n"] == 2
    assert "pairs" not in row
    given = [Answer("Yes"), Answer("No"), Answer("Yes"), Answer("Yes")]
    questions = make_questions(["yes", "no", "yes", "no"], "audio_hallucination", pair=[0, 0, 1, 1])
    row = score(answer_records(questions, given, "me"))
    assert row["pairs"]["correct_correct"] == row["pairs"]["correct_incorrect"] == 0.5


def test_other_answers_have_an_accuracy() -> None:
    options = [["a dog", "a cat", "none"]] * 2
    columns = {"answer_type": ["choice"] * 2, "options": options, "type": ["Solvable", "AAD"]}
    questions = make_questions(["a dog", "none"], "aqua_bench", **columns)
    row = score(answer_records(questions, [Answer("(a) a dog"), Answer("It is a cat.")], "me"))
    assert (row["accuracy"], row["accuracy_solvable"], row["accuracy_aad"]) == (0.5, 1.0, 0.0)
    assert row["f1_yes"] is None
    words = make_questions(["yes", "nine"], answer_type=["yes_no", "word"])
    assert score(answer_records(words, [Answer("Yes"), Answer("9")], "me"))["accuracy"] == 1.0


def test_columns_of_one_s_own_change_no_score() -> None:
    plain = score(answer_records(make_questions(TRUE), GIVEN, "me"))
    columns = {"pair": ["x", None, "x", "y", "y"], "relation": [[1], [2], [1], [2], [3]], "type": [1, 2, 3, 4, 5]}
    assert score(answer_records(make_questions(TRUE, **columns), GIVEN, "me")) == plain
    words = {"answer_type": ["word"] * 2, "type": [1, 2], "group": ["a", "b"]}
    row = score(answer_records(make_questions(["yes", "nine"], **words), [Answer("Yes"), Answer("9")], "me"))
    assert row["accuracy"] == 1.0 and not [name for name in row if name.startswith("accuracy_")]
    # A file may be called as a benchmark is.
    named = make_questions(["yes", "nine"], "aqua_bench", **words)
    assert score(answer_records(named, [Answer("Yes"), Answer("9")], "me"))["accuracy_1"] == 1.0


def test_recordings_inside_questions_are_clips_of_their_own(tmp_path: Path) -> None:
    answers = ["yes", "no"] * 10
    questions = make_questions(answers).remove_columns("audio")
    given = [Answer("Yes" if number % 3 else "No") for number in range(20)]
    sounds = [f"sound {number // 2}".encode() for number in range(20)]
    rows = {
        name: score(answer_records(questions.add_column("audio", audio), given, "me"))["intervals"]
        for name, audio in {
            "path": [{"path": sound.decode(), "bytes": None} for sound in sounds],
            "bytes": [{"path": None, "bytes": sound} for sound in sounds],
            "one path": [{"path": "a.wav", "bytes": sound} for sound in sounds],
        }.items()
    }
    assert rows["bytes"] == rows["one path"]
    assert rows["bytes"] == rows["path"]
    low, high = rows["bytes"]["accuracy"]
    assert low < high


def test_rows_of_other_systems_stay(tmp_path: Path) -> None:
    for system, accuracy in (("a", 0.1), ("b", 0.2), ("a", 0.3)):
        merge_results(tmp_path, {"system": system, "benchmark": "b", "subset": "s", "accuracy": accuracy})
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [(row["system"], row["accuracy"]) for row in rows] == [("a", 0.3), ("b", 0.2)]


def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"mine": 1}')
    with pytest.raises(ValueError, match="does not hold a list of results"):
        merge_results(tmp_path, {"system": "a", "benchmark": "b", "subset": "s"})
    assert (tmp_path / "results.json").read_text() == '{"mine": 1}'
