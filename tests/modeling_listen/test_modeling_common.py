"""Transformers' own tests of a model class, on LISTEN."""

import unittest
from unittest import mock

import torch
from transformers import LlamaConfig, WhisperConfig

from modeling_listen import ListenAdapterConfig, ListenConfig, ListenForConditionalGeneration, ListenModel
from tests.modeling_listen.transformers_source import common_tester

testers = common_tester("test_modeling_common")

AUDIO_TOKEN_ID = 0  # survives the tests that shrink the vocabulary
# Not applicable to LISTEN; everything else must pass.
NOT_APPLICABLE = {
    "test_inputs_embeds_matches_input_ids": "audio overwrites the placeholders' embeddings",
    "test_can_init_all_missing_weights": "Whisper's own embed_positions fails it",
    "test_generation_tester_mixin_inheritance": "that mixin is not distributed; test_generation.py has our own tests",
}


class ListenModelTester:
    """Sizes, configurations and inputs that the common tests ask for."""

    def __init__(self, parent: unittest.TestCase):
        self.parent = parent
        self.batch_size = 3
        self.is_training = True
        self.num_query_tokens = 4
        self.seq_length = 12
        self.hidden_size = 32
        self.num_hidden_layers = 2
        self.num_attention_heads = 4
        self.num_audio_frames = 30
        self.num_mel_bins = 16
        self.text_config = {"hidden_size": self.hidden_size}

    def get_config(self) -> ListenConfig:
        audio_config = WhisperConfig(
            d_model=16,
            encoder_layers=2,
            encoder_attention_heads=4,
            encoder_ffn_dim=16,
            num_mel_bins=self.num_mel_bins,
            max_source_positions=self.num_audio_frames,
            dropout=0.0,
            attention_dropout=0.0,
        )
        text_config = LlamaConfig(
            vocab_size=99,
            hidden_size=self.hidden_size,
            intermediate_size=37,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            num_key_value_heads=2,
            max_position_embeddings=512,
            pad_token_id=3,
            bos_token_id=1,
            eos_token_id=2,
        )
        adapter_config = ListenAdapterConfig(num_query_tokens=self.num_query_tokens)
        return ListenConfig(
            audio_config=audio_config,
            text_config=text_config,
            adapter_config=adapter_config,
            audio_token_id=AUDIO_TOKEN_ID,
        )

    def prepare_config_and_inputs_for_common(self) -> tuple[ListenConfig, dict[str, torch.Tensor]]:
        config = self.get_config()
        input_ids = torch.randint(4, 99, (self.batch_size, self.seq_length))
        input_ids[:, 1 : 1 + self.num_query_tokens] = AUDIO_TOKEN_ID
        inputs = {
            "input_ids": input_ids,
            "attention_mask": torch.ones_like(input_ids),
            "input_features": torch.randn(self.batch_size, self.num_mel_bins, 2 * self.num_audio_frames),
        }
        return config, inputs


class ListenModelTest(testers.ModelTesterMixin, unittest.TestCase):
    all_model_classes = (ListenModel, ListenForConditionalGeneration)
    test_resize_embeddings = True
    _is_composite = True

    def setUp(self):
        if reason := NOT_APPLICABLE.get(self._testMethodName):
            self.skipTest(reason)
        self.model_tester = ListenModelTester(self)
        # The tests look there for what a class is: a base model, a head that labels train.
        for names, model_class in (
            (testers.MODEL_MAPPING_NAMES, ListenModel),
            (testers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES, ListenForConditionalGeneration),
        ):
            patch = mock.patch.dict(names, listen=model_class.__name__)
            patch.start()
            self.addCleanup(patch.stop)
