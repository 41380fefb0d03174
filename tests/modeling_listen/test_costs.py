"""What the design saves, as ratios of counted operations; `-s` shows them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import WhisperFeatureExtractor, pipeline

from modeling_listen import ListenAdapter, ListenAdapterConfig, ListenProcessor
from modeling_listen.audio_listen import LogMel
from recipes.miniature import AUDIO_MODEL, TEXT_MODEL
from tests.modeling_listen.backbones import build_audio_model, build_text_model, compose, noise

LABELS = ["a dog", "a siren", "glass", "rain", "a baby", "music"]


def operations(function: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    return operations(ours) / operations(theirs)


def backbones(size: str, folder: Path) -> tuple[str | Path, str | Path]:
    if size == "miniature":
        return AUDIO_MODEL, TEXT_MODEL
    audio_model = build_audio_model(
        folder / "whisper",
        d_model=256,
        encoder_layers=4,
        encoder_attention_heads=4,
        encoder_ffn_dim=1024,
        num_mel_bins=80,
        max_source_positions=1500,
    )
    sizes = {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 8, "head_dim": 128}
    return audio_model, build_text_model(folder / "llama", "llama", **sizes)


@pytest.mark.parametrize("size", ["miniature", "middling"])
def test_six_labels_cost_less_than_half_of_six_calls(tmp_path, size):
    audio_model, text_model = backbones(size, tmp_path)
    model = compose(audio_model, text_model, num_query_tokens=64).requires_grad_(False)
    processor = ListenProcessor.from_backbones(audio_model, text_model, num_query_tokens=64)
    listen = pipeline("sound-presence", model=model, processor=processor, device="cpu")
    clip = noise(10.0)

    measured = ratio(
        lambda: listen(clip, candidate_labels=LABELS), lambda: [listen(clip, candidate_labels=[_]) for _ in LABELS]
    )
    print(f"\nsix labels at once / six calls, {size} model: {measured:.3f}")
    assert measured <= 0.45


def test_the_adapter_runs_all_encoder_layers_at_once():
    config = ListenAdapterConfig(
        hidden_size=256,
        output_size=512,
        num_attention_heads=4,
        intermediate_size=1024,
        audio_layers=[1, 2, 3, 4],
    )
    adapter = ListenAdapter._from_config(config, attn_implementation="sdpa").requires_grad_(False)
    states = torch.randn(4, 1, 1500, 256)

    def looped():
        for index in range(4):
            queries = adapter.query_tokens[index][None]
            for layer in adapter.layers:
                queries = layer(queries, states[index])

    with torch.no_grad():
        measured = ratio(lambda: adapter(states), looped)
    print(f"\nall encoder layers in one batch / one by one: {measured:.3f}")
    assert measured <= 1.05  # the same work and the projection; the batch is for accelerators


def test_log_mel_works_on_less_padding_than_the_feature_extractor():
    feature_extractor = WhisperFeatureExtractor()
    log_mel = LogMel(feature_extractor)
    clips = [noise(seconds, seed) for seed, seconds in enumerate((5.0, 10.0, 7.0, 3.0))]
    measured = ratio(
        lambda: log_mel(clips), lambda: feature_extractor(clips, sampling_rate=16000, return_tensors="pt")
    )
    print(f"\nlog-mel of clips of 3 to 10 s in LogMel / in WhisperFeatureExtractor: {measured:.3f}")
    assert measured < 1
