"""Questions asked while a model is trained."""

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from recipes.training.arguments import DataOptions, ModelOptions
from recipes.training.data import load_questions
from recipes.training.model import load_model, load_processor
from recipes.training.probe import Probe
from tests.training.conftest import write_questions


@pytest.fixture
def listen(backbones):
    options = ModelOptions(*backbones, num_query_tokens=4)
    return load_model(options, torch.device("cpu")), load_processor(options)


@pytest.mark.parametrize("damaged", [{0}, {2, 3}, {8}])
def test_damaged_recordings_are_left_out_and_named_once(listen, tmp_path, caplog, damaged):
    """At the beginning, side by side, and the only one of a batch."""
    model, processor = listen
    file = Path(write_questions(tmp_path, 9, damaged))
    probe = Probe(load_questions(DataOptions(questions=str(file))), processor)
    scores = [probe(model, Accelerator(cpu=True)) for _ in range(2)]
    for clip in damaged:
        assert caplog.text.count(f"{clip}.flac are left out: audio file") == 1

    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for clip, line in enumerate(lines) if clip not in damaged))
    readable = Probe(load_questions(DataOptions(questions=str(file))), processor)
    assert scores == [pytest.approx(readable(model, Accelerator(cpu=True)))] * 2


def test_no_recording_that_can_be_read_is_an_error(listen, tmp_path):
    model, processor = listen
    probe = Probe(load_questions(DataOptions(questions=write_questions(tmp_path, 2, {0, 1}))), processor)
    with pytest.raises(ValueError, match=r"none of 2 clips can be read: .*0\.flac"):
        probe(model, Accelerator(cpu=True))
