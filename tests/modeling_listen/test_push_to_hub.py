"""What `push_to_hub` uploads, seen by a Hub on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from modeling_listen import ListenForConditionalGeneration
from tests.hub import TOKEN, serve_hub
from tests.modeling_listen.test_checkpoint_listen import CODE, assert_same_weights, tensor_names

PUSH = """
import sys
from modeling_listen import ListenForConditionalGeneration, ListenProcessor
model = ListenForConditionalGeneration.from_pretrained(sys.argv[1])
if sys.argv[2] == "named":  # as if the backbones came from the Hub
    model.config.audio_model_id, model.config.text_model_id = "openai/whisper-tiny", "meta-llama/Llama-3.2-1B-Instruct"
model.push_to_hub("me/listen")
ListenProcessor.from_pretrained(sys.argv[1]).push_to_hub("me/listen")
"""


@pytest.mark.parametrize("backbones", ["named", "in folders"])
def test_what_is_published(checkpoint, model, tmp_path, backbones):
    environment = {
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_TOKEN": TOKEN,
    }
    with serve_hub(tmp_path / "hub") as url:
        done = subprocess.run(
            [sys.executable, "-c", PUSH, str(checkpoint), backbones],
            cwd=Path(__file__).resolve().parents[2],
            env=os.environ | environment | {"HF_ENDPOINT": url},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    published = tmp_path / "hub" / "me" / "listen"
    files = {path.name for path in published.iterdir()}
    assert files == CODE | {
        "README.md",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    config = json.loads((published / "config.json").read_text())
    assert str(tmp_path) not in "".join(path.read_text() for path in published.glob("*.json"))
    adapter = {f"model.adapter.{name}" for name in model.model.adapter.state_dict()}
    size = (published / "model.safetensors").stat().st_size
    if backbones == "named":
        assert config["text_model_id"] == "meta-llama/Llama-3.2-1B-Instruct"
        assert tensor_names(published) == adapter
        assert size < 300_000
    else:  # nobody else has these folders
        assert config["text_model_id"] is None
        assert tensor_names(published) > adapter
        assert size > 300_000
        assert_same_weights(model, ListenForConditionalGeneration.from_pretrained(published))
