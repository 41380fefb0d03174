"""Options, and every configuration through the parser that users meet."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from recipes import train_listen
from recipes.command_line import parse_options, write_options
from recipes.synthesis.mixtures import MIXTURES
from recipes.training.arguments import DataOptions, ModelOptions, TrainingOptions

OPTION_TYPES = (ModelOptions, DataOptions, TrainingOptions)
CONFIGS = Path(train_listen.__file__).parent / "configs"
ABLATIONS = sorted((CONFIGS / "ablations").glob("*.yaml"))


def parse(*argv: object):
    return parse_options(*OPTION_TYPES, description="", argv=[str(each) for each in argv])


@pytest.mark.parametrize("config", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_configurations_are_understood(config):
    model, data, training = parse(config)
    assert data.mixture in MIXTURES
    # A machine without bfloat16 on a GPU refuses bf16 for a reason of its own.
    arguments = training.trainer_arguments(bf16=False)
    assert arguments.learning_rate == training.learning_rate
    assert arguments.save_strategy == "steps"
    assert model.num_query_tokens >= 1


def test_without_arguments_it_is_the_miniature():
    assert parse() == parse(CONFIGS / "miniature.yaml")


def test_ablations_are_the_rows_of_table_3_and_differ_in_the_data_only():
    paper = yaml.safe_load((CONFIGS / "paper.yaml").read_text(encoding="utf-8"))
    rows = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in ABLATIONS]
    changing = ("responses", "mixture", "output_dir")
    for row in rows:
        assert {name: value for name, value in row.items() if name not in changing} == {
            name: value for name, value in paper.items() if name not in changing
        }
    assert len({row["output_dir"] for row in rows}) == 7
    pools = {(row["responses"].removeprefix("runs/paper/responses"), row["mixture"]) for row in rows}
    assert pools == {
        *((writer, mixture) for writer in ("", "_gemini") for mixture in list(MIXTURES)[:3]),
        ("_rule", "rule"),
    }


def test_written_options_are_read_again(tmp_path):
    options = parse(CONFIGS / "lora.yaml", "--audio_layers", 1, 2, "--training_arguments", '{"optim": "adafactor"}')
    write_options(tmp_path / "training.yaml", *options)
    assert parse(tmp_path / "training.yaml") == options
    assert options[0].audio_layers == [1, 2]


def test_abbreviated_options_are_refused(capsys):
    with pytest.raises(SystemExit):
        parse("--learning", 1)
    assert "unknown options: --learning 1" in capsys.readouterr().err


def test_what_else_trainer_takes_is_passed_on():
    (_, _, training) = parse("--training_arguments", '{"adam_beta2": 0.95, "report_to": "tensorboard"}')
    arguments = training.trainer_arguments(bf16=False)
    assert (arguments.adam_beta2, arguments.report_to) == (0.95, ["tensorboard"])
    (_, _, training) = parse("--training_arguments", '{"no_such_thing": 1}')
    with pytest.raises(ValueError, match="no_such_thing"):
        training.trainer_arguments(bf16=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "half"}, "65504"),
        ({"dtype": "int8"}, "bfloat16 or float32"),
        ({"lora_rank": 4, "quantization": "4bit"}, "merged"),
        ({"validation_clips": -1}, "at least 0"),
        ({"training_arguments": '{"fp16": true}'}, "65504"),
        ({"training_arguments": '{"learning_rate": 1}'}, "options of their own.*learning_rate"),
        ({"training_arguments": '{"label_smoothing_factor": 0.1}'}, "label_smoothing_factor"),
        ({"training_arguments": '{"fsdp": "full_shard"}'}, "fsdp is not for training_arguments.*shard_language_model"),
        ({"shard_language_model": "true", "quantization": "4bit"}, "in its own precision"),
        ({"early_stopping_patience": 2}, "best_by"),
        ({"best_by": "loss", "eval_steps": 0}, "eval_steps"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(SystemExit, match=message):
        parse(*(text for name, value in options.items() for text in (f"--{name}", value)))


def test_unknown_options_are_refused(capsys, tmp_path):
    with pytest.raises((SystemExit, ValueError)):
        parse("--learning_speed", "1")
    (tmp_path / "config.yaml").write_text("learning_speed: 1\n")
    with pytest.raises(SystemExit):
        parse(tmp_path / "config.yaml")
    assert "unknown options: learning_speed" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["train_listen.py", "benchmark_training.py"])
def test_help_is_quick_and_explains_every_option(script):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    shown = subprocess.run(
        [sys.executable, str(CONFIGS.parent / script), "--help"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"},
    ).stdout  # fmt: skip
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 2
    assert "python recipes/" + script in shown
    assert not re.search(r"^  --\w+ [A-Z_]+, --[\w-]+ [A-Z_]+\n  --", shown, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quantization: 16bit", "--quantization: invalid choice: '16bit'"),
        ("best_by: acc", "invalid choice: 'acc'"),
        ("max_steps: 2.5", "--max_steps/--max-steps: invalid int value: '2.5'"),
        ("seed: null", "--seed: invalid value: None"),
        ("per_device_train_batch_size: true", "invalid int value: 'True'"),
        ("share_clips: 2", "Truthy value expected: got 2"),
        ("responses: [a, b]", "--responses: invalid value: ['a', 'b']"),
    ],
)
def test_a_file_is_read_as_strictly_as_a_command(capsys, tmp_path, text, message):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(SystemExit):
        parse(tmp_path / "config.yaml")
    error = capsys.readouterr().err
    assert "config.yaml: argument " in error and message in error


def test_a_file_spells_values_as_yaml_does(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "audio_layers: ['1', 2]\nlora_modules: q_proj\nquestions: null\nlearning_rate: 1e-4\nshare_clips: no\n"
        "training_arguments: {report_to: none}\n"
    )
    model, data, run = parse(tmp_path / "config.yaml")
    assert (model.audio_layers, model.lora_modules, data.questions) == ([1, 2], ["q_proj"], None)
    assert (run.learning_rate, run.share_clips, run.training_arguments) == (1e-4, False, {"report_to": "none"})
