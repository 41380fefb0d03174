"""What the report says of a run depends on the run."""

import pandas
import pytest

from recipes.report.inputs import Inputs, Result
from recipes.report.traces import Backbones
from recipes.report.wording import caveats, explain_system, list_notes, name_model

MADE = Backbones(["model"], "/a/whisper", "/a/llama", {}, {"recipe": {"unlikelihood": 1.0}})


def headings(*asked, backbones=()):
    inputs = Inputs([Result("A", *each) for each in asked], pandas.DataFrame(), [])
    return [heading for heading, _ in caveats(inputs, backbones)]


def test_caveats_are_those_of_the_run():
    always = ["Unreadable answers", "One training run for each row"]
    assert headings(("sound_world", "random")) == ["Other sounds", *always]
    assert headings(("sound_world", "random"), backbones=[MADE]) == [
        *("Other sounds", "A small model", "A backbone made for it"),
        *always,
    ]
    assert headings(("audio_hallucination", "popular"), ("synonym_hypernym", "esc50")) == [
        *("The paper's questions are not known", "Damaged questions", "A test made anew"),
        *always,
    ]
    assert "Development questions" in headings(("sound_world", "dev_random"))
    assert "Damaged questions" not in headings(("audio_hallucination", "popular_repaired"))


def test_the_unlikelihood_term_is_disclosed():
    inputs = Inputs([], pandas.DataFrame(), [])
    assert any("unlikelihood" in sentence for _, sentence in caveats(inputs, [MADE]))


@pytest.mark.parametrize("name", ["silence", "Silence (run1)", "always-yes", "always_yes", "Always yes"])
def test_bounds_are_explained(name):
    assert explain_system(name)


def test_bounds_are_those_of_any_system():
    assert "LISTEN" not in explain_system("silence") + explain_system("shuffled")


def test_other_systems_are_not():
    assert explain_system("LISTEN (silence)") == explain_system("Qwen2-Audio") == ""


def test_notes_and_names():
    notes = {"mean_average_precision": 0.95344878, "training": {"unlikelihood": 1.0, "stretches": ["a", "b"]}}
    assert list_notes({**notes, "gates": {"x": 1}, "measured": {}}) == [
        ("mean average precision", "0.9534"),
        ("unlikelihood", "1"),
        ("stretches", "a; b"),
    ]
    assert name_model("/home/me/backbones/llama") == "backbones/llama"
    assert name_model("openai/whisper-small") == "openai/whisper-small"
