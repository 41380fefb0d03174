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
