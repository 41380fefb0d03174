"""From answers to scores: the rows of results.json."""

import importlib
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from recipes.benchmarks import BENCHMARKS

if TYPE_CHECKING:
    import datasets

    from recipes.systems.base import Answer

RESULTS = "results.json"
_KEY = ("system", "benchmark", "subset")
_RATES = ("accuracy", "f1_yes", "f1_no", "f1_weighted", "yes_rate", "auroc")


def answer_records(questions: "datasets.Dataset", answers: "Sequence[Answer]", system: str) -> "datasets.Dataset":
    """Records of `recipes.records.ANSWER_FEATURES`: the questions' columns and what a system answered.

    Args:
        questions: records of `recipes.records.QUESTION_FEATURES`.
        answers: one for each.
        system: its name.

    Returns:
        The records, the reason of each missing response as `error` and, where recordings are inside the questions,
        what tells them apart as `clip_key`.
    """
    import datasets

    from recipes.benchmarks.answers import parse_answer
    from recipes.records import ANSWER_FEATURES
    from recipes.systems.clips import clip_keys

    own = [name for name in ("answer_type", "options") if name in questions.column_names]
    kinds = questions.select_columns(own).to_list() if own else [{}] * len(questions)
    parsed = [
        parse_answer(answer.response, kind.get("answer_type") or "yes_no", kind.get("options"))
        for answer, kind in zip(answers, kinds, strict=True)
    ]
    columns = {
        "system": [system] * len(answers),
        "response": [answer.response for answer in answers],
        "p_yes": [answer.p_yes for answer in answers],
        "parsed": parsed,
        "error": [answer.error for answer in answers],
    }
    features = {**ANSWER_FEATURES, **dict.fromkeys(("error", "clip_key"), datasets.Value("string"))}
    if any(audio["bytes"] is not None for audio in questions["audio"]):
        columns["clip_key"] = clip_keys(questions)
    added = datasets.Dataset.from_dict(columns, features=datasets.Features({name: features[name] for name in columns}))
    # Recordings inside the questions stay there: each would be copied for every question about it.
    stored = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    paths = [{"path": audio["path"], "bytes": None} for audio in questions["audio"]]
    audio = datasets.Dataset.from_dict({"audio": paths}, features=datasets.Features(audio=stored))
    audio = audio.cast_column("audio", ANSWER_FEATURES["audio"])
    return datasets.concatenate_datasets([audio, questions.remove_columns("audio"), added], axis=1)


def write_records(records: "datasets.Dataset", path: Path) -> None:
    """Write records as Parquet; at no time is there half a file."""
    from pyarrow import parquet

    partial = path.with_suffix(f".{os.getpid()}.partial")
    parquet.write_table(records.with_format("arrow")[:], partial)
    os.replace(partial, path)


def score(records: "datasets.Dataset") -> dict[str, Any]:
    """Score a system's answers to one subset of a benchmark.

    Args:
        records: as from `answer_records`.

    Returns:
        A row of results.json: system, benchmark, subset, n, the scores (rates in 0..1; null where a benchmark has
        none), `intervals` of 95 %, `unparsed` and `unanswered`, and what the benchmark adds: `readings` of the same
        answers by the official scripts' rules, `pairs`, `by_relation`, or `accuracy_TYPE`.
    """
    from recipes.records import ANSWER_FEATURES

    known = {*ANSWER_FEATURES, "answer_type", "clip_key", *_columns_of(records[0]["benchmark"])}
    columns = {name: records[name][:] for name in records.column_names if name in known - {"audio"}}
    row: dict[str, Any] = {name: columns[name][0] for name in _KEY}
    row["n"] = len(records)
    row |= dict.fromkeys(_RATES)
    row["unparsed"] = sum(parsed is None for parsed in columns["parsed"]) / len(records)
    row["unanswered"] = sum(response is None for response in columns["response"]) / len(records)
    kinds = set(columns.get("answer_type", ["yes_no"]))
    return row | (_presence(records, columns) if kinds == {"yes_no"} else _others(columns))


def _columns_of(benchmark: str) -> Collection[str]:
    """Columns that the benchmark defines; others of these names, in a file of the user's, mean what they mean."""
    if benchmark not in BENCHMARKS:
        return ()
    module, builder = BENCHMARKS[benchmark]
    return getattr(importlib.import_module(module), builder).COLUMNS


def _presence(records: "datasets.Dataset", columns: dict[str, list]) -> dict[str, Any]:
    from recipes.benchmarks.answers import parse_yes_no
    from recipes.benchmarks.metrics import pair_ratios
    from recipes.benchmarks.statistics import presence_intervals

    parsed, answers = columns["parsed"], columns["answer"]
    row = _presence_scores(parsed, answers, columns["p_yes"])
    clips = columns.get("clip_key") or [audio["path"] for audio in records["audio"]]
    p_yes = columns["p_yes"] if row["auroc"] is not None and None not in columns["p_yes"] else None
    intervals = presence_intervals(parsed, answers, clips, p_yes=p_yes)
    row["intervals"] = {name: list(ends) for name, ends in intervals.items()}

    official = [parse_yes_no(response, "paper") for response in columns["response"]]
    paired = any(pair is not None for pair in columns.get("pair", ()))
    row["readings"] = {
        "listen": _presence_scores(official, answers, mode="listen"),
        "official": _presence_scores(official, answers, mode="icassp" if paired else "official"),
    }
    if paired:
        row["pairs"] = pair_ratios(parsed, answers, columns["pair"])
    relations = list(dict.fromkeys(columns.get("relation", ())))
    if len(relations) > 1:
        row["by_relation"] = {
            relation: _presence_scores(*_where(columns["relation"], relation, parsed, answers, columns["p_yes"]))
            for relation in relations
        }
    return row


def _presence_scores(
    parsed: Sequence[str | None],
    answers: Sequence[str],
    p_yes: Sequence[float | None] | None = None,
    mode: str = "strict",
) -> dict[str, Any]:
    from recipes.benchmarks.metrics import PresenceMetric

    scores = PresenceMetric().compute(predictions=parsed, references=answers, p_yes=p_yes, mode=mode)
    scores["unparsed"] = scores.pop("unparsed_rate")
    return {name: value for name, value in scores.items() if p_yes is not None or name not in ("auroc", "ece")}


def _where(values: Sequence[Any], wanted: Any, *columns: Sequence[Any]) -> list[list[Any]]:
    return [[each for each, value in zip(column, values, strict=True) if value == wanted] for column in columns]


def _others(columns: dict[str, list]) -> dict[str, Any]:
    from recipes.benchmarks.metrics import AnswerMetric

    options = {key: columns[name] for key, name in (("types", "type"), ("groups", "group")) if name in columns}
    scores = AnswerMetric().compute(predictions=columns["parsed"], references=columns["answer"], **options)
    scores["unparsed"] = scores.pop("unparsed_rate")
    return scores


def merge_results(folder: Path, row: dict[str, Any]) -> None:
    """Put a row into the folder's results.json, in place of the one of the same system, benchmark and subset.

    Raises:
        ValueError: the file there is not a list of rows.
    """
    path = folder / RESULTS
    with FileLock(path.with_name(f".{path.name}.lock")):
        rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        if not isinstance(rows, list):
            raise ValueError(f"{path} does not hold a list of results: move it away, or choose another --output_dir")
        keys = [[each.get(name) for name in _KEY] for each in rows]
        key = [row[name] for name in _KEY]
        if key in keys:
            rows[keys.index(key)] = row
        else:
            rows.append(row)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, path)
