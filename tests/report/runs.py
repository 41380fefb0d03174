"""A small evaluation to report on: made-up answers, scored with the project's own metric."""

import json
from pathlib import Path

import numpy as np

from recipes.benchmarks.metrics import PresenceMetric
from recipes.benchmarks.statistics import presence_intervals
from recipes.records import ANSWER_FEATURES

SUBSETS = ("random", "popular", "adversarial", "hypernym", "synonym", "question_answering")
# For each system: how far apart yes and no questions are to it, and where between them it says yes.
SYSTEMS = {
    "LISTEN positive+negative": (2.0, 0.05),
    "text": (5.0, 0.0),
    "silence": (0.0, -0.4),
    "always-yes": (None, None),
}


def answer_questions(system: str, subset: str, clips: int = 40, separation=1.0, threshold=0.0) -> list[dict]:
    """Records of answers: two yes and two no questions for each clip, a few answers unreadable."""
    rng = np.random.default_rng([SUBSETS.index(subset), *system.encode()])
    rows = []
    for number in range(4 * clips):
        answer = ("yes", "no")[number % 2]
        p_yes, parsed, response = 1.0, "yes", "Yes"
        if separation is not None:
            logit = separation * (1 if answer == "yes" else -1) + rng.normal(scale=1.5)
            p_yes = float(1 / (1 + np.exp(-logit)))
            parsed = "yes" if logit > threshold else "no"
            response = f"{parsed.capitalize()}, there {'is' if parsed == 'yes' else 'is no'} such sound."
            if rng.random() < 0.02:
                parsed, response = None, "I am a language model."
        rows.append(
            {
                "id": f"q{number}",
                "benchmark": "sound_world",
                "subset": subset,
                "audio": {"path": f"clips/clip_{number // 4}.wav", "bytes": None},
                "question": f"Is there a sound of thing {number % 7} in the audio?",
                "answer": answer,
                "system": system,
                "response": response,
                "p_yes": p_yes,
                "parsed": parsed,
            }
        )
    return rows


def score(rows: list[dict]) -> dict:
    """The object that an evaluation writes into results.json for one system and subset."""
    predictions, references = [row["parsed"] for row in rows], [row["answer"] for row in rows]
    scores = PresenceMetric().compute(
        predictions=predictions, references=references, p_yes=[row["p_yes"] for row in rows]
    )
    intervals = presence_intervals(predictions, references, [row["audio"]["path"] for row in rows], resamples=200)
    scores["unparsed"] = scores.pop("unparsed_rate")
    names = {name: rows[0][name] for name in ("system", "benchmark", "subset")}
    return {**names, **scores, "intervals": {name: list(ends) for name, ends in intervals.items()}}


def write_answers(path: Path, rows: list[dict]) -> None:
    """Write records as an evaluation does."""
    import pyarrow
    from pyarrow import parquet

    schema = ANSWER_FEATURES.arrow_schema
    if "clip_key" in rows[0]:
        schema = schema.append(pyarrow.field("clip_key", pyarrow.string())).remove_metadata()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path)


def write_run(folder: Path, systems=SYSTEMS, subsets=SUBSETS, answers: bool = True) -> Path:
    """Write an evaluation of some systems on some subsets into a folder; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for system, (separation, threshold) in systems.items():
        for subset in subsets:
            rows = answer_questions(system, subset, 40, separation, threshold)
            results.append(score(rows))
            if answers:
                path = folder / "answers" / f"system-{len(results)}" / f"sound_world-{subset}.parquet"
                path.parent.mkdir(parents=True)
                write_answers(path, rows)
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return folder
