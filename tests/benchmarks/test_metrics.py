import random
import threading

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score

from recipes.benchmarks.metrics import AnswerMetric, PresenceMetric, pair_ratios

EXACT = 1e-12


def draw(seed, n=500, unparsed=0.2):
    generator = random.Random(seed)
    references = generator.choices(["yes", "no"], [generator.random() + 0.05, 0.5], k=n)
    parsed = (1 - unparsed) / 2
    predictions = generator.choices(["yes", "no", None], [parsed, parsed, unparsed], k=n)
    return predictions, references


def check_classes(result, predictions, references):
    precision, recall, f1, support = precision_recall_fscore_support(
        references, predictions, labels=["yes", "no"], zero_division=0
    )
    for index, label in enumerate(["yes", "no"]):
        assert result[f"precision_{label}"] == pytest.approx(precision[index], abs=EXACT)
        assert result[f"recall_{label}"] == pytest.approx(recall[index], abs=EXACT)
        assert result[f"f1_{label}"] == pytest.approx(f1[index], abs=EXACT)
    assert result["f1_weighted"] == pytest.approx(np.average(f1, weights=support), abs=EXACT)


class TestPresenceAgainstScikitLearn:
    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize("mode", ["strict", "listen", "official", "icassp"])
    def test_every_answer_read(self, seed, mode):
        predictions, references = draw(seed, unparsed=0)
        result = PresenceMetric().compute(predictions=predictions, references=references, mode=mode)
        assert result["accuracy"] == pytest.approx(accuracy_score(references, predictions), abs=EXACT)
        assert result["yes_rate"] == pytest.approx(predictions.count("yes") / len(predictions), abs=EXACT)
        assert (result["n"], result["unparsed"], result["unparsed_rate"]) == (500, 0, 0)
        check_classes(result, predictions, references)

    @pytest.mark.parametrize("seed", range(20))
    def test_strict(self, seed):
        predictions, references = draw(seed)
        result = PresenceMetric().compute(predictions=predictions, references=references)
        third = [prediction or "unread" for prediction in predictions]
        assert result["accuracy"] == pytest.approx(accuracy_score(references, third), abs=EXACT)
        assert result["unparsed"] == third.count("unread")
        assert result["unparsed_rate"] == pytest.approx(third.count("unread") / 500, abs=EXACT)
        check_classes(result, third, references)

    @pytest.mark.parametrize("seed", range(20))
    def test_listen(self, seed):
        predictions, references = draw(seed)
        result = PresenceMetric().compute(predictions=predictions, references=references, mode="listen")
        no = [prediction or "no" for prediction in predictions]
        assert result["accuracy"] == pytest.approx(accuracy_score(references, no), abs=EXACT)
        check_classes(result, no, references)

    @pytest.mark.parametrize("seed", range(20))
    def test_probabilities(self, seed):
        predictions, references = draw(seed)
        generator = np.random.default_rng(seed)
        p_yes = generator.random(500).round(2)  # with ties
        p_yes[:2] = 0, 1
        result = PresenceMetric().compute(predictions=predictions, references=references, p_yes=p_yes.tolist())
        positive = np.array(references) == "yes"
        assert result["auroc"] == pytest.approx(roc_auc_score(positive, p_yes), abs=EXACT)
        # scikit-learn's bins are open on the other side; without values on the edges they are the same.
        p_yes = np.clip(p_yes + 0.003, 0, 0.999)
        result = PresenceMetric().compute(predictions=predictions, references=references, p_yes=p_yes)
        share, mean = calibration_curve(positive, p_yes, n_bins=10)
        sizes = np.histogram(p_yes, bins=np.linspace(0, 1, 11))[0]
        expected = np.average(np.abs(share - mean), weights=sizes[sizes > 0])
        assert result["ece"] == pytest.approx(expected, abs=EXACT)
        assert result["scored"] == 500


def interspeech_script(predictions, references):
    """What the Interspeech 2024 script counts, before rounding: accuracy; precision and recall of no; yes rate."""
    pairs = list(zip(predictions, references, strict=True))
    right_no = sum(p == r == "no" for p, r in pairs)
    precision = right_no / sum(p != "yes" for p in predictions)
    recall = right_no / references.count("no")
    accuracy = sum(p == r for p, r in pairs) / len(pairs)
    return accuracy, precision, recall, 2 * precision * recall / (precision + recall), predictions.count("yes") / 500


def icassp_script(predictions, references):
    """The same of the ICASSP 2025 script."""
    count = {(p, r): 0 for p in ("yes", "no", None) for r in ("yes", "no")}
    for pair in zip(predictions, references, strict=True):
        count[pair] += 1
    precision = count["no", "no"] / (count["no", "no"] + count["no", "yes"])
    recall = count["no", "no"] / (count["no", "no"] + count["yes", "no"])
    accuracy = (count["yes", "yes"] + count["no", "no"]) / 500
    return accuracy, precision, recall, 2 * precision * recall / (precision + recall), predictions.count("yes") / 500


@pytest.mark.parametrize(("mode", "script"), [("official", interspeech_script), ("icassp", icassp_script)])
@pytest.mark.parametrize("seed", range(20))
def test_official_modes_agree_with_the_scripts(mode, script, seed):
    predictions, references = draw(seed)
    result = PresenceMetric().compute(predictions=predictions, references=references, mode=mode)
    names = ("accuracy", "precision_no", "recall_no", "f1_no", "yes_rate")
    assert [result[name] for name in names] == pytest.approx(script(predictions, references), abs=EXACT)


class TestPresence:
    def test_none_is_never_right_and_never_a_yes(self):
        result = PresenceMetric().compute(predictions=[None, None, "no"], references=["yes", "no", "no"])
        assert result["accuracy"] == pytest.approx(1 / 3)
        assert result["yes_rate"] == 0
        assert result["unparsed"] == 2
        assert (result["auroc"], result["ece"]) == (None, None)

    def test_nothing_read(self):
        for mode in ("strict", "official", "icassp"):
            result = PresenceMetric().compute(predictions=[None] * 3, references=["yes", "no", "no"], mode=mode)
            assert {value for name, value in result.items() if name[:3] in ("acc", "pre", "rec", "f1_")} == {0.0}

    def test_table_3_rows_follow_from_accuracy_and_yes_rate(self):
        """On a balanced set without a bucket of its own for None, Table 3's F1 scores follow from two columns."""
        for accuracy, yes_rate, f1_yes, f1_no in [(0.775, 0.634, 80.2, 74.0), (0.708, 0.768, 77.0, 60.1)]:
            right_yes = round(1000 * (accuracy + yes_rate - 0.5))
            wrong_yes = round(2000 * yes_rate) - right_yes
            references = ["yes"] * 1000 + ["no"] * 1000
            predictions = ["yes"] * right_yes + [None] * (1000 - right_yes)
            predictions += ["yes"] * wrong_yes + ["no"] * (1000 - wrong_yes)
            result = PresenceMetric().compute(predictions=predictions, references=references, mode="listen")
            assert 100 * result["f1_yes"] == pytest.approx(f1_yes, abs=0.1)
            assert 100 * result["f1_no"] == pytest.approx(f1_no, abs=0.1)
            assert result["f1_weighted"] == pytest.approx((result["f1_yes"] + result["f1_no"]) / 2)

    def test_probabilities_that_are_missing(self):
        result = PresenceMetric().compute(
            predictions=["yes", "no", None], references=["yes", "no", "yes"], p_yes=[0.9, 0.2, None]
        )
        assert result["auroc"] == 1
        assert result["ece"] == pytest.approx((0.1 + 0.2) / 2)
        assert result["scored"] == 2
        result = PresenceMetric().compute(predictions=["yes"], references=["yes"], p_yes=[None])
        assert (result["auroc"], result["ece"], result["scored"]) == (None, None, 0)
        result = PresenceMetric().compute(predictions=["yes"], references=["yes"], p_yes=[0.7])
        assert result["auroc"] is None  # of one class only

    def test_rows_added_one_by_one_and_in_batches(self):
        metric = PresenceMetric()
        metric.add(prediction=None, reference="no")
        metric.add_batch(predictions=np.array(["yes", "no"]), references=("yes", "no"))
        assert metric.compute()["accuracy"] == pytest.approx(2 / 3)
        assert metric.compute(predictions=["yes"], references=["yes"])["n"] == 1  # nothing is left over

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"predictions": [], "references": []}, "no question"),
            ({"predictions": ["yes"], "references": ["yes", "no"]}, "number of predictions"),
            ({"predictions": ["Yes"], "references": ["yes"]}, "'Yes'.*parse_yes_no"),
            ({"predictions": [1], "references": ["yes"]}, "'?1'?"),
            ({"predictions": ["yes"], "references": [None]}, "reference None"),
            ({"predictions": ["yes"], "references": ["yes"], "mode": "kind"}, "strict, listen, official, icassp"),
            ({"predictions": ["yes"], "references": ["yes"], "p_yes": [1.5]}, "outside"),
            ({"predictions": ["yes"], "references": ["yes"], "p_yes": [float("nan")]}, "outside"),
            ({"predictions": ["yes"], "references": ["yes"], "p_yes": [0.5, 0.5]}, "2 probabilities for 1"),
        ],
    )
    def test_bad_input(self, arguments, message):
        metric = PresenceMetric()
        with pytest.raises(ValueError, match=message):
            metric.compute(**arguments)
        assert metric.compute(predictions=["yes"], references=["yes"])["n"] == 1  # still usable

    def test_writes_nothing_and_runs_side_by_side(self, tmp_path):
        cache = tmp_path / "metrics"
        results = []

        def work(seed):
            predictions, references = draw(seed)
            metric = PresenceMetric(cache_dir=str(cache))
            results.append((seed, metric.compute(predictions=predictions, references=references)["accuracy"]))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not cache.exists()
        assert len(results) == 8
        for seed, accuracy in results:
            predictions, references = draw(seed)
            assert accuracy == np.mean([p == r for p, r in zip(predictions, references, strict=True)])


class TestPairRatios:
    def test_each_kind_of_pair(self):
        predictions = ["yes", "no", "no", "yes", "yes", "yes", "no", "no", "yes", "no", None, "no", "yes", None]
        result = pair_ratios(predictions, ["yes", "no"] * 7)
        assert result == {
            "pairs": 5,
            "dropped": 2,
            "correct_correct": 2 / 5,
            "incorrect_incorrect": 1 / 5,
            "correct_incorrect": 1 / 5,
            "incorrect_correct": 1 / 5,
        }

    def test_pairs_need_not_lie_together(self):
        references = ["no", "yes", "yes", "no"]
        result = pair_ratios(["no", "yes", "no", "no"], references, pairs=[7, 3, 7, 3])
        assert (result["incorrect_correct"], result["correct_correct"]) == (0.5, 0.5)

    def test_what_is_no_pair_is_dropped(self):
        result = pair_ratios(["yes", "yes", "yes"], ["yes", "yes", "yes"])
        assert (result["pairs"], result["dropped"], result["correct_correct"]) == (0, 2, 0.0)

    def test_lengths(self):
        with pytest.raises(ValueError, match="1 pairs for 2"):
            pair_ratios(["yes", "no"], ["yes", "no"], pairs=[0])


class TestAnswerMetric:
    def test_words(self):
        result = AnswerMetric().compute(predictions=["two", None, "dog"], references=["two", "two", "cat"])
        assert result == {"n": 3, "accuracy": 1 / 3, "unparsed": 1, "unparsed_rate": 1 / 3}

    def test_by_type_and_given_that_the_solvable_question_is_right(self):
        types = ["Solvable", "AAD", "IASD", "IAQD"] * 3
        references = list("abcd" * 3)
        predictions = ["a", "b", "x", None, "x", "b", "c", "d", "a", "b", "c", "x"]
        result = AnswerMetric().compute(
            predictions=predictions, references=references, types=types, groups=[0] * 4 + [1] * 4 + [2] * 4
        )
        assert result["accuracy"] == pytest.approx(8 / 12)
        assert result["accuracy_solvable"] == pytest.approx(2 / 3)
        assert result["accuracy_iasd"] == pytest.approx(2 / 3)
        assert result["accuracy_aad_given_solvable"] == 1
        assert result["accuracy_iasd_given_solvable"] == 1 / 2
        assert result["accuracy_iaqd_given_solvable"] == 0
        assert "accuracy_solvable_given_solvable" not in result

    def test_no_solvable_question_right(self):
        result = AnswerMetric().compute(
            predictions=["x", "b"], references=["a", "b"], types=["Solvable", "AAD"], groups=[0, 0]
        )
        assert result["accuracy_aad_given_solvable"] is None

    @pytest.mark.parametrize("columns", [{"types": ["AAD"]}, {"types": ["AAD"] * 2, "groups": [1]}])
    def test_lengths(self, columns):
        with pytest.raises(ValueError, match=r"1 (types|groups) for 2"):
            AnswerMetric().compute(predictions=["a", "b"], references=["a", "b"], **columns)
