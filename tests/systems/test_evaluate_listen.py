"""The command of evaluation: every kind of system, one results.json; kills, shards and bad input."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest
import soundfile
import yaml
from filelock import FileLock

from recipes.evaluate_listen import main
from tests.modeling_listen.backbones import noise

SCRIPT = Path(__file__).parents[2] / "recipes" / "evaluate_listen.py"
TAGS = {
    "a.wav": "dog;rain",
    "b.wav": "dog",
    "c.wav": "car;rain",
    "d.wav": "siren",
    "e.wav": "wind",
    "f.wav": "dog;car",
}
PRESENCE = "presence/folder:test"
NUM_QUESTIONS = 2 * sum(len(tags.split(";")) for tags in TAGS.values())
HOOK = """
import time

def answer(audio_path, question):
    time.sleep({delay})
    return "Yes, of course." if "dog" in question else "No."
"""


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder of six tagged recordings."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for seed, name in enumerate(TAGS):
        soundfile.write(folder / name, noise(0.4 + 0.1 * seed, seed=seed), 16000)
    rows = "".join(f"{name},{tags},test\n" for name, tags in TAGS.items())
    (folder / "metadata.csv").write_text(f"file,tags,split\n{rows}")
    return folder


@pytest.fixture
def hook(tmp_path: Path) -> str:
    (tmp_path / "hook.py").write_text(HOOK.format(delay=0))
    return f"function:{tmp_path / 'hook.py'}:answer"


def run(recordings: Path, output: Path, *systems: str, **options: object) -> list[dict]:
    extra = [each for name, value in options.items() for each in (f"--{name}", str(value))]
    main(["--systems", *systems, "--benchmarks", f"{PRESENCE}={recordings}", "--output_dir", str(output), *extra])
    return json.loads((output / "results.json").read_text())


def answers_in(output: Path, system: str) -> datasets.Dataset:
    return datasets.Dataset.from_parquet(str(output / "answers" / system / "presence-folder_test.parquet"))


def part_of(output: Path, system: str, part: str = "1-of-1") -> Path:
    return output / "answers" / system / "presence-folder_test" / f"part-{part}.jsonl"


def write_csv(path: Path, questions: datasets.Dataset) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["entry_id", "audio_index", "label", "response"])
        writer.writerows([each["id"], "", each["answer"], each["answer"].capitalize()] for each in questions)


def test_every_kind_of_system_lands_in_one_table(
    recordings: Path, tmp_path: Path, hook: str, api: str, listen: Path, qwen2_audio: Path, audio_flamingo3: Path
) -> None:
    output = tmp_path / "out"
    run(recordings, output, "always-yes")
    write_csv(tmp_path / "right.csv", answers_in(output, "always-yes"))
    systems = [
        f"LISTEN=listen:{listen}",
        f"Qwen2-Audio=hf:{qwen2_audio}",
        f"Audio Flamingo 3=hf:{audio_flamingo3}",
        f"Gemini=api:{api}#ears",
        f"SALMONN={hook}",
        f"Official=answers:{tmp_path / 'right.csv'}",
        "text",
        "silence",
        f"API, shuffled=shuffled:api:{api}#ears",
        "always-no",
    ]
    rows = {row["system"]: row for row in run(recordings, output, *systems, max_new_tokens=4)}
    assert list(rows) == ["always-yes", *(each.partition("=")[0] for each in systems)]
    for row in rows.values():
        assert (row["benchmark"], row["subset"], row["n"]) == ("presence", "folder:test", NUM_QUESTIONS)
        assert all(0 <= row[name] <= 1 for name in ("accuracy", "f1_yes", "f1_no", "f1_weighted", "yes_rate"))
        assert row["unanswered"] == 0
    assert rows["Official"]["accuracy"] == 1
    assert (rows["always-yes"]["accuracy"], rows["always-yes"]["yes_rate"], rows["always-yes"]["f1_no"]) == (0.5, 1, 0)
    assert (rows["always-no"]["yes_rate"], rows["always-no"]["auroc"]) == (0, 0.5)
    assert 0 < rows["SALMONN"]["yes_rate"] < 1
    for system in ("LISTEN", "Qwen2-Audio", "Audio Flamingo 3", "text", "silence"):
        assert rows[system]["auroc"] is not None
    assert rows["Gemini"]["auroc"] is None
    records = answers_in(output, "SALMONN")
    assert all(("dog" in each["question"]) == (each["parsed"] == "yes") for each in records)
    assert (output / "evaluation.yaml").is_file()


def test_scoring_by_logits_answers_yes_or_no_only(recordings: Path, tmp_path: Path, listen: Path) -> None:
    (row,) = run(recordings, tmp_path, f"L=listen:{listen}", score="logits", batch_size=5)
    assert row["unparsed"] == 0
    for each in answers_in(tmp_path, "L"):
        assert each["response"] == ("Yes" if each["p_yes"] > 0.5 else "No")
    (generated,) = run(recordings, tmp_path / "generate", f"L=listen:{listen}", max_new_tokens=1, batch_size=3)
    assert row["auroc"] == pytest.approx(generated["auroc"])


def test_a_recording_that_cannot_be_read_is_counted_not_guessed(
    recordings: Path, tmp_path: Path, hook: str, listen: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="recipes.evaluate_listen")
    (recordings / "b.wav").write_bytes(b"RIFF, and no more")
    (recordings / "d.wav").unlink()
    rows = run(recordings, tmp_path / "out", f"H={hook}", f"L=listen:{listen}", "always-no", batch_size=2)
    for row in rows[:2]:
        assert row["unanswered"] == pytest.approx(4 / NUM_QUESTIONS)
        assert row["n"] == NUM_QUESTIONS
    assert rows[2]["unanswered"] == 0  # does not listen
    assert "2 recordings cannot be read" in caplog.text
    assert "22.2 % unanswered; --resume false asks again)" in caplog.text
    unanswered = [each for each in answers_in(tmp_path / "out", "H") if each["response"] is None]
    assert {Path(each["audio"]["path"]).name for each in unanswered} == {"b.wav", "d.wav"}
    assert all(each["parsed"] is None and each["p_yes"] is None and each["error"] for each in unanswered)


def command(recordings: Path, output: Path, *systems: str, **options: object) -> list[str]:
    extra = [each for name, value in options.items() for each in (f"--{name}", str(value))]
    benchmark = f"{PRESENCE}={recordings}"
    arguments = ["--systems", *systems, "--benchmarks", benchmark, "--output_dir", str(output), *extra]
    return [sys.executable, str(SCRIPT), *arguments]


@pytest.mark.slow
def test_a_run_killed_and_resumed_gives_the_same_answers(recordings: Path, tmp_path: Path, listen: Path) -> None:
    hook = tmp_path / "hook.py"
    hook.write_text(HOOK.format(delay=0.2))
    systems = (f"L=listen:{listen}", f"H=function:{hook}:answer")
    options = {"max_new_tokens": 4, "batch_size": 4}
    killed = tmp_path / "killed"
    log = tmp_path / "log"
    arguments = command(recordings, killed, *systems, **options)
    with log.open("w") as errors, subprocess.Popen(arguments, stderr=errors) as process:
        deadline = time.monotonic() + 600
        while not (part_of(killed, "H").exists() and part_of(killed, "H").stat().st_size):
            assert time.monotonic() < deadline and process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    written = part_of(killed, "H").read_bytes()
    assert 0 < written.count(b"\n") < NUM_QUESTIONS
    part_of(killed, "H").write_bytes(written + b'{"id": "half a li')  # as a crash of the machine leaves it
    listened = part_of(killed, "L").stat().st_mtime_ns

    resumed = run(recordings, killed, *systems, **options)
    undisturbed = run(recordings, tmp_path / "undisturbed", *systems, **options)
    assert resumed == undisturbed
    for system in ("L", "H"):
        assert part_of(killed, system).read_bytes() == part_of(tmp_path / "undisturbed", system).read_bytes()
    assert part_of(killed, "L").stat().st_mtime_ns == listened  # what was complete is not asked again


def test_shards_make_the_answers_of_one_run(recordings: Path, tmp_path: Path, listen: Path) -> None:
    options = {"max_new_tokens": 4, "batch_size": 4}
    whole = run(recordings, tmp_path / "whole", f"L=listen:{listen}", **options)
    sharded = tmp_path / "sharded"
    main(command(recordings, sharded, f"L=listen:{listen}", shard="2/3", **options)[2:])
    assert not (sharded / "results.json").exists()
    main(command(recordings, sharded, f"L=listen:{listen}", shard="1/3", **options)[2:])
    assert run(recordings, sharded, f"L=listen:{listen}", shard="3/3", **options) == whole
    assert answers_in(sharded, "L").to_list() == answers_in(tmp_path / "whole", "L").to_list()


def test_a_launcher_s_rank_is_a_shard(
    recordings: Path, tmp_path: Path, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    main(command(recordings, tmp_path / "out", f"H={hook}")[2:])
    assert part_of(tmp_path / "out", "H", "2-of-2").exists()


def test_answers_given_otherwise_are_not_gone_on_with(recordings: Path, tmp_path: Path, listen: Path) -> None:
    run(recordings, tmp_path / "out", f"L=listen:{listen}", score="logits")
    with pytest.raises(SystemExit, match=r"what differs is the system\).*--resume false"):
        run(recordings, tmp_path / "out", f"L=listen:{listen}", score="generate")
    run(recordings, tmp_path / "out", f"L=listen:{listen}", score="generate", max_new_tokens=2, resume=False)
    assert not {"Yes", "No"} & set(answers_in(tmp_path / "out", "L")["response"])


def test_another_hook_recording_or_seed_is_not_gone_on_with(recordings: Path, tmp_path: Path, hook: str) -> None:
    output = ["--output_dir", str(tmp_path / "out")]

    def ask(row: str, *options: str) -> None:
        (recordings / "mine.csv").write_text(f"audio,question,answer,seed\n{row}\n")
        main(["--systems", f"H={hook}", "--benchmarks", str(recordings / "mine.csv"), *output, *options])

    ask("a.wav,Is there a dog?,yes,a dog")
    for row in ("b.wav,Is there a dog?,yes,a dog", "a.wav,Is there a dog?,yes,another dog"):
        with pytest.raises(SystemExit, match=r"what differs is the questions\)"):
            ask(row)
    (tmp_path / "hook.py").write_text(HOOK.format(delay=0).replace("Yes", "No"))
    with pytest.raises(SystemExit, match=r"what differs is the system\)"):
        ask("a.wav,Is there a dog?,yes,a dog")
    ask("a.wav,Is there a dog?,yes,a dog", "--resume", "false")


def test_what_another_process_writes_is_not_thrown_away(recordings: Path, tmp_path: Path, hook: str) -> None:
    run(recordings, tmp_path, f"H={hook}")
    answers = part_of(tmp_path, "H").read_bytes()
    # As a process does that is at it.
    with (
        FileLock(part_of(tmp_path, "H").with_name(".part-1-of-1.jsonl.lock")),
        pytest.raises(SystemExit, match="another process is writing"),
    ):
        run(recordings, tmp_path, f"H={hook}", resume=False)
    assert part_of(tmp_path, "H").read_bytes() == answers


def test_each_benchmark_and_subset_of_a_file_is_scored_by_itself(recordings: Path, tmp_path: Path, hook: str) -> None:
    rows = [("easy", "a.wav", "yes"), ("hard", "b.wav", "no"), ("easy", "c.wav", "yes")]
    lines = [f"{subset},{audio},Is there a dog?,{answer}" for subset, audio, answer in rows]
    (recordings / "mine.csv").write_text("\n".join(["subset,audio,question,answer", *lines]))
    main(["--systems", f"H={hook}", "--benchmarks", str(recordings / "mine.csv"), "--output_dir", str(tmp_path)])
    scored = json.loads((tmp_path / "results.json").read_text())
    assert [(row["subset"], row["n"], row["accuracy"]) for row in scored] == [("easy", 2, 1), ("hard", 1, 0)]
    assert (tmp_path / "answers" / "H" / "mine-hard.parquet").exists()


def test_options_of_earlier_runs_are_kept(recordings: Path, tmp_path: Path, hook: str) -> None:
    run(recordings, tmp_path, f"H={hook}", "silence=silence:" + hook)
    (recordings / "mine.csv").write_text("audio,question,answer\na.wav,Is there a dog?,yes\n")
    mine = str(recordings / "mine.csv")
    main(["--systems", "always-yes", f"H={hook}", "--benchmarks", mine, "--output_dir", str(tmp_path)])
    noted = yaml.safe_load((tmp_path / "evaluation.yaml").read_text())
    assert noted["systems"] == [f"H={hook}", f"silence=silence:{hook}", "always-yes"]
    assert noted["benchmarks"] == [f"{PRESENCE}={recordings}", mine]
    main([str(tmp_path / "evaluation.yaml"), "--output_dir", str(tmp_path / "again")])
    assert len(json.loads((tmp_path / "again" / "results.json").read_text())) == 6


def test_a_server_that_cannot_be_reached_is_a_message(recordings: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("recipes.systems.openai_api.RETRIES", 0)
    with pytest.raises(SystemExit, match="RuntimeError: no answer from http"):
        run(recordings, tmp_path, "api:http://127.0.0.1:9/v1#m")


def test_questions_of_one_s_own(recordings: Path, tmp_path: Path, hook: str) -> None:
    rows = [("a.wav", "Is there a dog?", "yes"), ("b.wav", "Is there a cat?", "no"), ("b.wav", "Rain?", "yes")]
    with (recordings / "mine.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("audio", "question", "answer"), *rows])
    arguments = ["--systems", f"H={hook}", "--benchmarks", str(recordings / "mine.csv"), "--output_dir", str(tmp_path)]
    main(arguments)
    (row,) = json.loads((tmp_path / "results.json").read_text())
    assert (row["benchmark"], row["subset"], row["n"]) == ("mine", "all", 3)
    assert row["accuracy"] == pytest.approx(2 / 3)
    main([*arguments[:-1], str(tmp_path / "limited"), "--limit", "1"])
    assert json.loads((tmp_path / "limited" / "results.json").read_text())[0]["n"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "whom to ask"),
        (["--systems", "nothing"], "is no system"),
        (["--systems", "always-yes", "--benchmarks", "nothing"], "there is no benchmark 'nothing'"),
        (["--systems", "always-yes", "--benchmarks", "presence/esc50=/nowhere"], "/nowhere"),
        (["--systems", "always-yes", "--shard", "3/2"], "write PART/PARTS"),
        (
            ["--systems", "always-yes", "--benchmarks", *["sound_world/random"] * 2],
            "two benchmarks would both write to",
        ),
        *[
            (["--systems", "always-yes", f"--{name}", number], f"--{name} is {number}; it must be at least 1")
            for name in ("batch_size", "num_workers", "max_new_tokens", "concurrency", "limit")
            for number in ("0", "-1")
        ],
        (["--systems", "a/b=always-yes", "a:b=always-no"], "both write to answers/a_b"),
    ],
)
def test_what_cannot_be_understood_is_refused_at_once(arguments: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=message):
        main([*arguments, "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("system", ["listen:no/model", "text:no/model", "hf:no/model", "silence:listen:no/model"])
def test_a_model_that_is_not_there_is_found_out_before_anybody_is_asked(
    system: str, recordings: Path, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="'no/model' is no model that Transformers can load"):
        run(recordings, tmp_path / "out", "always-yes", system)
    assert not (tmp_path / "out").exists()


def test_the_text_bound_needs_seeds(recordings: Path, tmp_path: Path, listen: Path) -> None:
    (recordings / "mine.csv").write_text("audio,question,answer\na.wav,Is there a dog?,yes\n")
    benchmarks = ["--benchmarks", str(recordings / "mine.csv"), "--output_dir", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match=r"questions of mine/all have none \(no column `seed`\)"):
        main(["--systems", "always-yes", f"text:{listen}", *benchmarks])
    assert not (tmp_path / "out").exists()


def test_help_is_quick() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = subprocess.run([sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "always-yes" in shown and "audio_hallucination" in shown
    # Of the processor: what else the machine does is not the command's.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
