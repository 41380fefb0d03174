import pytest
import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM

from modeling_listen import (
    ListenAdapter,
    ListenAdapterConfig,
    ListenConfig,
    ListenForConditionalGeneration,
    ListenProcessor,
)
from tests.modeling_listen.backbones import (
    NUM_QUERY_TOKENS,
    TEXT_CONFIGS,
    build_audio_model,
    build_text_model,
    build_tokenizer,
    compose,
    noise,
)

# Flex attention compiles for a minute.
IMPLEMENTATIONS = ["sdpa", pytest.param("flex_attention", marks=pytest.mark.slow)]

# Language models that do something of their own to their logits.
HEADS = {
    "phi": {},
    "cohere": {"logit_scale": 0.3},
    "granite": {"logits_scaling": 8.0},
    "hyperclovax": {"logits_scaling": 0.3},
    "minicpm3": {"dim_model_base": 16},
    "recurrent_gemma": {"logits_soft_cap": 0.2, "num_hidden_layers": 3},
    "falcon_h1": {
        "lm_head_multiplier": 0.04,
        "mamba_d_ssm": 48,
        "mamba_n_heads": 4,
        "mamba_d_head": 12,
        "mamba_n_groups": 1,
        "mamba_d_state": 8,
    },
}


@pytest.fixture
def inputs(processor):
    return processor([noise(), noise(0.3, seed=1)], ["Is there a dog?", "No?"])


def adapter_config(**options) -> ListenAdapterConfig:
    sizes = {"hidden_size": 32, "output_size": 48, "num_attention_heads": 4, "intermediate_size": 64}
    return ListenAdapterConfig(**{"num_query_tokens": 5, "audio_layers": [1, 3], **sizes, **options})


class TestAdapter:
    def test_one_batch_over_layers_is_a_loop_over_layers(self):
        torch.manual_seed(0)
        config = adapter_config(initializer_range=0.2)
        adapter = ListenAdapter(config).eval()
        torch.nn.init.normal_(adapter.layer_weights)
        states = torch.randn(2, 3, 50, 32)

        looped = torch.zeros(3, 5, 32)
        for index in range(2):
            queries = adapter.query_tokens[index].expand(3, -1, -1)
            for layer in adapter.layers:
                queries = layer(queries, states[index])
            looped += adapter.layer_weights.softmax(-1)[:, index, None] * queries
        expected = adapter.projection(adapter.norm(looped))

        torch.testing.assert_close(adapter(states), expected, atol=1e-5, rtol=1e-5)

    def test_layer_importance_reads_the_weights_over_layers(self):
        adapter = ListenAdapter(adapter_config())
        importance = adapter.layer_importance()
        assert importance.keys() == {1, 3}
        torch.testing.assert_close(importance[1], torch.full((5,), 0.5))
        with torch.no_grad():
            adapter.layer_weights[2] = torch.tensor([0.0, 100.0])
        assert adapter.layer_importance()[3][2] == 1.0
        torch.testing.assert_close(sum(adapter.layer_importance().values()), torch.ones(5))

    @pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
    def test_attention_implementations_agree(self, implementation):
        torch.manual_seed(0)
        config = adapter_config(hidden_size=64, initializer_range=0.2)  # flex attention wants heads of 16
        eager = ListenAdapter._from_config(config, attn_implementation="eager").eval()
        other = ListenAdapter._from_config(config, attn_implementation=implementation).eval()
        other.load_state_dict(eager.state_dict())
        states = torch.randn(2, 3, 50, 64)
        with torch.no_grad():
            torch.testing.assert_close(other(states), eager(states), atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("options", [{"num_query_tokens": 1}, {"num_hidden_layers": 0}, {"audio_layers": [3]}])
    def test_any_number_of_queries_layers_and_depth(self, options):
        config = adapter_config(**options)
        adapter = ListenAdapter(config)
        states = torch.randn(len(config.audio_layers), 2, 50, 32)
        assert adapter(states).shape == (2, config.num_query_tokens, 48)

    def test_every_parameter_learns(self):
        adapter = ListenAdapter(adapter_config(initializer_range=0.2))
        adapter(torch.randn(2, 3, 50, 32)).square().sum().backward()
        silent = [name for name, parameter in adapter.named_parameters() if not parameter.grad.abs().sum() > 0]
        # A bias of the keys shifts all of a query's scores alike.
        assert all(name.endswith("k_proj.bias") for name in silent), silent


class TestConfig:
    @pytest.mark.parametrize(
        ("depth", "layers"), [(12, [3, 6, 9, 12]), (4, [1, 2, 3, 4]), (24, [6, 12, 18, 24]), (2, [1, 2]), (1, [1])]
    )
    def test_layers_are_evenly_spaced(self, depth, layers):
        config = ListenConfig(audio_config={"model_type": "whisper", "encoder_layers": depth})
        assert config.adapter_config.audio_layers == layers

    def test_negative_layers_count_from_the_end(self):
        config = ListenConfig(
            audio_config={"model_type": "whisper", "encoder_layers": 4}, adapter_config={"audio_layers": [0, -1]}
        )
        assert config.adapter_config.audio_layers == [0, 4]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"audio_layers": [7]}, "audio_layers"),
            ({"audio_layers": []}, "audio_layers"),
            ({"num_query_tokens": 0}, "num_query_tokens"),
            ({"num_attention_heads": 5}, "multiple"),
            ({"hidden_size": 64}, "hidden_size is 64, but the audio encoder is 384"),
            ({"output_size": 64}, "output_size is 64, but the language model is 4096"),
        ],
    )
    def test_what_cannot_fit_is_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            ListenConfig(audio_config={"model_type": "whisper", "encoder_layers": 4}, adapter_config=options)

    def test_one_adapters_configuration_fits_several_backbones(self):
        adapter = ListenAdapterConfig()
        for width in (48, 96):
            audio = {"model_type": "whisper", "d_model": width, "encoder_attention_heads": 4}
            assert ListenConfig(audio_config=audio, adapter_config=adapter).adapter_config.hidden_size == width
        assert adapter.hidden_size is None

    def test_every_field_has_a_default(self):
        config = ListenConfig()
        assert config.adapter_config.num_query_tokens == 64
        assert config.adapter_config.num_hidden_layers == 2


class TestForward:
    @pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
    def test_attention_implementations_agree(self, tmp_path, inputs, implementation):
        audio_model = build_audio_model(tmp_path / "whisper", d_model=64)
        text_model = build_text_model(tmp_path / "llama", "llama", hidden_size=64, head_dim=16)
        with torch.no_grad():
            expected, logits = (
                compose(audio_model, text_model, attn_implementation=each)(**inputs).logits
                for each in ("eager", implementation)
            )
        heard = inputs["attention_mask"].bool()
        torch.testing.assert_close(logits[heard], expected[heard], atol=1e-4, rtol=1e-4)

    def test_compiles_into_one_graph(self, model, inputs):
        expected = model(**inputs).logits
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(**inputs).logits, expected, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("use_reentrant", [False, True])
    def test_gradient_checkpointing_gives_the_same_gradients(self, model, processor, use_reentrant):
        inputs = processor(noise(), "Is there a dog?", response="Yes, there is.")
        model.freeze_backbones().train()

        def gradients():
            model.zero_grad()
            model(**inputs).loss.backward()
            return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}

        expected = gradients()
        model.gradient_checkpointing_enable({"use_reentrant": use_reentrant})
        checkpointed = gradients()
        assert checkpointed.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(checkpointed[name], gradient, atol=1e-6, rtol=1e-4)

    def test_only_the_adapter_learns_and_frozen_parts_drop_nothing(self, model, processor):
        inputs = processor(noise(), "Is there a dog?", response="Yes, there is.")
        model.freeze_backbones().train()
        assert not model.model.language_model.training
        assert not model.model.audio_tower.training
        assert model.model.adapter.training
        model(**inputs).loss.backward()
        learned = {name for name, each in model.named_parameters() if each.grad is not None}
        assert learned == {f"model.adapter.{name}" for name, _ in model.model.adapter.named_parameters()}

    def test_an_encoder_that_is_trained_in_part_learns(self, model, processor):
        model.freeze_backbones()
        trained = model.model.audio_tower.layers[1].fc1.weight.requires_grad_(True)
        model(**processor(noise(), "Is there a dog?", response="Yes.")).loss.backward()
        assert trained.grad.abs().sum() > 0

    def test_bfloat16_is_close(self, model, inputs):
        with torch.no_grad():
            expected = model(**inputs).logits.softmax(-1)
            probabilities = model.bfloat16()(**inputs).logits.float().softmax(-1)
        heard = inputs["attention_mask"].bool()
        assert (probabilities - expected)[heard].abs().max() < 0.1

    def test_an_adapter_in_float32_between_backbones_in_bfloat16(self, model, processor):
        model.freeze_backbones().bfloat16()
        model.model.adapter.float()
        model(**processor(noise(), "Is there a dog?", response="Yes.")).loss.backward()
        assert {each.grad.dtype for each in model.model.adapter.parameters()} == {torch.float32}

    @pytest.mark.parametrize("device_map", ["cpu", "auto"])
    def test_device_map(self, checkpoint, model, inputs, device_map):
        loaded = ListenForConditionalGeneration.from_pretrained(checkpoint, device_map=device_map)
        with torch.no_grad():
            torch.testing.assert_close(loaded(**inputs).logits, model(**inputs).logits)

    def test_logits_on_kept_positions_alone(self, model, processor):
        inputs = processor([noise(), noise(0.3)], ["Is there a dog?", "No?"], response=["Yes.", "No, there is not."])
        labels = inputs.pop("labels")
        expected = model(**inputs, labels=labels)
        shifted = torch.nn.functional.pad(labels, (0, 1), value=-100)[:, 1:]
        kept = shifted != -100
        outputs = model(**inputs, logits_to_keep=kept, shift_labels=shifted[kept])
        assert outputs.logits.shape == (kept.sum(), model.config.text_config.vocab_size)
        torch.testing.assert_close(outputs.loss, expected.loss)
        torch.testing.assert_close(outputs.logits, expected.logits[kept])
        torch.testing.assert_close(model(**inputs, logits_to_keep=2).logits, expected.logits[:, -2:])

    def test_features_of_the_adapter_are_what_fills_the_span(self, model, inputs):
        features = model.get_audio_features(inputs["input_features"])
        assert features.pooler_output.shape == (2, NUM_QUERY_TOKENS, model.config.text_config.hidden_size)
        assert features.last_hidden_state.shape == (2, 100, 32)
        outputs = model(**inputs)
        assert torch.equal(outputs.audio_hidden_states, features.pooler_output)
        embeds = model.model.embed(inputs["input_ids"], features.pooler_output)
        logits = model(inputs_embeds=embeds, attention_mask=inputs["attention_mask"]).logits
        assert torch.equal(logits, outputs.logits)

    def test_a_window_of_another_length_is_refused(self, model, inputs):
        with pytest.raises(ValueError, match="mel"):
            model(input_ids=inputs["input_ids"], input_features=inputs["input_features"][..., :100])


class TestBackbones:
    @pytest.mark.parametrize("family", TEXT_CONFIGS)
    @pytest.mark.parametrize("tied", [True, False])
    @pytest.mark.parametrize("spare", [True, False])
    def test_the_language_model_is_left_as_it_is(self, tmp_path, audio_model, family, tied, spare):
        text_model = build_text_model(tmp_path / family, family, tied=tied, spare=spare)
        original = AutoModelForCausalLM.from_pretrained(text_model).eval()
        processor = ListenProcessor.from_backbones(audio_model, text_model, num_query_tokens=NUM_QUERY_TOKENS)
        model = compose(audio_model, text_model)

        assert model.config.audio_token_id == processor.audio_token_id
        assert (processor.audio_token_id < original.config.vocab_size) == spare
        assert model.get_input_embeddings().weight.shape == original.get_input_embeddings().weight.shape
        assert (model.lm_head.weight is model.get_input_embeddings().weight) == tied
        text = processor.tokenizer("Is there a dog? No.", return_tensors="pt")
        with torch.no_grad():
            expected = original(input_ids=text["input_ids"], attention_mask=text["attention_mask"]).logits
            logits = model(input_ids=text["input_ids"], attention_mask=text["attention_mask"]).logits
        assert torch.equal(logits, expected)

        inputs = processor([noise(), noise(0.5)], ["Is there a dog?", "No?"])
        answers = model.generate(**inputs, max_new_tokens=5, min_new_tokens=5, do_sample=False)
        assert answers.shape == (2, inputs["input_ids"].shape[1] + 5)
        alone = processor(noise(), "Is there a dog?")
        answer = model.generate(**alone, max_new_tokens=5, min_new_tokens=5, do_sample=False)
        assert answer[0, -5:].tolist() == answers[0, -5:].tolist()

        model.save_pretrained(tmp_path / "checkpoint")
        loaded = ListenForConditionalGeneration.from_pretrained(tmp_path / "checkpoint")
        with torch.no_grad():
            assert torch.equal(loaded(**inputs).logits, model(**inputs).logits)

    @pytest.mark.parametrize(("family", "options"), [each for each in HEADS.items() if each[0] in CONFIG_MAPPING])
    def test_a_head_with_a_bias_or_a_scale_is_the_language_models(self, tmp_path, audio_model, family, options):
        build_tokenizer(tmp_path, None)
        sizes = {"vocab_size": 321, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 1}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 4, "pad_token_id": 0, "tie_word_embeddings": False}
        torch.manual_seed(0)
        config = AutoConfig.for_model(family, **sizes | heads | options)
        original = AutoModelForCausalLM.from_config(config).eval()
        for parameter in original.parameters():  # a bias is 0 at first
            torch.nn.init.normal_(parameter, std=0.2)
        original.save_pretrained(tmp_path)
        model = compose(audio_model, tmp_path)
        model.save_pretrained(tmp_path / "slim")
        model.save_pretrained(tmp_path / "whole", include_backbones=True)

        input_ids = torch.tensor([[7, 3, 304, 4, 208, 300]])
        with torch.no_grad():
            expected = original(input_ids=input_ids).logits
            torch.testing.assert_close(model(input_ids=input_ids).logits, expected, rtol=1e-5, atol=1e-6)
            for folder in ("slim", "whole"):
                loaded = ListenForConditionalGeneration.from_pretrained(tmp_path / folder)
                assert torch.equal(loaded(input_ids=input_ids).logits, model(input_ids=input_ids).logits)

    @pytest.mark.parametrize(
        "sizes", [{"d_model": 48, "encoder_layers": 1}, {"num_mel_bins": 20, "encoder_layers": 6}]
    )
    def test_any_size_of_whisper(self, tmp_path, text_model, sizes):
        audio_model = build_audio_model(tmp_path / "whisper", **sizes)
        processor = ListenProcessor.from_backbones(audio_model, text_model, num_query_tokens=NUM_QUERY_TOKENS)
        inputs = processor(noise(), "Is there a dog?")
        assert compose(audio_model, text_model).generate(**inputs).shape[1] > inputs["input_ids"].shape[1]
