"""LISTEN and its text bound: all questions of a clip at once."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from recipes.systems.base import Clip, Settings
from recipes.systems.listen import Listen, SeedReader
from tests.modeling_listen.backbones import noise

QUESTIONS = [
    ["Is there a dog?", "What is it that you hear?", "Is there a sound of a dog in the audio?"],
    ["No?"],
    ["Is there a cat?", "Yes?"],
]


def make_clips() -> list[Clip]:
    # The third is heard in two windows.
    waveforms = [noise(seconds, seed=number) for number, seconds in enumerate((1.0, 0.3, 3.1))]
    return [
        Clip({}, [{"question": each, "seed": "a dog barks; rain"} for each in asked], waveform)
        for asked, waveform in zip(QUESTIONS, waveforms, strict=True)
    ]


def separate(system: Listen | SeedReader, clips: list[Clip]) -> list[list]:
    return [[system.answer([Clip({}, [each], clip.waveform)])[0][0] for each in clip.questions] for clip in clips]


@pytest.mark.parametrize("score", ["generate", "logits"])
@pytest.mark.parametrize("kind", [Listen, SeedReader])
def test_shared_clips_answer_as_each_question_alone(kind: type, score: str, listen: Path) -> None:
    system = kind("x", str(listen), Settings(score=score, max_new_tokens=12))
    clips = make_clips()
    for together, alone in zip(system.answer(clips), separate(system, clips), strict=True):
        assert [each.response for each in together] == [each.response for each in alone]
        assert [each.p_yes for each in together] == pytest.approx([each.p_yes for each in alone], abs=1e-6)


def test_generated_answers_are_those_of_generate(listen: Path) -> None:
    system = Listen("x", str(listen), Settings(max_new_tokens=12))
    model, processor = ListenForConditionalGeneration.from_pretrained(listen), ListenProcessor.from_pretrained(listen)
    clips = make_clips()
    responses = set()
    for clip, answers in zip(clips, system.answer(clips), strict=True):
        for question, answer in zip(clip.questions, answers, strict=True):
            inputs = processor(clip.waveform, question["question"])
            tokens = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :]
            assert answer.response == processor.tokenizer.decode(tokens, skip_special_tokens=True).strip()
            responses.add(answer.response)
    assert len(responses) > 3


def test_p_yes_is_the_share_of_yes_among_first_tokens(listen: Path) -> None:
    model, processor = ListenForConditionalGeneration.from_pretrained(listen), ListenProcessor.from_pretrained(listen)
    clip = make_clips()[0]
    probabilities = model(**processor(clip.waveform, QUESTIONS[0][0])).logits[0, -1].detach().softmax(dim=-1)
    yes, no = (probabilities[processor.answer_token_ids()[answer]].sum() for answer in ("yes", "no"))
    for score in ("generate", "logits"):
        answer = Listen("x", str(listen), Settings(score=score)).answer([clip])[0][0]
        assert answer.p_yes == pytest.approx(float(yes / (yes + no)), abs=1e-5)
    assert answer.response == ("Yes" if yes > no else "No")


def test_a_response_ends_where_the_turn_ends(listen: Path) -> None:
    system = Listen("x", str(listen), Settings(max_new_tokens=8))
    clips = make_clips()
    whole = system.answer(clips)
    tokenizer = system._decoder.processor.tokenizer
    # Take a token in the middle of a response for the end of a turn.
    end = tokenizer(whole[0][0].response, add_special_tokens=False)["input_ids"][3]
    system._decoder.end_token_ids = torch.tensor([end])
    shortened = system.answer(clips)
    assert len(shortened[0][0].response) < len(whole[0][0].response)
    for before, after in zip(chain(*whole), chain(*shortened), strict=True):
        assert before.response.startswith(after.response)
        assert tokenizer.decode([end]) not in after.response


def test_other_questions_are_generated_whatever_the_score(listen: Path) -> None:
    questions = [{"question": "Which?", "answer_type": "choice"}, {"question": "Is it?"}]
    clip = Clip({}, questions, noise())
    by_logits = Listen("x", str(listen), Settings(score="logits", max_new_tokens=5)).answer([clip])[0]
    generated = Listen("x", str(listen), Settings(score="generate", max_new_tokens=5)).answer([clip])[0]
    assert by_logits[0] == generated[0] == (generated[0].response, None, None)
    assert by_logits[1].response in ("Yes", "No")
    assert by_logits[1].p_yes == pytest.approx(generated[1].p_yes)


def test_listen_hears_and_its_text_bound_reads(listen: Path) -> None:
    question = {"question": "Is there a dog?", "seed": "a dog"}
    other_seed = {**question, "seed": "rain falls on a roof"}
    heard = Listen("x", str(listen), Settings())
    read = SeedReader("x", str(listen), Settings())
    loud, silent = noise(), np.zeros(16000, dtype=np.float32)

    def p_yes(system: Listen | SeedReader, asked: dict, waveform: np.ndarray) -> float:
        return system.answer([Clip({}, [asked], waveform)])[0][0].p_yes

    assert p_yes(heard, question, loud) == p_yes(heard, other_seed, loud) != p_yes(heard, question, silent)
    assert p_yes(read, question, loud) == p_yes(read, question, silent) != p_yes(read, other_seed, loud)


def test_the_text_bound_is_that_of_the_processor_s_prompt(listen: Path) -> None:
    """The layout of the tokens is the one with which data is made."""
    model, processor = ListenForConditionalGeneration.from_pretrained(listen), ListenProcessor.from_pretrained(listen)
    tokens = processor.tokenize_prompt("Is there a dog?")
    ids = torch.tensor([tokens.prefix + processor.tokenize_seed("a dog") + tokens.suffix])
    probabilities = model(input_ids=ids).logits[0, -1].detach().softmax(dim=-1)
    yes, no = (probabilities[processor.answer_token_ids()[answer]].sum() for answer in ("yes", "no"))
    question = {"question": "Is there a dog?", "seed": "a dog"}
    answer = SeedReader("x", str(listen), Settings()).answer([Clip({}, [question])])[0][0]
    assert answer.p_yes == pytest.approx(float(yes / (yes + no)), abs=1e-5)
