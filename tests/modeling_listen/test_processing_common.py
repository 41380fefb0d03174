"""Transformers' own tests of a processor class, on LISTEN."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

import soundfile
from transformers import AutoTokenizer, WhisperFeatureExtractor

from modeling_listen import ListenProcessor
from tests.modeling_listen.backbones import (
    NUM_QUERY_TOKENS,
    SAMPLING_RATE,
    SPARE_TOKENS,
    build_audio_model,
    build_text_model,
    noise,
)
from tests.modeling_listen.transformers_source import common_tester

testers = common_tester("test_processing_common")

# Not applicable to LISTEN; everything else must pass.
NOT_APPLICABLE = {
    "test_get_num_multimodal_tokens_matches_processor_call": "counts images; the audio variant applies",
}


class ListenProcessorTest(testers.ProcessorTesterMixin, unittest.TestCase):
    processor_class = ListenProcessor
    audio_unstructured_max_length = 300  # Whisper's transform needs more than 200 samples

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = Path(cls.folder.name)
        build_audio_model(folder / "whisper")
        build_text_model(folder / "llama", "llama")
        files = [folder / "first.wav", folder / "second.wav"]
        for seed, file in enumerate(files):
            soundfile.write(file, noise(1.0, seed), SAMPLING_RATE)
        cls.recordings = mock.patch.dict(testers.MODALITY_INPUT_DATA, audio=[str(file) for file in files])
        cls.recordings.start()
        # A registered class adds `auto_map` as it is saved, which tests of equality do not expect.
        cls.unregistered = mock.patch.object(ListenProcessor, "_auto_class", None)
        cls.unregistered.start()
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.unregistered.stop()
        cls.recordings.stop()
        cls.folder.cleanup()

    def setUp(self):
        if reason := NOT_APPLICABLE.get(self._testMethodName):
            self.skipTest(reason)

    @classmethod
    def _setup_feature_extractor(cls):
        return WhisperFeatureExtractor.from_pretrained(Path(cls.folder.name) / "whisper")

    @classmethod
    def _setup_tokenizer(cls):
        return AutoTokenizer.from_pretrained(Path(cls.folder.name) / "llama")

    @classmethod
    def prepare_processor_dict(cls):
        backbones = (Path(cls.folder.name) / name for name in ("whisper", "llama"))
        return {
            "chat_template": ListenProcessor.from_backbones(*backbones).chat_template,
            "audio_token": SPARE_TOKENS["llama"],
            "num_query_tokens": NUM_QUERY_TOKENS,
        }
