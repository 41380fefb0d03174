"""Every example runs as its docstring says, on the miniature."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from recipes.miniature import AUDIO_MODEL, TEXT_MODEL

ROOT = Path(__file__).resolve().parents[1]


def _run(name: str, *arguments: object) -> str:
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
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


def test_the_terminal(demo_model: Path, sound: Path) -> None:
    command = [sys.executable, "-m", "modeling_listen", str(sound), "--model", str(demo_model)]
    table = subprocess.run([*command, "--sounds", "dog, rain"], capture_output=True, text=True, cwd=ROOT)
    assert [row.split("\t")[0] for row in table.stdout.splitlines()] == ["dog", "rain"], table.stderr
    broken = subprocess.run(
        [*command[:3], str(sound.parent / "absent.wav"), "Hi?", *command[4:]], capture_output=True, text=True, cwd=ROOT
    )
    assert broken.returncode == 1 and "absent.wav" in broken.stderr
