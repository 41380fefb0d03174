"""Tiny audio LLMs of Transformers' own classes with random weights, as their checkpoints are laid out."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    AudioFlamingo3Processor,
    GraniteSpeechConfig,
    GraniteSpeechFeatureExtractor,
    GraniteSpeechForConditionalGeneration,
    GraniteSpeechProcessor,
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

MEL_BINS = 8
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|AUDIO|>",
    "<|audio_bos|>",
    "<|audio_eos|>",
    "<sound>",
    "<|audio|>",
)
# Takes audio as part of a message; what Audio Flamingo 3's own does, without its system turn.
PARTS_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}<sound>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Takes text only, as Granite Speech's.
TEXT_TEMPLATE = (
    "{% for message in messages %}USER: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with the special tokens of both models."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=list(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["Is there a sound of a dog in the audio? Yes, there is. No."] * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def _configs(tokenizer: PreTrainedTokenizerFast, encoder: str) -> dict[str, dict]:
    text = {
        "model_type": "qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.2,  # wide enough for random logits to differ beyond rounding
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    audio = {
        "model_type": encoder,
        "num_mel_bins": MEL_BINS,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "hidden_size": 16,
        "initializer_range": 0.2,
    }
    return {"text_config": text, "audio_config": audio}


def build_qwen2_audio(folder: Path) -> Path:
    """A tiny Qwen2-Audio, whose processor brings a chat template of its own."""
    tokenizer = build_tokenizer()
    config = Qwen2AudioConfig(
        **_configs(tokenizer, "qwen2_audio_encoder"), audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>")
    )
    torch.manual_seed(0)
    Qwen2AudioForConditionalGeneration(config).save_pretrained(folder)
    Qwen2AudioProcessor(WhisperFeatureExtractor(feature_size=MEL_BINS), tokenizer).save_pretrained(folder)
    return folder


def build_audio_flamingo3(folder: Path, chat_template: str = PARTS_TEMPLATE) -> Path:
    """A tiny Audio Flamingo 3."""
    tokenizer = build_tokenizer()
    config = AudioFlamingo3Config(
        **_configs(tokenizer, "audioflamingo3_encoder"), audio_token_id=tokenizer.convert_tokens_to_ids("<sound>")
    )
    torch.manual_seed(0)
    AudioFlamingo3ForConditionalGeneration(config).save_pretrained(folder)
    AudioFlamingo3Processor(
        WhisperFeatureExtractor(feature_size=MEL_BINS, return_attention_mask=True),
        tokenizer,
        chat_template=chat_template,
    ).save_pretrained(folder)
    return folder


def build_granite_speech(folder: Path) -> Path:
    """A tiny Granite Speech; needs torchaudio."""
    tokenizer = build_tokenizer()
    config = GraniteSpeechConfig(
        text_config=_configs(tokenizer, "")["text_config"] | {"model_type": "granite"},
        encoder_config={"num_layers": 2, "hidden_dim": 32, "num_heads": 2, "context_size": 50},
        projector_config={
            "model_type": "blip_2_qformer",
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "encoder_hidden_size": 32,
        },
        audio_token_index=tokenizer.convert_tokens_to_ids("<|audio|>"),
        has_lora_adapter=False,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    GraniteSpeechForConditionalGeneration(config).save_pretrained(folder)
    extractor = GraniteSpeechFeatureExtractor()
    GraniteSpeechProcessor(extractor, tokenizer, chat_template=TEXT_TEMPLATE).save_pretrained(folder)
    return folder
