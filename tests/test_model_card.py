"""The card of a trained model says what the run left behind, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from recipes.miniature import TEXT_MODEL
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


def test_card_of_a_lora_run_on_rules_names_what_was_changed(trained: Path) -> None:
    config = json.loads((trained / "config.json").read_text())
    (trained / "config.json").write_text(json.dumps({**config, "audio_model_id": None, "text_model_id": None}))
    options = {"text_model": "/home/me/llama", "lora_rank": 4, "mixture": "rule", "responses": "/home/me/pool"}
    (trained / "training.yaml").write_text(yaml.safe_dump(options))
    data = {"corpora": {"clotho": {"clips": 2893, "responses": 5786}}, "generators": {"rule": 5786}}
    (trained / "data.yaml").write_text(yaml.safe_dump(data))
    text = write_model_card(trained).read_text(encoding="utf-8")
    assert "by LoRA of rank 4" in text and "| llama, changed by LoRA |" in text and "not a weight" not in text
    assert "written by templates" in text and "language model itself" not in text
    assert "| clotho | 2,893 | 5,786 |" in text
    assert "/home/me" not in text


@pytest.mark.parametrize(
    ("generators", "sentence"),
    [
        ({"llama@0123": 5}, "The language model itself wrote the responses"),
        ({"llama_other@0123": 5}, "The responses were written by llama_other@0123"),
        ({}, "Writer of the responses: [not recorded"),
    ],
)
def test_card_says_who_wrote_the_responses(trained: Path, generators: dict[str, int], sentence: str) -> None:
    (trained / "data.yaml").write_text(yaml.safe_dump({"generators": generators}))
    assert sentence in write_model_card(trained).read_text(encoding="utf-8")


def test_subsets_are_data_sets_of_their_own_on_the_hub(trained: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps([RESULT, {**RESULT, "subset": "popular", "accuracy": 0.5}]), encoding="utf-8")
    card = ModelCard.load(write_model_card(trained, results))
    found = {(e.dataset_config, e.metric_value) for e in card.data.eval_results if e.metric_type == "accuracy"}
    assert found == {("random", 0.8125), ("popular", 0.5)}


@pytest.mark.parametrize("system", [None, "absent"])
def test_results_of_others_are_not_the_models(trained: Path, tmp_path: Path, system: str | None) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps([RESULT, {**RESULT, "system": "always-yes"}]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"LISTEN, always-yes: name the model's by --system"):
        write_model_card(trained, results, system)


def test_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="llama holds a llama model, not a LISTEN"):
        main(["--model", TEXT_MODEL])
    with pytest.raises(SystemExit, match=r"config\.json"):
        main(["--model", str(tmp_path)])
