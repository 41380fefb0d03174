from math import comb

import numpy as np
import pytest

from recipes.benchmarks.metrics import PresenceMetric, auroc
from recipes.benchmarks.statistics import _WeightedArea, mcnemar_test, permutation_test, presence_intervals


def answers(right):
    return ["yes" if each else "no" for each in right], ["yes"] * len(right)


class TestIntervals:
    def test_hold_the_score(self):
        generator = np.random.default_rng(0)
        predictions, references = generator.choice(["yes", "no", None], 600), generator.choice(["yes", "no"], 600)
        scores = PresenceMetric().compute(predictions=predictions, references=references)
        intervals = presence_intervals(predictions, references, np.arange(600) // 6)
        assert set(intervals) <= set(scores)
        for name, (low, high) in intervals.items():
            assert 0 <= low < scores[name] < high <= 1

    def test_width_is_that_of_the_binomial_where_clips_are_questions(self):
        right = np.arange(1000) < 700
        low, high = presence_intervals(*answers(right), clips=range(1000), resamples=4000)["accuracy"]
        assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(0.7 * 0.3 / 1000), rel=0.05)

    def test_questions_on_one_clip_are_drawn_together(self):
        right = np.arange(1000) < 700
        low, high = presence_intervals(*answers(right), clips=np.arange(1000) // 10, resamples=4000)["accuracy"]
        assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(0.7 * 0.3 / 100), rel=0.1)

    def test_auroc_of_questions_that_count_several_times(self):
        generator = np.random.default_rng(2)
        scores, positive = generator.integers(0, 20, 300) / 20, generator.random(300) < 0.4
        weights = generator.integers(0, 4, (5, 300))
        areas = _WeightedArea(scores, positive)(weights)
        expected = [auroc(np.repeat(scores, each), np.repeat(positive, each)) for each in weights]
        assert areas == pytest.approx(expected, abs=1e-12)
        assert np.isnan(_WeightedArea(scores, positive)(positive[None].astype(int))).all()

    def test_auroc_has_an_interval_where_probabilities_are_known(self):
        generator = np.random.default_rng(3)
        yes = generator.random(400) < 0.5
        p_yes = np.clip(generator.normal(0.4 + 0.2 * yes, 0.2), 0, 1)
        predictions, references = (np.where(each, "yes", "no") for each in (p_yes > 0.5, yes))
        intervals = presence_intervals(predictions, references, np.arange(400) // 4, p_yes=p_yes)
        low, high = intervals["auroc"]
        assert low < auroc(p_yes, yes) < high
        without = presence_intervals(predictions, references, np.arange(400) // 4)
        assert intervals == {**without, "auroc": (low, high)}

    def test_cover_the_truth_as_often_as_they_say(self):
        generator = np.random.default_rng(1)
        held = 0
        for seed in range(300):
            right = np.repeat(generator.random(100) < 0.6, 3) ^ (generator.random(300) < 0.1)
            low, high = presence_intervals(*answers(right), np.arange(300) // 3, resamples=300, seed=seed)["accuracy"]
            held += low <= 0.6 * 0.9 + 0.4 * 0.1 <= high
        assert 0.90 <= held / 300 <= 0.98

    def test_same_seed_same_interval(self):
        arguments = (*answers(np.arange(100) % 7 > 2), range(100))
        assert presence_intervals(*arguments) == presence_intervals(*arguments)
        assert presence_intervals(*arguments, seed=1) != presence_intervals(*arguments, seed=0)

    def test_one_clip_says_nothing_of_others(self):
        assert presence_intervals(*answers([True, False]), ["a", "a"])["accuracy"] == (0.5, 0.5)

    @pytest.mark.parametrize("change", [{"confidence": 1.0}, {"resamples": 0}, {"clips": ["a"]}])
    def test_bad_input(self, change):
        arguments = {"predictions": ["yes", "no"], "references": ["yes", "no"], "clips": ["a", "b"]} | change
        with pytest.raises(ValueError, match=r"confidence|clips"):
            presence_intervals(**arguments)


class TestMcNemar:
    @pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (10, 2), (7, 7), (40, 71)])
    def test_agrees_with_the_binomial(self, only_first, only_second):
        first = [True] * only_first + [False] * only_second + [True, False] * 5
        second = [False] * only_first + [True] * only_second + [True, False] * 5
        trials, fewer = only_first + only_second, min(only_first, only_second)
        expected = min(1.0, 2 * sum(comb(trials, k) for k in range(fewer + 1)) / 2**trials)
        assert mcnemar_test(first, second) == pytest.approx(expected, rel=1e-9)

    def test_many_questions(self):
        first = np.arange(30_000) < 15_300
        assert mcnemar_test(first, ~first) == pytest.approx(5.5e-4, rel=0.05)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="same questions"):
            mcnemar_test([True], [True, False])
        with pytest.raises(ValueError, match="same questions"):
            mcnemar_test([], [])


class TestPermutation:
    def test_agrees_with_mcnemar_where_clips_are_questions(self):
        generator = np.random.default_rng(0)
        first, second = generator.random(400) < 0.7, generator.random(400) < 0.62
        result = permutation_test(first, second, range(400), permutations=20_000)
        assert result["difference"] == pytest.approx(first.mean() - second.mean())
        assert result["p"] == pytest.approx(mcnemar_test(first, second), abs=0.01)

    def test_equal_systems(self):
        assert permutation_test([True, False], [True, False], ["a", "b"]) == {"difference": 0.0, "p": 1.0}

    def test_one_clip_cannot_tell_systems_apart(self):
        assert permutation_test([True] * 50, [False] * 50, ["a"] * 50)["p"] == 1.0

    def test_false_alarms_are_as_rare_as_they_should_be(self):
        generator = np.random.default_rng(2)
        alarms = 0
        for seed in range(200):
            clips = np.repeat(np.arange(60), 5)
            first, second = (np.repeat(generator.random(60) < 0.5, 5) for _ in range(2))
            alarms += permutation_test(first, second, clips, permutations=400, seed=seed)["p"] <= 0.05
        assert alarms <= 20
