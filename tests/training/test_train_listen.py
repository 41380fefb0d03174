"""The whole recipe on a tiny LISTEN."""

import json
from pathlib import Path

import pytest
import torch

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from recipes.train_listen import main


def test_trains_and_saves(arguments, tmp_path):
    main(arguments())
    folder = tmp_path / "run"
    assert (folder / "curves.png").stat().st_size > 5000
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in history if "loss" in entry] == [1, 2, 3, 4, 5, 6]
    probes = [entry for entry in history if "eval_probe_accuracy" in entry]
    assert [entry["step"] for entry in probes] == [3, 6]
    assert all(0 <= probes[-1][f"eval_probe_{name}"] <= 1 for name in ("accuracy", "yes_rate", "auroc"))
    assert "eval_loss" in probes[-1]
