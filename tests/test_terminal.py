"""`python -m modeling_listen`: what comes out, what goes wrong, what other programs get."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modeling_listen.__main__ import main, parse_arguments


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"no audio")
    return path


def test_question(demo_model: Path, sound: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(sound), "Replay the audio.", "--model", str(demo_model), "--max-new-tokens", "5"]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip()
    assert str(sound) not in printed.out


def test_sounds_of_several_files(
    demo_model: Path, sound: Path, long_sound: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main([str(sound), str(long_sound), "--sounds", "dog, rain,", "--model", str(demo_model)]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows] == [[str(file), name] for file in (sound, long_sound) for name in ("dog", "rain")]
    assert all((float(row[2]) >= 0.5) == (row[3] == "yes") for row in rows)


def test_json_of_several_files(demo_model: Path, sound: Path, broken: Path, capsys: pytest.CaptureFixture) -> None:
    files = [str(broken), str(sound), str(sound.parent / "absent.wav")]
    assert main([*files, "--sounds", "dog", "--json", "--model", str(demo_model)]) == 1
    printed = capsys.readouterr()
    results = [json.loads(line) for line in printed.out.splitlines()]
    assert [result["file"] for result in results] == files
    assert 0 <= results[1]["sounds"]["dog"] <= 1
    for result, file in ((results[0], "broken.wav"), (results[2], "absent.wav")):
        assert file in result["error"]
        assert result["error"] in printed.err


def test_a_folder_is_called_one(demo_model: Path, sound: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(sound.parent), str(sound), "--sounds", "dog", "--model", str(demo_model)]) == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert f"'{sound.parent}' is a folder: give its files, such as {sound.parent}/*.wav" in printed.err


def test_a_broken_file_has_no_line(demo_model: Path, sound: Path, broken: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(broken), str(sound), "--sounds", "dog", "--model", str(demo_model)]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_pipes(demo_model: Path, sound: Path) -> None:
    """Standard input is read, nothing but the answer goes to standard output, a reader who leaves is no error."""
    command = [sys.executable, "-m", "modeling_listen", "-", str(sound), "--sounds", "dog, rain"]
    with sound.open("rb") as file:
        process = subprocess.Popen(
            [*command, "--model", str(demo_model)], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    assert process.stdout.readline().startswith(b"-\tdog\t")
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait() in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "Hi?"], "--model"),
        (["a.wav", "--model", "m"], "nothing is asked"),
        (["a.wav", __file__, "--model", "m"], "nothing is asked"),
        (["a.wav", "b.wva", "--model", "m"], "b.wva is taken for a file"),
        (["a.wav", "absent/b", "--model", "m"], "absent/b is taken for a file"),
        (["a.wav", str(Path(__file__).parent), "--model", "m"], "is taken for a file"),
        (["a.wav", " ", "--model", "m"], "question is empty"),
        (["a.wav", "--sounds", " ,", "--model", "m"], "names no sound"),
        (["-", "-", "--sounds", "dog", "--model", "m"], "read once"),
        (["a.wav", "Hi?", "--max-new-tokens", "0", "--model", "m"], "at least 1"),
    ],
)
def test_command_lines_that_say_too_little(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LISTEN_MODEL", raising=False)
    with pytest.raises(SystemExit) as ended:
        parse_arguments(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("question", ["Dog?", "Rain/wind?", "Is it rain.mp3 or dog.wav", "有狗叫吗？", "Replay."])
def test_questions_are_not_taken_for_files(question: str) -> None:
    assert parse_arguments(["a.wav", question, "--model", "m"]).question == question


def test_the_model_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_MODEL", "runs/demo/model")
    assert parse_arguments(["a.wav", "Hi?"]).model == "runs/demo/model"


@pytest.mark.parametrize("model", ["/no/such/folder", "nobody/nothing"])
def test_a_model_that_is_not_there(model: str, sound: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(sound), "Hi?", "--model", model]) == 2
    assert repr(model) in capsys.readouterr().err


def test_a_device_that_is_not_there(demo_model: Path, sound: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(sound), "Hi?", "--model", str(demo_model), "--device", "cuda:99"]) == 2
    assert "cannot use" in capsys.readouterr().err


def test_a_question_that_cannot_be_asked_is_not_the_models_fault(
    demo_model: Path, sound: Path, capsys: pytest.CaptureFixture
) -> None:
    placeholder = json.loads((demo_model / "processor_config.json").read_text(encoding="utf-8"))["audio_token"]
    assert main([str(sound), f"What is {placeholder}?", "--model", str(demo_model)]) == 2
    said = capsys.readouterr().err
    assert "cannot answer" in said
    assert f"spells {placeholder}" in said
    assert "cannot use the model" not in said


def test_a_question_that_spells_control_tokens_is_asked_as_it_stands(
    demo_model: Path, sound: Path, capsys: pytest.CaptureFixture
) -> None:
    question = "What does <|eot_id|> mean?"
    assert main([str(sound), question, "--json", "--max-new-tokens", "3", "--model", str(demo_model)]) == 0
    assert json.loads(capsys.readouterr().out)["question"] == question
