import json

import pytest
import soundfile
import torch
from transformers import pipeline

from modeling_listen import ListenProcessor, SoundPresencePipeline, presence_listen, presence_probabilities
from tests.modeling_listen.backbones import SAMPLING_RATE, build_text_model, compose, noise

LABELS = ["a dog", "a siren", "glass", "rain", "a baby", "music"]
TEMPLATE = "Is there a sound of {} in the audio?"


@pytest.fixture
def listen(model, processor):
    return pipeline("sound-presence", model=model, processor=processor, device="cpu")


def by_hand(model, processor, clip, label, template=TEMPLATE):
    """P(yes) / (P(yes) + P(no)) from a prompt of its own."""
    with torch.no_grad():
        logits = model(**processor(clip, template.format(label))).logits[0, -1]
    probabilities = logits.softmax(-1)
    answers = processor.answer_token_ids()
    yes, no = (probabilities[answers[answer]].sum() for answer in ("yes", "no"))
    return (yes / (yes + no)).item()


def test_scores_are_those_of_separate_prompts(listen, model, processor):
    judged = listen(noise(), candidate_labels=LABELS)
    assert {each["label"] for each in judged} == set(LABELS)
    for each in judged:
        assert each["score"] == pytest.approx(by_hand(model, processor, noise(), each["label"]), abs=1e-5)
        assert each["present"] == (each["score"] >= 0.5)
    assert [each["score"] for each in judged] == sorted((each["score"] for each in judged), reverse=True)


def test_labels_between_commas_template_and_threshold(listen, model, processor):
    judged = listen(noise(), candidate_labels="a dog, rain,", hypothesis_template="{}?", threshold=0.0)
    scores = {each["label"]: each["score"] for each in judged}
    assert scores.keys() == {"a dog", "rain"}
    assert scores["rain"] == pytest.approx(by_hand(model, processor, noise(), "rain", "{}?"), abs=1e-5)
    assert all(each["present"] for each in judged)
    assert not any(each["present"] for each in listen(noise(), candidate_labels=LABELS, threshold=1.0))


@pytest.mark.parametrize("family", ["gemma2", "gemma3", "mistral", "qwen3"])
def test_every_family_of_language_models_shares_its_trunk_exactly(tmp_path, audio_model, family):
    text_model = build_text_model(tmp_path / family, family)
    model, processor = compose(audio_model, text_model), ListenProcessor.from_backbones(audio_model, text_model)
    processor.num_query_tokens = model.config.adapter_config.num_query_tokens
    [scores] = presence_probabilities(model, processor, [noise()], [[TEMPLATE.format(label) for label in LABELS]])
    assert scores == pytest.approx([by_hand(model, processor, noise(), label) for label in LABELS], abs=1e-5)


def test_a_prompt_longer_than_a_sliding_window_is_refused(tmp_path, audio_model):
    text_model = build_text_model(tmp_path / "mistral", "mistral", sliding_window=16)
    model, processor = compose(audio_model, text_model), ListenProcessor.from_backbones(audio_model, text_model)
    processor.num_query_tokens = model.config.adapter_config.num_query_tokens
    with pytest.raises(ValueError, match="window of 16 tokens"):
        presence_probabilities(model, processor, [noise()], [["A dog?"]])


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_batches_of_clips(listen, batch_size):
    clips = [noise(1.0), noise(0.2, seed=1), noise(5.0, seed=2)]  # the last one is three windows long
    expected = [listen(clip, candidate_labels=LABELS) for clip in clips]
    judged = listen(clips, candidate_labels=LABELS, batch_size=batch_size)
    for ours, theirs in zip(judged, expected, strict=True):
        assert [each["label"] for each in ours] == [each["label"] for each in theirs]
        assert [each["score"] for each in ours] == pytest.approx([each["score"] for each in theirs], abs=1e-5)


def test_streams_of_clips(listen):
    judged = list(listen((noise(seed=seed) for seed in range(3)), candidate_labels=LABELS, batch_size=2))
    assert [len(each) for each in judged] == [6, 6, 6]


def test_every_kind_of_audio(listen, tmp_path):
    path = tmp_path / "clip.flac"
    soundfile.write(path, noise(), SAMPLING_RATE)
    expected = listen(str(path), candidate_labels=LABELS)
    for audio in (path, path.read_bytes(), {"path": str(path), "bytes": None}, {"bytes": path.read_bytes()}):
        assert listen(audio, candidate_labels=LABELS) == expected
    twice = {"array": noise(2.0), "sampling_rate": 2 * SAMPLING_RATE}
    assert len(listen(twice, candidate_labels=LABELS)) == 6


def test_more_labels_than_a_row_holds(listen, model, processor, monkeypatch):
    expected = presence_probabilities(model, processor, [noise()], [[TEMPLATE.format(label) for label in LABELS]])
    monkeypatch.setattr(presence_listen, "QUESTIONS_PER_ROW", 4)
    chunked = presence_probabilities(model, processor, [noise()], [[TEMPLATE.format(label) for label in LABELS]])
    assert chunked[0] == pytest.approx(expected[0], abs=1e-5)


def test_questions_may_differ_in_number(model, processor):
    clips = [noise(), noise(seed=1), noise(0.5, seed=2)]
    questions = [["A dog?", "Rain?"], [], ["No?"]]
    scores = presence_probabilities(model, processor, clips, questions)
    assert [len(each) for each in scores] == [2, 0, 1]
    assert scores[2][0] == pytest.approx(by_hand(model, processor, clips[2], "No?", "{}"), abs=1e-5)
    assert presence_probabilities(model, processor, [], []) == []
    with pytest.raises(ValueError, match="2 clips, but questions on 1"):
        presence_probabilities(model, processor, clips[:2], [["A dog?"]])


def test_a_clip_passes_the_encoder_once(listen, model):
    windows = []
    handle = model.model.audio_tower.register_forward_pre_hook(lambda _, inputs: windows.append(inputs[0].shape[0]))
    listen(noise(), candidate_labels=LABELS)
    handle.remove()
    assert windows == [1]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "candidate_labels is empty"),
        ({"candidate_labels": []}, ValueError, "candidate_labels is empty"),
        ({"candidate_labels": " , "}, ValueError, "candidate_labels is empty"),
        ({"candidate_labels": [1]}, TypeError, "must be strings"),
        ({"candidate_labels": LABELS, "hypothesis_template": "A dog?"}, ValueError, "must hold {} once"),
        ({"candidate_labels": LABELS, "threshold": 2}, ValueError, "from 0 to 1"),
        ({"candidate_labels": ["<|reserved_special_token_0|>"]}, ValueError, "only stands for audio"),
    ],
)
def test_bad_options(listen, options, error, message):
    with pytest.raises(error, match=message):
        listen(noise(), **options)


def test_bad_audio_names_itself(listen, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.wav"):
        listen(str(tmp_path / "nowhere.wav"), candidate_labels=LABELS)


def test_saving_the_pipeline_saves_all_of_it(listen, tmp_path):
    listen.save_pretrained(tmp_path / "saved")
    again = pipeline("sound-presence", model=str(tmp_path / "saved"), trust_remote_code=True, device="cpu")
    assert again(noise(), candidate_labels=LABELS) == listen(noise(), candidate_labels=LABELS)
    again.save_pretrained(tmp_path / "again")
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    assert config["custom_pipelines"]["sound-presence"]["impl"] == "pipeline_listen.SoundPresencePipeline"


def test_from_a_saved_folder_in_a_fresh_process(checkpoint, listen, fresh_python):
    assert isinstance(listen, SoundPresencePipeline)
    code = """
        import json, sys
        import numpy as np
        from transformers import pipeline
        listen = pipeline("sound-presence", model=sys.argv[1], trust_remote_code=True, device="cpu")
        audio = (np.random.default_rng(0).normal(size=16000) * 0.1).astype(np.float32)
        listen.save_pretrained(sys.argv[1] + "_again")
        again = pipeline("sound-presence", model=sys.argv[1] + "_again", trust_remote_code=True, device="cpu")
        assert again(audio, candidate_labels="rain") == listen(audio, candidate_labels="rain")
        print(json.dumps(listen(audio, candidate_labels=json.loads(sys.argv[2]))))
    """
    judged = json.loads(fresh_python(code, checkpoint, json.dumps(LABELS)).stdout.splitlines()[-1])
    for ours, theirs in zip(judged, listen(noise(), candidate_labels=LABELS), strict=True):
        assert ours["label"] == theirs["label"]
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-5)
