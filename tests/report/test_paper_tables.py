"""The paper's figures hold together as far as the paper's do, and agree with those that other stages know."""

import pytest

from recipes.corpora import table2
from recipes.report.scores import paper_tables

TABLE2, TABLE3 = paper_tables()["table2"], paper_tables()["table3"]
# The one row that cannot have been measured on questions half of which are yes.
INCONSISTENT = "Ours (Rule-based Template)"


def test_table2_adds_up_as_printed():
    hours, samples = (sum(column) for column in zip(*TABLE2["corpora"].values(), strict=True))
    assert hours == pytest.approx(TABLE2["total"][0])
    assert (samples, TABLE2["total"][1]) == (309, 308)
    assert any("309K" in note and "308K" in note for note in TABLE2["notes"])


def test_table2_is_the_one_of_the_corpora():
    known = {name: [hours, samples / 1000] for name, hours, samples in table2.PAPER.values()}
    assert known == TABLE2["corpora"]
    _, hours, samples = table2.PAPER_TOTAL
    assert [hours, samples / 1000] == TABLE2["total"]


def test_the_paper_claims_3_to_30_percent_of_others_data():
    ours = TABLE2["total"][0]
    shares = [round(100 * ours / hours) for hours, _ in TABLE2["others"].values()]
    assert (min(shares), max(shares)) == (3, 30)


def test_table3_has_thirteen_whole_rows():
    assert len(TABLE3["rows"]) == 13
    for row in TABLE3["rows"].values():
        assert {name: len(values) for name, values in row.items()} == {
            name: len(columns) for name, columns in TABLE3["columns"].items()
        }
        assert all(0 <= value <= 100 for values in row.values() for value in values)


@pytest.mark.parametrize("system", [name for name in TABLE3["rows"] if name != INCONSISTENT])
def test_existence_scores_follow_from_accuracy_and_yes_rate_on_balanced_questions(system):
    accuracy, f1_yes, f1_no, f1_weighted, yes_rate = TABLE3["rows"][system]["existence"]
    right_yes = (accuracy + yes_rate - 50) / 2
    assert f1_yes == pytest.approx(200 * right_yes / (yes_rate + 50), abs=0.11)
    assert f1_no == pytest.approx(200 * (accuracy - right_yes) / (150 - yes_rate), abs=0.11)
    assert f1_weighted == pytest.approx((f1_yes + f1_no) / 2, abs=0.051)


def test_the_note_on_the_rule_based_row_is_true():
    accuracy, _, _, _, yes_rate = TABLE3["rows"][INCONSISTENT]["existence"]
    best_possible = 100 - abs(yes_rate - 50)
    assert accuracy > best_possible == pytest.approx(50.9)
    assert any(f"{best_possible:.1f} %" in note for note in TABLE3["notes"]["existence"])


def test_the_note_on_the_best_systems_is_true():
    accuracy = {name: row["existence"][0] for name, row in TABLE3["rows"].items()}
    ours = accuracy["Ours (Positive + Positive)"]
    better = {name for name, value in accuracy.items() if value > ours and not name.startswith("Ours")}
    assert better == {"SALMONN-13B", "Gemini-1.5-Pro", "Qwen2-Audio-Instruct"}


def test_weighted_f1_of_semantics_lies_between_its_parts():
    for _, f1_yes, f1_no, f1_weighted in (row["semantics"] for row in TABLE3["rows"].values()):
        share_of_yes = (f1_weighted - f1_no) / (f1_yes - f1_no)
        assert 0.3 < share_of_yes < 0.46
