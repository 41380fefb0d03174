from collections import Counter

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, MambaConfig, MambaForCausalLM

from recipes.synthesis.benchmark import compare
from recipes.synthesis.engines.batched_decoding import Row, SharedPrefixDecoder
from recipes.synthesis.engines.transformers_engine import TransformersEngine
from recipes.synthesis.plan import Plan, Sampling
from recipes.synthesis.prompts import Prompts

SAMPLES = {"positive": 2, "negative": 1, "combined": 1}
SAMPLED = Sampling(temperature=0.8, top_p=0.9, max_new_tokens=24)
GREEDY = Sampling(temperature=0, max_new_tokens=24)


@pytest.fixture(scope="module")
def engine(text_model) -> TransformersEngine:
    return TransformersEngine.from_pretrained(text_model, SAMPLED, batch_size=8, device="cpu")


def requests(engine, corpus, sampling=SAMPLED) -> list:
    plan = Plan([corpus], SAMPLES, Prompts(), engine.identity, sampling)
    return list({sample.request.key: sample.request for sample in plan.iterate()}.values())


def answer(engine, windows) -> dict:
    return {response.key: response for answered in engine.generate(windows) for response in answered}


def test_greedy_responses_are_those_of_generate(engine, seeds):
    greedy = engine.with_sampling(GREEDY)
    plan = Plan([seeds(24, distinct=8)], SAMPLES, Prompts(), greedy.identity, GREEDY)
    result = compare(greedy, plan, count=80, window=64)
    assert result.equal == result.requests == 80
    assert result.distinct < 80
    assert "ratio" in str(result)


def test_responses_end_in_different_ways_and_are_measured(engine, seeds):
    responses = answer(engine, [requests(engine, seeds(20))])
    assert len(responses) == 80
    reasons = Counter(response.finish_reason for response in responses.values())
    assert set(reasons) == {"stop", "length"}
    for response in responses.values():
        assert (response.response_tokens == 24) == (response.finish_reason == "length")
        assert response.response == response.response.strip()
        assert response.generator == engine.name


def test_responses_do_not_depend_on_their_company(engine, seeds):
    asked = requests(engine, seeds(16))
    together = answer(engine, [asked])
    assert answer(engine, [asked[::-1][start : start + 5] for start in range(0, len(asked), 5)]) == together
    alone = TransformersEngine(engine.model, engine.processor, SAMPLED, engine.name, engine.fingerprint, batch_size=1)
    assert answer(alone, [asked]) == together


def test_the_same_windows_give_the_same_bits(engine, seeds, monkeypatch):
    logits = []
    extend = SharedPrefixDecoder._extend

    def record(decoder, columns, tokens):
        result = extend(decoder, columns, tokens)
        logits[-1].append(result[1])
        return result

    monkeypatch.setattr(SharedPrefixDecoder, "_extend", record)
    windows = [requests(engine, seeds(8))[start : start + 16] for start in (0, 16)]
    for order in (windows, windows[::-1], windows[:1]):  # undisturbed, another order, a part of it
        logits.append([])
        answer(engine, order)
    steps = len(logits[2])
    assert all(torch.equal(a, b) for a, b in zip(logits[2], logits[0][:steps], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(logits[2], logits[1][-steps:], strict=True))


def test_different_draws_differ(engine, seeds):
    by_prompt = {}
    for request in requests(engine, seeds(200, distinct=1)):
        by_prompt.setdefault((request.seed, request.prompt), []).append(request)
    asked = max(by_prompt.values(), key=len)
    assert len(asked) > 20
    assert len({response.response for response in answer(engine, [asked]).values()}) > 10


def test_header_and_seed_run_once(engine, seeds):
    asked = requests(engine, seeds(8))
    processed = []
    hook = engine.model.register_forward_pre_hook(
        lambda module, args, kwargs: processed.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    answer(engine.with_sampling(Sampling(max_new_tokens=1)), [asked])
    hook.remove()
    prefix, trunks, suffixes = processed[0], processed[1::2], processed[2::2]
    assert prefix == (1, len(engine.processor.tokenize_prompt("Replay the audio.").prefix))
    assert sum(rows for rows, _ in trunks) == len({request.seed for request in asked}) == 8
    assert sum(rows for rows, _ in suffixes) == len(asked) == 32


def test_ended_rows_leave_the_batch(text_model):
    model = AutoModelForCausalLM.from_pretrained(text_model)
    rows = [Row(index, (index + 10,), (5,), np.full(200, 0.5)) for index in range(64)]
    steps = []
    hook = model.register_forward_pre_hook(
        lambda module, args, kwargs: steps.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    decoder = SharedPrefixDecoder(model, [0], list(range(280, 320)), 16, 200, temperature=2.0)
    ended = list(decoder.decode(rows))
    hook.remove()
    assert sorted(row.index for row in ended) == list(range(64))
    needed = sum(len(row.response) for row in ended)
    spent = sum(count * width for count, width in steps)
    assert max(count for count, _ in steps) == 16
    assert spent < 1.5 * needed + 3 * 64


def test_draws_follow_the_nucleus(text_model):
    model = AutoModelForCausalLM.from_pretrained(text_model)
    decoder = SharedPrefixDecoder(model, [0], [2], 4, 1, temperature=0.5, top_p=0.8)
    probabilities = torch.tensor([0.05, 0.4, 0.15, 0.3, 0.1])
    logits = (probabilities.log() * 0.5).expand(20_000, -1)
    uniforms = np.random.default_rng(0).random(20_000)
    rows = [Row(index, (), (), uniforms[index : index + 1]) for index in range(20_000)]
    drawn = torch.bincount(decoder._next_tokens(rows, logits), minlength=5) / 20_000
    # 0.4 + 0.3 + 0.15 reach 0.8.
    expected = torch.tensor([0, 0.4, 0.15, 0.3, 0]) / 0.85
    assert torch.allclose(drawn, expected, atol=0.015)
    assert drawn[0] == drawn[4] == 0


def test_other_weights_are_another_generator(text_model, tmp_path, engine):
    model = AutoModelForCausalLM.from_pretrained(text_model)
    with torch.no_grad():
        model.lm_head.weight[0, 0] += 1
    model.save_pretrained(tmp_path)
    engine.processor.tokenizer.save_pretrained(tmp_path)
    other = TransformersEngine.from_pretrained(str(tmp_path), SAMPLED, device="cpu")
    assert other.identity != engine.identity
    again = TransformersEngine.from_pretrained(text_model, SAMPLED, device="cpu")
    assert again.identity == engine.identity
    assert "/" not in engine.name


def test_a_model_that_cannot_share_says_so():
    model = MambaForCausalLM(MambaConfig(vocab_size=32, hidden_size=16, num_hidden_layers=1, state_size=4))
    with pytest.raises(ValueError, match="serve it, and give its URL"):
        SharedPrefixDecoder(model, [0], [2], 4, 8)


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises((OSError, ValueError), match=str(tmp_path)):
        TransformersEngine.from_pretrained(str(tmp_path), SAMPLED)
