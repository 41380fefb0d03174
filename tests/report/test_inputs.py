"""Reading results and answers: whatever lies there is used, named or refused with a reason."""

import json

import pytest

from recipes.report.inputs import read_inputs, read_results
from tests.report.runs import answer_questions, score, write_answers, write_run

ROW = {"system": "LISTEN", "benchmark": "sound_world", "subset": "random", "n": 10, "accuracy": 0.5}


def write(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(rows if isinstance(rows, str) else json.dumps(rows), encoding="utf-8")
    return folder


def test_reads_results_and_answers(run):
    inputs = read_inputs([run])
    assert inputs.systems == ["LISTEN positive+negative", "text", "silence", "always-yes"]
    assert len(inputs.results) == 24 and not inputs.notes
    assert len(inputs.answers) == 24 * 160
    own = inputs.of("silence", "sound_world", ["random"])
    expected = answer_questions("silence", "random", 40, 0.0, -0.4)
    assert list(own["parsed"]) == [row["parsed"] for row in expected]
    assert own["clip"].nunique() == 40


def test_missing_folder_and_missing_results_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        read_inputs([tmp_path / "nowhere"])
    with pytest.raises(FileNotFoundError, match=r"holds no results\.json"):
        read_inputs([tmp_path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ({"system": "x"}, "list of objects"),
        ([{"system": "x"}], "object 1: `system` and `benchmark`"),
        ([ROW, "x"], "object 2"),
        ([{**ROW, "accuracy": "high"}], "accuracy is 'high'"),
        ([{**ROW, "intervals": {"accuracy": [0.1]}}], "interval of accuracy"),
        ([{**ROW, "intervals": [1]}], "intervals"),
    ],
)
def test_unusable_results_name_file_and_value(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as error:
        read_results(write(tmp_path, content) / "results.json")
    assert str(tmp_path) in str(error.value)


def test_missing_and_not_finite_scores_are_left_out(tmp_path):
    content = '[{"system": "x", "benchmark": "b", "accuracy": NaN, "auroc": null, "f1_no": 0.25, "subset": null}]'
    (result,) = read_results(write(tmp_path, content) / "results.json")
    assert result.values == {"f1_no": 0.25} and result.subset == ""


def test_systems_of_one_name_and_other_scores_get_their_folders_name(tmp_path):
    write(tmp_path / "first", [ROW])
    write(tmp_path / "second", [{**ROW, "accuracy": 0.75}])
    inputs = read_inputs([tmp_path / "first", tmp_path / "second"])
    assert inputs.systems == ["LISTEN (first)", "LISTEN (second)"]
    assert len(inputs.notes) == 1


def test_equal_results_of_two_folders_are_one(tmp_path):
    folders = [write(tmp_path / name, [ROW]) for name in ("first", "second")]
    assert [result.system for result in read_inputs(folders).results] == ["LISTEN"]


def test_an_earlier_merger_gives_way_to_what_it_was_made_of(tmp_path):
    write(tmp_path / "run", [{**ROW, "accuracy": 0.75}])
    rows = [{**ROW, "merged_from": "../run/results.json"}, {**ROW, "system": "other", "merged_from": "../gone.json"}]
    write(tmp_path / "report", [*rows, {**ROW, "system": "own"}])
    inputs = read_inputs([tmp_path / "report", tmp_path / "run"])
    accuracies = {result.system: result.values["accuracy"] for result in inputs.results}
    assert accuracies == {"LISTEN": 0.75, "other": 0.5, "own": 0.5}
    alone = read_inputs([tmp_path / "report"])
    assert [(each.system, each.source) for each in alone.results] == [
        ("LISTEN", tmp_path / "run" / "results.json"),
        ("other", tmp_path / "gone.json"),
        ("own", tmp_path / "report" / "results.json"),
    ]


def test_answers_belong_to_the_nearest_results(tmp_path):
    outer = write_run(tmp_path, {"always-yes": (None, None)}, ("random",))
    write_run(tmp_path / "inner", {"text": (5.0, 0.0)}, ("random",))
    inputs = read_inputs([outer])
    assert inputs.answers.groupby("system").size().to_dict() == {"always-yes": 160, "text": 160}


def test_other_parquet_files_are_passed_over_and_broken_ones_named(tmp_path):
    import pyarrow
    from pyarrow import parquet

    write(tmp_path, [ROW])
    parquet.write_table(pyarrow.table({"prompt": ["x"]}), tmp_path / "other.parquet")
    assert read_inputs([tmp_path]).answers.empty
    (tmp_path / "broken.parquet").write_bytes(b"not parquet")
    with pytest.raises(ValueError, match=r"broken\.parquet is not a Parquet file"):
        read_inputs([tmp_path])


def test_answers_without_recordings_have_no_clip(tmp_path):
    rows = [{**row, "audio": None, "p_yes": None} for row in answer_questions("text", "random", 2)]
    write(tmp_path, [score(answer_questions("text", "random", 2))])
    write_answers(tmp_path / "answers.parquet", rows)
    answers = read_inputs([tmp_path]).answers
    assert len(answers) == 8 and answers["clip"].isna().all() and answers["p_yes"].isna().all()


def test_recordings_inside_questions_are_told_apart_by_their_key(tmp_path):
    rows = [
        {**row, "clip_key": row["audio"]["path"], "audio": {"path": None, "bytes": None}}
        for row in answer_questions("text", "random", 10)
    ]
    write(tmp_path, [score(answer_questions("text", "random", 10))])
    write_answers(tmp_path / "answers.parquet", rows)
    answers = read_inputs([tmp_path]).answers
    assert answers["clip"].nunique() == 10 and answers["recording"].isna().all()
