"""Fixtures: tiny systems of every kind, and a server on loopback."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modeling_listen import ListenProcessor
from tests.modeling_listen.backbones import NUM_QUERY_TOKENS, build_audio_model, build_text_model, compose
from tests.systems.models import build_audio_flamingo3, build_granite_speech, build_qwen2_audio


@pytest.fixture(scope="session")
def listen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny LISTEN with random weights, self-contained."""
    folder = tmp_path_factory.mktemp("listen")
    audio_model = build_audio_model(folder / "whisper")
    text_model = build_text_model(folder / "llama", "llama")
    compose(audio_model, text_model).save_pretrained(folder / "model", include_backbones=True)
    processor = ListenProcessor.from_backbones(audio_model, text_model, num_query_tokens=NUM_QUERY_TOKENS)
    processor.save_pretrained(folder / "model")
    return folder / "model"


@pytest.fixture(scope="session")
def qwen2_audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_qwen2_audio(tmp_path_factory.mktemp("qwen2_audio"))


@pytest.fixture(scope="session")
def audio_flamingo3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_audio_flamingo3(tmp_path_factory.mktemp("audio_flamingo3"))


@pytest.fixture(scope="session")
def granite_speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torchaudio", reason="Granite Speech computes its features with torchaudio")
    return build_granite_speech(tmp_path_factory.mktemp("granite_speech"))


@pytest.fixture(scope="session")
def api() -> Iterator[str]:
    """URL of a server in a process of its own; see `chat_server.py`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(__file__).with_name("chat_server.py")
    process = subprocess.Popen([sys.executable, str(script), str(port)])
    try:
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            raise RuntimeError("the server did not start")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(10)
