"""From the answers of all runs to the numbers of the page."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from recipes.report.scores import task_of
from recipes.table3.options import Table3Options
from recipes.table3.rows import NEGATIVE, Row

# Columns of the table: which task's questions, which score.
COLUMNS: dict[str, tuple[str, str]] = {
    "Acc": ("existence", "accuracy"),
    "F1 (Y)": ("existence", "f1_yes"),
    "F1 (N)": ("existence", "f1_no"),
    "F1 (W)": ("existence", "f1_weighted"),
    "Yes": ("existence", "yes_rate"),
    "AUROC": ("existence", "auroc"),
    "QA Acc": ("question_answering", "accuracy"),
    "QA AUROC": ("question_answering", "auroc"),
    "Syn-Hyp Acc": ("semantics", "accuracy"),
    "Syn-Hyp AUROC": ("semantics", "auroc"),
}
_SCORES = ("accuracy", "f1_yes", "f1_no", "f1_weighted", "yes_rate", "auroc", "unparsed")
# Scores of one system: subset -> row of results.json.
_Scores = dict[str, dict[str, Any]]


def summarize(rows: Sequence[Row], options: Table3Options, output: str | Path) -> dict[str, Any]:
    """Every number of the page.

    Args:
        rows: what was trained.
        options: of the experiment.
        output: its folder.

    Returns:
        `setting`: the experiment's size; `gates`: what was measured of the backbones; `rows`: of each row its scores,
        those of every subset and seed, and the comparison with another row on the same questions; `bounds`: scores of
        what was not trained. All shares are in 0..1.

    Raises:
        FileNotFoundError: an evaluation is missing.
    """
    output = Path(output)
    answers = output / "answers"
    scores: dict[str, _Scores] = {}
    for result in json.loads((answers / "results.json").read_text(encoding="utf-8")):
        scores.setdefault(result["system"], {})[result["subset"]] = result
    runs = {row.name: [f"{row.name}-seed{seed}" for seed in range(options.seeds)] for row in rows}
    if missing := [run for names in runs.values() for run in names if run not in scores]:
        raise FileNotFoundError(f"{answers / 'results.json'} has no results of {', '.join(missing)}")

    described = {}
    for row in rows:
        own = [scores[run] for run in runs[row.name]]
        described[row.name] = {
            "title": row.title,
            "question": row.question,
            "mixture": row.mixture,
            "pool": row.pool,
            "steps": round(row.steps * options.steps),
            **_training([output / "models" / run for run in runs[row.name]]),
            **_describe(own),
            "comparison": None,
        }
        if row.against in runs:
            described[row.name]["comparison"] = {
                "against": row.against,
                **_compare([scores[run] for run in runs[row.against]], own),
                **_permute(runs[row.against], runs[row.name], answers),
            }
    bounds = {"text": ["text"], "tagger": ["tagger"], "always-yes": ["always-yes"]}
    bounds |= {bound: [f"{bound}-{run}" for run in runs.get(NEGATIVE.name, ())] for bound in ("silence", "shuffled")}
    asked = next(iter(scores.values()))
    return {
        "setting": {
            "steps": options.steps,
            "seeds": options.seeds,
            "corpus": options.corpus.partition("=")[0],
            "benchmarks": [each.partition("=")[0] for each in options.benchmarks],
            "questions": {subset: row["n"] for subset, row in asked.items()},
        },
        "gates": _gates(options),
        "rows": described,
        "bounds": {
            bound: _describe([scores[name] for name in names])
            for bound, names in bounds.items()
            if names and all(name in scores for name in names)
        },
    }


def _gates(options: Table3Options) -> dict[str, dict[str, float]]:
    """What `gates.json`, beside the backbones, says was measured of them."""
    folders = [Path(each) for each in (options.audio_model, options.text_model, options.other_text_model)]
    if options.backbones is not None:
        folders += sorted(config.parent for config in Path(options.backbones).glob("*/config.json"))
    gates = {}
    for folder in folders:
        notes = folder.parent / "gates.json"
        if notes.is_file() and folder.name in (known := json.loads(notes.read_text(encoding="utf-8"))):
            of_folder = known[folder.name]
            measured = of_folder.get("measured", of_folder)
            gates[folder.name] = {name: value for name, value in measured.items() if isinstance(value, float)}
    return gates


def _training(models: Sequence[Path]) -> dict[str, float | None]:
    """`epochs`: how often each clip was heard; `train_loss`: nats per token, mean over all steps and models."""
    states = [json.loads((model / "trainer_state.json").read_text(encoding="utf-8")) for model in models]
    losses = [entry["train_loss"] for state in states for entry in state["log_history"] if "train_loss" in entry]
    return {"epochs": states[0]["epoch"], "train_loss": mean(losses) if losses else None}


def _describe(scores: Sequence[_Scores]) -> dict[str, Any]:
    """The columns, as mean over seeds, standard error and values; and the values of every subset."""
    columns = {}
    for column in COLUMNS:
        values = [value for each in scores if (value := _value(each, column)) is not None]
        if values:
            error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
            columns[column] = {"mean": mean(values), "standard_error": error, "values": values}
    subsets = {
        subset: {
            name: [each[subset][name] for each in scores] for name in _SCORES if scores[0][subset][name] is not None
        }
        for subset in scores[0]
    }
    return {"columns": columns, "subsets": subsets}


def _value(scores: _Scores, column: str) -> float | None:
    """A column's score of one system: the mean over its task's subsets; None where it was not asked them."""
    task, score = COLUMNS[column]
    values = [row[score] for subset, row in scores.items() if task_of(row["benchmark"], subset).name == task]
    return mean(values) if values and None not in values else None


def _compare(first: Sequence[_Scores], second: Sequence[_Scores]) -> dict[str, Any]:
    """What the second row has less than the first, seed by seed."""
    return {
        f"less_{column}": [_value(one, column) - _value(two, column) for one, two in zip(first, second, strict=True)]
        for column in ("Acc", "AUROC")
    }


def _permute(first: Sequence[str], second: Sequence[str], answers: Path) -> dict[str, float]:
    """Two rows on the same existence questions: clips are exchanged whole, those of all seeds together."""
    from recipes.benchmarks.statistics import permutation_test

    right: list[list[bool]] = [[], []]
    clips: list[str] = []
    for pair in zip(first, second, strict=True):
        both = [dict(_existence(answers / "answers" / name)) for name in pair]
        if any(both[0][subset]["id"] != both[1][subset]["id"] for subset in both[0]):
            raise ValueError(f"{pair[0]} and {pair[1]} were asked different questions")
        for subset in both[0]:
            for side, own in enumerate(both):
                answered = zip(own[subset]["parsed"], own[subset]["answer"], strict=True)
                right[side] += [parsed == answer for parsed, answer in answered]
            clips += [audio["path"] for audio in both[0][subset]["audio"]]
    return permutation_test(right[0], right[1], clips)


def _existence(folder: Path) -> Iterable[tuple[str, dict[str, list[Any]]]]:
    """The existence questions that a system was asked: subset and columns."""
    import pyarrow.parquet as pq

    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path, columns=["benchmark", "subset", "id", "audio", "answer", "parsed"])
        subset = table["subset"][0].as_py()
        if task_of(table["benchmark"][0].as_py(), subset).name == "existence":
            yield subset, table.to_pydict()
