"""A small evaluation to report on."""

from pathlib import Path

import pytest

from tests.report.runs import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results and answers of four systems on six subsets; not to be written to."""
    return write_run(tmp_path_factory.mktemp("evaluation"))
