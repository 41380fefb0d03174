"""Rows of shared clips: their layout, and that they give the loss and gradients of separate samples."""

import numpy as np
import pytest
import torch

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from modeling_listen.attention_listen import TREE_ATTENTION
from modeling_listen.branches_listen import LEAST_FILL, PrefixCache
from recipes.miniature import AUDIO_MODEL, TEXT_MODEL
from recipes.training.collator import ClipCollator
from recipes.training.last_layer import last_feed_forward_on
from recipes.training.packing import ClipTokens, pack_clips
from recipes.training.trainer import model_inputs
from tests.modeling_listen.backbones import build_text_model

SPAN, PREFIX, PAD = [50, 50], [1, 2, 3], 0


def test_shared_clip_is_one_row_of_branches():
    clip = ClipTokens(SPAN, [([4], [5, 6]), ([7, 9], [8])])
    rows = pack_clips([clip], PREFIX, PAD, prefix_cache=True, fill_rows=False)
    assert rows.input_ids.tolist() == [[50, 50, 4, 5, 7, 9]]
    assert rows.position_ids.tolist() == [[3, 4, 5, 6, 5, 6]]
    assert rows.labels.tolist() == [[-100, -100, 5, 6, -100, 8]]
    assert rows.audio_order == [0]
    seen = rows.attention_mask[0, 0]
    assert seen.shape == (6, 9)
    assert seen[5].tolist() == [True] * 5 + [False] * 2 + [True] * 2  # prefix, span, not the other branch, itself


@pytest.mark.parametrize("prefix_cache", [True, False])
def test_filled_row_has_no_padding_and_every_token_sees_what_it_sees_in_a_row_of_its_own(prefix_cache):
    random = np.random.default_rng(0)
    clips = [
        ClipTokens(SPAN * windows, [([4] * 3, [5] * length) for length in random.integers(1, 40, size=count)])
        for windows, count in ((1, 2), (3, 5), (1, 1), (3, 3))
    ]
    filled, padded = (pack_clips(clips, PREFIX, PAD, prefix_cache=prefix_cache, fill_rows=on) for on in (True, False))
    is_token = padded.input_ids != PAD
    for name in ("input_ids", "position_ids", "labels"):
        assert torch.equal(getattr(filled, name)[0], getattr(padded, name)[is_token]), name

    first_key = len(PREFIX) * prefix_cache
    layout = filled.tree_layout
    num_tokens = filled.input_ids.numel()
    places, seen = [], []
    for queries, keys in zip(layout["queries"], layout["keys"], strict=True):
        for query_row, key_row in zip(queries.tolist(), keys.tolist(), strict=True):
            for index, query in enumerate(query_row):
                places.append(query)
                seen.append(sorted(key_row[: len(key_row) - len(query_row) + index + 1]))
    assert [places[index] for index in layout["outputs"]] == list(range(num_tokens))
    first_tokens = torch.cat([torch.zeros(1), is_token.sum(1).cumsum(0)]).int().tolist()
    expected = [
        [*range(first_key), *(mask[first_key:].nonzero().flatten() + first_key + first_tokens[row]).tolist()]
        for row, column in is_token.nonzero().tolist()
        for mask in [padded.attention_mask[row, 0, column]]
    ]
    assert [seen[index] for index in layout["outputs"]] == expected
    assert len(places) < num_tokens / LEAST_FILL


def test_separate_samples_are_plain_padded_rows():
    clips = [ClipTokens(SPAN, [([4], [5, 6]), ([7], [8])])]
    rows = pack_clips(clips, PREFIX, PAD, share_clips=False, prefix_cache=False, fill_rows=False)
    assert rows.input_ids.tolist() == [[1, 2, 3, 50, 50, 4, 5], [1, 2, 3, 50, 50, 7, PAD]]
    assert rows.attention_mask.tolist() == [[1] * 7, [1] * 6 + [0]]
    assert rows.labels.tolist() == [[-100] * 5 + [5, 6], [-100] * 5 + [8, -100]]
    assert rows.audio_order == [0, 0]


@pytest.fixture(scope="module", params=["random", "miniature"])
def listen(request, backbones):
    folders = backbones if request.param == "random" else (AUDIO_MODEL, TEXT_MODEL)
    processor = ListenProcessor.from_backbones(*folders, num_query_tokens=4)
    torch.manual_seed(0)
    model = ListenForConditionalGeneration.from_backbones(*folders, num_query_tokens=4).freeze_backbones().train()
    model.set_attn_implementation({"text_config": TREE_ATTENTION})
    return processor, model


@pytest.fixture(scope="module")
def clips():
    """Five clips with 1 to 5 responses, one of them longer than the encoder's window of 2 s, or of 5 s."""
    rng = np.random.default_rng(0)
    sounds = ("a dog", "rain", "two bells and an engine", "no cat", "sirens")
    return [
        {
            "id": str(index),
            "waveform": (rng.normal(size=size) * 0.1).astype(np.float32),
            "prompt": ["Replay the audio.", "What is absent?", "Both.", "Is there a dog?", "Why?"][: index + 1],
            "response": [f"There is {sounds[(index + k) % 5]}." for k in range(index + 1)],
            "unreadable": {},
        }
        for index, size in enumerate((9_000, 16_000, 90_000, 5_000, 12_345))
    ]


@pytest.fixture(scope="module")
def separate(listen, clips):
    """Loss and adapter gradients of the samples one by one, as the processor prepares them."""
    processor, model = listen
    model.zero_grad()
    total, count = 0.0, 0
    for clip in clips:
        features, windows = processor.extract_features([clip["waveform"]], device="cpu")
        for prompt, response in zip(clip["prompt"], clip["response"], strict=True):
            tokens = processor.tokenize_prompt(prompt, response)
            ids = tokens.prefix + processor.audio_span(windows[0]) + tokens.suffix + tokens.response
            labels = torch.tensor([[-100] * (len(ids) - len(tokens.response)) + tokens.response])
            loss = model(input_ids=torch.tensor([ids]), input_features=features, labels=labels).loss
            total, count = total + loss * len(tokens.response), count + len(tokens.response)
    (total / count).backward()
    return (total / count).item(), _gradients(model)


def audio_of(processor, batch):
    features, _ = processor.extract_features(batch["waveforms"], device="cpu")
    return {"input_ids": batch["input_ids"], "input_features": features}


def _gradients(model):
    found = {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
    assert all(name.startswith("model.adapter.") for name in found)
    model.zero_grad()
    return found


@pytest.mark.parametrize("masked_head", [True, False])
@pytest.mark.parametrize("fill_rows", [True, False])
@pytest.mark.parametrize("prefix_cache", [True, False])
@pytest.mark.parametrize("share_clips", [True, False])
def test_loss_and_gradients_are_those_of_separate_samples(
    listen, clips, separate, share_clips, prefix_cache, fill_rows, masked_head
):
    processor, model = listen
    collator = ClipCollator(processor, share_clips, prefix_cache, fill_rows)
    batch = collator(clips)
    prefix = PrefixCache(model, collator.prefix) if prefix_cache else None
    inputs = model_inputs(batch, audio_of(processor, batch), prefix, masked_head)
    with last_feed_forward_on(model, inputs.get("logits_to_keep")):
        loss = model(**inputs).loss
    loss.backward()
    gradients = _gradients(model)

    expected_loss, expected = separate
    assert loss.item() == pytest.approx(expected_loss, rel=1e-5)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        if name.endswith("k_proj.bias"):
            continue  # softmax does not see it: its gradient is rounding errors only
        difference = (gradient - expected[name]).norm()
        assert difference <= 1e-5 * expected[name].norm(), name


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "gemma3", "mistral"])
def test_other_language_models_take_filled_rows(backbones, clips, tmp_path, family):
    folders = backbones[0], build_text_model(tmp_path, family)
    processor = ListenProcessor.from_backbones(*folders, num_query_tokens=4)
    model = ListenForConditionalGeneration.from_backbones(*folders, num_query_tokens=4, attn_implementation="sdpa")
    model.set_attn_implementation({"text_config": TREE_ATTENTION})
    losses = []
    for fill_rows in (True, False):
        collator = ClipCollator(processor, fill_rows=fill_rows)
        batch = collator(clips)
        prefix = PrefixCache(model, collator.prefix)
        inputs = model_inputs(batch, audio_of(processor, batch), prefix)
        with last_feed_forward_on(model, inputs["logits_to_keep"] if fill_rows else None):
            losses.append(model(**inputs).loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_language_model_that_drops_the_layout_fails(listen, clips):
    processor, model = listen
    collator = ClipCollator(processor, prefix_cache=False)
    batch = collator(clips)
    inputs = model_inputs(batch, audio_of(processor, batch))
    del inputs["tree_layout"]
    with pytest.raises(RuntimeError, match="size"):
        model(**inputs)


def test_branches_do_not_see_each_other(listen, clips):
    """What one response says leaves the loss of another alone."""
    processor, model = listen
    collator = ClipCollator(processor, prefix_cache=False)
    losses = []
    for other in ("There is rain.", "Nothing at all."):
        clip = {**clips[1], "response": [other, "A dog."]}
        batch = collator([clip])
        response = processor.tokenize_prompt("What is absent?", "A dog.").response
        batch["labels"][:, : -len(response)] = -100
        losses.append(model(**model_inputs(batch, audio_of(processor, batch))).loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_last_feed_forward_runs_on_kept_positions_alone(listen):
    _, model = listen
    mlp = model.model.language_model.layers[-1].mlp
    seen = []
    watch = mlp.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape))
    ids = torch.tensor([[5, 6, 7, 8]])
    kept = torch.tensor([[False, True, False, True]])
    with torch.no_grad(), last_feed_forward_on(model, kept):
        logits = model(input_ids=ids, logits_to_keep=kept).logits
    with torch.no_grad():
        expected = model(input_ids=ids, logits_to_keep=kept).logits
    watch.remove()
    assert [shape[1] for shape in seen] == [2, 4]
    torch.testing.assert_close(logits, expected)
