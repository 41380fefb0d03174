"""From the answers of all runs to the numbers of the table, and to the page that shows them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from recipes.table3.rows import NEGATIVE, Row

if TYPE_CHECKING:
    from recipes.reproduce_table3 import Table3Options

EXISTENCE = ("random", "popular", "adversarial")
# Columns of the table: what is asked, over which subsets, which score.
COLUMNS: dict[str, tuple[tuple[str, ...], str]] = {
    "Acc": (EXISTENCE, "accuracy"),
    "F1 (Y)": (EXISTENCE, "f1_yes"),
    "F1 (N)": (EXISTENCE, "f1_no"),
    "F1 (W)": (EXISTENCE, "f1_weighted"),
    "Yes": (EXISTENCE, "yes_rate"),
    "AUROC": (EXISTENCE, "auroc"),
    "QA Acc": (("question_answering",), "accuracy"),
    "Syn-Hyp Acc": (("hypernym", "synonym"), "accuracy"),
    "Syn-Hyp AUROC": (("hypernym", "synonym"), "auroc"),
}


def summarize(rows: Sequence[Row], seeds: int, answers: str | Path) -> dict[str, Any]:
    """Every number of the page.

    Args:
        rows: what was trained.
        seeds: adapters of each.
        answers: output folder of the evaluations.

    Returns:
        `rows`: for each row its scores, as mean, standard error and the values of all seeds; `bounds`: scores of what
        was not trained; `comparisons`: each row against positive+negative on the same existence questions.

    Raises:
        FileNotFoundError: an evaluation is missing.
    """
    answers = Path(answers)
    results = json.loads((answers / "results.json").read_text(encoding="utf-8"))
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    for result in results:
        scores.setdefault(result["system"], {})[result["subset"]] = result
    runs = {row.name: [f"{row.name}-seed{seed}" for seed in range(seeds)] for row in rows}
    if missing := [run for names in runs.values() for run in names if run not in scores]:
        raise FileNotFoundError(f"{answers / 'results.json'} has no results of {', '.join(missing)}")
    trained = {run for names in runs.values() for run in names}
    compared = [row.name for row in rows if row.name != NEGATIVE.name] if NEGATIVE.name in runs else []
    silences = [f"silence-{run}" for run in runs.get(NEGATIVE.name, ())]
    bounds = {name: _columns([scores[name]]) for name in scores if name not in trained and name not in silences}
    if silences:
        bounds["silence"] = _columns([scores[name] for name in silences])
    return {
        "rows": {name: _columns([scores[run] for run in names]) for name, names in runs.items()},
        "bounds": bounds,
        "comparisons": {name: _compare(runs[NEGATIVE.name], runs[name], answers) for name in compared},
    }


def _columns(scores: Iterable[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """For each column the mean over seeds, its standard error and the values; a value is a mean over subsets."""
    scores = list(scores)
    columns = {}
    for column, (subsets, score) in COLUMNS.items():
        values = [
            mean(each[subset][score] for subset in subsets)
            for each in scores
            if all(each.get(subset, {}).get(score) is not None for subset in subsets)
        ]
        if values:
            error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
            columns[column] = {"mean": mean(values), "standard_error": error, "values": values}
    return columns


def _compare(first: Sequence[str], second: Sequence[str], answers: Path) -> dict[str, Any]:
    """Two rows on the same existence questions: clips are exchanged whole, those of all seeds together."""
    from recipes.benchmarks.statistics import permutation_test

    right: list[list[bool]] = [[], []]
    clips: list[str] = []
    for pair in zip(first, second, strict=True):
        for subset in EXISTENCE:
            records = [_read_answers(answers, name, subset) for name in pair]
            if [each["id"] for each in records[0]] != [each["id"] for each in records[1]]:
                raise ValueError(f"{pair[0]} and {pair[1]} were asked different questions of {subset}")
            for side, answered in enumerate(records):
                right[side] += [each["parsed"] == each["answer"] for each in answered]
            clips += [each["audio"]["path"] for each in records[0]]
    return permutation_test(right[0], right[1], clips)


def _read_answers(answers: Path, system: str, subset: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    found = sorted((answers / "answers" / system).glob(f"*-{subset}.parquet"))
    if len(found) != 1:
        raise FileNotFoundError(f"{answers / 'answers' / system} holds {len(found)} files *-{subset}.parquet, not one")
    return pq.read_table(found[0], columns=["id", "audio", "answer", "parsed"]).to_pylist()


def write_page(summary: dict[str, Any], rows: Sequence[Row], options: "Table3Options", output: str | Path) -> str:
    """Write `summary.json` and `table3.md`.

    Returns:
        The table, for the terminal.
    """
    from recipes.report.scores import paper_tables

    output = Path(output)
    gates = Path(options.text_model).parent / "gates.json"
    summary |= {
        "steps": options.steps,
        "seeds": options.seeds,
        "gates": json.loads(gates.read_text(encoding="utf-8")) if gates.is_file() else None,
    }
    (output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    paper = paper_tables()["table3"]
    table = [_line(["Row", *COLUMNS, "against Positive + Negative"]), _line(["---"] * (len(COLUMNS) + 2))]
    table += [_row(row.title, summary["rows"][row.name], summary["comparisons"].get(row.name)) for row in rows]
    table += [_row(f"*{name}*", columns, None) for name, columns in sorted(summary["bounds"].items())]
    text = "\n".join(table)
    page = [
        "# Table 3 in miniature",
        f"Mean ± standard error over {options.seeds} seeds, in percent; {options.steps} steps of training each. "
        "Existence questions: mean of random, popular and adversarial negatives. The last column is the difference in "
        "accuracy, and p of a permutation test over clips.",
        text,
        f"The paper's table has {len(paper)} rows; `recipes/report/paper_tables.yaml` holds them.",
    ]
    (output / "table3.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")
    return text


def _row(title: str, columns: dict[str, dict[str, Any]], comparison: dict[str, Any] | None) -> str:
    cells = [_cell(columns.get(column)) for column in COLUMNS]
    against = "" if comparison is None else f"{-100 * comparison['difference']:+.1f} (p = {comparison['p']:.3g})"
    return _line([title, *cells, against])


def _cell(value: dict[str, Any] | None) -> str:
    if value is None:
        return "–"
    error = value["standard_error"]
    return f"{100 * value['mean']:.1f}" + ("" if error is None else f" ± {100 * error:.1f}")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
