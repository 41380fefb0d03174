"""A bridge to a model that lives in a Python environment of its own, such as one with an old Transformers.

A wrapper in this folder is imported here for its `answer`, and run over there by `OtherEnvironment`, which loads the
model once and answers one question per line. Python 3.8 and the standard library are enough over there.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable


class OtherEnvironment:
    """Answers `(audio_path, question)` by a wrapper that runs under another Python; see `serve`.

    The recording is handed over as a 16 kHz mono WAV file, whatever it was. The process starts at the first question.

    Args:
        script: the wrapper.
        python: the environment variable that names the other environment's Python.
        repository: the one that names the folder in which the wrapper is to run; None for the current one.
    """

    def __init__(self, script: str, python: str, repository: str | None = None) -> None:
        self.script, self.python, self.repository = script, python, repository
        self._process: subprocess.Popen | None = None
        self._converted: str | None = None

    def __call__(self, audio_path: str, question: str) -> str | None:
        """The wrapper's answer; None where it has none.

        Raises:
            RuntimeError: an environment variable is not set, or the other process failed; what it printed says why.
        """
        if self._process is None:
            self._start()
        assert self._process is not None and self._process.stdin and self._process.stdout
        request = json.dumps({"audio_path": self._as_wav(audio_path), "question": question})
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
            reply = self._process.stdout.readline()
        except BrokenPipeError:
            reply = ""
        if not reply:
            code = self._process.wait()
            raise RuntimeError(f"{self.script} ended with code {code} in its environment; see what it printed above")
        return json.loads(reply)["response"]

    def _start(self) -> None:
        for name in filter(None, (self.python, self.repository)):
            if not os.environ.get(name):
                raise RuntimeError(f"set {name} as the guide in examples/systems/README.md says")
        folder = os.environ[self.repository] if self.repository else None
        self._process = subprocess.Popen(
            [os.environ[self.python], os.path.abspath(self.script)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        atexit.register(self._process.terminate)
        self._folder = tempfile.TemporaryDirectory(prefix="listen-")

    def _as_wav(self, audio_path: str) -> str:
        import soundfile

        from modeling_listen.audio_listen import read_audio

        wav = os.path.join(self._folder.name, "clip.wav")
        if audio_path != self._converted:  # questions on one recording come in a row
            soundfile.write(wav, read_audio(audio_path, 16000), 16000)
            self._converted = audio_path
        return wav


def serve(load: Callable[[], Callable[[str, str], str | None]]) -> None:
    """Over there: load a model, then answer one question per line until there are no more.

    Args:
        load: returns `answer(audio_path, question)`. What it and the model print goes to the standard error.
    """
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, os.getcwd())
    answer = load()
    for line in sys.stdin:
        request = json.loads(line)
        replies.write(json.dumps({"response": answer(request["audio_path"], request["question"])}) + "\n")
        replies.flush()
