"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

# Tests never reach for the network: what lives there is asked for by users only.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings (`esc10/`) and annotation files (`annotations/`) beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the real data in {SHARED_DATA}, which is not there")
    return SHARED_DATA


@pytest.fixture(scope="session")
def demo_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LISTEN of the miniature's backbones with a new adapter, saved as `make demo` saves its own."""
    from modeling_listen import ListenForConditionalGeneration, ListenProcessor
    from recipes.miniature import AUDIO_MODEL, TEXT_MODEL

    folder = tmp_path_factory.mktemp("demo") / "model"
    options = {"num_query_tokens": 8}
    ListenForConditionalGeneration.from_backbones(AUDIO_MODEL, TEXT_MODEL, **options).save_pretrained(folder)
    ListenProcessor.from_backbones(AUDIO_MODEL, TEXT_MODEL, **options).save_pretrained(folder)
    return folder


def _write_noise(path: Path, seconds: float) -> Path:
    import numpy as np
    import soundfile

    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(int(16_000 * seconds)), 16_000)
    return path


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of noise."""
    return _write_noise(tmp_path_factory.mktemp("sound") / "noise.wav", 3)


@pytest.fixture(scope="session")
def long_sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two and a half windows of the miniature's encoder."""
    return _write_noise(tmp_path_factory.mktemp("sound") / "long.wav", 12.5)
