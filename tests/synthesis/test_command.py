"""`recipes/synthesize_listen.py` as a user meets it."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from datasets import load_dataset

from recipes import synthesize_listen
from recipes.command_line import parse_options
from recipes.miniature import AUDIO_MODEL
from recipes.synthesis.dataset import load_responses
from recipes.synthesis.judge import _verdict

from .chat_server import ChatServer

SCRIPT = synthesize_listen.__file__

needs_miniature = pytest.mark.skipif(not Path(AUDIO_MODEL).is_dir(), reason="the miniature's backbones are not built")


def synthesize(*arguments: object) -> None:
    synthesize_listen.main([str(argument) for argument in arguments])


def data_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "data").iterdir())}


@pytest.fixture
def base(corpus_folder, text_model) -> list[str]:
    """Options of a small run: 6 seeds, 24 responses."""
    return ["--corpora", f"folder={corpus_folder}", "--text_model", text_model, "--max_new_tokens", "12"]


def _seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_is_quick_and_teaches():
    before = _seconds_of_children()
    result = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=True)
    assert _seconds_of_children() - before < 3
    assert "python recipes/synthesize_listen.py --text_model" in result.stdout
    for option in ("--generator", "--shard", "--judge", "--push_to_hub", "--table2"):
        assert option in result.stdout
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", SCRIPT, "--help"], capture_output=True, text=True, check=True
    )
    modules = {line.rsplit("|", 1)[-1].strip() for line in imported.stderr.splitlines()}
    assert not modules & {"torch", "datasets", "pandas", "openai"}


@needs_miniature
def test_a_run_leaves_dataset_card_report_and_configuration(tmp_path, base, capsys):
    synthesize(*base, "--output_dir", tmp_path / "run")
    responses = load_responses(tmp_path / "run")
    assert len(responses) == 24
    assert [(row["sample_type"], row["sample_index"]) for row in responses][:4] == [
        ("positive", 0), ("positive", 1), ("negative", 0), ("combined", 0)
    ]  # fmt: skip
    assert load_dataset(str(tmp_path / "run"), split="train")["response"] == responses["response"]
    report = json.loads((tmp_path / "run" / "quality.json").read_text())
    assert report["rows"] == 24
    assert f"{report['usable']} of 24 responses are usable" in capsys.readouterr().out
    options = yaml.safe_load((tmp_path / "run" / "synthesis.yaml").read_text())
    assert options["samples"] == ["positive=2", "negative=1", "combined=1"]
    assert options["prompts"].endswith("recipes/synthesis/prompts.yaml")


@needs_miniature
def test_an_attempt_that_fails_leaves_the_configuration_of_the_data(tmp_path, base):
    synthesize(*base, "--output_dir", tmp_path)
    before = (tmp_path / "synthesis.yaml").read_text()
    with pytest.raises(SystemExit, match="cannot ask"):
        synthesize(*base, "--output_dir", tmp_path, "--generator", "http://127.0.0.1:9/v1")
    assert (tmp_path / "synthesis.yaml").read_text() == before


@needs_miniature
def test_the_configuration_that_is_left_repeats_the_run(tmp_path, base):
    synthesize(*base, "--output_dir", tmp_path / "first", "--seed", 3)
    synthesize(tmp_path / "first" / "synthesis.yaml", "--output_dir", tmp_path / "second")
    assert data_of(tmp_path / "first") == data_of(tmp_path / "second")


@needs_miniature
def test_the_rows_of_table_3_differ_by_one_option(tmp_path, base, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    with ChatServer() as server:
        synthesize(*base, "--output_dir", tmp_path / "self")
        synthesize(*base, "--output_dir", tmp_path / "other", "--generator", server.url)
        synthesize(*base, "--output_dir", tmp_path / "rule", "--generator", "rule")
    own, other, rule = (load_responses(tmp_path / name) for name in ("self", "other", "rule"))
    assert own["prompt"] == other["prompt"]
    assert set(other["generator"]) == {"tiny"}
    row = other[0]
    assert f"[Begin of audio] {row['seed']} [End of audio] {row['prompt']}" in row["response"]
    assert set(rule["sample_type"]) == {"rule"}
    assert len(rule) == 12
    written = [path for path in (tmp_path / "other").rglob("*") if path.is_file()]
    assert not any(b"a-secret" in path.read_bytes() for path in written)


@needs_miniature
@pytest.mark.parametrize("generator", ["self", "rule"])
def test_parts_make_the_dataset_of_one_run(tmp_path, base, generator):
    options = [*base, "--generator", generator, "--window", 4]
    synthesize(*options, "--output_dir", tmp_path / "whole")
    for part in (2, 3, 1):
        synthesize(*options, "--output_dir", tmp_path / "parts", "--shard", f"{part}/3")
        assert not (tmp_path / "parts" / "data").exists()
    before = {path: path.read_bytes() for path in (tmp_path / "parts" / "journal").glob("*-of-00003.jsonl")}
    synthesize(*options, "--output_dir", tmp_path / "parts")
    assert len(before) == 3
    assert data_of(tmp_path / "parts") == data_of(tmp_path / "whole")
    assert (tmp_path / "parts" / "journal" / "part-00001-of-00001.jsonl").read_bytes() == b""


@needs_miniature
def test_only_what_is_new_is_made(tmp_path, base):
    with ChatServer() as server:
        options = [*base, "--output_dir", tmp_path, "--generator", server.url]
        synthesize(*options, "--samples", "positive=1")
        assert len(server.bodies) == 6
        synthesize(*options, "--samples", "positive=1", "negative=1")
        assert len(server.bodies) == 12
        synthesize(*options, "--samples", "positive=1", "negative=1")
        assert len(server.bodies) == 12


@needs_miniature
def test_a_run_that_failed_goes_on(tmp_path, base):
    options = [*base, "--output_dir", tmp_path, "--retries", 0]
    with ChatServer(fault=lambda body, times: "413" if "Replay" in str(body) else "ok") as server:
        with pytest.raises(SystemExit, match=r"EngineError: .* requests were answered and kept, \d+ failed"):
            synthesize(*options, "--generator", server.url, "--concurrency", 100)
        answered = len(server.answered)
        assert 0 < answered < 24
        server.fault = lambda body, times: "ok"
        synthesize(*options, "--generator", server.url)
        assert sum(server.answered.values()) == 24
    assert len(load_responses(tmp_path)) == 24


@needs_miniature
def test_the_judge_asks_about_each_absent_sound(tmp_path, base):
    def answers(body):
        content = body["messages"][-1]["content"]
        if "Is there a sound of" in content:
            assert body["temperature"] == 0
            return "Yes, there is." if "thunder" in content else "No."
        return "These sounds are absent: thunder, siren." if body["seed"] % 2 else "These sounds are absent: wind."

    with ChatServer(answer=answers) as server:
        synthesize(*base, "--output_dir", tmp_path, "--generator", server.url, "--judge", "--samples", "negative=2")
        negatives = load_responses(tmp_path)
        thunders = sum("thunder" in response for response in negatives["response"])
        judged = json.loads((tmp_path / "quality.json").read_text())["judge"]
        expected = {"sounds": 12 + thunders, "contradicted": thunders, "absent": 12, "unclear": 0}
        assert judged == expected
        lines = [json.loads(line) for line in (tmp_path / "judgements.jsonl").read_text().splitlines()]
        assert sum(line["verdict"] == "contradicted" for line in lines) == thunders
        assert {line["sound"] for line in lines} == {"thunder", "siren", "wind"}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("Yes, there is.", "contradicted"),
        ("**No**", "absent"),
        ("No dog is mentioned.", "absent"),
        ("Not enough information to tell.", "unclear"),
        ("None of the sounds is clear.", "unclear"),
        ("Noise of traffic, yes.", "unclear"),
        ("No idea.", "unclear"),
        ("No doubt about it.", "unclear"),
        ("No information is given.", "unclear"),
        ("Yes and no.", "unclear"),
        ("", "unclear"),
    ],
)
def test_a_verdict_is_a_word(answer, verdict):
    assert _verdict(answer) == verdict


@needs_miniature
def test_benchmark_prints_the_ratio(base, capsys):
    synthesize(*base, "--benchmark", 12)
    assert "12 responses are the same both ways" in capsys.readouterr().out


def test_table_2_without_corpora_is_the_papers(capsys):
    synthesize("--table2")
    out = capsys.readouterr().out
    assert "AudioSet-20K" in out
    assert "316.4" in out


@pytest.mark.parametrize(
    ("corpora", "message"),
    [
        (["esc50", "urbansound8k=DATA"], "--corpora esc50: table2 needs its folder, esc50=FOLDER"),
        (["esc50=DATA", "esc50:paper=OTHER"], "--corpora has esc50 twice"),
        (["esc50:fold1=DATA"], "table2 counts the split `paper`: leave the split out of esc50:fold1"),
    ],
)
def test_table_2_counts_every_corpus_that_is_named(corpora, message):
    with pytest.raises(SystemExit, match=message):
        synthesize("--table2", "--corpora", *corpora)


def test_a_list_of_one_in_a_configuration_needs_no_brackets(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("corpora: esc50=data/ESC-50\nsamples: [positive=1, negative=1]\n", encoding="utf-8")
    (options,) = parse_options(synthesize_listen.SynthesisOptions, description="", argv=[str(config)])
    assert (options.corpora, options.samples) == (["esc50=data/ESC-50"], ["positive=1", "negative=1"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corpora", "esc51=DATA"], "there is no corpus 'esc51'; there are audioset"),
        (["--corpora", "esc50=DATA/absent"], "absent"),
        (["--corpora", "folder"], "data_dir"),
        (["--samples", "positive"], "KIND=DRAWS"),
        (["--samples", "positive=0"], "KIND=DRAWS"),
        (["--samples", "rule=1"], "--generator self makes positive, negative, combined"),
        (["--generator", "rule", "--samples", "positive=1"], "--generator rule makes rule"),
        (["--samples", "positive=1", "positive=2"], "once for each kind"),
        (["--temperature", "-1"], "temperature is -1"),
        (["--temperature", "nan"], "temperature is nan"),
        (["--device", "foo"], "device string: foo"),
        pytest.param(
            ["--device", "cuda"],
            "device is cuda, and PyTorch finds no GPU here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
        (["--shard", "4/3"], "PART/PARTS"),
        (["--batch_size", "0"], "--batch_size is 0; it must be at least 1"),
        (["--window", "0"], "--window is 0; it must be at least 1"),
        (["--concurrency", "0"], "--concurrency is 0; it must be at least 1"),
        (["--retries", "-1"], "--retries is -1; it must be at least 0"),
        (["--benchmark", "-1"], "--benchmark is -1; it must be at least 0"),
        (["--prompts", "DATA/none.yaml"], "none.yaml"),
        (["--output_dir", "DATA/metadata.csv/run"], "metadata.csv"),
        (["--text_model", "DATA"], "DATA"),
        (["--missing_audio", "perhaps"], "perhaps"),
        (["--generator", "http://127.0.0.1:9/v1"], "cannot ask http://127.0.0.1:9/v1 which model it serves"),
        (["--generator", "rule", "--judge"], "--judge"),
    ],
)
@needs_miniature
def test_mistakes_are_named(tmp_path, corpus_folder, base, arguments, message):
    arguments = [argument.replace("DATA", str(corpus_folder)) for argument in arguments]
    with pytest.raises(SystemExit) as error:
        synthesize(*base, "--output_dir", tmp_path / "run", *arguments)
    assert message.replace("DATA", str(corpus_folder)) in str(error.value)
    assert not (tmp_path / "run" / "data").exists()


@needs_miniature
def test_a_corpus_without_recordings_is_named(tmp_path, base, corpus_folder):
    for recording in corpus_folder.glob("*.wav"):
        recording.unlink()
    with pytest.raises(SystemExit, match=r"folder=.* no recording was found: .*warning above.*--missing_audio keep"):
        synthesize(*base, "--output_dir", tmp_path / "run")
    synthesize(*base, "--output_dir", tmp_path / "run", "--missing_audio", "keep", "--generator", "rule")
    assert len(load_responses(tmp_path / "run")) == 12


@needs_miniature
def test_the_same_id_in_two_folders_is_refused(tmp_path, base, corpus_folder):
    other = tmp_path / "other"
    shutil.copytree(corpus_folder, other)
    corpora = [f"folder={corpus_folder}", f"folder={other}"]
    with pytest.raises(SystemExit, match=r"other both have the seed 'folder/train/0\.wav', and 5 more"):
        synthesize(*base, "--corpora", *corpora, "--output_dir", tmp_path / "run", "--generator", "rule")
    (other / "metadata.csv").write_text("file,caption,id\n0.wav,A siren.,another\n", encoding="utf-8")
    synthesize(*base, "--corpora", *corpora, "--output_dir", tmp_path / "run", "--generator", "rule")
    assert len(load_responses(tmp_path / "run")) == 14


@needs_miniature
def test_two_processes_do_not_write_the_same_journal(tmp_path, base):
    from recipes.synthesis.journal import Journal

    with Journal(tmp_path / "journal"), pytest.raises(SystemExit, match="another process is writing"):
        synthesize(*base, "--output_dir", tmp_path, "--generator", "rule")


@needs_miniature
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path, base):
    tmp_path.chmod(0o500)
    with pytest.raises(SystemExit, match=f"PermissionError.*{tmp_path}"):
        synthesize(*base, "--output_dir", tmp_path / "run", "--generator", "rule")
