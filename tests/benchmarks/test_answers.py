import random
import time

import pytest

from recipes.benchmarks.answers import parse_answer, parse_choice, parse_word, parse_yes_no


class TestYesNoStrict:
    @pytest.mark.parametrize(
        "response",
        [
            "yes",
            "YES",
            "Yes.",
            "  yes \n",
            "**Yes**",
            "_Yes_, there is.",
            "“Yes.”",
            "'yes'",
            "`yes`",
            "Ｙｅｓ",
            "(yes)",
            "- Yes",
            "Yes! I can hear a dog.",
            "Yeah, a dog.",
            "yes yes yes",
            "Yes, no doubt about it.",
            "No doubt, there is a dog.",
            "There is no doubt that there is a dog.",
            "Well, yes.",
            "Based on the audio, yes, there is a dog.",
            "Answer: Yes",
            "No one speaks and a dog barks, so my answer is yes.",
            "The answer is **yes**.",
            "My answer to this question is: yes, because a dog barks.",
            "I'd say yes",
            "Is there a sound of a dog in the audio? Yes, there is.",
            "Yes/No: Yes",
            "You asked for yes or no: yes",
            "<think>Maybe not? There is no dog.</think> Yes.",
            "There is a dog barking.",
            "There's a dog.",
            "I can hear a dog.",
            "The sound of a dog is present in the audio.",
            "The audio contains a dog.",
            "Not only a dog but also a cat can be heard.",
            "<answer>yes</answer>",
            '{"answer": "yes"}',
            "Yes, but the sound is faint. Would you like to know more?",
            "y",
            "True.",
        ],
    )
    def test_yes(self, response):
        assert parse_yes_no(response) == "yes"

    @pytest.mark.parametrize(
        "response",
        [
            "no",
            "No.",
            "NO!",
            "**No**, because the audio holds speech only.",
            "No, because there is a man speaking, and I can hear music.",
            "No there isn't",
            "no sound of a dog",
            "Nope!",
            "Answer: No",
            "The answer is no because nobody speaks.",
            "The audio has a siren and a horn. Therefore, the answer is no.",
            "No dog at first, then a bark which is a fox's. So the answer is no",
            "I would say no.",
            "There isn't a dog.",
            "there isn’t any dog",
            "There is no sound of a dog.",
            "The audio doesn't contain the sound of a dog.",
            "The audio doesn’t contain it",
            "I cannot hear any dog.",
            "I can't hear a dog in the audio.",
            "I was unable to detect a dog.",
            "The sound is absent from the recording",
            "Dogs aren't audible.",
            "Not present",
            "None.",
            "I don't think so",
            "Absolutely not.",
            "There is a train, so no.",
            "All I hear is a train. Hence \\boxed{No}",
            "Is there a dog in this recording? no",
            "The woman asks: is there a dog?\nNo",
            "n",
            "False",
        ],
    )
    def test_no(self, response):
        assert parse_yes_no(response) == "no"

    @pytest.mark.parametrize(
        "response",
        [
            None,
            "",
            " \n\t",
            "...",
            "🐕",
            "yes or no",
            "Yes and no.",
            "Yes no",
            "Yes. No.",
            "No, wait, yes.",
            "yes\n\nno",
            "The answer is yes. The answer is no.",
            "No. The answer is yes.",
            "The answer is yes.\nNo.",
            "Yesterday was Normal",
            "Noise",
            "Knowing the audio",
            "north of nowhere",
            "maybe",
            "There might be a dog.",
            "I am not sure.",
            "I don't know",
            "It is unclear whether there is a dog.",
            "I cannot determine whether there is a dog.",
            "It is hard to hear anything.",
            "No audio was provided, so I cannot answer.",
            "As a text-based model I cannot hear audio.",
            "The audio contains a man. There is no dog.",
            "A man speaks.",
            "42",
        ],
    )
    def test_neither(self, response):
        assert parse_yes_no(response) is None

    @pytest.mark.parametrize(
        ("response", "answer"),
        [
            # "No" and "without" that deny something else, or nothing.
            ("Without a doubt, there is a dog barking.", "yes"),
            ("There is, without question, a dog.", "yes"),
            ("I cannot deny that there is a dog.", "yes"),
            ("Yes. No other sounds are heard.", "yes"),
            ("Yes (no other sounds).", "yes"),
            ("Yes\nNo other sounds.", "yes"),
            ("Yes, no humans are heard.", "yes"),
            ("Yes there is a dog barking. I think no humans are present.", "yes"),
            ("Yes, there is a dog with no other sounds.", "yes"),
            # Clauses that affirm one thing and deny another: which was asked for, the text does not tell.
            ("I can hear a dog barking with no other sounds.", None),
            ("The audio contains only the sound of a dog, with no background noise.", None),
            ("I can clearly hear a dog barking, and there is no other sound.", None),
            ("There is a dog barking in the distance without any music.", None),
            ("A dog is audible and no cat is.", None),
            ("A dog is present, not a cat.", None),
            ("The recording features a dog barking, not a cat.", None),
            ("I hear rain without any dog barking.", None),
            ("Without any music, I can hear a dog.", None),
            ("I can't hear anything except a dog.", None),
            ("I hear nothing but rain", None),
            ("Nothing but rain.", None),
            ("There is no sound other than rain.", None),
            # Two verdicts.
            ("Yes, no there isn't.", None),
            ("Yes. No, there is no cat.", None),
            ("No. Yes, a faint one.", None),
            ("Yes. I would say no.", None),
            # What is asked for is denied.
            ("There is no dog barking, only rain.", "no"),
            ("Without a dog sound in it, the answer is no.", "no"),
            ("No. No other sounds are heard.", "no"),
            ("No without a doubt", "no"),
            ("I think no dog is present.", "no"),
            ("I think no, because nobody speaks.", "no"),
            ("I'd say no because nobody speaks", "no"),
            ("In the audio, there is no dog.", "no"),
            ("There is clearly no dog.", "no"),
            ("There seems to be no dog in the audio.", "no"),
            ("I hear absolutely nothing like a dog.", "no"),
            ("The sounds heard in this recording do not include a dog.", "no"),
            ("From what I can hear in the recording, a dog is not present.", "no"),
            ("The audio is without any audible dog.", "no"),
            ("The presence of a dog cannot be detected.", "no"),
            ("There is an absence of dogs.", "no"),
            ("The audio contains neither dogs nor cats.", "no"),
            ("The recording contains no dog and no cat.", "no"),
        ],
    )
    def test_denials_of_something_else(self, response, answer):
        assert parse_yes_no(response) == answer

    @pytest.mark.parametrize(
        "hostile",
        ["a", "no ", "\n", " ", "<think>", "</think>", "?", "(", "\n(", "can't ", "'", "answer: ", "answer is ", "-",
         "no audio ", " but", "a a ", "a.", "option ", "not ", "ﷺ", "yes and ", "\u200b", "*_", "in the ", "9",
         "there is ", "without ", "hear it ", "nothing but "],
    )  # fmt: skip
    def test_time_is_linear_in_the_length(self, hostile):
        response = hostile * (100_000 // len(hostile.encode()))
        start = time.process_time()
        for mode in ("strict", "paper"):
            parse_yes_no(response, mode)
            parse_choice(response, ["Dog", "Cat", "None of the above"], mode)
        parse_word(response)
        assert time.process_time() - start < 5  # quadratic time would be minutes

    def test_unknown_mode(self):
        with pytest.raises(ValueError, match="strict, paper"):
            parse_yes_no("yes", mode="lenient")

    def test_response_of_another_type(self):
        with pytest.raises(TypeError, match="float"):
            parse_yes_no(float("nan"))


def official_rule(response):
    """The rule of the Interspeech 2024 script as an ordered list of conditions, written from its description."""
    conditions = [
        ("yes", lambda text: text.find("Yes") >= 0 or text.find("yes") >= 0),
        ("no", lambda text: text.count("No") > 0),
        ("no", lambda text: len(text.split("there is no")) > 1),
        ("no", lambda text: text.find("does not contain") >= 0 or text.find("doesn't contain") >= 0),
        ("yes", lambda text: text.count("contain") > 0),
        ("no", lambda text: text.find("not") >= 0 or text.find("unable") >= 0 or text.find("can't") >= 0),
    ]
    for answer, holds in conditions:
        if holds(text=response):
            return answer
    return None


FRAGMENTS = [
    *("Yes", "yes", "YES", "yEs", "No", "no", "NO", "Not", "not", "cannot", "can't", "can’t", "unable", "Unable"),
    *("there is no", "There is no", "there is no sound of", "does not contain", "doesn't contain", "doesn’t contain"),
    *("contain", "contains", "Contain", "container", "Yesterday", "eyes", "Normal", "Noise", "knot", "nothing"),
    *("ye", "s", "N", "o", "n", "t", "the", "audio", "dog", "a", "there is", "does", "é", "🐕", ""),
    *(" ", "  ", ".", ",", "!", "?", "\n", "'", '"'),
]


class TestYesNoPaper:
    @pytest.mark.parametrize(
        ("response", "answer"),
        [
            ("Yes, there is.", "yes"),
            ("I say yes", "yes"),
            ("No, yes", "yes"),  # yes is looked for first
            ("Yesterday", "yes"),
            ("eyes", "yes"),
            ("No.", "no"),
            ("Normal", "no"),
            ("Noise", "no"),
            ("no", None),  # the lower-case word alone is not known
            ("NO", None),
            ("YES", None),
            ("there is no dog", "no"),
            ("There is no dog", None),
            ("there is nothing", "no"),  # "there is no" is in it
            ("It does not contain a dog", "no"),
            ("It doesn't contain a dog", "no"),
            ("It doesn’t contain a dog", "yes"),  # another apostrophe: only "contain" is found
            ("It contains a dog", "yes"),
            ("It did not contain a dog", "yes"),  # "contain" is looked for before "not"
            ("a dog is not there", "no"),
            ("I cannot hear it", "no"),
            ("another dog", "no"),
            ("I am unable to say", "no"),
            ("I can't say", "no"),
            ("A dog barks", None),
            ("", None),
            (None, None),
        ],
    )
    def test_each_rule(self, response, answer):
        assert parse_yes_no(response, mode="paper") == answer

    def test_agrees_with_the_official_rule_on_100_000_responses(self):
        generator = random.Random(0)
        answers = {"yes": 0, "no": 0, None: 0}
        for _ in range(100_000):
            fragments = generator.choices(FRAGMENTS, k=generator.randint(0, 6))
            response = generator.choice(["", " "]).join(fragments)
            if generator.random() < 0.2:  # broken up, so that substrings appear and vanish
                letters = list(response)
                for _ in range(generator.randint(1, 3)):
                    letters.insert(generator.randint(0, len(letters)), generator.choice("YyNneost' "))
                response = "".join(letters)
            assert parse_yes_no(response, mode="paper") == official_rule(response), response
            answers[official_rule(response)] += 1
        assert min(answers.values()) > 5_000, answers


OPTIONS = ["Rooster", "Acoustic Guitar", "Dog", "Guitar", "None of the above"]


class TestChoice:
    @pytest.mark.parametrize(
        ("response", "option"),
        [
            ("(b)", "Acoustic Guitar"),
            ("b", "Acoustic Guitar"),
            ("B.", "Acoustic Guitar"),
            ("c) Dog", "Dog"),
            ("**(c)** Dog", "Dog"),
            ("Option d", "Guitar"),
            ("The answer is (c) Dog.", "Dog"),
            ("answer: e", "None of the above"),
            ("I choose d", "Guitar"),
            ("I hear a dog", "Dog"),
            ("The animal is a dog.", "Dog"),
            ("acoustic guitar", "Acoustic Guitar"),
            ("It is a guitar", "Guitar"),
            ("None of the above.", "None of the above"),
            ("<think>(a) or (b)?</think> (c)", "Dog"),
            ("a", "Rooster"),
            ("a cat", None),
            ("(a) Rooster (b) Acoustic Guitar", None),
            ("(a) Dog", None),
            ("a rooster or a dog", None),
            ("dogged", None),
            ("(f)", None),
            ("", None),
            (None, None),
        ],
    )
    def test_strict(self, response, option):
        assert parse_choice(response, OPTIONS) == option

    @pytest.mark.parametrize(
        ("response", "option"),
        [
            ("(b)", "Acoustic Guitar"),
            (" B ", "Acoustic Guitar"),
            ("a dog", "Rooster"),  # the article
            ("The dog", "None of the above"),  # the e at the end of "The"
            ("None of the above", "None of the above"),  # again by its e
            ("dog", "Dog"),  # by its text
            ("dogs", "Dog"),
            ("guitar in tow", "Guitar"),
            ("acoustic guitar", "Dog"),  # the c at the end of "acoustic"
            ("Roosters", "Rooster"),
            ("(f)", None),
            ("", None),
            (None, None),
        ],
    )
    def test_paper(self, response, option):
        assert parse_choice(response, OPTIONS, mode="paper") == option

    def test_paper_letters_end_with_the_options(self):
        assert parse_choice("(c)", ["Dog", "Cat"], mode="paper") is None

    @pytest.mark.parametrize("mode", ["strict", "paper"])
    def test_options_of_the_same_text(self, mode):
        assert parse_choice("(c)", ["Cat", "Dog", "Dog"], mode) == "Dog"

    @pytest.mark.parametrize("options", [[], ["x"] * 27])
    def test_options_that_have_no_letters(self, options):
        with pytest.raises(ValueError, match=f"1 to 26.*not {len(options)}"):
            parse_choice("a", options)


class TestWord:
    @pytest.mark.parametrize(
        ("response", "word"),
        [
            ("water", "water"),
            ("Water.", "water"),
            ("**Water**", "water"),
            ("The answer is eleven.", "eleven"),
            ("11", "eleven"),
            ("It is 2", "two"),
            ("a dog", "dog"),
            ("it's raining", "raining"),
            ("100", "100"),
            ("well-known", "well-known"),
            ("the water splashes", None),
            ("", None),
            ("?!", None),
            (None, None),
        ],
    )
    def test_word(self, response, word):
        assert parse_word(response) == word


def test_parser_for_each_type_of_answer():
    assert parse_answer("No, a cat") == "no"
    assert parse_answer("no", mode="paper") is None
    assert parse_answer("(a)", "choice", ["Dog", "Cat"]) == "Dog"
    assert parse_answer("Two.", "word") == "two"
    with pytest.raises(ValueError, match="lenient"):
        parse_answer("Two.", "word", mode="lenient")
    with pytest.raises(ValueError, match="essay"):
        parse_answer("x", "essay")
