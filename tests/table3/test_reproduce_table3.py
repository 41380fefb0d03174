"""The experiment runs from data to table, in small, and its numbers are those of the answers."""

import json
from pathlib import Path

import pytest

from recipes.reproduce_table3 import main
from recipes.synthesis.dataset import load_responses, write_dataset
from recipes.table3.pools import exchange_negatives
from recipes.table3.rows import LEVERS, TABLE3


def test_rows_are_the_papers_and_their_names_unique() -> None:
    assert len(TABLE3) == 7
    names = [row.name for row in (*TABLE3, *LEVERS)]
    assert len(set(names)) == len(names)


def test_an_unknown_row_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="self-pn"):
        main(["--rows", "nothing", "--output_dir", str(tmp_path)])


@pytest.mark.slow
def test_small_experiment(tmp_path: Path) -> None:
    training = ["validation_clips=4", "eval_steps=0", "save_steps=0", "logging_steps=1"]
    main(
        ["--output_dir", str(tmp_path), "--rows", "self-pp", "self-pn", "pn-strange", "--seeds", "2", "--steps", "4",
         "--corpus", "sound_world:train[:24]", "--limit", "24", "--training", *training]
    )  # fmt: skip
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert set(summary["rows"]) == {"self-pp", "self-pn", "pn-strange"}
    results = json.loads((tmp_path / "answers" / "results.json").read_text(encoding="utf-8"))
    scores = {(row["system"], row["subset"]): row["accuracy"] for row in results}
    expected = sum(scores["self-pn-seed0", kind] for kind in ("random", "popular", "adversarial")) / 3
    assert summary["rows"]["self-pn"]["Acc"]["values"][0] == pytest.approx(expected)
    assert set(summary["comparisons"]) == {"self-pp", "pn-strange"}
    page = (tmp_path / "table3.md").read_text(encoding="utf-8")
    assert f"{100 * summary['rows']['self-pn']['Acc']['mean']:.1f}" in page


def test_exchanged_negatives_are_other_clips_and_all_else_stays(tmp_path: Path) -> None:
    records = [
        {
            "id": f"clip{clip}", "corpus": "x", "split": "train", "audio": {"path": f"{clip}.wav", "bytes": None},
            "duration": 1.0, "seed": f"seed {clip}", "seed_type": "tags", "captions": [], "tags": ["a"],
            "sample_type": kind, "sample_index": 0, "prompt": "?", "response": f"{kind} of {clip}", "generator": "g",
            "finish_reason": "stop", "response_tokens": clip,
        }
        for clip in range(10) for kind in ("positive", "negative")
    ]  # fmt: skip
    write_dataset(iter(records), tmp_path / "pool", len(records))
    assert exchange_negatives(tmp_path / "pool", tmp_path / "other", 1.0) == 10
    changed = load_responses(tmp_path / "other").to_list()
    for before, after in zip(records, changed, strict=True):
        same = before["response"] == after["response"]
        assert same == (before["sample_type"] == "positive")
    assert sorted(each["response"] for each in changed) == sorted(each["response"] for each in records)
