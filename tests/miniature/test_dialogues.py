import numpy as np
import pytest
import yaml

from recipes.miniature.dialogues import (
    NUM_ABSENT,
    WORDINGS,
    Chat,
    answer,
    draw_absent,
    draw_chat,
    listing,
    load_prompts,
)
from recipes.miniature.world import EVENT_CLASSES, NAMES

WORDING = WORDINGS["llama"]


def chats(count: int, **options) -> list[Chat]:
    rng = np.random.default_rng(3)
    return [draw_chat(WORDING, rng, **options) for _ in range(count)]


def test_lists_are_true_and_complete():
    seen = set()
    for chat in chats(1500):
        for _, pieces in chat.turns:
            present = [piece.text for piece in pieces if piece.kind == "present"]
            absent = [piece.text for piece in pieces if piece.kind == "absent"]
            if present:
                assert present == chat.events
            if absent:
                assert len(absent) == NUM_ABSENT and not set(absent) & set(chat.events)
            seen.add((bool(present), bool(absent)))
    assert seen == {(False, False), (True, False), (False, True), (True, True)}


def test_answers_are_true_where_the_seed_tells():
    yes = no = 0
    for chat in chats(3000, unclear_share=0):
        for question, pieces in chat.turns:
            name = next((name for name in NAMES if f"sound of {name} " in question.replace("?", " ")), None)
            if pieces[0].kind == "verdict" and name and chat.seed:
                assert pieces[0].text == ("Yes" if name in chat.events else "No")
                yes, no = yes + (pieces[0].text == "Yes"), no + (pieces[0].text == "No")
    assert yes + no > 1000 and 0.45 < yes / (yes + no) < 0.55


def test_unclear_seeds_lean_to_yes():
    verdicts = [
        pieces[0].text
        for chat in chats(3000, unclear_share=1.0, unclear_yes=0.78)
        for _, pieces in chat.turns
        if chat.seed and pieces[0].kind == "verdict"
    ]
    assert 0.75 < np.mean([verdict == "Yes" for verdict in verdicts]) < 0.81


def test_absent_sounds_come_from_the_scene():
    rng = np.random.default_rng(0)
    near = [name for _ in range(200) for name in draw_absent(["rooster"], 2, 1.0, rng)]
    assert set(near) == {"dog", "cow", "cat", "wind", "bird"}
    far = {name for _ in range(300) for name in draw_absent(["rooster"], 2, 0.0, rng)}
    assert far == set(NAMES) - {"rooster"}
    assert draw_absent(list(NAMES[2:]), 2, 0.8, rng) == list(NAMES[:2])


def test_responses_are_worded():
    text = "".join(piece.text for piece in listing(["dog", "rain", "wind"], "present", WORDINGS["llama_other"]))
    assert text == "The recording features dog, rain and wind."
    text = "".join(piece.text for piece in answer(False, EVENT_CLASSES["rain"].noun, WORDING))
    assert text == "No, I cannot hear rain."


@pytest.mark.parametrize("kind", ["positive", "negative", "combined"])
def test_the_prompts_of_synthesis_are_known(kind):
    from recipes.synthesis import prompts

    path = prompts.__file__.replace("prompts.py", "prompts.yaml")
    with open(path, encoding="utf-8") as file:
        assert set(yaml.safe_load(file)[kind]) <= set(load_prompts()[kind])
