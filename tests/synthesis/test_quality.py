import pytest

from recipes.synthesis.quality import format_report, is_refusal, measure, named_sounds, usable


@pytest.mark.parametrize(
    "response",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I cannot play audio.",
        "Sorry, there is no audio attached.",
        "I can't directly replay audio, but the caption says rain.",
        "As a text-based AI, I have no ears.",
        "As a large language model, I have no ears.",
        "I am an artificial intelligence.",
        "As a text-only language model I read captions.",
        "I'm just a text-based assistant.",
        "As an LLM, I have no ears.",
        "As a virtual assistant, I have no ears.",
        "Sorry but there is nothing to listen to.",
        "I can't hear any sounds.",
        "As an AI language model, I cannot listen to recordings.",
        "I'm a large language model and cannot hear.",
        "Unfortunately, I am not able to play sounds.",
        "I am unable to process audio files.",
        "I cannot hear the audio.",
        "**I apologize**, but no.",
    ],
)
def test_refusals(response):
    assert is_refusal(response)


@pytest.mark.parametrize(
    "response",
    [
        "I cannot hear a dog, and there is no siren.",
        "I can't hear any thunder in the audio.",
        "A person says they are sorry while rain falls.",
        "I can hear these sounds: rain, dog barking.",
        "Sounds that are absent: a siren.",
        "An AI assistant's voice speaks.",
        "As a car drives by, a dog barks.",
        "As a large vehicle comes to a stop, the brakes squeal loudly.",
        "As a model airplane flies by, a man speaks.",
        "As a text message arrives, a phone vibrates.",
        "As a language lesson plays, a child laughs.",
        "Sorry is said by a man.",
        '"I\'m sorry," a woman says.',
        "I can't hear any sound of a dog in the audio.",
        "",
    ],
)
def test_answers_for_the_audio_are_no_refusals(response):
    assert not is_refusal(response)


@pytest.mark.parametrize(
    ("response", "finish_reason", "expected"),
    [
        ("A dog barks.", "stop", True),
        ("A dog bar", "length", False),
        ("A dog barks.", "content_filter", False),
        ("  ", "stop", False),
        ("I'm sorry, I can't.", "stop", False),
    ],
)
def test_usable(response, finish_reason, expected):
    row = {"response": response, "finish_reason": finish_reason, "sample_type": "positive"}
    assert usable(row) is expected


def test_rules_do_not_refuse():
    row = {"response": "I am sorry, says a man.", "finish_reason": "stop", "sample_type": "rule"}
    assert usable(row) and not usable({**row, "sample_type": "positive"})


@pytest.mark.parametrize(
    ("response", "present", "absent"),
    [
        ("I can hear these sounds: rain, dog barking.", ["rain", "dog barking"], []),
        ("These sounds are absent: siren, car horn.", [], ["siren", "car horn"]),
        ("I can hear these sounds: rain. These sounds are absent: siren, wind.", ["rain"], ["siren", "wind"]),
        ("The recording features rain and wind. It does not feature a siren.", ["rain", "wind"], ["siren"]),
        # Table 1 of the paper
        (
            "Based on the provided audio, here are some specific sound events that are not present in the audio:\n"
            "1. A car driving by\n2. Birds chirping\n3. A dog barking",
            [],
            ["car driving by", "birds chirping", "dog barking"],
        ),
        (
            "Specific sound events detected in the provided audio:\n1. A woman’s voice\n2. Water pouring\n\n"
            "Contrastive examples of specific sound events not present in the provided audio:\n"
            "1. A car driving by\n2. The door bang",
            ["woman's voice", "water pouring"],
            ["car driving by", "door bang"],
        ),
        ("Absent sounds:\n* **Siren**: none is heard.\n- Music - no instruments", [], ["siren", "music"]),
        ("Water pouring, woman talking in the background", [], []),
        ("", [], []),
    ],
)
def test_named_sounds(response, present, absent):
    assert named_sounds(response) == (present, absent)


def row(seed_id: str, sample_type: str, response: str, finish_reason: str = "stop", tags=("rain",), index=0) -> dict:
    return {
        "corpus": "test",
        "id": seed_id,
        "seed": "; ".join(tags),
        "tags": list(tags),
        "sample_type": sample_type,
        "sample_index": index,
        "prompt": "Replay the audio.",
        "response": response,
        "finish_reason": finish_reason,
    }


def test_the_report_counts_each_kind_of_flaw():
    report = measure(
        [
            row("a", "positive", "I can hear these sounds: rain, thunder."),
            row("a", "positive", "I can hear these sounds: rain, thunder.", index=1),
            row("a", "negative", "These sounds are absent: Thunder, siren."),
            row("b", "positive", "One two three four", finish_reason="length"),
            row("b", "negative", "These sounds are absent: the rain, siren."),
            row("b", "combined", "I can hear: wind. These sounds are absent: wind."),
            row("c", "positive", ""),
            row("c", "negative", "I'm sorry, I can't help."),
            row("c", "combined", "I can hear: rain. These sounds are absent: siren."),
        ]
    )
    assert (report["rows"], report["usable"]) == (9, 6)
    positive = report["groups"]["test"]["positive"]
    assert positive == {
        "rows": 4, "usable": 2, "truncated": 1, "refused": 0, "empty": 1, "duplicates": 1,
        "words": {"p5": 0, "p50": 4, "p95": 7},
    }  # fmt: skip
    assert report["groups"]["test"]["negative"]["refused"] == 1
    assert report["contradictions"] == {"tagged": 1, "listed_present": 2}
    text = format_report(report)
    assert "6 of 9 responses are usable" in text
    assert "| test | positive | 4 | 2 | 1 | 0 | 1 | 1 | 0, 4, 7 |" in text


def test_the_report_tells_what_the_judge_found():
    report = {**measure([row("a", "positive", "Rain.")]), "judge": {"sounds": 40, "contradicted": 3, "unclear": 2}}
    assert "3 of 40" in format_report(report)
