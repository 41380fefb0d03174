"""Examples show successes and failures of every system, the same ones every time."""

import pandas

from recipes.report.examples import LIMIT, choose_examples
from recipes.report.inputs import read_inputs


def test_every_outcome_of_every_system_is_shown(run):
    answers = read_inputs([run]).answers
    examples = choose_examples(answers)
    shown = {(reply.system, reply.verdict, each.answer) for each in examples for reply in each.replies}
    for system in ("LISTEN positive+negative", "silence"):
        for answer in ("yes", "no"):
            assert {(system, "right", answer), (system, "wrong", answer)} <= shown
    assert any(verdict == "unreadable" for _, verdict, _ in shown)
    assert len(examples) <= LIMIT
    assert examples == choose_examples(answers)


def test_verdicts_are_those_of_the_answers(run):
    answers = read_inputs([run]).answers
    for example in choose_examples(answers):
        for reply in example.replies:
            rows = answers[(answers["system"] == reply.system) & (answers["question"] == example.question)]
            verdicts = {
                "unreadable" if row.parsed is None else "right" if row.parsed == row.answer else "wrong"
                for row in rows.itertuples()
            }
            assert reply.verdict in verdicts


def test_long_and_missing_responses(run):
    answers = read_inputs([run]).answers.head(2).copy()
    answers["response"] = pandas.Series(["long " * 500, None], dtype=object)
    answers["parsed"] = pandas.Series([None, None], dtype=object)
    responses = {reply.response for each in choose_examples(answers) for reply in each.replies}
    assert "(no answer)" in responses and max(map(len, responses)) <= 220


def test_nothing_to_show():
    assert choose_examples(pandas.DataFrame()) == []
