"""Questions to show: few, the same for all systems, and with every kind of success and failure among them."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.report.scores import task_of

if TYPE_CHECKING:
    import pandas

LIMIT = 10  # questions
_CANDIDATES = 1500
_LENGTH = 220  # characters of a response


@dataclass(frozen=True)
class Reply:
    """What one system answered."""

    system: str
    response: str
    verdict: str  # "right", "wrong" or "unreadable"


@dataclass(frozen=True)
class Example:
    """A question, its answer, and what the systems said."""

    question: str
    answer: str
    clip: str
    where: str
    replies: list[Reply]


def choose_examples(answers: "pandas.DataFrame", seed: int = 0) -> list[Example]:
    """Questions that show, for each system, each outcome that it has had: right and wrong, to yes and to no.

    Questions are drawn at random with a fixed seed, and kept while they show something that the ones before do not.
    Existence questions come first. At most `LIMIT`.
    """
    if answers.empty:
        return []
    groups = answers.groupby(["benchmark", "subset", "id"], sort=False).indices
    keys = sorted(groups, key=lambda key: [str(part) for part in key])
    random.Random(seed).shuffle(keys)
    keys.sort(key=lambda key: task_of(key[0], key[1]).name != "existence")
    rows = [answers.iloc[groups[key]].to_dict("records") for key in keys[:_CANDIDATES]]
    outcomes = [_outcomes(each) for each in rows]
    shown: set[tuple[str, ...]] = set()
    chosen: list[int] = []
    while len(chosen) < LIMIT:
        best = max(range(len(rows)), key=lambda number: len(outcomes[number] - shown))  # the first of the best
        if not outcomes[best] - shown:
            break
        shown |= outcomes[best]
        chosen.append(best)
    return [_example(rows[number]) for number in chosen]


def _outcomes(rows: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    return {(row["system"], _verdict(row), str(row["answer"])) for row in rows}


def _verdict(row: dict[str, Any]) -> str:
    if row["parsed"] is None:
        return "unreadable"
    return "right" if row["parsed"] == row["answer"] else "wrong"


def _example(rows: list[dict[str, Any]]) -> Example:
    first = rows[0]
    return Example(
        question=str(first["question"]),
        answer=str(first["answer"]),
        clip=Path(str(first["recording"])).name if first["recording"] else "",
        where=f"{first['benchmark']}: {first['subset']}".removesuffix(": ").replace("_", " "),
        replies=[Reply(row["system"], _cut(row["response"]), _verdict(row)) for row in rows],
    )


def _cut(response: str | None) -> str:
    text = " ".join((response or "").split()) or "(no answer)"
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"
