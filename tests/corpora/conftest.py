"""Fixtures of the corpora: a cache of their own, and recordings that are short but real."""

from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pytest
import soundfile


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("datasets-cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    return cache


@pytest.fixture
def record() -> Callable[..., Path]:
    """Writes a quiet sine of so many seconds; the suffix gives the format."""

    def write(path: Path, seconds: float = 0.5, sampling_rate: int = 8000) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        time = np.arange(round(seconds * sampling_rate)) / sampling_rate
        soundfile.write(path, 0.1 * np.sin(2 * np.pi * 440 * time), sampling_rate)
        return path

    return write


@pytest.fixture
def write() -> Callable[[Path, str], Path]:
    def write_text(path: Path, text: str, encoding: str = "utf-8") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding=encoding)
        return path

    return write_text
