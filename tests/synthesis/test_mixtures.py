import logging
from collections import Counter

import pytest
from datasets import Dataset

from recipes.synthesis.mixtures import MIXTURES, mix


def pool(seeds: int = 40, samples=None, unusable: frozenset = frozenset()) -> Dataset:
    samples = samples or {"positive": 3, "negative": 2, "combined": 1, "rule": 2}
    rows = []
    for number in range(seeds):
        for kind, draws in samples.items():
            for index in range(draws):
                response = "" if (number, kind, index) in unusable else f"{kind} {index} of {number}"
                row = {"corpus": "test", "id": str(number), "sample_type": kind, "sample_index": index}
                rows.append({**row, "response": response, "finish_reason": "stop"})
    return Dataset.from_list(rows)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_each_seed_gives_what_the_mixture_asks_for(mixture):
    chosen = mix(pool(), mixture)
    counts = Counter((row["id"], row["sample_type"]) for row in chosen)
    assert counts == {(str(number), kind): count for number in range(40) for kind, count in MIXTURES[mixture].items()}
    assert len(set(chosen["response"])) == len(chosen)


def test_the_order_is_the_pools():
    responses = pool()
    place = {text: index for index, text in enumerate(responses["response"])}
    places = [place[text] for text in mix(responses, "positive+negative", seed=3)["response"]]
    assert places == sorted(places)


def test_the_seed_decides_which_draws_are_taken():
    first, again, other = (mix(pool(), "positive+negative", seed)["response"] for seed in (0, 0, 1))
    assert first == again
    assert first != other
    taken = Counter(text.split()[1] for text in first if text.startswith("positive"))
    assert set(taken) == {"0", "1", "2"}


def test_what_training_may_not_use_is_left_out_and_counted(caplog):
    unusable = frozenset({(0, "positive", 0), (0, "positive", 1), (1, "negative", 0), (2, "combined", 0)})
    with caplog.at_level(logging.INFO, logger="recipes.synthesis.mixtures"):
        chosen = mix(
            pool(samples={"positive": 2, "negative": 1, "combined": 1}, unusable=unusable), "positive+negative"
        )
    assert len(chosen) == 2 * 40 - 2
    assert all(chosen["response"])
    assert "78 responses; 3 cut, empty or refused ones left out" in caplog.text


def test_another_draw_stands_in_for_one_that_cannot_be_used():
    unusable = frozenset((number, "positive", number % 3) for number in range(40))
    assert len(mix(pool(unusable=unusable), "positive+positive")) == 80


@pytest.mark.parametrize(
    ("mixture", "samples", "message"),
    [
        ("positive+positive", {"positive": 1}, "--samples positive=2"),
        ("positive+negative", {"positive": 2}, "the pool has 0: synthesize them with `--samples negative=1`"),
        ("rule", {"positive": 2}, "--generator rule"),
        ("negative", {"negative": 1}, "there is no mixture 'negative'; there are positive+positive"),
    ],
)
def test_a_mixture_that_cannot_be_made(mixture, samples, message):
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        mix(pool(samples=samples), mixture)
