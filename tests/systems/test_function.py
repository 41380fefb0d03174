"""The function hook."""

import sys
from pathlib import Path

import pytest
import soundfile

from recipes.systems.base import Clip, Settings
from recipes.systems.function import Function
from tests.modeling_listen.backbones import noise

MODULE = """
import soundfile

def answer(audio_path, question):
    samples, rate = soundfile.read(audio_path)
    return f"{len(samples)} at {rate}: {question}"

def shrug(audio_path, question):
    return None

def number(audio_path, question):
    return 1

def fail(audio_path, question):
    raise OSError("the disk is full")
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "my_system.py"
    path.write_text(MODULE)
    return path


def clip_of(path: Path) -> Clip:
    soundfile.write(path, noise(0.5), 8000)
    return Clip({"path": str(path), "bytes": None}, [{"question": "a?"}, {"question": "b?"}], noise(1.0))


def test_a_function_in_a_file_gets_the_recording_itself(module: Path, tmp_path: Path) -> None:
    answers = Function("x", f"{module}:answer", Settings()).answer([clip_of(tmp_path / "a.wav")])
    assert [each.response for each in answers[0]] == ["8000 at 8000: a?", "8000 at 8000: b?"]


def test_a_function_in_a_module_of_the_working_directory(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(module.parent)
    monkeypatch.setattr("sys.path", [*sys.path])
    answers = Function("x", "my_system:answer", Settings()).answer([clip_of(tmp_path / "a.wav")])
    assert answers[0][0].response == "8000 at 8000: a?"


def test_what_is_no_file_is_written_to_one(module: Path) -> None:
    clip = Clip({"path": None, "bytes": b"..."}, [{"question": "a?"}], noise(1.0))
    system = Function("x", f"{module}:answer", Settings())
    assert system.answer([clip])[0][0].response == "16000 at 16000: a?"
    folder = Path(system._folder.name)
    system.close()
    assert not folder.exists()


def test_none_is_no_answer(module: Path, tmp_path: Path) -> None:
    answer = Function("x", f"{module}:shrug", Settings()).answer([clip_of(tmp_path / "a.wav")])[0][0]
    assert answer == (None, None, "the function returned None")


def test_other_results_are_refused_and_exceptions_passed_on(module: Path, tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "a.wav")
    with pytest.raises(TypeError, match="returned int for 'a\\?'"):
        Function("x", f"{module}:number", Settings()).answer([clip])
    with pytest.raises(OSError, match="the disk is full"):
        Function("x", f"{module}:fail", Settings()).answer([clip])


def test_what_is_not_there_is_named(module: Path, tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "a.wav")
    with pytest.raises(ValueError, match="has no function 'missing'"):
        Function("x", f"{module}:missing", Settings()).answer([clip])
    with pytest.raises(ValueError, match="there is no file"):
        Function("x", "nowhere/at_all.py:answer", Settings()).answer([clip])


def test_another_source_is_another_system(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(module.parent)
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_system", raising=False)
    systems = [Function("x", reference, Settings()) for reference in (f"{module}:answer", "my_system:answer")]
    before = [each.identity() for each in systems]
    assert [each.identity() for each in systems] == before
    module.write_text(MODULE.replace("samples)} at", "samples)} samples at"))
    assert all(each.identity() != old for each, old in zip(systems, before, strict=True))
    with pytest.raises(ValueError, match="there is no file"):
        Function("x", "nowhere/at_all.py:answer", Settings()).identity()
