"""Scores of answers as local `evaluate` metrics: nothing is fetched, and nothing is written to a cache.

All rates are in 0..1. A score whose denominator is zero is 0.0, as in scikit-learn with `zero_division=0`.
"""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

LABELS = ("yes", "no")
# What an answer that could not be read (None) does to the scores; see PresenceMetric.
MODES = ("strict", "listen", "official", "icassp")
CALIBRATION_BINS = 10

# Not "string": `evaluate` refuses None in place of the first string.
_TEXT = datasets.Value("large_string")


class _LocalMetric(evaluate.Metric):
    """A metric that keeps its rows in memory, so that many can run at once and where no cache can be written."""

    def __init__(self, *args: Any, keep_in_memory: bool | None = None, num_process: int = 1, **kwargs: Any) -> None:
        in_memory = num_process == 1 if keep_in_memory is None else keep_in_memory
        super().__init__(*args, keep_in_memory=in_memory, num_process=num_process, **kwargs)

    def _build_data_dir(self) -> str:
        # The folder would be made, and stay empty, even where the rows are kept in memory.
        return self._data_dir_root if self.keep_in_memory else super()._build_data_dir()

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation="",
            inputs_description="",
            features=datasets.Features({"predictions": _TEXT, "references": _TEXT}),
        )


class PresenceMetric(_LocalMetric):
    """How well yes/no questions were answered.

    `compute(predictions=["yes", "no", None, ...], references=["yes", "no", ...], p_yes=None, mode="strict")` gives

    - `n`, `unparsed` (how many predictions are None) and `unparsed_rate`;
    - `accuracy`; `precision_*`, `recall_*`, `f1_*` for `yes` and for `no`; `f1_weighted`, their mean weighted by how
      many questions have each answer; `yes_rate`, the share of yes among all predictions;
    - `auroc` and `ece` where `p_yes`, the probability of a yes for each question, is given (else None), over the
      `scored` questions for which it is not None. ECE: mean distance, over ten equal bins of `p_yes`, between its mean
      and the share of yes among the references, weighted by the bins' sizes.

    None is never a yes. What else it does is the `mode`:

    - `strict`: it is a wrong answer of neither class: wrong for accuracy, missed for the recall of the question's
      class, and in no precision;
    - `listen`: it is a no, in everything. The figures of LISTEN's Table 3 are consistent with this only;
    - `official`: the Interspeech 2024 script: as `strict`, but it is among the no answers in `precision_no`. (The
      script prints the scores of no, computing F1 from precision and recall rounded to 0.01 %.);
    - `icassp`: the ICASSP 2025 script: it is wrong for accuracy and left out of precision and recall.

    Raises (ValueError): predictions or references that are not "yes" or "no", lengths that differ, no question at all,
    an unknown mode, a probability outside 0..1.
    """

    def _compute(
        self,
        predictions: Sequence[str | None],
        references: Sequence[str],
        p_yes: Sequence[float | None] | None = None,
        mode: str = "strict",
    ) -> dict[str, float | int | None]:
        scores = presence_scores(presence_counts(predictions, references), mode)
        unparsed = sum(prediction is None for prediction in predictions)
        result: dict[str, float | int | None] = {
            "n": len(references),
            **{name: float(value) for name, value in scores.items()},
            "unparsed": unparsed,
            "unparsed_rate": unparsed / len(references),
            "auroc": None,
            "ece": None,
        }
        if p_yes is not None:
            result |= _probability_scores(p_yes, references)
        return result


def presence_counts(predictions: Sequence[str | None], references: Sequence[str]) -> np.ndarray:
    """Questions by reference (yes, no) and prediction (yes, no, None): an int64 array of shape (2, 3).

    Raises:
        ValueError: other labels, different lengths, or no question.
    """
    counts = np.zeros((2, 3), dtype=np.int64)
    np.add.at(counts, presence_cells(predictions, references), 1)
    return counts


def presence_cells(predictions: Sequence[str | None], references: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each question in `presence_counts`.

    Raises:
        ValueError: other labels, different lengths, or no question.
    """
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references")
    if not len(references):
        raise ValueError("no question to score; give at least one prediction and its reference")
    codes = {"yes": 0, "no": 1, None: 2}
    for name, labels, known in (("prediction", predictions, codes), ("reference", references, LABELS)):
        if unknown := [label for label in labels if label not in known]:
            raise ValueError(f"the {name} {unknown[0]!r} is neither 'yes' nor 'no'; parse responses with parse_yes_no")
    return np.array([codes[x] for x in references]), np.array([codes[x] for x in predictions])


def presence_scores(counts: np.ndarray, mode: str = "strict") -> dict[str, np.ndarray]:
    """The scores of `PresenceMetric` that depend on counts only.

    Args:
        counts: (..., 2, 3), as from `presence_counts`; leading axes are scored side by side.
        mode: one of `MODES`.

    Returns:
        Arrays of shape (...), float64.

    Raises:
        ValueError: an unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    counts = np.asarray(counts, dtype=np.float64)
    if mode == "listen":
        counts = np.stack([counts[..., 0], counts[..., 1] + counts[..., 2], np.zeros_like(counts[..., 0])], axis=-1)
    total = counts.sum((-1, -2))
    right = np.stack([counts[..., 0, 0], counts[..., 1, 1]], axis=-1)  # by class: yes, no
    asked = counts.sum(-1)
    answered = counts[..., :2].sum(-2)
    scores = {
        "accuracy": _divide(right.sum(-1), total),
        "yes_rate": _divide(answered[..., 0], total),
    }
    unread = counts[..., 2]
    if mode == "official":
        answered = answered + np.stack([np.zeros_like(total), unread.sum(-1)], axis=-1)
    recalled = asked - unread if mode == "icassp" else asked
    precision, recall = _divide(right, answered), _divide(right, recalled)
    # 2PR / (P + R) without its rounding errors.
    f1 = _divide(2 * right, answered + recalled)
    for index, label in enumerate(LABELS):
        scores[f"precision_{label}"] = precision[..., index]
        scores[f"recall_{label}"] = recall[..., index]
        scores[f"f1_{label}"] = f1[..., index]
    scores["f1_weighted"] = _divide((f1 * asked).sum(-1), total)
    return scores


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)


def _probability_scores(p_yes: Sequence[float | None], references: Sequence[str]) -> dict[str, float | int | None]:
    if len(p_yes) != len(references):
        raise ValueError(f"{len(p_yes)} probabilities for {len(references)} references")
    scored = [(p, reference == "yes") for p, reference in zip(p_yes, references, strict=True) if p is not None]
    if not scored:
        return {"auroc": None, "ece": None, "scored": 0}
    probabilities, positive = (np.array(each) for each in zip(*scored, strict=True))
    probabilities = probabilities.astype(np.float64)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():  # NaN fails both
        raise ValueError("p_yes holds a value outside 0..1")
    return {
        "auroc": auroc(probabilities, positive),
        "ece": calibration_error(probabilities, positive),
        "scored": len(scored),
    }


def auroc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Area under the ROC curve: how often a positive outscores a negative, ties counting half.

    Args:
        scores: (n,) numbers, higher for positives.
        positive: (n,) booleans.

    Returns:
        The area, or None where all examples are of one class.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    _, places, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]  # from 1, tied scores sharing their mean rank
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def calibration_error(probabilities: np.ndarray, positive: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error of the probabilities of the positive class, over equal bins of [0, 1].

    Args:
        probabilities: (n,) in 0..1.
        positive: (n,) booleans.
        bins: how many bins; the last one includes 1.
    """
    places = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = np.bincount(places, weights=probabilities - positive, minlength=bins)  # bin size x (mean p - share of yes)
    return float(np.abs(gaps).sum() / len(probabilities))


def pair_ratios(
    predictions: Sequence[str | None], references: Sequence[str], pairs: Sequence[int] | None = None
) -> dict[str, float | int]:
    """How pairs of one yes question and one no question were answered (ICASSP 2025's object existence and others).

    Args:
        predictions: "yes", "no" or None.
        references: "yes" or "no".
        pairs: for each question, its pair; by default questions 2i and 2i+1 are pair i.

    Returns:
        Shares of the pairs whose questions were both answered: `correct_correct`, `incorrect_incorrect`,
        `correct_incorrect` (the yes question right, the no question wrong), `incorrect_correct`; `pairs` (how many
        these are) and `dropped` (pairs with an unparsed answer, or not of one yes and one no question).

    Raises:
        ValueError: other labels, different lengths, or no question.
    """
    cells = zip(*presence_cells(predictions, references), strict=True)
    if pairs is None:
        pairs = [index // 2 for index in range(len(references))]
    if len(pairs) != len(references):
        raise ValueError(f"{len(pairs)} pairs for {len(references)} references")
    members: dict[int, list[tuple[int, int]]] = {}
    for pair, (reference, prediction) in zip(pairs, cells, strict=True):
        members.setdefault(pair, []).append((int(reference), int(prediction)))
    counts = np.zeros((2, 2))  # [yes question wrong?, no question wrong?]
    for pair in members.values():
        pair.sort()
        if [reference for reference, _ in pair] == [0, 1] and all(prediction < 2 for _, prediction in pair):
            counts[pair[0][1], 1 - pair[1][1]] += 1
    used = counts.sum()
    ratios = counts / used if used else counts
    return {
        "pairs": int(used),
        "dropped": len(members) - int(used),
        "correct_correct": float(ratios[0, 0]),
        "incorrect_incorrect": float(ratios[1, 1]),
        "correct_incorrect": float(ratios[0, 1]),
        "incorrect_correct": float(ratios[1, 0]),
    }


class AnswerMetric(_LocalMetric):
    """How often answers of any kind (an option's text, a word) equal the reference; None is wrong.

    `compute(predictions=[...], references=[...], types=None, groups=None)` gives `n`, `accuracy`, `unparsed` and
    `unparsed_rate`; with `types` (AQUA-Bench's `type` column) also `accuracy_<type>` for each type, and with `groups`
    too `accuracy_<type>_given_solvable` for each other type: over the groups whose `Solvable` question was answered
    correctly (None where there is no such group).

    Raises (ValueError): lengths that differ, or no question at all.
    """

    def _compute(
        self,
        predictions: Sequence[str | None],
        references: Sequence[str],
        types: Sequence[str] | None = None,
        groups: Sequence[int] | None = None,
    ) -> dict[str, float | int | None]:
        if not len(references):
            raise ValueError("no question to score; give at least one prediction and its reference")
        right = np.array([p is not None and p == r for p, r in zip(predictions, references, strict=True)])
        unparsed = sum(prediction is None for prediction in predictions)
        result: dict[str, float | int | None] = {
            "n": len(references),
            "accuracy": float(right.mean()),
            "unparsed": unparsed,
            "unparsed_rate": unparsed / len(references),
        }
        for name, column in (("types", types), ("groups", groups)):
            if column is not None and len(column) != len(references):
                raise ValueError(f"{len(column)} {name} for {len(references)} references")
        if types is None:
            return result
        types = np.asarray(types, dtype=str)
        solved = None if groups is None else np.isin(groups, np.asarray(groups)[right & (types == "Solvable")])
        for each in dict.fromkeys(types.tolist()):
            of_type = types == each
            result[f"accuracy_{each.lower()}"] = float(right[of_type].mean())
            if solved is not None and each != "Solvable":
                given = right[of_type & solved]
                result[f"accuracy_{each.lower()}_given_solvable"] = float(given.mean()) if len(given) else None
        return result
