"""Tiny backbones with random weights, and LISTEN composed from them."""

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from modeling_listen import ListenForConditionalGeneration

NUM_QUERY_TOKENS = 5
SAMPLING_RATE = 16000

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] | trim }}<|eot_id|>"
    "{% endgeneration %}"
    "{% else %}{{ message['content'] | trim }}<|eot_id|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
TEXT_CONFIGS = {
    "llama": LlamaConfig,
    "qwen2": Qwen2Config,
    "qwen3": Qwen3Config,
    "gemma2": Gemma2Config,
    "gemma3": Gemma3TextConfig,
    "mistral": MistralConfig,
}
SPARE_TOKENS = {
    "llama": "<|reserved_special_token_0|>",
    "qwen2": "<|vision_pad|>",
    "qwen3": "<|vision_pad|>",
    "gemma2": "<unused7>",
    "gemma3": "<unused7>",
    "mistral": "[control_8]",
}


def build_tokenizer(folder: Path, spare_token: str | None) -> None:
    """A byte-level tokenizer in the manner of Llama 3, with one reserved token or none."""
    special = ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|pad|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=[*special, spare_token] if spare_token else special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    sentences = ["Is there a sound of a dog in the audio? Yes, there is. No.", "[Begin of audio] [End of audio]"]
    tokenizer.train_from_iterator(sentences * 4, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        pad_token="<|pad|>",
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)


def build_text_model(folder: Path, family: str, tied: bool = False, spare: bool = True, **options: object) -> Path:
    """A random language model of a family, with its tokenizer."""
    build_tokenizer(folder, SPARE_TOKENS[family] if spare else None)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 12,
        "max_position_embeddings": 4096,
        # Wide enough for random logits to differ beyond rounding.
        "initializer_range": 0.2,
    }
    config = TEXT_CONFIGS[family](
        **sizes | options,
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def build_audio_model(folder: Path, **options: object) -> Path:
    """A random Whisper that hears windows of two seconds."""
    sizes = {
        "d_model": 32,
        "encoder_layers": 3,
        "decoder_layers": 1,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 32,
        "num_mel_bins": 16,
        "max_source_positions": 100,
        "vocab_size": 50,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 3,
        "init_std": 0.1,
    } | options
    config = WhisperConfig(**sizes)
    torch.manual_seed(0)
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    seconds = config.max_source_positions // 50
    WhisperFeatureExtractor(feature_size=config.num_mel_bins, chunk_length=seconds).save_pretrained(folder)
    return folder


def compose(audio_model: Path, text_model: Path, **options: object) -> ListenForConditionalGeneration:
    """LISTEN on two backbones, its adapter random but the same each time."""
    torch.manual_seed(0)
    options = {"num_query_tokens": NUM_QUERY_TOKENS, "initializer_range": 0.2} | options
    return ListenForConditionalGeneration.from_backbones(audio_model, text_model, **options).eval()


def noise(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    """A random clip."""
    return (np.random.default_rng(seed).normal(size=int(seconds * SAMPLING_RATE)) * 0.1).astype(np.float32)
