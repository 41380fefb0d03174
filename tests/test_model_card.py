"""The card of a trained model says what the run left behind, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from recipes.model_card import main, write_model_card

RESULT = {
    "system": "LISTEN",
    "benchmark": "sound_world",
    "subset": "random",
    "n": 100,
    "accuracy": 0.8125,
    "f1_yes": 0.8,
    "f1_no": 0.825,
    "f1_weighted": 0.8125,
    "yes_rate": 0.475,
    "auroc": 0.875,
    "unparsed": 0.0,
}


@pytest.fixture
def trained(demo_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_model, tmp_path / "model"))


def test_card_tells_model_options_and_results(trained: Path, tmp_path: Path) -> None:
    (trained / "training.yaml").write_text("mixture: positive+negative\nmax_steps: 7\n", encoding="utf-8")
    results = tmp_path / "results.json"
    results.write_text(json.dumps([RESULT, {**RESULT, "system": "other", "accuracy": 0.1}]), encoding="utf-8")
    path = write_model_card(trained, results, system="LISTEN", repository="me/listen")
    card = ModelCard.load(path)
    assert card.data.pipeline_tag == "audio-text-to-text"
    assert {(each.metric_type, each.metric_value) for each in card.data.eval_results} >= {("accuracy", 0.8125)}
    assert "max_steps: 7" in card.text and "positive+negative" in card.text
    assert "81.2" in card.text and "10.0" not in card.text
    assert "8 query tokens" in card.text and "whisper" in card.text


def test_card_without_a_run_leaves_gaps_and_no_paths(trained: Path) -> None:
    text = write_model_card(trained).read_text(encoding="utf-8")
    assert "please fill in" in text and "has not been evaluated" in text
    assert str(trained.parent) not in text


@pytest.mark.parametrize("system", [None, "absent"])
def test_results_of_others_are_not_the_models(trained: Path, tmp_path: Path, system: str | None) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps([RESULT, {**RESULT, "system": "always-yes"}]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"LISTEN, always-yes: name the model's by --system"):
        write_model_card(trained, results, system)


def test_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"config\.json"):
        main(["--model", str(tmp_path)])
