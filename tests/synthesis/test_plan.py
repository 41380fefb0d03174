import dataclasses

import pytest

from recipes.synthesis.plan import Plan, Sampling, parse_shard, pending_windows
from recipes.synthesis.prompts import Prompts

SAMPLES = {"positive": 2, "negative": 1, "combined": 1}
IDENTITY = {"model": "abc", "template": "def"}
SAMPLED = Sampling()
GREEDY = Sampling(temperature=0)


def make_plan(corpora, samples=SAMPLES, identity=IDENTITY, sampling=SAMPLED) -> Plan:
    return Plan(corpora, samples, Prompts(), identity, sampling)


def requests(plan: Plan) -> list:
    return [sample.request for sample in plan.iterate()]


def test_order_is_corpus_seed_kind_draw(seeds):
    plan = make_plan([seeds(3, "b"), seeds(2, "a")])
    found = [(sample.row["id"], sample.sample_type, sample.sample_index) for sample in plan.iterate()]
    kinds = [("positive", 0), ("positive", 1), ("negative", 0), ("combined", 0)]
    ids = ["b-0000000", "b-0000001", "b-0000002", "a-0000000", "a-0000001"]
    assert found == [(seed_id, *kind) for seed_id in ids for kind in kinds]
    assert len(plan) == len(found)


def test_keys_are_the_same_in_every_run_and_tell_all_draws_apart(seeds):
    first, second = (requests(make_plan([seeds(50)])) for _ in range(2))
    assert first == second
    assert len({request.key for request in first}) == len(first)
    assert all(0 <= request.engine_seed < 2**31 for request in first)


@pytest.mark.parametrize(
    "change",
    [
        {"identity": {**IDENTITY, "model": "other"}},
        {"identity": {**IDENTITY, "template": "other"}},
        {"sampling": Sampling(temperature=0.7)},
        {"sampling": Sampling(top_p=0.8)},
        {"sampling": Sampling(max_new_tokens=255)},
        {"sampling": Sampling(seed=1)},
        {"sampling": GREEDY},
    ],
)
def test_whatever_determines_a_response_changes_its_key(seeds, change):
    before = {request.key for request in requests(make_plan([seeds(10)]))}
    after = {request.key for request in requests(make_plan([seeds(10)], **change))}
    assert before.isdisjoint(after)


def test_what_does_not_determine_a_response_leaves_its_key(seeds):
    key = {(sample.row["id"], sample.sample_type, sample.sample_index): sample.request.key for sample in
           make_plan([seeds(10)]).iterate()}  # fmt: skip
    fewer = make_plan([seeds(20, "other"), seeds(10)], samples={"combined": 1, "positive": 1})
    for sample in fewer.iterate():
        if sample.row["corpus"] == "test":
            assert key[sample.row["id"], sample.sample_type, sample.sample_index] == sample.request.key


def test_greedy_requests_are_equal_where_seed_and_prompt_are(seeds):
    plan = make_plan([seeds(400, distinct=4)], sampling=GREEDY)
    found = requests(plan)
    assert len({request.key for request in found}) == len({(request.seed, request.prompt) for request in found}) < 100
    sampled = requests(make_plan([seeds(400, distinct=4)]))
    assert len({request.key for request in sampled}) == len(sampled)


def test_greedy_keys_do_not_depend_on_what_greedy_decoding_ignores(seeds):
    keys = [
        {request.key for request in requests(make_plan([seeds(5)], sampling=sampling))}
        for sampling in (GREEDY, dataclasses.replace(GREEDY, top_p=0.5, seed=7))
    ]
    assert keys[0] == keys[1]


def test_rules_carry_their_response(seeds):
    found = requests(make_plan([seeds(4)], samples={"rule": 2}, sampling=None))
    assert len(found) == 8
    assert found[0].target == found[0].seed  # a caption
    assert "dog barking" not in found[0].prompt
    assert all(request.engine_seed == 0 and request.target for request in found)


@pytest.mark.parametrize("sampling", [SAMPLED, GREEDY])
@pytest.mark.parametrize("parts", [1, 3, 7])
def test_parts_cover_every_request_once(seeds, sampling, parts):
    plan = make_plan([seeds(100, distinct=30), seeds(61, "other", distinct=10)], sampling=sampling)
    whole = [[request.key for request in window] for _, window in pending_windows(plan, set(), 16)]
    shared = {}
    for part in range(1, parts + 1):
        for index, (_, window) in enumerate(pending_windows(plan, set(), 16, (part, parts))):
            shared[index * parts + part - 1] = [request.key for request in window]
    assert [shared[index] for index in range(len(whole))] == whole
    everything = [key for window in whole for key in window]
    assert sorted(everything) == sorted({request.key for request in requests(plan)})


def test_what_the_journal_holds_is_not_made_again(seeds):
    plan = make_plan([seeds(20)])
    done = {request.key for request in requests(plan)[:37]}
    windows = list(pending_windows(plan, done, 10))
    assert sum(size for size, _ in windows) == len(plan) == 80
    assert [request for _, window in windows for request in window] == requests(plan)[37:]


@pytest.mark.parametrize("shard", ["", "3", "0/4", "5/4", "a/b", "-1/4", "1/0", "1/2/3", "1.5/2"])
def test_shards_that_are_none(shard):
    with pytest.raises(ValueError, match="PART/PARTS"):
        parse_shard(shard)


def test_a_shard():
    assert parse_shard("3/64") == (3, 64)


@pytest.mark.parametrize("bad", [{"temperature": -1}, {"top_p": 0}, {"top_p": 1.5}, {"max_new_tokens": 0}])
def test_sampling_that_is_none(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))} is {next(iter(bad.values()))}"):
        Sampling(**bad)
