"""Questions as command lines name them."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.benchmarks import load_benchmark

if TYPE_CHECKING:
    import datasets


def load_specified(specification: str, missing_audio: str = "keep", limit: int | None = None) -> "datasets.Dataset":
    """Load the questions of NAME[/SUBSET][=FOLDER], of presence/CORPUS[:SPLIT][:STRATEGY][=FOLDER], or of a file.

    Args:
        specification: what is asked; see evaluate_listen.py.
        missing_audio: see `recipes.benchmarks.load_benchmark`.
        limit: only the first so many questions.

    Returns:
        Records with the columns of `recipes.records.QUESTION_FEATURES`.

    Raises:
        ValueError: an unknown name or strategy, annotation files that cannot be used, or no questions.
        FileNotFoundError: a file that is needed is missing.
    """
    from recipes.benchmarks.presence import STRATEGIES, presence_questions
    from recipes.benchmarks.question_file import SUFFIXES, read_questions

    name, _, folder = specification.partition("=")
    name, _, subset = name.partition("/")
    if "=" not in specification and Path(specification).suffix in SUFFIXES:
        questions = read_questions(specification, missing_audio)
    elif name == "presence":
        from recipes.corpora import load_corpus

        corpus, *parts = re.split(r":(?![^\[]*\])", subset)  # not at that of "test[:100]"
        strategy = parts.pop() if parts and parts[-1] in STRATEGIES else "random"
        if len(parts) > 1:
            raise ValueError(f"{parts[1]!r} is no strategy; there are {', '.join(STRATEGIES)}")
        seeds = load_corpus(corpus, folder or None, parts[0] if parts else None, missing_audio=missing_audio)
        questions = presence_questions(seeds, subset, strategy)
    else:
        questions = load_benchmark(name, folder or None, subset or None, missing_audio=missing_audio)
    if limit is not None:
        questions = questions.select(range(min(limit, len(questions))))
    if not len(questions):
        raise ValueError("it has no questions to ask")
    return questions


def load_apart(specification: str, missing_audio: str = "keep", limit: int | None = None) -> "list[datasets.Dataset]":
    """As `load_specified`, each benchmark and subset by itself: a file may hold several.

    Args:
        specification: what is asked.
        missing_audio: see `recipes.benchmarks.load_benchmark`.
        limit: only the first so many questions of each.
    """
    questions = load_specified(specification, missing_audio)
    places: dict[tuple[str, str], list[int]] = {}
    for index, name in enumerate(zip(questions["benchmark"][:], questions["subset"][:], strict=True)):
        places.setdefault(name, []).append(index)
    return [questions.select(indices[:limit]) for indices in places.values()]
