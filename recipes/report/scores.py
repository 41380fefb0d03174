"""From results and answers to what is shown: the paper's three tasks, subsets taken together, systems compared."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.report.inputs import Inputs, Result

if TYPE_CHECKING:
    import pandas

LABELS = ("yes", "no")
JOIN = " + "  # between subsets that are taken together
# Kinds of negatives of the existence benchmarks, by the part of the subset's name that says so.
NEGATIVE_KINDS = ("random", "popular", "adversarial")


@dataclass(frozen=True)
class Task:
    """One of the column groups of Table 3.

    Attributes:
        name: its name in `paper_tables.yaml`.
        title: what readers call it.
        asks: what is asked, with an example.
        columns: the scores shown; see `recipes.report.tables.COLUMNS`.
    """

    name: str
    title: str
    asks: str
    columns: tuple[str, ...]


_PRESENCE = ("accuracy", "f1_yes", "f1_no", "f1_weighted", "yes_rate", "auroc", "unparsed")
TASKS = (
    Task("existence", "Hallucination", "Is a certain sound in the audio? It is for half of the questions.", _PRESENCE),
    Task("question_answering", "Question answering", "Everyday questions about what is heard.", _PRESENCE),
    Task(
        "semantics",
        "Synonyms and hypernyms",
        "The sound is asked for by another name, or by the kind of thing that makes it.",
        _PRESENCE,
    ),
    Task("other", "Other benchmarks", "Benchmarks that the paper does not have.", ("accuracy", "unparsed")),
)

_TASK_OF_BENCHMARK = {
    "audio_hallucination": "existence",
    "clotho_aqa": "question_answering",
    "synonym_hypernym": "semantics",
    "presence": "existence",
}
_TASK_OF_SUBSET = {
    **dict.fromkeys(NEGATIVE_KINDS, "existence"),
    "question_answering": "question_answering",
    "hypernym": "semantics",
    "synonym": "semantics",
    "temporal_order": "other",
    "object_attribute": "other",
}
# Subsets that are one set of questions in the paper's sense.
_POOLS = (
    ("random", "popular_repaired", "adversarial_repaired"),  # before the damaged ones
    ("random", "popular", "adversarial"),
    ("dev_random", "dev_popular", "dev_adversarial"),
    ("hypernym", "synonym"),
    ("dev_hypernym", "dev_synonym"),
)


@lru_cache(maxsize=1)
def paper_tables() -> dict[str, Any]:
    """Tables 2 and 3 of the paper; the file says how they are laid out."""
    import yaml

    return yaml.safe_load(Path(__file__).with_name("paper_tables.yaml").read_text(encoding="utf-8"))


def task_of(benchmark: str, subset: str) -> Task:
    """The task that a subset of a benchmark belongs to."""
    first = subset.removeprefix("dev_").split(JOIN)[0]
    name = _TASK_OF_SUBSET.get(first) or _TASK_OF_BENCHMARK.get(benchmark, "other")
    return next(task for task in TASKS if task.name == name)


def negative_kind(subset: str) -> str | None:
    """The kind of negatives of a subset, or None: "dev_popular", "popular_repaired", "esc50:popular" are "popular"."""
    if JOIN in subset:
        return None
    return next((kind for kind in NEGATIVE_KINDS if kind in re.split("[_:]", subset)), None)


def pooled_results(inputs: Inputs) -> list[Result]:
    """Scores over subsets that belong together, from the answers of the systems that have answered all of them.

    Intervals are bootstrapped by clip. Unreadable answers count as in the results (`mode`, where they say one).
    """
    pooled = []
    scored = {result.key: result for result in inputs.results}
    for benchmark in dict.fromkeys(result.benchmark for result in inputs.results):
        for pool in _POOLS:
            for system in inputs.systems:
                parts = [scored.get((system, benchmark, subset)) for subset in pool]
                own = inputs.of(system, benchmark, pool)
                sizes = own["subset"].value_counts()
                if all(part and part.values.get("n") == sizes.get(part.subset, 0) for part in parts) and (
                    own["answer"].isin(LABELS).all()
                ):
                    mode = parts[0].raw.get("mode", "strict")
                    pooled.append(score_answers(own, system, benchmark, JOIN.join(pool), mode))
    return pooled


def score_answers(answers: "pandas.DataFrame", system: str, benchmark: str, subset: str, mode: str) -> Result:
    """Score yes/no answers of one system, with intervals where the clips are known."""
    from recipes.benchmarks.metrics import PresenceMetric
    from recipes.benchmarks.statistics import presence_intervals

    predictions, references = list(answers["parsed"]), list(answers["answer"])
    p_yes = [None if p != p else float(p) for p in answers["p_yes"]]  # NaN is null
    scores = PresenceMetric().compute(
        predictions=predictions,
        references=references,
        p_yes=p_yes if any(p is not None for p in p_yes) else None,
        mode=mode,
    )
    values = {name: value for name, value in scores.items() if value is not None}
    values["unparsed"] = values.pop("unparsed_rate")
    intervals = {}
    if answers["clip"].notna().all():
        known = p_yes if "auroc" in values and None not in p_yes else None
        intervals = presence_intervals(predictions, references, list(answers["clip"]), mode=mode, p_yes=known)
    return Result(system, benchmark, subset, values, intervals)


@dataclass
class Comparison:
    """Two systems on the questions that both were asked.

    Attributes:
        questions, clips: how many; clips is None where they are not known.
        only_first, only_second: questions that one alone answered right.
        difference: accuracy of the first less that of the second, in 0..1.
        p_value: of the hypothesis that they are right equally often; by clip where clips are known, else by question.
    """

    first: str
    second: str
    benchmark: str
    subset: str
    questions: int
    clips: int | None
    only_first: int
    only_second: int
    difference: float
    p_value: float
    test: str = field(default="permutation of clips")


def compare(answers: "pandas.DataFrame", first: str, second: str, benchmark: str, subset: str) -> Comparison | None:
    """Compare two systems on a subset, or on several joined by `JOIN`; None where they share no question."""
    from recipes.benchmarks.statistics import mcnemar_test, permutation_test

    asked = answers[(answers["benchmark"] == benchmark) & answers["subset"].isin(subset.split(JOIN))]
    sides = [asked[asked["system"] == system].set_index(["subset", "id"]) for system in (first, second)]
    both = sides[0].join(sides[1], how="inner", lsuffix="_1", rsuffix="_2")
    if both.empty:
        return None
    right = [list(both[f"parsed_{side}"] == both[f"answer_{side}"]) for side in (1, 2)]
    clips = list(both["clip_1"]) if both["clip_1"].notna().all() else None
    comparison = Comparison(
        first,
        second,
        benchmark,
        subset,
        questions=len(both),
        clips=None if clips is None else len(set(clips)),
        only_first=sum(a and not b for a, b in zip(*right, strict=True)),
        only_second=sum(b and not a for a, b in zip(*right, strict=True)),
        difference=(sum(right[0]) - sum(right[1])) / len(both),
        p_value=mcnemar_test(*right) if clips is None else permutation_test(*right, clips)["p"],
    )
    if clips is None:
        comparison.test = "McNemar, exact, by question"
    return comparison
