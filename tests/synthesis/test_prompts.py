from collections import Counter

import pytest
import yaml

from recipes.synthesis.prompts import DEFAULT_PROMPTS, FAMILIES, Prompts, RuleTemplate, join_tags

PAPER = {
    "positive": "Replay the audio.",
    "negative": "Identify sounds that are absent as contrasting examples.",
    "combined": "Replay the audio and identify sounds that are absent as contrasting examples.",
}


def test_the_papers_prompts_come_first():
    prompts = Prompts()
    assert {name: prompts.families[name][0] for name in FAMILIES} == PAPER
    assert prompts.rules[0].prompt == "Describe the audio."


@pytest.mark.parametrize(
    ("sample", "prompt"),
    [
        (("clotho", "rain.wav#1", "positive", 0), "Describe what can be heard in the audio."),
        (("clotho", "rain.wav#1", "positive", 1), "Which sounds are in the audio?"),
        (("esc50", "1-100032-A-0.wav", "negative", 0), "Tell me which sounds are missing from the audio."),
    ],
)
def test_the_choice_is_the_same_on_every_machine(sample, prompt):
    assert Prompts().choose(*sample) == prompt


def test_choices_spread_over_the_family_and_draws_of_a_seed_differ():
    prompts = Prompts()
    chosen = Counter(prompts.choose("clotho", f"clip {number}", "positive", 0) for number in range(3000))
    assert set(chosen) == set(prompts.families["positive"])
    assert min(chosen.values()) > 400
    for number in range(100):
        draws = [prompts.choose("clotho", f"clip {number}", "negative", index) for index in range(6)]
        assert len(set(draws)) == 6


def test_a_file_replaces_the_families_that_it_names(tmp_path):
    path = tmp_path / "prompts.yaml"
    path.write_text(yaml.safe_dump({"negative": ["What is not there?"]}))
    prompts = Prompts(path)
    assert prompts.families["negative"] == ("What is not there?",)
    assert prompts.families["positive"] == Prompts().families["positive"]
    assert prompts.choose("clotho", "any", "negative", 5) == "What is not there?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("positive: [", "cannot read"),
        ("- Replay the audio.", "must map families"),
        ("", "must map families"),
        ("postive: [Replay the audio.]", "no family 'postive'"),
        ("positive: Replay the audio.", "must be a list"),
        ("positive: []", "at least one"),
        ("positive: [3]", "not a prompt"),
        ("positive: ['  ']", "not a prompt"),
        ("positive: [Replay., Replay.]", "twice"),
        ("rule: [Describe the audio.]", "exactly prompt, caption and tags"),
        ("rule: [{prompt: a, caption: '{tags}', tags: '{tags}'}]", "must hold {caption} once"),
        ("rule: [{prompt: a, caption: '{caption}', tags: 'some sounds'}]", "must hold {tags} once"),
        ("rule: [{prompt: a, caption: '{caption', tags: '{tags}'}]", "expected '}'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, text, message):
    path = tmp_path / "prompts.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message.replace("{", r"\{")) as error:
        Prompts(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.yaml"):
        Prompts(tmp_path / "absent.yaml")


def test_rules_write_the_annotation():
    template = RuleTemplate("Describe the audio.", "{caption}", "The audio contains {tags}.")
    caption = {"seed": "A dog {barks}.", "seed_type": "caption", "tags": ["dog"]}
    assert template.respond(caption) == "A dog {barks}."
    tags = {"seed": "dog; rain", "seed_type": "tags", "tags": ["dog", "rain"]}
    assert template.respond(tags) == "The audio contains dog and rain."


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        (["dog"], "dog"),
        (["dog", "rain"], "dog and rain"),
        (["dog", "rain", "wind"], "dog, rain and wind"),
        (["Male speech, man speaking", "Music"], "Male speech, man speaking; Music"),
    ],
)
def test_tags_as_running_text(tags, text):
    assert join_tags(tags) == text


def test_every_shipped_prompt_fits_its_family():
    families = yaml.safe_load(DEFAULT_PROMPTS.read_text())
    assert all(len(families[name]) >= 5 for name in FAMILIES)
    everything = [prompt for name in FAMILIES for prompt in families[name]]
    assert len(set(everything)) == len(everything)
