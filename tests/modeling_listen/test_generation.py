import threading

import pytest
import torch
from transformers import GenerationConfig, TextIteratorStreamer

from modeling_listen import ListenForConditionalGeneration
from tests.modeling_listen.backbones import build_audio_model, build_text_model, compose, noise

NEW_TOKENS = 8
QUESTION_PART = {"type": "text", "text": "Is there a dog?"}
GREEDY = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> ListenForConditionalGeneration:
    folder = tmp_path_factory.mktemp("backbones")
    return compose(build_audio_model(folder / "whisper"), build_text_model(folder / "llama", "llama"))


@pytest.fixture(scope="module")
def inputs(processor):
    """Two questions of different lengths, so that one row is padded."""
    return processor([noise(), noise(0.3, seed=1)], ["Is there a sound of a dog in the audio?", "No?"])


@pytest.fixture(scope="module")
def greedy(model, inputs):
    return model.generate(**inputs, **GREEDY)


def by_hand(model, inputs, steps=NEW_TOKENS):
    """Greedy decoding by whole forward passes, without a cache."""
    inputs = dict(inputs)
    for _ in range(steps):
        logits = model(**inputs, use_cache=False).logits[:, -1]
        logits[:, model.generation_config.eos_token_id] = -torch.inf
        token = logits.argmax(-1, keepdim=True)
        inputs["input_ids"] = torch.cat([inputs["input_ids"], token], dim=1)
        inputs["attention_mask"] = torch.nn.functional.pad(inputs["attention_mask"], (0, 1), value=1)
    return inputs["input_ids"]


def test_greedy_is_the_argmax_of_whole_forward_passes(model, inputs, greedy):
    assert torch.equal(greedy, by_hand(model, inputs))


def test_what_is_heard_matters(model, processor, inputs, greedy):
    other = processor([noise(seed=5), noise(1.9, seed=6)], ["Is there a sound of a dog in the audio?", "No?"])
    assert torch.equal(other["input_ids"], inputs["input_ids"])
    assert not torch.equal(model.generate(**other, **GREEDY), greedy)


def test_a_batch_answers_as_its_rows_alone_do(model, processor, greedy):
    questions = ["Is there a sound of a dog in the audio?", "No?"]
    for row, (clip, question) in enumerate(zip([noise(), noise(0.3, seed=1)], questions, strict=True)):
        alone = processor(clip, question)
        answer = model.generate(**alone, **GREEDY)[0, alone["input_ids"].shape[1] :]
        assert answer.tolist() == greedy[row, -NEW_TOKENS:].tolist()


def test_left_padding_does_not_change_logits(model, processor):
    alone = processor(noise(), "No?")
    padded = {
        "input_ids": torch.nn.functional.pad(alone["input_ids"], (9, 0), value=processor.tokenizer.pad_token_id),
        "attention_mask": torch.nn.functional.pad(alone["attention_mask"], (9, 0)),
        "input_features": alone["input_features"],
    }
    generated = [model.generate(**each, **GREEDY)[0, -NEW_TOKENS:].tolist() for each in (alone, padded)]
    assert generated[0] == generated[1]


@pytest.mark.parametrize("cache", ["static", "dynamic"])
def test_every_cache_gives_the_same_answer(model, inputs, greedy, cache):
    assert torch.equal(model.generate(**inputs, **GREEDY, cache_implementation=cache), greedy)


def test_no_cache_gives_the_same_answer(model, inputs, greedy):
    assert torch.equal(model.generate(**inputs, **GREEDY, use_cache=False), greedy)


def test_the_encoder_runs_once_per_answer(model, inputs):
    calls = []
    handle = model.model.audio_tower.register_forward_hook(lambda *_: calls.append(1))
    model.generate(**inputs, **GREEDY)
    handle.remove()
    assert len(calls) == 1


def test_beams_find_answers_no_worse_than_greedy(model, inputs, greedy):
    def log_probability(sequences):
        logits = model(
            **{
                **inputs,
                "input_ids": sequences,
                "attention_mask": torch.nn.functional.pad(inputs["attention_mask"], (0, NEW_TOKENS), value=1),
            }
        ).logits
        scores = logits[:, -NEW_TOKENS - 1 : -1].log_softmax(-1)
        return scores.gather(-1, sequences[:, -NEW_TOKENS:, None]).sum((1, 2))

    beams = model.generate(**inputs, **GREEDY, num_beams=4)
    assert beams.shape == greedy.shape
    assert (log_probability(beams) >= log_probability(greedy) - 1e-4).all()


def test_several_answers_per_prompt(model, inputs):
    torch.manual_seed(0)
    answers = model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=True, num_return_sequences=3)
    assert answers.shape[0] == 6
    width = inputs["input_ids"].shape[1]
    for row in range(6):
        assert answers[row, :width].tolist() == inputs["input_ids"][row // 3].tolist()
    assert len({tuple(answer) for answer in answers[:, width:].tolist()}) > 2
    beams = model.generate(**inputs, **GREEDY, num_beams=4, num_return_sequences=4)
    assert len({tuple(answer) for answer in beams.tolist()}) == 8


def test_sampling_is_seeded(model, inputs):
    answers = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        answers.append(model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=True, temperature=2.0))
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])


def test_assisted_decoding_gives_the_greedy_answer(model, processor):
    alone = processor(noise(), "Is there a dog?")
    expected = model.generate(**alone, **GREEDY)
    assert torch.equal(model.generate(**alone, **GREEDY, prompt_lookup_num_tokens=2), expected)
    assert torch.equal(model.generate(**alone, **GREEDY, assistant_model=model), expected)


def test_generation_from_embeddings(model, inputs, greedy):
    embeds = model.get_input_embeddings()(inputs["input_ids"])
    mask = inputs["attention_mask"]
    unheard = model.generate(inputs_embeds=embeds, attention_mask=mask, **GREEDY)
    heard = model.generate(
        inputs_embeds=embeds, attention_mask=mask, input_features=inputs["input_features"], **GREEDY
    )
    assert torch.equal(heard, greedy[:, -NEW_TOKENS:])
    assert not torch.equal(unheard, heard)


def test_streaming(model, processor):
    alone = processor(noise(), "Is there a dog?")
    expected = processor.tokenizer.decode(model.generate(**alone, **GREEDY)[0, alone["input_ids"].shape[1] :])
    streamer = TextIteratorStreamer(processor.tokenizer, skip_prompt=True)
    thread = threading.Thread(target=model.generate, kwargs={**alone, **GREEDY, "streamer": streamer})
    thread.start()
    pieces = list(streamer)
    thread.join()
    assert "".join(pieces) == expected


def test_inputs_that_disagree_are_refused(model, processor, inputs):
    with pytest.raises(ValueError, match="audio placeholders, but the audio gives"):
        model.generate(input_ids=inputs["input_ids"], input_features=inputs["input_features"][:1], **GREEDY)
    fewer = {**inputs, "input_features": inputs["input_features"][:1]}
    with pytest.raises(ValueError, match=r"\[5, 5\] audio placeholders, but the audio gives 1 windows of 5"):
        model.generate(**fewer, **GREEDY, num_beams=2)
    with pytest.raises(ValueError, match="exactly one"):
        model(input_features=inputs["input_features"])


def test_several_clips_and_long_clips(model, processor):
    one = processor([[noise(), noise(0.5, seed=1)]], ["Same?"])
    assert one["input_features"].shape[0] == 2
    model.generate(**one, **GREEDY)
    long = processor(noise(5.0), "Is there a dog?")  # windows are two seconds
    assert long["input_features"].shape[0] == 3
    model.generate(**long, **GREEDY)


@pytest.mark.parametrize("from_embeddings", [False, True])
@pytest.mark.parametrize("options", [{"num_beams": 3, "num_return_sequences": 2}, {"num_return_sequences": 2}])
def test_several_sequences_of_prompts_with_any_number_of_windows(model, processor, options, from_embeddings):
    conversations = [
        [{"role": "user", "content": [*[{"type": "audio", "audio": clip} for clip in clips], QUESTION_PART]}]
        for clips in ([noise(), noise(0.5, seed=1)], [noise(1.5, seed=2)], [], [noise(5.0, seed=3)])
    ]
    template = {"tokenize": True, "return_dict": True, "add_generation_prompt": True}
    inputs = processor.apply_chat_template(conversations, **template)
    assert len(inputs["input_features"]) == 6
    options = GREEDY | options
    if "num_beams" not in options:  # sampling that draws the likeliest token alone
        options |= {"do_sample": True, "top_k": 1}
    expected = []
    for conversation in conversations:
        alone = processor.apply_chat_template([conversation], **template)
        features = alone.pop("input_features", None)  # heard before rows are repeated
        audio = None if features is None else model.get_audio_features(features).pooler_output
        embeds = model.model.embed(alone.pop("input_ids"), audio)
        expected.append(model.generate(inputs_embeds=embeds, **alone, **options))
    if from_embeddings:
        inputs["inputs_embeds"] = model.get_input_embeddings()(inputs.pop("input_ids"))
    assert torch.equal(model.generate(**inputs, **options)[:, -NEW_TOKENS:], torch.cat(expected))


def test_several_outputs(model, inputs):
    outputs = model.generate(
        **inputs,
        generation_config=GenerationConfig(max_new_tokens=2, pad_token_id=0),
        return_dict_in_generate=True,
        output_logits=True,
        output_hidden_states=True,
    )
    assert len(outputs.logits) == 2
    assert outputs.logits[0].shape == (2, model.config.text_config.vocab_size)
