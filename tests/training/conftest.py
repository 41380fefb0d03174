"""A tiny LISTEN with random weights, and a pool of responses on short recordings of noise."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from recipes.records import QUESTION_FEATURES, RESPONSE_FEATURES

SOUNDS = ("dog", "cat", "rain", "siren", "bell", "engine")
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
SPECIAL_TOKENS = (
    "<|begin_of_text|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|reserved_special_token_0|>",
    "<|pad|>",
)


@pytest.fixture(scope="session")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Folders of a Whisper that hears 2 s and of a Llama, both of random weights."""
    folder = tmp_path_factory.mktemp("backbones")
    audio, text = str(folder / "whisper"), str(folder / "llama")
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=32,
        encoder_layers=3,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=32,
        num_mel_bins=16,
        max_source_positions=100,
        vocab_size=50,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
    )
    WhisperForConditionalGeneration(config).save_pretrained(audio)
    WhisperFeatureExtractor(feature_size=16, chunk_length=2, hop_length=160).save_pretrained(audio)

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = ["[Begin of audio] [End of audio] Is there a dog? Yes, there is. No.", *SOUNDS]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>", pad_token="<|pad|>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(text)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(text)
    return audio, text


def write_recording(path: Path, seconds: float, seed: int) -> dict:
    """A recording of noise; returns its `audio` record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(scale=0.1, size=int(16_000 * seconds)).astype(np.float32)
    soundfile.write(path, noise, 16_000)
    return {"path": str(path), "bytes": None}


def response_records(clip: int, audio: dict, counts: dict[str, int]) -> list[dict]:
    """Response records of one clip, so many of each kind, each of another length."""
    sound, other = SOUNDS[clip % len(SOUNDS)], SOUNDS[(clip + 1) % len(SOUNDS)]
    prompts = {"positive": "Replay the audio.", "negative": "What is absent?", "combined": "Both.", "rule": "List."}
    return [
        {
            "id": f"clip{clip}",
            "corpus": "noise",
            "split": "train",
            "audio": audio,
            "duration": 1.0,
            "seed": sound,
            "seed_type": "tags",
            "captions": [],
            "tags": [sound],
            "sample_type": kind,
            "sample_index": index,
            "prompt": prompts[kind],
            "response": f"There is {'no ' * (kind == 'negative')}{other if kind == 'negative' else sound}" + "." * index,
            "generator": "test",
            "finish_reason": "stop",
            "response_tokens": 5,
        }
        for kind, count in counts.items()
        for index in range(count)
    ]


def write_pool(folder: Path, records: list[dict]) -> str:
    """Write response records as synthesis leaves them."""
    (folder / "data").mkdir(parents=True)
    schema = RESPONSE_FEATURES.arrow_schema
    pq.write_table(pa.Table.from_pylist(records, schema=schema), folder / "data" / "train-00000-of-00001.parquet")
    return str(folder)


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pool of 12 clips of 0.3 to 1.4 s, with two positive, a negative, a combined and two rule responses each."""
    folder = tmp_path_factory.mktemp("pool")
    counts = {"positive": 2, "negative": 1, "combined": 1, "rule": 2}
    records = []
    for clip in range(12):
        audio = write_recording(folder / "audio" / f"{clip}.wav", 0.3 + clip / 10, clip)
        records += response_records(clip, audio, counts)
    return write_pool(folder / "responses", records)


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight yes/no questions on four clips, two of which nobody answers yes or no."""
    folder = tmp_path_factory.mktemp("questions")
    records = []
    for clip in range(4):
        audio = write_recording(folder / f"{clip}.wav", 0.5 + clip / 10, 100 + clip)
        asked = [(SOUNDS[clip], "yes"), (SOUNDS[clip + 1], "no"), ("What is it?", "a dog")]
        for index, (sound, answer) in enumerate(asked[: 3 if clip < 2 else 2]):
            question = sound if "?" in sound else f"Is there a {sound}?"
            records.append(
                {"id": f"{clip}-{index}", "benchmark": "noise", "subset": "test", "audio": audio, "question": question,
                 "answer": answer}
            )  # fmt: skip
    file = folder / "questions.parquet"
    pq.write_table(pa.Table.from_pylist(records, schema=QUESTION_FEATURES.arrow_schema), file)
    return str(file)


@pytest.fixture
def arguments(backbones: tuple[str, str], pool: str, questions: str, tmp_path: Path) -> Callable[..., list[str]]:
    """Makes a command line of train_listen.py: a short run on CPU, unless options say otherwise."""

    def make(**options: object) -> list[str]:
        values = {
            "audio_model": backbones[0],
            "text_model": backbones[1],
            "num_query_tokens": 4,
            "responses": pool,
            "questions": questions,
            "validation_clips": 2,
            "output_dir": str(tmp_path / "run"),
            "max_steps": 6,
            "per_device_train_batch_size": 3,
            "warmup_steps": 1,
            "logging_steps": 1,
            "eval_steps": 3,
            "save_steps": 3,
            "training_arguments": '{"use_cpu": true, "disable_tqdm": true}',
            **options,
        }
        return [text for name, value in values.items() for text in (f"--{name}", str(value))]

    return make
