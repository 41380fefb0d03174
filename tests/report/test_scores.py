"""What is computed from answers: tasks, subsets taken together, comparisons."""

import json

import pytest

from recipes.report.inputs import read_inputs
from recipes.report.scores import compare, negative_kind, pooled_results, task_of
from tests.report.runs import SUBSETS, answer_questions, write_run

POOL = "random + popular + adversarial"


@pytest.mark.parametrize(
    ("benchmark", "subset", "task"),
    [
        ("sound_world", "dev_popular", "existence"),
        ("sound_world", POOL, "existence"),
        ("sound_world", "synonym", "semantics"),
        ("sound_world", "question_answering", "question_answering"),
        ("audio_hallucination", "adversarial_repaired", "existence"),
        ("audio_hallucination", "object_existence", "existence"),
        ("audio_hallucination", "temporal_order", "other"),
        ("presence/esc50", "random", "existence"),
        ("clotho_aqa", "yes_no", "question_answering"),
        ("synonym_hypernym", "esc50", "semantics"),
        ("aqua_bench", "animal", "other"),
        ("my_questions", "", "other"),
    ],
)
def test_tasks(benchmark, subset, task):
    assert task_of(benchmark, subset).name == task


def test_kinds_of_negatives():
    subsets = ("random", "dev_popular", "adversarial_repaired", "esc50:test:popular")
    assert [negative_kind(subset) for subset in subsets] == ["random", "popular", "adversarial", "popular"]
    assert negative_kind(POOL) is None and negative_kind("synonym") is None


def test_pooled_scores_are_those_of_all_answers(run):
    rows = [row for subset in SUBSETS[:3] for row in answer_questions("silence", subset, 40, 0.0, -0.4)]
    pooled = {(result.system, result.subset): result for result in pooled_results(read_inputs([run]))}
    result = pooled["silence", POOL]
    right = sum(row["parsed"] == row["answer"] for row in rows)
    right_no = sum(row["parsed"] == row["answer"] == "no" for row in rows)
    said_no, asked_no = (sum(row[name] == "no" for row in rows) for name in ("parsed", "answer"))
    assert result.values["n"] == len(rows) == 480
    assert result.values["accuracy"] == pytest.approx(right / 480)
    assert result.values["f1_no"] == pytest.approx(2 * right_no / (said_no + asked_no))
    assert result.values["unparsed"] == pytest.approx(sum(row["parsed"] is None for row in rows) / 480)
    low, high = result.intervals["accuracy"]
    assert low < result.values["accuracy"] < high
    assert ("silence", "hypernym + synonym") in pooled


def test_incomplete_answers_are_not_pooled(tmp_path):
    run = write_run(tmp_path, {"text": (5.0, 0.0)}, SUBSETS[:3])
    next((tmp_path / "answers").rglob("*random.parquet")).unlink()
    assert pooled_results(read_inputs([run])) == []


def test_results_that_count_more_questions_than_there_are_answers_are_not_pooled(tmp_path):
    run = write_run(tmp_path, {"text": (5.0, 0.0)}, SUBSETS[:3])
    rows = json.loads((run / "results.json").read_text())
    rows[0]["n"] += 1
    (run / "results.json").write_text(json.dumps(rows))
    assert pooled_results(read_inputs([run])) == []


def test_comparison_counts_what_one_alone_knows(run):
    answers = read_inputs([run]).answers
    found = compare(answers, "text", "silence", "sound_world", POOL)
    rows = {
        system: {
            (subset, row["id"]): row["parsed"] == row["answer"]
            for subset in SUBSETS[:3]
            for row in answer_questions(system, subset, 40, separation, threshold)
        }
        for system, separation, threshold in (("text", 5.0, 0.0), ("silence", 0.0, -0.4))
    }
    only_text = sum(right and not rows["silence"][key] for key, right in rows["text"].items())
    only_silence = sum(right and not rows["text"][key] for key, right in rows["silence"].items())
    assert (found.questions, found.clips) == (480, 40)
    assert (found.only_first, found.only_second) == (only_text, only_silence)
    assert found.difference == pytest.approx((only_text - only_silence) / 480)
    assert found.p_value < 0.001


def test_a_system_does_not_differ_from_itself(run):
    found = compare(read_inputs([run]).answers, "text", "text", "sound_world", "random")
    assert found.difference == 0 and found.p_value == 1


def test_no_comparison_without_common_questions(run):
    assert compare(read_inputs([run]).answers, "text", "nobody", "sound_world", "random") is None


def test_without_clips_questions_are_compared(run):
    answers = read_inputs([run]).answers
    answers["clip"] = None
    found = compare(answers, "text", "silence", "sound_world", "random")
    assert found.clips is None and "McNemar" in found.test and found.p_value < 0.001
