"""Every example runs as its docstring says, on the miniature."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.miniature import AUDIO_MODEL, TEXT_MODEL
from tests.hub import TOKEN, serve_hub

ROOT = Path(__file__).resolve().parents[1]


def _start(name: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, **environment})


def _run(name: str, *arguments: object, **environment: str) -> str:
    done = _start(name, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["ask.py", "stream.py"])
def test_asking(name: str, demo_model: Path, sound: Path) -> None:
    assert _run(name, demo_model, sound, "Replay the audio.").strip()


def test_presence_table(demo_model: Path, sound: Path) -> None:
    rows = _run("presence_table.py", demo_model, sound, "siren, dog, rain").strip().splitlines()
    assert sorted(row.split()[0] for row in rows) == ["dog", "rain", "siren"]


def test_two_clips(demo_model: Path, sound: Path) -> None:
    assert _run("two_clips.py", demo_model, sound, sound, "Which sounds are in the second only?").strip()


def test_long_recording_is_heard_window_by_window(demo_model: Path, long_sound: Path) -> None:
    assert len(_run("long_recording.py", demo_model, long_sound, "dog").strip().splitlines()) == 3


def test_folder_to_csv_reports_a_broken_recording(demo_model: Path, sound: Path, tmp_path: Path) -> None:
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    (recordings / "a.wav").write_bytes(sound.read_bytes())
    (recordings / "b.wav").write_bytes(b"no audio")
    _run("folder_to_csv.py", demo_model, recordings, "Replay the audio.", tmp_path / "answers.csv")
    with open(tmp_path / "answers.csv", encoding="utf-8") as file:
        rows = {Path(row["file"]).name: row for row in csv.DictReader(file)}
    assert rows["a.wav"]["answer"] and not rows["a.wav"]["error"]
    assert not rows["b.wav"]["answer"] and "decoded" in rows["b.wav"]["error"]


def test_compose(tmp_path: Path) -> None:
    assert "trainable" in _run("compose.py", AUDIO_MODEL, TEXT_MODEL, tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_push_to_hub(demo_model: Path, sound: Path, tmp_path: Path) -> None:
    """What is published loads by itself: with the miniature's backbones, which are in a folder of this machine."""
    environment = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path)}
    arguments = ("push_to_hub.py", demo_model, "me/listen-demo")
    with serve_hub(tmp_path / "hub") as url:
        refused = _start(*arguments, HF_ENDPOINT=url, **environment)
        assert refused.returncode and "hf auth login" in refused.stderr
        assert not (tmp_path / "hub").exists()
        published = _run(*arguments, HF_ENDPOINT=url, HF_TOKEN=TOKEN, **environment)
    assert "me/listen-demo" in published
    folder = tmp_path / "hub" / "me" / "listen-demo"
    assert {"README.md", "config.json", "model.safetensors", "modeling_listen.py"} <= set(os.listdir(folder))
    assert not [path for path in folder.rglob("*.json") if AUDIO_MODEL in path.read_text(encoding="utf-8")]
    shutil.move(folder, tmp_path / "elsewhere")
    assert _run("ask.py", tmp_path / "elsewhere", sound, "Replay the audio.") == _run(
        "ask.py", demo_model, sound, "Replay the audio."
    )


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("ask.py", "{model} absent.wav Hi?", "'absent.wav' does not exist"),
        ("ask.py", "{folder} {sound} Hi?", "no config.json"),
        ("stream.py", "{model} {folder}/empty.wav Hi?", "empty.wav' cannot be decoded"),
        ("two_clips.py", "{model} {sound} {folder} Hi?", "audio file '{folder}'"),
        ("long_recording.py", "{model} absent.wav dog", "'absent.wav' does not exist"),
        ("presence_table.py", "{model} absent.wav dog", "'absent.wav' does not exist"),
        ("presence_table.py", "{model} {sound} ,", "name the sounds"),
        ("folder_to_csv.py", "{folder} {folder} Hi? {folder}/none/answers.csv", "'{folder}/none/answers.csv'"),
        ("folder_to_csv.py", "{folder} {folder} Hi? {folder}/answers.csv", "no config.json"),
        ("compose.py", "{folder} {folder} {folder}/model", "model in {folder}"),
        ("push_to_hub.py", "{folder} me/it", "no config.json"),
        ("push_to_hub.py", "{model} me/it --results {folder}/results.json", "name the model's by --system"),
        ("ask_over_http.py", "http://127.0.0.1:9/v1 model {sound} Hi?", "http://127.0.0.1:9/v1 about"),
    ],
)
def test_a_mistake_is_said_in_a_line(
    name: str, arguments: str, message: str, demo_model: Path, sound: Path, tmp_path: Path
) -> None:
    if name == "ask_over_http.py":
        pytest.importorskip("openai", reason="openai is not installed: pip install openai")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "results.json").write_text('[{"system": "LISTEN"}, {"system": "always-yes"}]', encoding="utf-8")
    values = {"model": demo_model, "sound": sound, "folder": tmp_path}
    done = _start(name, *(each.format(**values) for each in arguments.split()))
    assert done.returncode == 1
    assert message.format(**values) in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of the sound world as a user's own folder: recordings and a table of tags."""
    from recipes.corpora import load_corpus

    folder = tmp_path_factory.mktemp("my_recordings")
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "tags"])
        for clip in load_corpus("sound_world", split="dev", num_clips=30):
            path = Path(clip["audio"]["path"])
            shutil.copy(path, folder)
            table.writerow([path.name, ";".join(clip["tags"])])
    return folder


@pytest.mark.slow
def test_train_on_your_recordings(recordings: Path, sound: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine"
    arguments = ("train_on_your_recordings.py", recordings, "--output", output, "--num_train_epochs", 2)
    _run(*arguments)
    rows = json.loads((output / "results.json").read_text(encoding="utf-8"))
    assert {row["system"] for row in rows} >= {"LISTEN", "always-yes"}
    assert all(row["n"] == rows[0]["n"] > 10 for row in rows)
    assert (output / "report.html").is_file()
    assert _run("ask.py", output / "model", sound, "Replay the audio.").strip()
    trained = (output / "model" / "model.safetensors").stat().st_mtime
    _run(*arguments)  # nothing is left to do
    assert (output / "model" / "model.safetensors").stat().st_mtime == trained


@pytest.mark.parametrize(("rows", "tagged", "message"), [(1, 0, "too few"), (3, 3, "too few"), (10, 9, "has no tags")])
def test_train_on_recordings_that_cannot_be_judged(
    rows: int, tagged: int, message: str, sound: Path, tmp_path: Path
) -> None:
    _refused(_captioned(tmp_path, sound, rows, tagged), message, tmp_path)


@pytest.mark.slow
def test_train_on_captions_alone(sound: Path, tmp_path: Path) -> None:
    table = _captioned(tmp_path, sound, 10)
    (tmp_path / "metadata.csv").write_text("\n".join(table), encoding="utf-8")
    said = _run("train_on_your_recordings.py", tmp_path, "--output", tmp_path / "mine", "--num_train_epochs", 1)
    assert said.splitlines()[-1].startswith("python recipes/evaluate_listen.py")
    assert len((tmp_path / "mine" / "held_out.txt").read_text(encoding="utf-8").splitlines()) == 2
    assert _run("ask.py", tmp_path / "mine" / "model", sound, "Replay the audio.").strip()


def _captioned(folder: Path, sound: Path, rows: int, tagged: int = 0) -> list[str]:
    """Recordings in a folder and their table; the first so many have a tag."""
    for hour in range(rows):
        (folder / f"{hour}.wav").write_bytes(sound.read_bytes())
    tags = ["wind"] * tagged + [""] * (rows - tagged)
    return ["file,caption,tags", *(f"{hour}.wav,Wind at {hour} o'clock.,{tag}" for hour, tag in enumerate(tags))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--bogus 3", "unknown options: --bogus"),
        ("--audio_model {folder}", "model in {folder}"),
        ("--text_model {audio_model}", "no chat template"),
        ("--audio_layers 99", "hidden states"),
        ("--best_by accuracy", "best_by accuracy needs questions"),
    ],
)
def test_what_training_refuses_shows_before_the_work(options: str, message: str, sound: Path, tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("\n".join(_captioned(tmp_path, sound, 10)), encoding="utf-8")
    values = {"folder": tmp_path, "audio_model": AUDIO_MODEL}
    given = options.format(**values).split()
    done = _start("train_on_your_recordings.py", tmp_path, "--output", tmp_path / "mine", *given)
    assert done.returncode
    assert message.format(**values) in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mine").exists()


def test_train_on_recordings_that_are_in_both_splits(sound: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.wav").write_bytes(sound.read_bytes())
    table = ["file,tags,split", "a.wav,dog,train", "b.wav,cat,train", "b.wav,rain,test"]
    _refused(table, f"{tmp_path}/b.wav is in rows for training and in rows for test", tmp_path)


def _refused(table: list[str], message: str, folder: Path) -> None:
    (folder / "metadata.csv").write_text("\n".join(table), encoding="utf-8")
    done = _start("train_on_your_recordings.py", folder, "--output", folder / "mine")
    last = done.stderr.splitlines()[-1]
    assert done.returncode and last.startswith(f"{folder}: ") and message in last, done.stderr


@pytest.fixture
def served(demo_model: Path) -> Iterator[tuple[str, Path]]:
    """URL and folder of a model behind `transformers serve`; the process ends with the test."""
    for package in ("fastapi", "uvicorn"):
        pytest.importorskip(package, reason=f"transformers serve needs {package}: pip install 'transformers[serving]'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", demo_model, "--trust-remote-code"]
    process = subprocess.Popen([*command, "--device", "cpu", "--port", str(port)])
    try:
        for _ in range(600):
            assert process.poll() is None, "the server ended"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1", demo_model
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_ask_over_http(served: tuple[str, Path], sound: Path) -> None:
    url, folder = served
    question = "Replay the audio."
    assert _run("ask_over_http.py", url, folder, sound, question) == _run("ask.py", folder, sound, question)


def test_lmms_eval(demo_model: Path, sound: Path, long_sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lmms_eval", reason="lmms-eval is not installed: pip install lmms-eval")
    from lmms_eval.api.instance import Instance
    from lmms_eval.models.registry_v2 import ModelRegistryV2

    monkeypatch.syspath_prepend(ROOT / "examples")
    from lmms_eval_listen import MANIFEST

    registry = ModelRegistryV2()
    registry.register_manifest(MANIFEST)
    model = registry.get_model_class("listen").create_from_arg_string(f"pretrained={demo_model}", {"batch_size": 2})
    clips = [model.processor.load_audio(path) for path in (sound, long_sound, sound)]
    model.task_dict = {"task": {"test": [{"array": clip, "sampling_rate": 16_000} for clip in clips]}}

    def requests(kind: str, second: object) -> list[Instance]:
        metadata = {"task": "task", "repeats": 1}
        return [
            Instance(kind, ("Is there a dog?", second, lambda doc: [doc], index, "task", "test"), index,
                     {**metadata, "doc_id": index})
            for index in range(3)
        ]  # fmt: skip

    answers = model.generate_until(requests("generate_until", {"max_new_tokens": 4, "temperature": 0, "until": ["."]}))
    assert len(answers) == 3 and answers[0] == answers[2]
    yes, no = (model.loglikelihood(requests("loglikelihood", target)) for target in ("Yes", " No"))
    assert all(loss > 0 for loss, _ in yes + no)
    assert yes[0] == yes[2]
    greedy = model.loglikelihood(requests("loglikelihood", lambda doc: answers[0]))
    assert len(greedy) == 3
