"""Small real things to synthesize with: seeds, a random Llama with a tokenizer of its own, its processor."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from datasets import Dataset

from recipes.records import SEED_FEATURES

EVENTS = ("dog barking", "rain", "siren", "footsteps", "church bell", "wind", "engine idling", "birds chirping")

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|start|>{{ message['role'] }}\n\n{{ message['content'] | trim }}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n\n{% endif %}"
)


def make_seeds(count: int, corpus: str = "test", distinct: int = 0, start: int = 0) -> Dataset:
    """Seed records, captions and tags in turn; `distinct` limits how many different seed texts there are."""

    def rows():
        for number in range(start, start + count):
            text = number % distinct if distinct else number
            first, second = EVENTS[text % len(EVENTS)], EVENTS[(text // len(EVENTS) + 3) % len(EVENTS)]
            caption = number % 2 == 0
            yield {
                "id": f"{corpus}-{number:07d}",
                "corpus": corpus,
                "split": "train",
                "audio": {"path": f"/recordings/{number}.wav", "bytes": None},
                "duration": 5.0,
                "seed": f"Take {text}: a {first}, then a {second}." if caption else f"{first}; {second}; take {text}",
                "seed_type": "caption" if caption else "tags",
                "captions": [f"Take {text}: a {first}, then a {second}."] if caption else [],
                "tags": [] if caption else [first, second],
            }

    return Dataset(pa.Table.from_pylist(list(rows()), schema=SEED_FEATURES.arrow_schema))


@pytest.fixture(scope="session")
def seeds() -> Callable[..., Dataset]:
    """`make_seeds`."""
    return make_seeds


@pytest.fixture(scope="session")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a random Llama (2 layers of 64) whose answers differ in content and length, and of its tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("backbone")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|bos|>", "<|start|>", "<|end|>", "<|reserved_special_token_0|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([row["seed"] for row in make_seeds(200)], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|bos|>",
        eos_token="<|end|>",
        chat_template=CHAT_TEMPLATE,
        extra_special_tokens=[special[1], special[3]],
    ).save_pretrained(folder)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=320,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            bos_token_id=0,
            eos_token_id=2,
            initializer_range=0.3,
        )
    )
    # A sixteenth of the vocabulary ends a response, so that lengths differ.
    model.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=[2, *range(300, 320)], pad_token_id=2)
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def processor(text_model: str):
    """What renders the prompts of `text_model`."""
    from recipes.synthesis.engines.transformers_engine import load_processor

    return load_processor(text_model)


@pytest.fixture
def corpus_folder(tmp_path: Path) -> Path:
    """A folder of recordings for `--corpora folder=...`: six clips with captions or tags."""
    import numpy as np
    import soundfile

    folder = tmp_path / "recordings"
    folder.mkdir()
    lines = ["file,caption,tags"]
    for number, event in enumerate(EVENTS[:6]):
        noise = np.random.default_rng(number).uniform(-0.1, 0.1, 1600)
        soundfile.write(folder / f"{number}.wav", noise, 16000)
        lines.append(f"{number}.wav,A {event}.," if number % 2 else f"{number}.wav,,{event}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
