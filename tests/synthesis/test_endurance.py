"""What a run must survive: `kill -9`, a million seeds, a real server."""

import csv
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest

from recipes import synthesize_listen
from recipes.miniature import AUDIO_MODEL, TEXT_MODEL
from recipes.synthesis.dataset import load_responses

from .chat_server import ChatServer
from .conftest import make_seeds

needs_miniature = pytest.mark.skipif(not Path(AUDIO_MODEL).is_dir(), reason="the miniature's backbones are not built")


def write_corpus(folder: Path, seeds: int) -> Path:
    """A corpus for `--corpora folder=...`, without its recordings."""
    folder.mkdir()
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "caption", "tags"])
        for row in make_seeds(seeds):
            writer.writerow([f"{row['id']}.wav", "".join(row["captions"]), "; ".join(row["tags"])])
    return folder


def keys_in(journal: Path) -> list[str]:
    """Keys of all committed responses."""
    if not journal.exists():
        return []
    lines = journal.read_bytes().split(b"\n")[:-1]
    last = max((number for number, line in enumerate(lines) if b'"commit": true' in line), default=-1)
    return [json.loads(line)["key"] for line in lines[: last + 1]]


def endure(arguments: list[str], output: Path, undisturbed: Path, kills: int) -> int:
    """Kill a run at random moments and start it again; at last let it end. Returns how many kills hit it at work."""
    command = [sys.executable, synthesize_listen.__file__, *arguments, "--output_dir", str(output)]
    whole = next((undisturbed / "journal").glob("*.jsonl")).stat().st_size
    journal = output / "journal" / "part-00001-of-00001.jsonl"
    moments = random.Random(kills)
    hits, kept = 0, set()
    for target in sorted(moments.uniform(0, whole) for _ in range(kills)):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not journal.exists() or journal.stat().st_size < target):
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        hits += process.wait() == -signal.SIGKILL
        now = keys_in(journal)
        assert len(now) == len(set(now))
        assert kept <= set(now)
        kept = set(now)
    subprocess.run(command, check=True, capture_output=True)
    assert Counter(keys_in(journal)).most_common(1)[0][1] == 1
    assert sorted(keys_in(journal)) == sorted(keys_in(undisturbed / "journal" / journal.name))
    names = [path.name for path in sorted((undisturbed / "data").iterdir())]
    assert [path.name for path in sorted((output / "data").iterdir())] == names
    for name in (*(f"data/{name}" for name in names), "quality.json"):
        assert (output / name).read_bytes() == (undisturbed / name).read_bytes()
    return hits


def run_and_endure(tmp_path, text_model, engine: str, seeds: int, kills: int, **server) -> int:
    corpus = write_corpus(tmp_path / "corpus", seeds)
    arguments = ["--corpora", f"folder={corpus}", "--missing_audio", "keep", "--text_model", text_model]
    arguments += ["--max_new_tokens", "16", "--window", "64"]
    with ChatServer(**server) if engine == "url" else nullcontext() as chat_server:
        arguments += ["--generator", chat_server.url if chat_server else engine]
        synthesize_listen.main([*arguments, "--output_dir", str(tmp_path / "undisturbed")])
        assert len(load_responses(tmp_path / "undisturbed")) == seeds * (2 if engine == "rule" else 4)
        return endure(arguments, tmp_path / "killed", tmp_path / "undisturbed", kills)


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    assert run_and_endure(tmp_path, "none is needed", "rule", seeds=400, kills=2) == 2


@needs_miniature
@pytest.mark.slow
@pytest.mark.parametrize(("engine", "seeds"), [("self", 500), ("url", 500), ("rule", 1000)])
def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path, text_model, engine, seeds):
    faults = random.Random(0)
    server = {
        "delay": 0.02,
        "fault": lambda body, times: faults.choice(["ok", "ok", "ok", "close", "rate_limit"]) if times < 2 else "ok",
    }
    assert run_and_endure(tmp_path, text_model, engine, seeds, kills=20, **server) >= 15


# `ru_maxrss` would not do: it begins with the peak of the process that starts the program, a long test session's.
MILLION = """
import sys
from datasets import Dataset
from recipes.synthesis.dataset import read_records, rows, write_dataset
from recipes.synthesis.engines.rule_engine import RuleEngine
from recipes.synthesis.journal import Journal
from recipes.synthesis.plan import Plan
from recipes.synthesis.prompts import Prompts
from recipes.synthesis.quality import measure
from recipes.synthesize_listen import run_engine

corpus, output = Dataset.from_file(sys.argv[1]), sys.argv[2]
engine = RuleEngine()
plan = Plan([corpus], {"rule": 1}, Prompts(), engine.identity, None)
for _ in range(2):  # the second time everything is there
    with Journal(output) as journal:
        run_engine(engine, plan, journal, window=512)
        assert len(journal) == len(plan) == 1_000_000, len(journal)
with Journal(output) as journal:
    write_dataset(rows(plan, journal), output, len(plan))
assert measure(read_records(output))["usable"] == 1_000_000
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux' /proc")
def test_a_million_seeds_need_less_than_a_gibibyte(tmp_path):
    import pyarrow as pa

    schema = make_seeds(1).features.arrow_schema
    with pa.OSFile(str(tmp_path / "seeds.arrow"), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, 1_000_000, 10_000):
            writer.write_table(make_seeds(10_000, start=start).data.table)
    arguments = [sys.executable, "-c", MILLION, str(tmp_path / "seeds.arrow"), str(tmp_path / "run")]
    result = subprocess.run(arguments, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    mebibytes = int(result.stdout) / 1024
    print(f"{mebibytes:.0f} MiB")
    assert mebibytes < 1024


@pytest.fixture
def transformers_serve():
    """URL of `transformers serve` with the miniature's Llama; the process ends with the test."""
    pytest.importorskip("fastapi")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", TEXT_MODEL, "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], env=environment)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, "the server did not start"
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


@needs_miniature
@pytest.mark.slow
def test_transformers_serve_gives_what_the_engine_in_this_process_gives(tmp_path, transformers_serve):
    arguments = ["--corpora", "sound_world:test[:12]", "--temperature", "0", "--max_new_tokens", "48"]
    url = f"{transformers_serve}#{TEXT_MODEL}"
    options = ["--generator", url, "--concurrency", "4", "--output_dir", str(tmp_path / "url")]
    synthesize_listen.main([*arguments, *options])
    synthesize_listen.main([*arguments, "--output_dir", str(tmp_path / "self")])
    served, own = (load_responses(tmp_path / name) for name in ("url", "self"))
    assert len(own) == 48
    assert served["response"] == own["response"]
    assert served["finish_reason"] == own["finish_reason"]
