"""From the journal to the dataset: Parquet shards in the order of the plan, a card, and the Hub."""

import os
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from recipes.records import RESPONSE_FEATURES, SEED_FEATURES
from recipes.synthesis.journal import Journal
from recipes.synthesis.plan import Plan

if TYPE_CHECKING:
    from datasets import Dataset

ROWS_PER_FILE = 100_000
ROWS_PER_GROUP = 1_000


def rows(plan: Plan, journal: Journal) -> Iterator[dict[str, Any]]:
    """The response records of a plan, in its order.

    Raises:
        KeyError: a response has not been made yet.
    """
    for sample in plan.iterate(SEED_FEATURES):
        response = journal[sample.request.key]
        yield {
            **sample.row,
            "sample_type": sample.sample_type,
            "sample_index": sample.sample_index,
            "prompt": sample.request.prompt,
            "response": response["response"],
            "generator": response["generator"],
            "finish_reason": response["finish_reason"],
            "response_tokens": response["response_tokens"],
        }


def write_dataset(records: Iterator[dict[str, Any]], folder: str | Path, num_rows: int) -> list[Path]:
    """Write response records as `data/train-NNNNN-of-NNNNN.parquet` below `folder`, in place of what is there.

    The same records give the same bytes. Memory holds one row group.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(folder)
    partial = folder / "data.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    schema = RESPONSE_FEATURES.arrow_schema
    num_files = max(1, -(-num_rows // ROWS_PER_FILE))
    for number in range(num_files):
        path = partial / f"train-{number:05d}-of-{num_files:05d}.parquet"
        in_file = islice(records, ROWS_PER_FILE)
        with pq.ParquetWriter(path, schema) as writer:
            while group := list(islice(in_file, ROWS_PER_GROUP)):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    os.replace(partial, data)
    return sorted(data.iterdir())


def load_responses(folder: str | Path) -> "Dataset":
    """The response records that a run left in its output folder.

    Raises:
        FileNotFoundError: there are none; the message says which command makes them.
    """
    from datasets import load_dataset

    files = sorted(map(str, Path(folder).glob("data/*.parquet")))
    if not files:
        command = f"python recipes/synthesize_listen.py --output_dir {folder}"
        raise FileNotFoundError(f"{folder} holds no data/*.parquet: make it with `{command}`")
    return load_dataset("parquet", data_files=files, split="train")


def read_records(folder: str | Path, audio: bool = False) -> Iterator[dict[str, Any]]:
    """The response records in a run's output folder, one by one; memory holds one row group.

    Args:
        folder: the run's output folder.
        audio: whether the column `audio` is read, too.
    """
    import pyarrow.parquet as pq

    columns = [name for name in RESPONSE_FEATURES if audio or name != "audio"]
    for path in sorted(Path(folder).glob("data/*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_PER_GROUP, columns=columns):
                yield from batch.to_pylist()


def write_card(folder: str | Path, plan: Plan, generator: str, report: str) -> Path:
    """Write the dataset card, `README.md`: what the records are, who wrote them, how good they are."""
    from huggingface_hub import DatasetCard, DatasetCardData

    corpora = sorted({corpus[0]["corpus"] for corpus in plan.corpora})
    data = DatasetCardData(
        language=["en"],
        task_categories=["audio-text-to-text"],
        tags=["audio", "synthetic", "hallucination", "listen"],
        pretty_name="LISTEN responses",
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "data/*.parquet"}]}],
    )
    content = CARD.format(
        metadata=data.to_yaml(),
        corpora=", ".join(corpora),
        generator=generator,
        decoding=_decoding(plan),
        report=report,
    )
    path = Path(folder) / "README.md"
    DatasetCard(content).save(path)
    return path


def _decoding(plan: Plan) -> str:
    if plan.sampling is None:
        return "rule templates, no LLM"
    how = "greedy" if plan.sampling.greedy else f"temperature {plan.sampling.temperature}, top-p {plan.sampling.top_p}"
    return f"{how}, at most {plan.sampling.max_new_tokens} new tokens, seed {plan.sampling.seed}"


def push_to_hub(folder: str | Path, repo_id: str) -> None:
    """Publish a run's records and card in place of what the repository holds.

    Recordings stay where they are, their licenses being their corpora's: `audio` keeps the file's name alone, or where
    names recur in a corpus, the path from the folder that all its recordings are in.
    """
    from huggingface_hub import HfApi

    folder, api = Path(folder), HfApi()
    with TemporaryDirectory() as public:
        roots = _roots(read_records(folder, audio=True))
        records = read_records(folder, audio=True)
        without_folders = ({**row, "audio": {"path": _public_path(row, roots), "bytes": None}} for row in records)
        write_dataset(without_folders, public, sum(1 for _ in read_records(folder)))
        shutil.copy(folder / "README.md", public)
        api.create_repo(repo_id, repo_type="dataset", exist_ok=True)
        api.upload_folder(repo_id=repo_id, repo_type="dataset", folder_path=public, delete_patterns="data/*.parquet")


def _roots(records: Iterator[dict[str, Any]]) -> dict[str, str]:
    """Of corpora with several recordings of one name, the folder that all are in."""
    seen: dict[tuple[str, str], int] = {}
    folders: dict[str, str] = {}
    shared = set()
    for row in records:
        corpus, path = row["corpus"], (row["audio"] or {}).get("path")
        if path:
            folder, name = os.path.split(path)
            folders[corpus] = os.path.commonpath([folders.get(corpus, folder), folder])
            if seen.setdefault((corpus, name), hash(folder)) != hash(folder):
                shared.add(corpus)
    return {corpus: folders[corpus] for corpus in shared}


def _public_path(row: dict[str, Any], roots: dict[str, str]) -> str | None:
    path = (row["audio"] or {}).get("path")
    if not path:
        return None
    root = roots.get(row["corpus"])
    return Path(path).relative_to(root).as_posix() if root else Path(path).name


CARD = """---
{metadata}
---

# LISTEN responses

Training data of LISTEN ("Teaching Audio-Aware Large Language Models What Does Not Hear", section 3.1): a text LLM
reads a seed (a caption or tags of a recording) in the place of the audio, and its responses to generation prompts are
the training targets of an audio adapter.

- seeds: {corpora}
- written by: {generator}
- decoding: {decoding}

Recordings are not part of the dataset; `audio.path`, `corpus` and `id` say which is meant. Licenses of annotations
and recordings are those of the corpora.

| column | meaning |
|---|---|
| `id`, `corpus`, `split`, `audio`, `duration` | the recording |
| `seed`, `seed_type`, `captions`, `tags` | what the LLM read in its place |
| `sample_type`, `sample_index` | `positive`, `negative`, `combined` or `rule`, and which draw of it |
| `prompt`, `response` | P_gen and R_LLM |
| `generator`, `finish_reason`, `response_tokens` | who wrote it, how it ended (`length`: cut), how long it is |

{report}
"""
