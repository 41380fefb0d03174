"""The API system, against a real server in another process."""

import numpy as np
import pytest

from recipes.systems.base import Clip, Settings
from recipes.systems.openai_api import OpenAIAPI


def make_clip(loud: bool, *questions: str) -> Clip:
    waveform = (0.8 if loud else 0.01) * np.sin(np.arange(8000) / 5).astype(np.float32)
    return Clip({}, [{"question": question} for question in questions], waveform)


def test_every_question_is_asked_with_its_recording(api: str) -> None:
    system = OpenAIAPI("x", f"{api}#ears", Settings(concurrency=3))
    clips = [make_clip(number % 2 == 0, f"first {number}?", f"second {number}?") for number in range(10)]
    answers = system.answer(clips)
    system.close()
    assert [[each.response for each in of_clip] for of_clip in answers] == [
        [f"{'Yes' if number % 2 == 0 else 'No'}. You asked: {which} {number}?" for which in ("first", "second")]
        for number in range(10)
    ]


def test_batches_come_back_in_order(api: str) -> None:
    system = OpenAIAPI("x", f"{api}#ears", Settings(concurrency=4))
    batches = [[make_clip(True, f"{number}?")] for number in range(30)]
    answers = list(system.answer_all(iter(batches)))
    assert [batch[0][0].response for batch in answers] == [f"Yes. You asked: {number}?" for number in range(30)]


def test_the_only_model_need_not_be_named(api: str) -> None:
    assert OpenAIAPI("x", api, Settings()).answer([make_clip(True, "a?")])[0][0].response == "Yes. You asked: a?"


def test_the_only_model_is_part_of_the_identity(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert OpenAIAPI("x", api, Settings()).identity()["model"] == "ears"
    monkeypatch.setattr("recipes.systems.openai_api.RETRIES", 0)
    with pytest.raises(RuntimeError, match="is the server running there"):
        OpenAIAPI("x", "http://127.0.0.1:9/v1", Settings()).identity()


def test_what_can_pass_is_tried_again(api: str) -> None:
    answer = OpenAIAPI("x", f"{api}#flaky", Settings()).answer([make_clip(False, "is it there?")])[0][0]
    assert answer.response == "No. You asked: is it there?"


def test_a_question_turned_down_is_unanswered(api: str) -> None:
    system = OpenAIAPI("x", f"{api}#picky", Settings())
    dog, cat = system.answer([make_clip(True, "a dog?", "a cat?")])[0]
    assert dog.response == "Yes. You asked: a dog?"
    assert cat.response is None
    assert "turned it down" in cat.error


def test_a_server_that_turns_everything_down_ends_the_run(api: str) -> None:
    system = OpenAIAPI("x", f"{api}#deaf", Settings(concurrency=2))
    with pytest.raises(RuntimeError, match="does deaf take audio"):
        system.answer([make_clip(True, *map(str, range(40)))])


def test_no_text_is_no_answer(api: str) -> None:
    answer = OpenAIAPI("x", f"{api}#mute", Settings()).answer([make_clip(True, "a?")])[0][0]
    assert answer == (None, None, "no text (stop)")


def test_no_access_ends_the_run_and_says_why(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(RuntimeError, match="OPENAI_API_KEY is not set"):
        OpenAIAPI("x", f"{api}#locked", Settings()).answer([make_clip(True, "a?")])


def test_no_server_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipes.systems.openai_api.RETRIES", 0)
    with pytest.raises(RuntimeError, match="is the server running there"):
        OpenAIAPI("x", "http://127.0.0.1:9/v1#m", Settings()).answer([make_clip(True, "a?")])
