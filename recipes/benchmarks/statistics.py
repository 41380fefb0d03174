"""How sure a score is, and whether two systems differ: resampling and tests by clip.

Questions on one clip are not independent (one recording, five wordings), so clips, not questions, are drawn anew.
"""

import math
from collections.abc import Hashable, Sequence

import numpy as np

from recipes.benchmarks.metrics import presence_cells, presence_scores

_CHUNK = 256  # resamples at a time, to bound memory


def presence_intervals(
    predictions: Sequence[str | None],
    references: Sequence[str],
    clips: Sequence[Hashable],
    mode: str = "strict",
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    p_yes: Sequence[float] | None = None,
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of the scores of `PresenceMetric` that depend on counts, and of AUROC.

    Args:
        predictions: "yes", "no" or None.
        references: "yes" or "no".
        clips: for each question, what identifies its clip; whole clips are drawn with replacement.
        mode: what None does, see `PresenceMetric`.
        confidence: coverage of the intervals, between 0 and 1.
        resamples: how many.
        seed: of the generator.
        p_yes: for each question, the probability of yes; without it there is no interval of `auroc`.

    Returns:
        For each score, the lower and the upper end.

    Raises:
        ValueError: labels, lengths or `confidence` that cannot be used.
    """
    if not 0 < confidence < 1 or resamples < 1:
        raise ValueError(f"confidence={confidence} must be between 0 and 1 and resamples={resamples} at least 1")
    rows, columns = presence_cells(predictions, references)
    places, count = _places(clips, len(references))
    by_clip = np.zeros((count, 6))
    np.add.at(by_clip, (places, rows * 3 + columns), 1)
    generator = np.random.default_rng(seed)
    area = None if p_yes is None else _WeightedArea(np.asarray(p_yes), np.asarray(references) == "yes")
    parts = []
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        draws = generator.multinomial(count, np.full(count, 1 / count), size=size)
        parts.append(presence_scores((draws @ by_clip).reshape(size, 2, 3), mode))
        if area is not None:
            parts[-1]["auroc"] = area(draws[:, places])
    tail = (1 - confidence) / 2
    return {
        name: tuple(float(x) for x in np.nanquantile(np.concatenate([part[name] for part in parts]), (tail, 1 - tail)))
        for name in parts[0]
    }


class _WeightedArea:
    """Area under the ROC curve of questions that count several times, or not at all.

    Args:
        scores: `(questions,)`.
        positive: `(questions,)` booleans.
    """

    def __init__(self, scores: np.ndarray, positive: np.ndarray) -> None:
        self.order = np.argsort(scores, kind="stable")
        self.positive = positive[self.order]
        # Where each group of equal scores begins.
        self.starts = np.flatnonzero(np.diff(scores[self.order], prepend=-np.inf))

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Of draws `(draws, questions)`, `(draws,)`; NaN where one has no positives or no negatives."""
        weights = weights[:, self.order].astype(np.float64)
        positives = np.add.reduceat(weights * self.positive, self.starts, axis=1)
        negatives = np.add.reduceat(weights * ~self.positive, self.starts, axis=1)
        below = np.cumsum(negatives, axis=1) - negatives / 2  # ties count half
        with np.errstate(invalid="ignore"):
            return (positives * below).sum(1) / (positives.sum(1) * negatives.sum(1))


def mcnemar_test(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Exact two-sided McNemar test that two systems are right equally often, questions taken as independent.

    Args:
        first: for each question, whether the first system is right.
        second: the same for the second system, in the same order.

    Returns:
        The p value.

    Raises:
        ValueError: different lengths, or no question.
    """
    first, second = _paired(first, second)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    trials, fewer = only_first + only_second, min(only_first, only_second)
    # Twice the tail of a binomial of one half; logarithms, because the coefficients have thousands of digits.
    log_tail = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) - trials * math.log(2)
        for k in range(fewer + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(each) for each in log_tail))


def permutation_test(
    first: Sequence[bool],
    second: Sequence[bool],
    clips: Sequence[Hashable],
    permutations: int = 10_000,
    seed: int = 0,
) -> dict[str, float]:
    """Two-sided test that two systems are right equally often, exchanging their answers to whole clips.

    Args:
        first: for each question, whether the first system is right.
        second: the same for the second system, in the same order.
        clips: for each question, what identifies its clip.
        permutations: how many random exchanges.
        seed: of the generator.

    Returns:
        `difference`, the first system's accuracy less the second's, and `p`, at least 1 / (permutations + 1).

    Raises:
        ValueError: different lengths, or no question.
    """
    first, second = _paired(first, second)
    places, count = _places(clips, len(first))
    # Whole numbers, so that equal sums compare as equal.
    differences = np.zeros(count, dtype=np.int64)
    np.add.at(differences, places, first.astype(np.int64) - second)
    differences = differences[differences != 0]
    observed = abs(int(differences.sum()))
    generator = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, permutations, _CHUNK):
        signs = generator.integers(0, 2, size=(min(_CHUNK, permutations - start), len(differences))) * 2 - 1
        extreme += int((np.abs(signs @ differences) >= observed).sum())
    return {"difference": float(first.mean() - second.mean()), "p": (extreme + 1) / (permutations + 1)}


def _paired(first: Sequence[bool], second: Sequence[bool]) -> tuple[np.ndarray, np.ndarray]:
    if len(first) != len(second) or not len(first):
        raise ValueError(f"both systems must answer the same questions; got {len(first)} and {len(second)} answers")
    return np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)


def _places(clips: Sequence[Hashable], questions: int) -> tuple[np.ndarray, int]:
    """For each question the number of its clip, and how many clips there are."""
    if len(clips) != questions:
        raise ValueError(f"{len(clips)} clips for {questions} questions")
    numbers: dict[Hashable, int] = {}
    places = np.array([numbers.setdefault(clip, len(numbers)) for clip in clips], dtype=np.int64)
    return places, len(numbers)
