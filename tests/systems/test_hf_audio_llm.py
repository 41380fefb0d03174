"""Audio LLMs of Transformers: tiny Qwen2-Audio and Audio Flamingo 3."""

from pathlib import Path

import pytest
import torch

from recipes.systems.base import Clip, Settings
from recipes.systems.hf_audio_llm import HFAudioLLM
from tests.modeling_listen.backbones import noise
from tests.systems.models import TEXT_TEMPLATE, build_audio_flamingo3

QUESTIONS = [
    ["Is there a sound of a dog in the audio?", "Is there a cat?"],
    ["Can you hear rain?"],
    ["Is somebody speaking here, or is it a radio?", "No?", "Yes?"],
]


def make_clips(questions: list[list[str]] = QUESTIONS) -> list[Clip]:
    return [
        Clip({}, [{"question": each} for each in asked], noise(seconds, seed=number))
        for number, (seconds, asked) in enumerate(zip((1.0, 2.5, 0.7), questions, strict=True))
    ]


@pytest.mark.parametrize("model", ["qwen2_audio", "audio_flamingo3", "granite_speech"])
@pytest.mark.parametrize("score", ["generate", "logits"])
def test_a_batch_answers_as_each_question_alone(model: str, score: str, request: pytest.FixtureRequest) -> None:
    system = HFAudioLLM("x", str(request.getfixturevalue(model)), Settings(score=score, max_new_tokens=6))
    clips = make_clips()
    together = system.answer(clips)
    for clip, answers in zip(clips, together, strict=True):
        for question, answer in zip(clip.questions, answers, strict=True):
            alone = system.answer([Clip({}, [question], clip.waveform)])[0][0]
            assert alone.response == answer.response
            assert alone.p_yes == pytest.approx(answer.p_yes, abs=1e-5)
    assert len({answer.p_yes for answers in together for answer in answers}) > 1


def test_answers_are_those_of_the_model_itself(qwen2_audio: Path) -> None:
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

    system = HFAudioLLM("x", str(qwen2_audio), Settings(max_new_tokens=6))
    waveform = noise(1.5)
    answer = system.answer([Clip({}, [{"question": "Is there a dog?"}], waveform)])[0][0]

    processor = AutoProcessor.from_pretrained(qwen2_audio)
    model = Qwen2AudioForConditionalGeneration.from_pretrained(qwen2_audio)
    content = [{"type": "audio", "audio": waveform}, {"type": "text", "text": "Is there a dog?"}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    tokens = model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert answer.response == processor.tokenizer.decode(tokens, skip_special_tokens=True).strip()
    with torch.no_grad():
        first = model(**inputs).logits[0, -1].softmax(dim=-1)
    spellings = {
        answer: {processor.tokenizer(space + each)["input_ids"][0] for each in group for space in ("", " ")}
        for answer, group in {"yes": ("yes", "Yes", "YES"), "no": ("no", "No", "NO")}.items()
    }
    both = spellings["yes"] & spellings["no"]
    yes, no = (first[sorted(ids - both)].sum() for ids in spellings.values())
    assert answer.p_yes == pytest.approx(float(yes / (yes + no)), abs=1e-5)


def test_a_text_only_chat_template_gets_the_placeholder_in_its_text(tmp_path: Path) -> None:
    system = HFAudioLLM("x", str(build_audio_flamingo3(tmp_path, TEXT_TEMPLATE)), Settings(max_new_tokens=3))
    assert system._render("Is there a dog?") == "USER: <sound>Is there a dog?\nASSISTANT:"
    assert system.answer(make_clips([["Is there a dog?"], ["Yes?"], ["No?"]]))[0][0].response is not None


def test_a_question_that_spells_the_placeholder_is_refused(audio_flamingo3: Path) -> None:
    system = HFAudioLLM("x", str(audio_flamingo3), Settings())
    with pytest.raises(ValueError, match="gives no prompt with one <sound>"):
        system.answer([Clip({}, [{"question": "Is <sound> a dog?"}], noise())])


def test_other_questions_have_no_probability_of_yes(audio_flamingo3: Path) -> None:
    system = HFAudioLLM("x", str(audio_flamingo3), Settings(score="logits", max_new_tokens=3))
    questions = [{"question": "Which?", "answer_type": "word"}, {"question": "Is it?", "answer_type": "yes_no"}]
    word, yes_no = system.answer([Clip({}, questions, noise())])[0]
    assert word.p_yes is None
    assert yes_no.response == ("Yes" if yes_no.p_yes > 0.5 else "No")
