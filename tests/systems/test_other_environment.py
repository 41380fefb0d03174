"""The bridge of `examples/systems` to models in environments of their own."""

import ast
import sys
from pathlib import Path

import pytest
import soundfile

from recipes.systems.base import Clip, Settings
from recipes.systems.function import Function
from tests.modeling_listen.backbones import noise

EXAMPLES = Path(__file__).parents[2] / "examples" / "systems"
WRAPPERS = ("qwen_audio_chat", "salmonn", "ltu_as")
# A wrapper like those of the examples, of a model that prints much and needs its repository's modules.
WRAPPER = """
from other_environment import OtherEnvironment, serve

answer = OtherEnvironment(__file__, python="OTHER_PYTHON", repository="OTHER_REPOSITORY")

def load():
    import model_of_the_repository
    print("loading the weights")
    return model_of_the_repository.ask

if __name__ == "__main__":
    serve(load)
"""
MODEL = """
import os, wave
print("a noisy module")
def ask(audio_path, question):
    print("thinking")
    if "crash" in question:
        os._exit(3)
    with wave.open(audio_path) as file:
        return None if "none" in question else f"{file.getframerate()} Hz, {file.getnchannels()}: “{question}”"
"""


@pytest.fixture
def bridged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Function:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "model_of_the_repository.py").write_text(MODEL)
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    (tmp_path / "other_environment.py").write_text((EXAMPLES / "other_environment.py").read_text())
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "other_environment", raising=False)
    monkeypatch.setenv("OTHER_PYTHON", sys.executable)
    monkeypatch.setenv("OTHER_REPOSITORY", str(tmp_path / "repository"))
    return Function("x", f"{tmp_path / 'wrapper.py'}:answer", Settings())


def clip_of(folder: Path, *questions: str) -> Clip:
    path = folder / "clip.flac"
    soundfile.write(path, noise(0.5), 44100)
    return Clip({"path": str(path), "bytes": None}, [{"question": each} for each in questions], noise(0.5))


def test_a_model_elsewhere_answers(bridged: Function, tmp_path: Path) -> None:
    first, second, third = bridged.answer([clip_of(tmp_path, "Is there a dog?", "none", "é?")])[0]
    assert first.response == "16000 Hz, 1: “Is there a dog?”"
    assert second.response is None
    assert third.response == "16000 Hz, 1: “é?”"


def test_its_end_is_reported(bridged: Function, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with code 3"):
        bridged.answer([clip_of(tmp_path, "fine?", "crash")])


def test_what_is_to_be_set_is_named(bridged: Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTHER_REPOSITORY")
    with pytest.raises(RuntimeError, match="set OTHER_REPOSITORY"):
        bridged.answer([clip_of(tmp_path, "a?")])


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_need_nothing_here_and_only_old_python_there(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("QWEN_AUDIO_PYTHON", "SALMONN_PYTHON", "LTU_AS_PYTHON"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    system = Function("x", f"{EXAMPLES / name}.py:answer", Settings())
    with pytest.raises(RuntimeError, match=r"set [A-Z_]+_PYTHON"):
        system.answer([clip_of(tmp_path, "a?")])
    for file in (name, "other_environment"):
        ast.parse((EXAMPLES / f"{file}.py").read_text(), feature_version=(3, 8))
