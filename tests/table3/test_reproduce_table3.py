"""The experiment runs from data to table, in small, and its numbers are those of the answers."""

import json
import shutil
from pathlib import Path

import pytest

from recipes.miniature import TEXT_MODEL
from recipes.reproduce_table3 import main
from recipes.synthesis.dataset import load_responses, write_dataset
from recipes.table3.page import tables
from recipes.table3.pools import corrupt_negatives, exchange_negatives
from recipes.table3.rows import LEVERS, TABLE3, rows_on


def test_rows_are_the_papers_and_their_names_unique() -> None:
    assert len(TABLE3) == 7
    names = [row.name for row in (*TABLE3, *LEVERS)]
    assert len(set(names)) == len(names)


def test_an_unknown_row_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="self-pn"):
        main(["--rows", "nothing", "--output_dir", str(tmp_path)])


@pytest.mark.slow
def test_small_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = tmp_path / "others"
    shutil.copytree(TEXT_MODEL, others / "llama_again")
    training = ["validation_clips=4", "eval_steps=0", "save_steps=0", "logging_steps=1"]
    main(
        ["--output_dir", str(tmp_path), "--rows", "self-pp", "self-pn", "pn-strange", "--seeds", "2", "--steps", "4",
         "--corpus", "sound_world:train[:24]", "--limit", "24", "--training", *training, "--backbones", str(others)]
    )  # fmt: skip
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    on_other = {"self-pp-llama_again", "self-pn-llama_again"}
    assert set(summary["rows"]) == {"self-pp", "self-pn", "pn-strange", *on_other}
    assert set(summary["bounds"]) == {"text", "tagger", "always-yes", "silence", "shuffled"}
    results = json.loads((tmp_path / "answers" / "results.json").read_text(encoding="utf-8"))
    scores = {(row["system"], row["subset"]): row["accuracy"] for row in results}
    expected = sum(scores["self-pn-seed0", kind] for kind in ("random", "popular", "adversarial")) / 3
    positive, negative = (summary["rows"][name] for name in ("self-pp", "self-pn"))
    assert negative["columns"]["Acc"]["values"][0] == pytest.approx(expected)
    less = positive["comparison"]["less_Acc"]
    difference = negative["columns"]["Acc"]["mean"] - positive["columns"]["Acc"]["mean"]
    assert sum(less) / len(less) == pytest.approx(difference)
    assert negative["comparison"] is None
    # The same backbone again: the same numbers.
    again = summary["rows"]["self-pp-llama_again"]
    assert again["columns"] == positive["columns"]
    assert again["comparison"]["against"] == "self-pn-llama_again"
    page = (tmp_path / "table3.md").read_text(encoding="utf-8")
    assert tables(summary) in page and tables(summary) in capsys.readouterr().out
    assert f"{100 * negative['columns']['Acc']['mean']:.1f}" in page
    assert {"yes_rates.png", "negatives.png"} <= {path.name for path in tmp_path.iterdir()}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    tags = ["dog", "cow", "rain", "siren", "clock"]
    records = [
        {
            "id": f"clip{clip}", "corpus": "x", "split": "train", "audio": {"path": f"{clip}.wav", "bytes": None},
            "duration": 1.0, "seed": f"seed {clip}", "seed_type": "tags", "captions": [], "tags": [tags[clip % 5]],
            "sample_type": kind, "sample_index": 0, "prompt": "?", "generator": "g", "finish_reason": "stop",
            "response": f"{clip}: {tags[(clip + 1) % 5]}, {tags[(clip + 2) % 5]}." , "response_tokens": clip,
        }
        for clip in range(10) for kind in ("positive", "negative")
    ]  # fmt: skip
    write_dataset(iter(records), tmp_path / "pool", len(records))
    return tmp_path / "pool"


def test_exchanged_negatives_are_other_clips_and_all_else_stays(pool: Path, tmp_path: Path) -> None:
    assert exchange_negatives(pool, tmp_path / "other") == 10
    records, changed = (load_responses(each).to_list() for each in (pool, tmp_path / "other"))
    for before, after in zip(records, changed, strict=True):
        same = before["response"] == after["response"]
        assert same == (before["sample_type"] == "positive")
    assert sorted(each["response"] for each in changed) == sorted(each["response"] for each in records)


def test_corrupted_negatives_name_one_sound_that_is_there(pool: Path, tmp_path: Path) -> None:
    assert corrupt_negatives(pool, tmp_path / "other") == 10
    records, changed = (load_responses(each).to_list() for each in (pool, tmp_path / "other"))
    for before, after in zip(records, changed, strict=True):
        if before["sample_type"] == "positive":
            assert before == after
        else:
            assert after["tags"][0] in after["response"] and after["tags"][0] not in before["response"]
            assert len(after["response"].split(", ")) == 2


def test_rows_on_another_backbone_compare_with_each_other() -> None:
    positive, negative = rows_on(Path("runs/llama_seed2"), is_encoder=False)
    assert positive.against == negative.name and negative.against is None
    assert positive.text_model == "runs/llama_seed2" and positive.pool == negative.pool == "self-llama_seed2"
    (on_encoder, _) = rows_on(Path("runs/deaf"), is_encoder=True)
    assert on_encoder.audio_model == "runs/deaf" and on_encoder.pool == "self"
