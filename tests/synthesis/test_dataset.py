import os
import subprocess
import sys

import pytest
from datasets import load_dataset
from huggingface_hub import DatasetCard

from recipes.records import RESPONSE_FEATURES
from recipes.synthesis import dataset
from recipes.synthesis.dataset import load_responses, read_records, rows, write_card, write_dataset
from recipes.synthesis.journal import Journal
from recipes.synthesis.plan import Plan, Sampling
from recipes.synthesis.prompts import Prompts
from tests.hub import TOKEN, serve_hub


@pytest.fixture
def plan(seeds) -> Plan:
    return Plan([seeds(30, distinct=7)], {"positive": 2, "negative": 1}, Prompts(), {}, Sampling(temperature=0))


def fill(journal: Journal, plan: Plan, reverse: bool = False) -> None:
    requests = list({sample.request.key: sample.request for sample in plan.iterate()}.values())
    for request in reversed(requests) if reverse else requests:
        line = {"response": f"{request.seed} {request.prompt}", "finish_reason": "stop", "response_tokens": 3}
        journal.append([{"key": request.key, "generator": "test", **line}])


def test_rows_stand_in_the_plans_order_with_every_column(tmp_path, plan, seeds):
    with Journal(tmp_path) as journal:
        fill(journal, plan)
        found = list(rows(plan, journal))
    assert len(found) == len(plan) == 90
    assert all(list(row) == list(RESPONSE_FEATURES) for row in found)
    assert [row["id"] for row in found] == [row["id"] for row in seeds(30) for _ in range(3)]
    assert all(row["response"] == f"{row['seed']} {row['prompt']}" for row in found)


def test_a_response_that_was_not_made_is_no_row(tmp_path, plan):
    with Journal(tmp_path) as journal, pytest.raises(KeyError):
        list(rows(plan, journal))


def test_bytes_do_not_depend_on_the_journals_order(tmp_path, plan, monkeypatch):
    monkeypatch.setattr(dataset, "ROWS_PER_FILE", 40)
    monkeypatch.setattr(dataset, "ROWS_PER_GROUP", 16)
    written = []
    for reverse in (False, True):
        with Journal(tmp_path / str(reverse)) as journal:
            fill(journal, plan, reverse)
            files = write_dataset(rows(plan, journal), tmp_path / str(reverse), len(plan))
        assert [path.name for path in files] == [f"train-{number:05d}-of-00003.parquet" for number in range(3)]
        written.append([path.read_bytes() for path in files])
    assert written[0] == written[1]
    records = list(read_records(tmp_path / "True"))
    assert len(records) == 90
    assert "audio" not in records[0]


def test_what_is_written_takes_the_place_of_what_was_there(tmp_path, plan):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-00000-of-00007.parquet").write_text("old")
    with Journal(tmp_path) as journal:
        fill(journal, plan)
        write_dataset(rows(plan, journal), tmp_path, len(plan))
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["train-00000-of-00001.parquet"]
    responses = load_responses(tmp_path)
    assert responses.features == RESPONSE_FEATURES
    assert responses[0]["audio"] == {"path": "/recordings/0.wav", "bytes": None}


def test_what_is_published_holds_no_folders(tmp_path, plan):
    with Journal(tmp_path / "run") as journal:
        fill(journal, plan)
        write_dataset(rows(plan, journal), tmp_path / "run", len(plan))
    write_card(tmp_path / "run", plan, "a-model@1234", "## Quality")
    push = "import sys; from recipes.synthesis.dataset import push_to_hub; push_to_hub(sys.argv[1], 'me/responses')"
    with serve_hub(tmp_path / "hub") as url:
        hub = {"HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN}
        environment = {**os.environ, **hub, "HF_HOME": str(tmp_path / "home")}
        done = subprocess.run(
            [sys.executable, "-c", push, str(tmp_path / "run")], env=environment, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr[-3000:]
    published = tmp_path / "hub" / "me" / "responses"
    files = sorted(str(path.relative_to(published)) for path in published.rglob("*") if path.is_file())
    assert files == ["README.md", "data/train-00000-of-00001.parquet"]
    assert not any(b"/recordings" in path.read_bytes() for path in published.rglob("*") if path.is_file())
    found = load_responses(published)
    assert found[:2]["audio"] == [{"path": "0.wav", "bytes": None}] * 2
    assert found["response"] == load_responses(tmp_path / "run")["response"]


def test_recordings_of_one_name_stay_apart_when_published():
    def row(corpus: str, path: str | None) -> dict:
        return {"corpus": corpus, "audio": path and {"path": path, "bytes": None}}

    rows = [row("mine", "/home/me/a/1.wav"), row("mine", "/home/me/b/1.wav"), row("mine", "/home/me/b/c/2.wav")]
    rows += [row("clotho", "/data/clotho/1.wav"), row("clotho", "/data/clotho/2.wav"), row("clotho", None)]
    roots = dataset._roots(iter(rows))
    paths = [dataset._public_path(each, roots) for each in rows]
    assert paths == ["a/1.wav", "b/1.wav", "b/c/2.wav", "1.wav", "2.wav", None]


def test_the_card_makes_the_folder_a_dataset_of_the_hub(tmp_path, plan):
    with Journal(tmp_path / "journal") as journal:
        fill(journal, plan)
        write_dataset(rows(plan, journal), tmp_path, len(plan))
    path = write_card(tmp_path, plan, "a-model@1234", "## Quality\n\ngood")
    card = DatasetCard.load(path)
    assert "a-model@1234" in card.text
    assert "greedy" in card.text
    assert card.text.rstrip().endswith("good")
    loaded = load_dataset(str(tmp_path), split="train")
    assert loaded["prompt"] == load_responses(tmp_path)["prompt"]


def test_a_folder_without_responses_says_how_to_make_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"synthesize_listen\.py --output_dir"):
        load_responses(tmp_path)
