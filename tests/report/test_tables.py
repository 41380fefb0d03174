"""Tables hold the numbers of the results, whatever the names in them are."""

import re
from collections import Counter

import pytest

from recipes.report.inputs import Result
from recipes.report.scores import TASKS, Comparison
from recipes.report.tables import (
    Cell,
    Group,
    Table,
    comparison_table,
    gates_table,
    markdown_text,
    parts_table,
    readings_table,
    responses_table,
    results_markdown,
    results_table,
    to_markdown,
    to_text,
)
from recipes.report.traces import CorpusCount

EXISTENCE = TASKS[0]
SCORES = {"n": 1600, "accuracy": 0.8125, "f1_yes": 0.8, "f1_no": 0.824, "yes_rate": 0.55, "auroc": 0.9, "unparsed": 0}


def result(**changes):
    fields = {"system": "LISTEN", "benchmark": "sound_world", "subset": "random", "values": SCORES} | changes
    return Result(**fields)


def cells(markdown, first):
    (line,) = [line for line in markdown.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_our_rows_stand_beside_the_papers():
    table = results_table(EXISTENCE, [result(intervals={"accuracy": (0.79, 0.83), "f1_no": (0.824, 0.824)})])
    assert [group.source for group in table.groups] == ["here", "paper"]
    assert len(table.groups[1].rows) == 13
    markdown = to_markdown(table)
    assert cells(markdown, "LISTEN") == [
        *("LISTEN", "81.2 (79.0–83.0)", "80.0", "82.4", "55.0", "90.0", "0.0", "1,600"),
    ]
    # f1_weighted is in no result, so that there is no column for the paper's either.
    assert cells(markdown, r"Ours (Positive + Negative)")[:5] == [
        *("Ours (Positive + Negative)", "77.5", "80.2", "74.0", "63.4"),
    ]
    assert all(len(row) == len(table.columns) for group in table.groups for row in group.rows)


def test_what_is_missing_is_a_dash():
    markdown = to_markdown(results_table(EXISTENCE, [result(), result(system="bare", values={})], paper=False))
    assert cells(markdown, "bare") == ["bare", *["–"] * 7]


def test_no_results_of_a_task_give_no_table():
    assert results_table(TASKS[1], [result()]) is None


@pytest.mark.parametrize(
    "name", ["a|b", "<script>alert(1)</script>", "x\ny", "**bold** `code` [link](http://x)", "# head"]
)
def test_names_from_outside_stay_text(name):
    markdown = to_markdown(results_table(EXISTENCE, [result(system=name)], paper=False))
    lines = markdown.splitlines()
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines[:4]] == [9] * 4
    assert "<" not in markdown
    assert not re.search(r"(?<!\\)[`\[]", lines[3])


def test_markdown_text_reads_as_it_was():
    assert markdown_text("P+N (seed 1), 50 %") == "P+N (seed 1), 50 %"


def test_text_is_aligned_and_holds_all_rows():
    table = Table(
        [("System", ""), ("Acc", "")],
        [Group("set", [[Cell("a"), Cell("1.0", "x")], [Cell("long name"), Cell("22.0")]])],
    )
    assert to_text(table).splitlines() == ["System      Acc", "", "set", "a           1.0", "long name  22.0"]


def test_parts_of_a_benchmark_are_shown():
    assert parts_table(EXISTENCE, [result()]) is None
    pairs = {"pairs": 8, "dropped": 1, "correct_correct": 0.5, "correct_incorrect": 0.25, "incorrect_correct": 0.25}
    paired = {"benchmark": "audio_hallucination", "subset": "object_existence"}
    shown = to_markdown(
        parts_table(EXISTENCE, [result(**paired, raw={"pairs": pairs | {"incorrect_incorrect": 0.0}})])
    )
    assert "| both questions of a pair right | LISTEN | 50.0 |" in shown
    assert "| neither right | LISTEN | 0.0 |" in shown
    other = {"benchmark": "aqua_bench", "subset": "animal"}
    types = {"accuracy": 0.5, "accuracy_solvable": 0.75, "accuracy_aad": 0.25, "accuracy_aad_given_solvable": None}
    both = [result(**other, raw=types), result(**other, system="B", raw=types)]
    rows = [[cell.text for cell in row] for row in parts_table(TASKS[-1], both).groups[0].rows]
    given = "aad, where the clip's solvable question is right"
    assert rows == [
        [part, system, value]
        for part, value in (("solvable", "75.0"), ("aad", "25.0"), (given, "–"))
        for system in ("LISTEN", "B")
    ]
    relations = {"by_relation": {"synonym": {"accuracy": 0.7}, "hypernym": {"accuracy": 0.6}}}
    by_relation = parts_table(TASKS[2], [result(benchmark="synonym_hypernym", subset="esc50", raw=relations)])
    assert [row[2].text for row in by_relation.groups[0].rows] == ["70.0", "60.0"]


def test_readings_are_shown_where_they_differ():
    reading = {name: SCORES.get(name, 0.8) for name in ("accuracy", "f1_yes", "f1_no", "f1_weighted", "yes_rate")}
    values = {**SCORES, "f1_weighted": 0.8}
    same = result(values=values, raw={"readings": {"listen": reading}})
    other = result(system="B", values=values, raw={"readings": {"listen": {**reading, "accuracy": 0.5}}})
    assert readings_table(EXISTENCE, [same]) is None
    assert readings_table(EXISTENCE, [result()]) is None
    table = readings_table(EXISTENCE, [same, other])
    assert [row[1].text for row in table.groups[0].rows] == ["81.2", "50.0"]


def test_comparisons():
    pairs = [
        Comparison("A", "B", "sound_world", "random", 100, 10, 30, 10, 0.2, 0.00001),
        Comparison("A", "C", "sound_world", "random", 100, 10, 1, 2, -0.01, 0.75),
    ]
    markdown = to_markdown(comparison_table(pairs))
    assert cells(markdown, "A against B")[1:] == ["+20.0", "30", "10", "&lt; 0.001", "100"]
    assert cells(markdown, "A against C")[1:] == ["-1.0", "1", "2", "0.750", "100"]


def test_training_data_beside_table_2():
    counts = [
        CorpusCount("esc50", 0.5, 360, Counter(positive=720, negative=360)),
        CorpusCount("sound_world", None, 10, Counter(combined=10)),
    ]
    markdown = to_markdown(responses_table(counts))
    assert cells(markdown, "ESC50") == ["ESC50", "0.50", "360", "1,080 (360 negative, 720 positive)", "2.8", "4K"]
    assert cells(markdown, "sound world")[1] == "–"
    assert cells(markdown, "Total (Ours)")[4:] == ["316.4", "308K"]
    assert responses_table([]) is None


def test_gates():
    gates = {"measured": {"yes_no": 0.975, "negatives_absent": 0.991}, "gates": {"yes_no": 0.97}}
    markdown = to_markdown(gates_table(gates))
    assert "| 97.5 | 97.0 |" in markdown and "| 99.1 | – |" in markdown
    assert gates_table({}) is None


def test_results_markdown_for_a_card(run):
    from_file = results_markdown(run / "results.json")
    assert from_file.count("### ") == 3 and "SALMONN" not in from_file
    rows = [{"system": "A", "benchmark": "sound_world", "subset": "random", "accuracy": 0.5}]
    assert cells(results_markdown(rows), "A") == ["A", "50.0", "–"]
    assert results_markdown([]) == ""
    with pytest.raises(ValueError, match="object 1"):
        results_markdown([{}])
