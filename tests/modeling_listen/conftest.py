"""Fixtures: tiny backbones, LISTEN on them, and a process that has nothing but what a checkpoint brings."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from tests.modeling_listen.backbones import NUM_QUERY_TOKENS, build_audio_model, build_text_model, compose


@pytest.fixture(scope="session")
def audio_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny Whisper."""
    return build_audio_model(tmp_path_factory.mktemp("backbones") / "whisper")


@pytest.fixture(scope="session")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny Llama with a generation configuration of its own."""
    folder = build_text_model(tmp_path_factory.mktemp("backbones") / "llama", "llama")
    language_model = AutoModelForCausalLM.from_pretrained(folder)
    language_model.generation_config.update(max_new_tokens=7, repetition_penalty=1.5)
    language_model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def processor(audio_model: Path, text_model: Path) -> ListenProcessor:
    return ListenProcessor.from_backbones(audio_model, text_model, num_query_tokens=NUM_QUERY_TOKENS)


@pytest.fixture
def model(audio_model: Path, text_model: Path) -> ListenForConditionalGeneration:
    return compose(audio_model, text_model)


@pytest.fixture
def checkpoint(tmp_path: Path, model: ListenForConditionalGeneration, processor: ListenProcessor) -> Path:
    """A saved folder of the adapter alone, with its processor."""
    folder = tmp_path / "checkpoint"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


# Whatever is installed, the checkout's packages cannot be imported behind this.
WITHOUT_PACKAGE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("modeling_listen", "recipes"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
try:
    import modeling_listen
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("modeling_listen can be imported")
"""


@pytest.fixture
def fresh_python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs code in a new process, in another folder, without the package, with an empty cache of remote code."""

    def run(code: str, *arguments: object, timeout: float = 300) -> subprocess.CompletedProcess:
        result = subprocess.run(
            [sys.executable, "-I", "-c", WITHOUT_PACKAGE + textwrap.dedent(code), *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert result.returncode == 0, result.stderr[-4000:]
        return result

    return run
