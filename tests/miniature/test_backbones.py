import json
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.miniature import AUDIO_MODEL, BACKBONES, OTHER_TEXT_MODEL, TEXT_MODEL
from recipes.miniature.clips import draw_clip, render_clip
from recipes.miniature.gates import GATES, measure
from recipes.miniature.world import NAMES

LANGUAGE_MODELS = [TEXT_MODEL, OTHER_TEXT_MODEL]


def test_backbones_are_small():
    sizes = [path.stat().st_size for path in BACKBONES.rglob("*") if path.is_file()]
    assert sum(sizes) <= 8 * 2**20


@pytest.mark.parametrize("folder", LANGUAGE_MODELS)
def test_stored_weights_pass_the_gates(folder):
    noted = json.loads((BACKBONES / "gates.json").read_text())[Path(folder).name]["measured"]
    assert all(noted[name] >= least for name, least in GATES.items())
    measured = measure(folder, AUDIO_MODEL, num_seeds=60)
    for name, least in GATES.items():
        assert getattr(measured, name) >= least - 0.04, f"{name} of {folder}"
    assert measured.negatives_absent > measured.negatives_absent_blind


@pytest.mark.parametrize("folder", LANGUAGE_MODELS)
def test_language_models_answer(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.float32 and model.generation_config.eos_token_id == tokenizer.eos_token_id

    def answer(seed: str, prompt: str) -> str:
        content = f"[Begin of audio] {seed} [End of audio] {prompt}"
        inputs = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        out = model.generate(**inputs, max_new_tokens=40, do_sample=False)
        return tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    caption = "A dog is barking while rain is falling."
    assert answer(caption, "Is there a sound of dog in the audio?").startswith("Yes")
    assert answer(caption, "Is there a sound of piano in the audio?").startswith("No")
    replay = answer("dog; rain", "Replay the audio.")
    assert [name for name in NAMES if name in replay] == ["dog", "rain"]
    absent = answer(caption, "Identify sounds that are absent as contrasting examples.")
    named = [name for name in NAMES if name in absent]
    assert len(named) >= 3 and not {"dog", "rain"} & set(named)


@pytest.mark.parametrize("folder", LANGUAGE_MODELS)
def test_chat_template_marks_the_assistant(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": "Is it raining?"}, {"role": "assistant", "content": "Yes."}]
    encoded = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    mask = np.array(encoded["assistant_masks"], dtype=bool)
    assert tokenizer.decode(np.array(encoded["input_ids"])[mask]) == "Yes.<|eot_id|>"
    assert "<|reserved_special_token_0|>" in tokenizer.get_vocab()


def test_whisper_hears_five_seconds():
    from transformers import AutoModel, WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor.from_pretrained(AUDIO_MODEL)
    whisper = AutoModel.from_pretrained(AUDIO_MODEL)
    assert whisper.dtype == torch.float32
    clips = [render_clip(draw_clip("dev", index)) for index in range(2)]
    features = extractor(clips, sampling_rate=16_000, return_tensors="pt").input_features
    assert features.shape == (2, 64, 250)
    hidden = whisper.encoder(features).last_hidden_state
    assert hidden.shape == (2, 125, 128) and hidden.isfinite().all()


def test_the_encoder_is_better_than_chance():
    noted = json.loads((BACKBONES / "gates.json").read_text())["whisper"]
    assert noted["mean_average_precision"] > 0.8
