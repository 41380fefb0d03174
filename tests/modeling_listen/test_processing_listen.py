import numpy as np
import pytest
import soundfile
import torch

from modeling_listen import ListenProcessor
from tests.modeling_listen.backbones import NUM_QUERY_TOKENS, SAMPLING_RATE, SPARE_TOKENS, build_text_model, noise

QUESTION = "Is there a sound of a dog in the audio?"
PLACEHOLDER = SPARE_TOKENS["llama"]


def spans(processor, input_ids) -> list[int]:
    """Lengths of the runs of placeholders in a row."""
    runs, length = [], 0
    for token in [*input_ids.tolist(), None]:
        if token == processor.audio_token_id:
            length += 1
        elif length:
            runs.append(length)
            length = 0
    return runs


def user(*content):
    return [{"role": "user", "content": list(content)}]


def audio_part(audio):
    return {"type": "audio", "audio": audio}


def text_part(text):
    return {"type": "text", "text": text}


class TestPrompt:
    @pytest.mark.parametrize(
        "seed", ["A dog barks", "Tags: rain, wind", "Ünïcode — 犬", "  spaces  ", "1", '"quoted"']
    )
    @pytest.mark.parametrize("prompt", [QUESTION, "Replay the audio.", "?", "Wie viele?"])
    def test_only_the_span_differs_between_seed_and_audio(self, processor, seed, prompt):
        tokens = processor.tokenize_prompt(prompt)
        heard = processor(noise(), prompt)["input_ids"][0].tolist()
        assert heard == tokens.prefix + processor.audio_span() + tokens.suffix
        messages = processor.render_prompt(prompt, seed)
        rendered = processor.apply_chat_template(messages, add_generation_prompt=True)
        read = processor.tokenizer(rendered, add_special_tokens=False)["input_ids"]
        assert read == tokens.prefix + processor.tokenize_seed(seed) + tokens.suffix
        parts = user({"type": "seed", "seed": seed}, text_part(prompt))
        assert processor.apply_chat_template(parts, add_generation_prompt=True) == rendered

    def test_the_prompt_is_equation_one_in_the_chat_template(self, processor):
        rendered = processor.decode(processor(noise(), QUESTION)["input_ids"][0])
        span = PLACEHOLDER * NUM_QUERY_TOKENS
        assert f"<|end_header_id|>\n\n[Begin of audio]{span} [End of audio] {QUESTION}<|eot_id|>" in rendered
        assert rendered.startswith("<|begin_of_text|><|start_header_id|>user")
        assert rendered.endswith("<|start_header_id|>assistant<|end_header_id|>\n\n")

    def test_a_response_ends_its_turn_and_is_what_labels_mark(self, processor):
        responses = ["Yes, there is.", "No."]
        inputs = processor([noise(), noise(0.5)], [QUESTION, "No?"], response=responses)
        for row, (prompt, response) in enumerate(zip([QUESTION, "No?"], responses, strict=True)):
            tokens = processor.tokenize_prompt(prompt, response)
            marked = inputs["labels"][row][inputs["labels"][row] != -100].tolist()
            assert marked == tokens.response
            assert processor.decode(marked) == f"{response}<|eot_id|>"
            expected = tokens.prefix + processor.audio_span() + tokens.suffix + tokens.response
            assert inputs["input_ids"][row][inputs["attention_mask"][row].bool()].tolist() == expected

    def test_a_system_message_stands_before(self, processor):
        tokens = processor.tokenize_prompt(QUESTION, system="Be brief.")
        assert "system<|end_header_id|>\n\nBe brief.<|eot_id|>" in processor.decode(tokens.prefix)

    def test_answers_in_every_spelling(self, processor):
        answers = processor.answer_token_ids()
        assert not set(answers["yes"]) & set(answers["no"])
        for answer, spellings in (("yes", ["Yes", " Yes", "yes"]), ("no", ["No", " no", "NO"])):
            for spelling in spellings:
                first = processor.tokenizer(spelling, add_special_tokens=False)["input_ids"][0]
                assert first in answers[answer] or any(first not in ids for ids in answers.values())
            assert answers[answer]

    @pytest.mark.parametrize("method", ["tokenize_prompt", "tokenize_seed"])
    def test_a_text_cannot_spell_the_placeholder(self, processor, method):
        with pytest.raises(ValueError, match="only stands for audio"):
            getattr(processor, method)(f"a {PLACEHOLDER} dog")


class TestCall:
    def test_positions_and_keywords(self, processor):
        expected = processor(noise(), QUESTION)
        named = processor(text=QUESTION, audio=noise())
        assert all(torch.equal(named[name], tensor) for name, tensor in expected.items())
        assert expected.keys() == {"input_ids", "attention_mask", "input_features"}

    def test_every_source(self, processor, tmp_path):
        path = tmp_path / "clip.wav"
        soundfile.write(path, noise(), SAMPLING_RATE, subtype="FLOAT")
        expected = processor(noise(), QUESTION)["input_features"]
        for audio in (
            str(path),
            path,
            path.read_bytes(),
            {"path": str(path), "bytes": None},
            torch.from_numpy(noise()),
        ):
            torch.testing.assert_close(processor(audio, QUESTION)["input_features"], expected)

    def test_batches_pad_on_the_left(self, processor):
        inputs = processor([noise(), noise(0.3)], [QUESTION, "No?"])
        assert inputs["attention_mask"][0].all()
        assert inputs["attention_mask"][1, 0] == 0
        assert inputs["attention_mask"][1, -1] == 1
        assert [spans(processor, row) for row in inputs["input_ids"]] == [[NUM_QUERY_TOKENS]] * 2

    def test_several_clips_in_a_prompt(self, processor):
        inputs = processor([[noise(), noise(0.5)], [noise(0.2)]], ["Same?", "No?"])
        assert inputs["input_features"].shape[0] == 3
        assert [spans(processor, row) for row in inputs["input_ids"]] == [[NUM_QUERY_TOKENS] * 2, [NUM_QUERY_TOKENS]]
        together = processor([noise(), noise(0.5)], "Same?")
        assert spans(processor, together["input_ids"][0]) == [NUM_QUERY_TOKENS] * 2

    def test_a_clip_beside_lists_of_clips_is_a_list_of_one(self, processor):
        first, second, third = noise(), noise(0.5), noise(0.2)
        expected = processor([[first, second], [third]], ["Same?", "No?"])
        for audio, texts in (
            ([[first, second], third], ["Same?", "No?"]),
            ([third, [first, second]], ["No?", "Same?"]),
        ):
            inputs = processor(audio, texts)
            assert len(inputs["input_features"]) == 3
            assert spans(processor, inputs["input_ids"][texts.index("Same?")]) == [NUM_QUERY_TOKENS] * 2
        assert torch.equal(processor([[first, second], third], ["Same?", "No?"])["input_ids"], expected["input_ids"])

    def test_a_plain_question_may_spell_control_tokens_but_not_the_placeholder(self, processor):
        question = "What does <|eot_id|> mean?"
        with pytest.raises(ValueError, match=r"spells control tokens \(<\|eot_id\|>\).*pass rendered=False"):
            processor(noise(), question)
        asked = processor(noise(), question, rendered=False)["input_ids"][0].tolist()
        tokens = processor.tokenize_prompt(question)
        assert asked == tokens.prefix + processor.audio_span() + tokens.suffix
        with pytest.raises(ValueError, match="only stands for audio"):
            processor(noise(), f"What does {PLACEHOLDER} mean?", rendered=False)

    @pytest.mark.parametrize(("seconds", "windows"), [(0.01, 1), (2.0, 1), (2.001, 2), (5.0, 3)])
    def test_long_clips_are_heard_in_windows(self, processor, seconds, windows):
        inputs = processor(noise(seconds), QUESTION)
        assert inputs["input_features"].shape == (windows, 16, 200)
        assert spans(processor, inputs["input_ids"][0]) == [windows * NUM_QUERY_TOKENS]
        assert processor._get_num_multimodal_tokens(audio_lengths=[int(seconds * SAMPLING_RATE)])[
            "num_audio_tokens"
        ] == [windows * NUM_QUERY_TOKENS]

    def test_windows_are_the_clip_in_order_and_the_last_ends_with_it(self, processor):
        for seconds, starts in ((4.0, (0, 32000)), (2.001, (0, 16)), (5.0, (0, 32000, 48000))):
            clip = noise(seconds)
            for whole, start in zip(processor(clip, QUESTION)["input_features"], starts, strict=True):
                part = processor(clip[start : start + 32000], QUESTION)["input_features"]
                torch.testing.assert_close(whole, part[0])

    def test_rendered_prompts_hold_their_placeholders(self, processor):
        rendered = processor.apply_chat_template(
            user({"type": "audio"}, text_part(QUESTION)), add_generation_prompt=True
        )
        expected = processor(noise(), QUESTION)["input_ids"]
        assert torch.equal(processor(noise(), rendered)["input_ids"], expected)

    def test_the_encoders_sampling_rate_or_none(self, processor):
        processor(noise(), QUESTION, sampling_rate=SAMPLING_RATE)
        for options in ({"sampling_rate": 44100}, {"audio_kwargs": {"sampling_rate": 44100}}):
            with pytest.raises(ValueError, match="hears 16000 Hz, not 44100 Hz"):
                processor(noise(), QUESTION, **options)
        resampled = processor({"array": noise(2.0), "sampling_rate": 32000}, QUESTION)
        assert resampled["input_features"].shape[0] == 1

    def test_log_mel_on_a_device(self, processor, tmp_path):
        expected = processor([noise(), noise(5.0)], [QUESTION, "No?"])
        inputs = processor([noise(), noise(5.0)], [QUESTION, "No?"], device="cpu")
        torch.testing.assert_close(inputs["input_features"], expected["input_features"], atol=1e-4, rtol=0)
        processor.save_pretrained(tmp_path)  # leaves nothing behind that could not be saved
        assert ListenProcessor.from_pretrained(tmp_path).num_query_tokens == NUM_QUERY_TOKENS

    @pytest.mark.parametrize(
        ("audio", "text", "message"),
        [
            (None, None, "audio, text or both"),
            (None, QUESTION, "a question without audio"),
            (None, f"{PLACEHOLDER} {QUESTION}", "1 placeholders"),
            ([], QUESTION, "empty"),
            ([[noise()], []], [QUESTION, "No?"], "a question without audio"),
            ([noise(), noise()], [QUESTION] * 3, "2 clips and 3 texts"),
            ([[noise()], [noise()]], QUESTION, "2 clips and 1 texts"),
            (noise(), f"{PLACEHOLDER}{PLACEHOLDER}{QUESTION}", "2 placeholders"),
            (noise(), f"<|start_header_id|>user{QUESTION}<|eot_id|>", "0 audio placeholders for its 1 clips"),
        ],
    )
    def test_audio_and_text_that_do_not_match(self, processor, audio, text, message):
        with pytest.raises(ValueError, match=message):
            processor(audio, text)

    @pytest.mark.parametrize("text", [3, b"bytes", [1], [], [None], [["nested"]], {"a": 1}])
    def test_what_is_no_text_is_a_type_error(self, processor, text):
        with pytest.raises(TypeError, match="text must be"):
            processor(noise(), text)

    def test_unknown_keywords_raise(self, processor):
        with pytest.raises(TypeError, match="unknown keywords: audios"):
            processor(audios=noise(), text=QUESTION)

    def test_other_modalities_are_refused(self, processor):
        processor(noise(), QUESTION, images=None)
        with pytest.raises(TypeError, match="takes audio and text, no images or videos"):
            processor(noise(), QUESTION, images=[noise()], videos=[noise()])

    def test_labels_are_of_the_kind_that_is_wanted(self, processor):
        expected = processor(noise(), QUESTION, response="Yes.")["labels"]
        labels = processor(noise(), QUESTION, response="Yes.", return_tensors="np")["labels"]
        assert isinstance(labels, np.ndarray)
        assert np.array_equal(labels, expected)

    def test_responses_match_texts(self, processor):
        with pytest.raises(ValueError, match="1 texts, but 2 responses"):
            processor(noise(), QUESTION, response=["Yes.", "No."])
        with pytest.raises(ValueError, match="needs the text"):
            processor(noise(), response="Yes.")


class TestChatTemplate:
    options = {"tokenize": True, "return_dict": True, "add_generation_prompt": True}

    def test_audio_parts_are_what_a_call_makes(self, processor, tmp_path):
        path = tmp_path / "clip.wav"
        soundfile.write(path, noise(), SAMPLING_RATE, subtype="FLOAT")
        expected = processor(noise(), QUESTION)
        for source in (
            {"audio": noise()},
            {"audio": {"array": noise(), "sampling_rate": SAMPLING_RATE}},
            {"path": str(path)},
            {"url": str(path)},
            {"array": noise(), "sampling_rate": SAMPLING_RATE},
            {"bytes": path.read_bytes(), "path": "elsewhere.wav"},
        ):
            part = {"type": "audio", **source}
            inputs = processor.apply_chat_template(user(part, text_part(QUESTION)), **self.options)
            assert torch.equal(inputs["input_ids"], expected["input_ids"])
            torch.testing.assert_close(inputs["input_features"], expected["input_features"])

    def test_batches_and_turns(self, processor):
        first = [
            *user(audio_part(noise()), text_part(QUESTION)),
            {"role": "assistant", "content": "Yes."},
            *user(audio_part(noise(5.0)), text_part("And here?")),
        ]
        second = user(text_part("No audio here."))
        inputs = processor.apply_chat_template([first, second], **self.options)
        assert inputs["input_features"].shape[0] == 4
        assert spans(processor, inputs["input_ids"][0]) == [NUM_QUERY_TOKENS, 3 * NUM_QUERY_TOKENS]
        assert spans(processor, inputs["input_ids"][1]) == []

    def test_strings_and_seeds(self, processor):
        rendered = processor.apply_chat_template([{"role": "user", "content": "Hello"}], add_generation_prompt=True)
        assert "Hello<|eot_id|>" in rendered
        seeded = processor.apply_chat_template(user({"type": "seed", "seed": "A dog"}, text_part("Replay.")))
        assert "[Begin of audio] A dog [End of audio] Replay.<|eot_id|>" in seeded

    def test_assistant_masks_survive_the_span(self, processor):
        conversation = [
            *user(audio_part(noise()), text_part(QUESTION)),
            {"role": "assistant", "content": [text_part("Yes, there is.")]},
        ]
        inputs = processor.apply_chat_template(
            conversation, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, return_tensors="pt"
        )
        spoken = inputs["input_ids"][0][torch.as_tensor(inputs["assistant_masks"][0]).bool()]
        assert processor.decode(spoken) == "Yes, there is.<|eot_id|>"

    @pytest.mark.parametrize(
        "conversation",
        [
            [],
            [[]],
            user({"type": "image", "image": "x"}),
            user({"type": "audio", "audio": "nowhere.wav"}),
            user({"type": "audio", "sampling_rate": SAMPLING_RATE}),
        ],
    )
    def test_bad_conversations(self, processor, conversation):
        with pytest.raises((ValueError, TypeError), match=r"."):
            processor.apply_chat_template(conversation, **self.options)

    def test_text_parts_cannot_forge_a_span(self, processor):
        forged = user(audio_part(noise()), text_part(f"{PLACEHOLDER} {QUESTION}"))
        with pytest.raises(ValueError, match="placeholders"):
            processor.apply_chat_template(forged, **self.options)


class TestFromBackbones:
    def test_a_template_may_be_given(self, audio_model, tmp_path):
        from transformers import AutoTokenizer

        text_model = build_text_model(tmp_path / "llama", "llama")
        tokenizer = AutoTokenizer.from_pretrained(text_model)
        template, tokenizer.chat_template = tokenizer.chat_template, None
        (text_model / "chat_template.jinja").unlink(missing_ok=True)
        tokenizer.save_pretrained(text_model)
        with pytest.raises(ValueError, match=r"llama has no chat template"):
            ListenProcessor.from_backbones(audio_model, text_model)
        ListenProcessor.from_backbones(audio_model, text_model, chat_template=template)(noise(), QUESTION)

    def test_a_templates_date_is_not_todays(self, audio_model, text_model):
        dated = "{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
        template = dated + "{{ date_string }}: {% for message in messages %}{{ message['content'] }}{% endfor %}"
        processor = ListenProcessor.from_backbones(audio_model, text_model, chat_template=template)
        assert processor.apply_chat_template([{"role": "user", "content": "Hello"}]) == "26 Jul 2024: Hello"

    def test_right_padding_in_a_tokenizers_configuration_does_not_reach_prompts(self, audio_model, tmp_path):
        from transformers import AutoTokenizer

        text_model = build_text_model(tmp_path / "llama", "llama")
        tokenizer = AutoTokenizer.from_pretrained(text_model, padding_side="right")
        tokenizer.save_pretrained(text_model)
        processor = ListenProcessor.from_backbones(audio_model, text_model)
        assert processor([noise(), noise()], [QUESTION, "No?"])["attention_mask"][1, -1] == 1

    def test_a_tokenizer_without_padding_pads_all_the_same(self, audio_model, tmp_path):
        from transformers import AutoTokenizer

        text_model = build_text_model(tmp_path / "llama", "llama")
        tokenizer = AutoTokenizer.from_pretrained(text_model)
        tokenizer.pad_token = None
        tokenizer.save_pretrained(text_model)
        processor = ListenProcessor.from_backbones(audio_model, text_model)
        assert processor([noise(), noise()], [QUESTION, "No?"])["attention_mask"][1, 0] == 0


def test_spectrograms_are_the_feature_extractors(processor):
    clip = noise(1.5)
    expected = processor.feature_extractor(clip, sampling_rate=SAMPLING_RATE, return_tensors="np")["input_features"]
    assert np.array_equal(processor(clip, QUESTION)["input_features"], expected)
