"""Rows of shared clips: their layout, and that they give the loss and gradients of separate samples."""

import numpy as np
import pytest
import torch

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from modeling_listen.branches_listen import PrefixCache
from recipes.miniature import AUDIO_MODEL, TEXT_MODEL
from recipes.training.collator import ClipCollator
from recipes.training.packing import ClipTokens, fill_rows, pack_clips
from recipes.training.trainer import model_inputs

SPAN, PREFIX, PAD = [50, 50], [1, 2, 3], 0


@pytest.mark.parametrize("attention_length", [1, 64, 10_000])
def test_fill_rows_keeps_every_item(attention_length):
    lengths = np.random.default_rng(0).integers(5, 60, size=40).tolist()
    rows = fill_rows(lengths, attention_length)
    assert sorted(index for row in rows for index in row) == list(range(40))


def test_fill_rows_leaves_little_padding_where_attention_is_cheap():
    lengths = np.random.default_rng(0).integers(130, 330, size=32).tolist()
    positions = {}
    for attention_length in (1, 8192):
        rows = fill_rows(lengths, attention_length)
        positions[attention_length] = len(rows) * max(sum(lengths[index] for index in row) for row in rows)
    assert positions[8192] <= 1.07 * sum(lengths)
    assert positions[8192] < positions[1]


def test_fill_rows_without_length_gives_each_item_a_row():
    assert fill_rows([3, 9, 4], 0) == [[0], [1], [2]]


def test_shared_clip_is_one_row_of_branches():
    clip = ClipTokens(SPAN, [([4], [5, 6]), ([7], [8])])
    rows = pack_clips([clip], PREFIX, PAD, prefix_cache=True)
    assert rows.input_ids.tolist() == [[50, 50, 4, 5, 6, 7, 8]]
    assert rows.position_ids.tolist() == [[3, 4, 5, 6, 7, 5, 6]]
    assert rows.labels.tolist() == [[-100, -100, -100, 5, 6, -100, 8]]
    assert rows.audio_order == [0]
    seen = rows.attention_mask[0, 0]
    assert seen.shape == (7, 10)
    assert seen[5].tolist() == [True] * 5 + [False] * 3 + [True, False]  # prefix, span, not the other branch, itself


def test_separate_samples_are_plain_padded_rows():
    clips = [ClipTokens(SPAN, [([4], [5, 6]), ([7], [8])])]
    rows = pack_clips(clips, PREFIX, PAD, share_clips=False, prefix_cache=False)
    assert rows.input_ids.tolist() == [[1, 2, 3, 50, 50, 4, 5, 6], [1, 2, 3, 50, 50, 7, 8, PAD]]
    assert rows.attention_mask.tolist() == [[1] * 8, [1] * 7 + [0]]
    assert rows.labels.tolist() == [[-100] * 6 + [5, 6], [-100] * 6 + [8, -100]]
    assert rows.audio_order == [0, 0]


@pytest.fixture(scope="module", params=["random", "miniature"])
def listen(request, backbones):
    folders = backbones if request.param == "random" else (AUDIO_MODEL, TEXT_MODEL)
    processor = ListenProcessor.from_backbones(*folders, num_query_tokens=4)
    torch.manual_seed(0)
    model = ListenForConditionalGeneration.from_backbones(*folders, num_query_tokens=4).freeze_backbones().train()
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
@pytest.mark.parametrize("attention_length", [0, 100, 4096])
@pytest.mark.parametrize("prefix_cache", [True, False])
@pytest.mark.parametrize("share_clips", [True, False])
def test_loss_and_gradients_are_those_of_separate_samples(
    listen, clips, separate, share_clips, prefix_cache, attention_length, masked_head
):
    processor, model = listen
    collator = ClipCollator(processor, share_clips, prefix_cache, attention_length)
    batch = collator(clips)
    prefix = PrefixCache(model, collator.prefix) if prefix_cache else None
    loss = model(**model_inputs(batch, audio_of(processor, batch), prefix, masked_head)).loss
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
