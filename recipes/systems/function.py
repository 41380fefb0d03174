"""A Python function as a system: the hook for models that run in their own way."""

import hashlib
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from recipes.systems.base import Answer, Clip, Settings, System
from recipes.systems.wav import write_wav


class Function(System):
    """Calls `function(audio_path, question) -> str` for every question; None is no answer.

    What the function raises ends the run (which can be resumed): only the function knows which of its failures are a
    question's and which are its own, and it returns None for the former.

    Args:
        name: how tables call it.
        reference: `package.module:function`, the module being importable from the working directory, or
            `path/to/file.py:function`.
        settings: not used: the function decides how it answers.

    Raises:
        ValueError: `reference` is not of this form.
    """

    def __init__(self, name: str, reference: str, settings: Settings) -> None:
        self.name = name
        self._module, _, self._attribute = reference.rpartition(":")
        if not self._module or not self._attribute.isidentifier():
            raise ValueError(f"{reference!r} names no function; write module:function or path/to/file.py:function")

    def identity(self) -> dict[str, Any]:
        """The function's name and what its file holds.

        Raises:
            ValueError: there is no such file.
        """
        return {"function": f"{self._module}:{self._attribute}", "source": _source(self._module)}

    @cached_property
    def _function(self) -> Callable[[str, str], str | None]:
        function = getattr(_import(self._module), self._attribute, None)
        if not callable(function):
            raise ValueError(f"{self._module} has no function {self._attribute!r}")
        return function

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory:
        return tempfile.TemporaryDirectory(prefix="listen-")

    def answer(self, clips: Sequence[Clip]) -> list[list[Answer]]:
        """Answer the questions of several clips, one after another.

        Raises:
            TypeError: the function returned neither text nor None.
        """
        return [[self._ask(self._path_of(clip), each["question"]) for each in clip.questions] for clip in clips]

    def _ask(self, path: str, question: str) -> Answer:
        response = self._function(path, question)
        if response is not None and not isinstance(response, str):
            raise TypeError(
                f"{self._module}:{self._attribute} returned {type(response).__name__} for {question!r} about {path}; "
                "it must return text, or None where it has no answer"
            )
        return Answer(response, None, None if response is not None else "the function returned None")

    def _path_of(self, clip: Clip) -> str:
        if clip.audio.get("bytes") is None and clip.audio.get("path"):
            return os.path.abspath(clip.audio["path"])
        path = Path(self._folder.name) / "clip.wav"
        write_wav(path, clip.waveform)
        return str(path)

    def close(self) -> None:
        """Delete temporary files."""
        if "_folder" in self.__dict__:
            self.__dict__.pop("_folder").cleanup()


def _source(module: str) -> str | None:
    """A digest of the module's file, without running it; None where it has none."""
    if module.endswith(".py"):
        path = _file(module)
    else:
        _look_here()
        found = importlib.util.find_spec(module)
        if not found or not found.has_location:
            return None
        path = Path(found.origin)
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def _look_here() -> None:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _file(module: str) -> Path:
    path = Path(module).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {module} to take a function from")
    return path


def _import(module: str) -> Any:
    if not module.endswith(".py"):
        _look_here()
        return importlib.import_module(module)
    path = _file(module)
    sys.path.insert(0, str(path.parent.absolute()))  # for what lies beside it
    specification = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(loaded)
    return loaded
