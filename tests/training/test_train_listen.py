"""The whole recipe on a tiny LISTEN."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from recipes.train_listen import main
from recipes.training.arguments import ModelOptions
from recipes.training.model import load_model
from recipes.training.run import last_checkpoint, locked
from tests.hub import TOKEN, serve_hub
from tests.training.conftest import response_records, write_pool, write_questions, write_recording

SCRIPT = Path(__file__).parents[2] / "recipes" / "train_listen.py"


def history(folder: Path, name: str = "loss") -> dict[int, float]:
    """A value of the log by step."""
    lines = (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return {entry["step"]: entry[name] for entry in map(json.loads, lines) if name in entry}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_trains_watches_and_saves_the_adapter_alone(arguments, backbones, tmp_path, caplog):
    main(arguments())
    folder = tmp_path / "run"
    assert list(history(folder)) == [1, 2, 3, 4, 5, 6]
    assert list(history(folder, "eval_loss")) == [3, 6]
    for name in ("accuracy", "yes_rate", "auroc"):
        assert all(0 <= value <= 1 for value in history(folder, f"eval_probe_{name}").values())
    assert (folder / "curves.png").stat().st_size > 5_000
    assert "frozen tensors are as they were" in caplog.text
    assert "probe: 8 questions on 4 clips" in caplog.text
    for saved in (folder, folder / "checkpoint-3"):
        assert all(name.startswith("model.adapter.") for name in weights(saved))
        ListenProcessor.from_pretrained(saved)
    model, info = ListenForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    first = ListenForConditionalGeneration.from_pretrained(folder / "checkpoint-3")
    assert not torch.equal(model.model.adapter.query_tokens, first.model.adapter.query_tokens)
    assert torch.equal(model.lm_head.weight, first.lm_head.weight)
    assert yaml.safe_load((folder / "training.yaml").read_text())["max_steps"] == 6


def test_validation_loss_does_not_depend_on_the_batches(arguments, pool, tmp_path):
    """Of clips whose responses differ in number and length, in batches of one, two and all."""
    records = response_records(0, write_recording(tmp_path / "0.wav", 0.5, 0), {"positive": 2, "negative": 2})
    for clip, texts in enumerate((["There is a cat."], ["A dog barks, then rain falls on a tin roof."] * 3), start=1):
        sound = write_recording(tmp_path / f"{clip}.wav", 0.5, clip)
        told = response_records(clip, sound, {"positive": len(texts), "negative": len(texts)})
        records += [{**record, "response": texts[record["sample_index"]]} for record in told]
    responses = write_pool(tmp_path / "pool", records)
    losses = []
    for size in (1, 2):
        folder = tmp_path / f"run{size}"
        main(
            arguments(
                responses=responses, output_dir=folder, per_device_train_batch_size=size, validation_clips=2,
                learning_rate=0, max_steps=1, eval_steps=1,
            )
        )  # fmt: skip
        losses.append(history(folder, "eval_loss")[1])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_other_data_are_another_run(arguments, pool, tmp_path):
    """The same options, but the pool has been made anew; and a second process."""
    responses = tmp_path / "responses"
    shutil.copytree(pool, responses)
    main(arguments(responses=responses))
    (part,) = (responses / "data").glob("*.parquet")
    table = pq.read_table(part)
    texts = pa.array([f"{text} Indeed." for text in table["response"].to_pylist()])
    pq.write_table(table.set_column(table.column_names.index("response"), "response", texts), part)
    with pytest.raises(SystemExit, match=r"holds a run with digest '.*', not '.*'"):
        main(arguments(responses=responses))
    with locked(tmp_path / "run"), pytest.raises(SystemExit, match=r"another process trains into .*run"):
        main(arguments())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"best_by": "accuracy", "questions": ""}, "best_by accuracy needs questions"),
        ({"best_by": "loss", "validation_clips": 0}, "best_by loss needs clips held out"),
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps is 0"),
        ({"training_arguments": '{"hub_token": "hf_secret"}'}, "set HF_TOKEN"),
    ],
)
def test_refuses_before_any_work(arguments, options, message):
    with pytest.raises(SystemExit, match=message):
        main(arguments(**options))


def test_auroc_wants_both_answers(arguments, tmp_path):
    write_recording(tmp_path / "dog.wav", 0.5, 0)
    (tmp_path / "questions.csv").write_text("audio,question,answer\ndog.wav,Is there a dog?,yes\n")
    with pytest.raises(SystemExit, match="best_by auroc needs questions of both answers"):
        main(arguments(best_by="auroc", questions=tmp_path / "questions.csv"))


def test_loss_falls(arguments, tmp_path):
    main(arguments(max_steps=25, per_device_train_batch_size=10, learning_rate=0.02, eval_steps=0, save_steps=0))
    losses = history(tmp_path / "run")
    assert losses[25] < losses[1] - 0.1


def test_a_finished_run_is_left_alone_and_other_options_are_refused(arguments, tmp_path, caplog):
    main(arguments(max_steps=2))
    written = (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns
    main(arguments(max_steps=2))
    assert "trained already" in caplog.text
    assert (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns == written
    with pytest.raises(SystemExit, match=r"max_steps 2, not 3.*--overwrite"):
        main(arguments(max_steps=3))
    main(arguments(max_steps=3, overwrite=True))
    assert list(history(tmp_path / "run")) == [1, 2, 3]


def test_gradient_accumulation_is_a_larger_batch(arguments, tmp_path):
    """Batches of clips whose responses differ in length: the mean is over tokens, not over batches."""
    common = {"max_steps": 2, "eval_steps": 0, "save_steps": 0, "validation_clips": 0, "warmup_steps": 0}
    main(arguments(**common, per_device_train_batch_size=6, output_dir=tmp_path / "big"))
    main(
        arguments(
            **common, per_device_train_batch_size=2, gradient_accumulation_steps=3, output_dir=tmp_path / "accumulated"
        )
    )
    big, accumulated = weights(tmp_path / "big"), weights(tmp_path / "accumulated")
    assert history(tmp_path / "big")[2] == pytest.approx(history(tmp_path / "accumulated")[2], rel=1e-5)
    gradients = history(tmp_path / "big", "grad_norm"), history(tmp_path / "accumulated", "grad_norm")
    assert gradients[0] == pytest.approx(gradients[1], rel=1e-4)
    for name, tensor in big.items():
        if not name.endswith("k_proj.bias"):  # Adam blows rounding errors up where the gradient is zero
            assert torch.allclose(tensor, accumulated[name], atol=2e-4), name


@pytest.mark.parametrize(
    "switch",
    [
        {"share_clips": False},
        {"prefix_cache": False},
        {"masked_head": False},
        {"fill_rows": False},
        {"attn_implementation": "eager"},
    ],
    ids=str,
)
def test_switches_leave_the_loss(arguments, tmp_path, switch):
    common = {"max_steps": 1, "eval_steps": 0, "save_steps": 0}
    main(arguments(**common, output_dir=tmp_path / "on"))
    main(arguments(**common, output_dir=tmp_path / "off", **switch))
    assert history(tmp_path / "on")[1] == pytest.approx(history(tmp_path / "off")[1], rel=1e-6)


def test_cached_encoder_states_leave_the_loss(arguments, tmp_path):
    common = {"max_steps": 4, "eval_steps": 4, "save_steps": 0, "questions": ""}
    main(arguments(**common, output_dir=tmp_path / "plain", encoder_cache_gib=0))
    main(arguments(**common, output_dir=tmp_path / "cached", encoder_cache_gib=1))
    for name in ("loss", "eval_loss"):
        plain, cached = history(tmp_path / "plain", name), history(tmp_path / "cached", name)
        assert plain == pytest.approx(cached, rel=1e-5)


def test_no_validation_clips(arguments, tmp_path):
    main(arguments(max_steps=3, validation_clips=0))
    assert list(history(tmp_path / "run", "eval_probe_auroc")) == [3]


def test_activation_checkpointing_leaves_the_loss_and_recomputes(arguments, tmp_path, monkeypatch, caplog):
    common = {"max_steps": 2, "eval_steps": 0, "save_steps": 0}
    main(arguments(**common, output_dir=tmp_path / "plain"))
    from transformers.models.llama.modeling_llama import LlamaMLP

    calls = []
    forward = LlamaMLP.forward
    monkeypatch.setattr(LlamaMLP, "forward", lambda self, x: calls.append(torch.is_grad_enabled()) or forward(self, x))
    options = '{"use_cpu": true, "disable_tqdm": true, "gradient_checkpointing": true}'
    main(arguments(**common, output_dir=tmp_path / "checkpointed", training_arguments=options))
    assert len(calls) == 2 * 2 * 2  # layers, steps, forward and once more in backward
    assert "no prefix cache" in caplog.text
    assert history(tmp_path / "checkpointed")[2] == pytest.approx(history(tmp_path / "plain")[2], rel=1e-5)


def test_best_checkpoint_and_early_stopping(arguments, tmp_path):
    """With a learning rate of zero no evaluation is better than the first."""
    main(arguments(max_steps=12, learning_rate=0.0, best_by="auroc", early_stopping_patience=2))
    folder = tmp_path / "run"
    state = json.loads((folder / "trainer_state.json").read_text())
    assert state["global_step"] == 9
    assert state["best_global_step"] == 3
    assert state["best_metric"] == history(folder, "eval_probe_auroc")[3]


def test_nan_stops_with_step_and_clips(arguments, tmp_path, monkeypatch):
    """A recording's spectrogram that is not finite, as a silent clip's can be, in the second step."""
    from modeling_listen.audio_listen import LogMel

    calls = []

    def poisoned(self, waveforms, original=LogMel.forward):
        calls.append(len(waveforms))
        return original(self, waveforms) * (float("nan") if len(calls) == 2 else 1.0)

    monkeypatch.setattr(LogMel, "forward", poisoned)
    with pytest.raises(SystemExit, match=r"loss is nan in step 2, on the clips noise/.*\.wav"):
        main(arguments(eval_steps=0, save_steps=0, encoder_cache_gib=0))
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_fp16_is_refused_with_the_reason(arguments):
    for options in ({"dtype": "float16"}, {"training_arguments": '{"fp16": true}'}):
        with pytest.raises(SystemExit, match="65504"):
            main(arguments(**options))


@pytest.mark.parametrize("cache", [0, 1])
def test_missing_and_damaged_audio_is_left_out(arguments, tmp_path, caplog, cache):
    records = []
    for clip in range(8):
        audio = write_recording(tmp_path / "audio" / f"{clip}.wav", 0.5, clip)
        records += response_records(clip, audio, {"positive": 1, "negative": 1})
    (tmp_path / "audio" / "1.wav").unlink()
    (tmp_path / "audio" / "2.wav").write_bytes(b"not audio")
    whole = (tmp_path / "audio" / "3.wav").read_bytes()
    (tmp_path / "audio" / "3.wav").write_bytes(whole[: len(whole) // 2])  # found when it is read
    pool = write_pool(tmp_path / "pool", records)
    main(arguments(responses=pool, max_steps=6, eval_steps=0, validation_clips=0, encoder_cache_gib=cache))
    assert "2 of 8 clips cannot be read" in caplog.text
    assert "1.wav' does not exist" in caplog.text
    assert "2.wav' cannot be decoded" in caplog.text
    assert cache or "3.wav is passed over" in caplog.text
    assert "truncated" in caplog.text
    assert "1 of 6 clips cannot be read" in caplog.text
    assert len(history(tmp_path / "run")) == 6


def test_no_audio_at_all_is_an_error_before_any_model_is_loaded(arguments, tmp_path):
    records = response_records(0, {"path": str(tmp_path / "gone.wav"), "bytes": None}, {"positive": 1, "negative": 1})
    pool = write_pool(tmp_path / "pool", records)
    with pytest.raises(SystemExit, match=r"none of the 1 clips can be read.*gone\.wav"):
        main(arguments(responses=pool, audio_model="/no/such/model"))


def test_no_responses_says_how_to_make_them(arguments, tmp_path):
    with pytest.raises(SystemExit, match=r"no responses: make them with `python recipes/synthesize_listen.py"):
        main(arguments(responses=str(tmp_path / "nothing")))


def test_lora_trains_the_language_model_and_saves_it_merged(arguments, backbones, tmp_path):
    main(arguments(max_steps=3, lora_rank=2, learning_rate=0.01, eval_steps=3))
    folder = tmp_path / "run"
    model = ListenForConditionalGeneration.from_pretrained(folder)
    original = ListenForConditionalGeneration.from_backbones(*backbones, num_query_tokens=4)
    theirs = dict(original.named_parameters())
    differing = {name for name, each in model.named_parameters() if not torch.equal(each, theirs[name])}
    trained = {name for name in differing if not name.startswith("model.adapter.")}
    layers = [f"model.language_model.layers.{layer}.self_attn" for layer in range(2)]
    assert trained == {f"{layer}.{name}_proj.weight" for layer in layers for name in "qv"}


def test_4bit_trains_and_its_checkpoint_loads_on_the_unquantized_backbone(arguments, tmp_path):
    pytest.importorskip("bitsandbytes")
    main(arguments(max_steps=3, quantization="4bit", learning_rate=0.01))
    folder = tmp_path / "run"
    model = ListenForConditionalGeneration.from_pretrained(folder)
    assert not getattr(model, "is_quantized", False)
    assert model.model.language_model.layers[0].mlp.up_proj.weight.dtype == torch.float32
    assert torch.equal(model.model.adapter.query_tokens.detach(), weights(folder)["model.adapter.query_tokens"])
    assert history(folder)[3] < 10


def test_4bit_passes_the_same_gradient_after_a_pass_without_gradient(backbones):
    """From such a pass on, like that of the prefix, bitsandbytes may take a way that knows no gradient."""
    pytest.importorskip("bitsandbytes")
    options = ModelOptions(*backbones, num_query_tokens=4, quantization="4bit")
    model = load_model(options, torch.device("cpu")).train().model.language_model
    generator = torch.Generator().manual_seed(0)
    embeds, weights = (torch.randn(1, 7, 64, generator=generator) for _ in range(2))
    gradients = []
    for _ in range(2):
        embeds.requires_grad_().grad = None
        (model(inputs_embeds=embeds).last_hidden_state * weights).sum().backward()
        gradients.append(embeds.grad)
        with torch.no_grad():
            model(inputs_embeds=embeds.detach())
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-5)


def run_script(arguments: list[str], *launcher: str, **variables: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1", **variables}
    command = [*(launcher or (sys.executable,)), str(SCRIPT), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def output_of(script: subprocess.Popen) -> str:
    """What a script has printed when it has done its work; where each of its threads stands, if it does not end."""
    try:
        output, _ = script.communicate(timeout=420)  # torchrun itself waits for up to 300
    except subprocess.TimeoutExpired:
        for process in (*psutil.Process(script.pid).children(recursive=True), script):
            process.send_signal(signal.SIGABRT)
        output, _ = script.communicate()
    assert script.returncode == 0, output
    return output


@pytest.mark.slow
def test_published_run_holds_backbones_that_nobody_else_has(arguments, tmp_path):
    extra = '{"use_cpu": true, "disable_tqdm": true, "push_to_hub": true, "hub_model_id": "me/listen"}'
    with serve_hub(tmp_path / "hub") as url:
        variables = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN, "HF_ENDPOINT": url}
        options = {"max_steps": 2, "eval_steps": 0, "save_steps": 0, "training_arguments": extra}
        output_of(run_script(arguments(**options), **variables, HF_HOME=str(tmp_path / "hf")))
        published = tmp_path / "hub" / "me" / "listen"
        (published / "model.safetensors").unlink()  # as if the connection had been lost
        again = output_of(run_script(arguments(**options), **variables, HF_HOME=str(tmp_path / "hf")))
        assert "is trained already" in again
    assert not {"training.yaml", "data.yaml", ".lock"} & {path.name for path in published.iterdir()}
    model = ListenForConditionalGeneration.from_pretrained(published)
    trained = ListenForConditionalGeneration.from_pretrained(tmp_path / "run")
    assert model.config.text_model_id is None
    ours = dict(trained.named_parameters())
    assert all(torch.equal(each, ours[name]) for name, each in model.named_parameters())
    ListenProcessor.from_pretrained(published)
    assert (published / "README.md").read_text() == (tmp_path / "run" / "README.md").read_text()


@pytest.mark.slow
def test_killed_and_resumed_is_bit_for_bit_undisturbed(arguments, tmp_path):
    common = {"max_steps": 60, "save_steps": 5, "eval_steps": 20, "dropout": 0.1}
    output_of(run_script(arguments(**common, output_dir=tmp_path / "whole")))

    folder = tmp_path / "killed"
    killed = run_script(arguments(**common, output_dir=folder))
    deadline = time.monotonic() + 200
    while last_checkpoint(folder) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    stopped_at = int(Path(last_checkpoint(folder)).name.split("-")[1])
    assert stopped_at < 60, "it was over before it could be killed"

    output_of(run_script(arguments(**common, output_dir=folder)))
    assert history(folder) == history(tmp_path / "whole")
    assert history(folder, "eval_probe_auroc") == history(tmp_path / "whole", "eval_probe_auroc")
    undisturbed = weights(tmp_path / "whole")
    assert all(torch.equal(tensor, undisturbed[name]) for name, tensor in weights(folder).items())


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


@pytest.mark.slow
def test_two_processes_are_one(arguments, tmp_path):
    """Ten clips in batches of four, or of two in each of two processes."""
    common = {"max_steps": 4, "eval_steps": 4, "save_steps": 4, "warmup_steps": 0}
    main(arguments(**common, per_device_train_batch_size=4, output_dir=tmp_path / "one"))
    output_of(run_script(arguments(**common, per_device_train_batch_size=2, output_dir=tmp_path / "two"), *TORCHRUN))
    one_loss, two_loss = history(tmp_path / "one"), history(tmp_path / "two")
    assert list(one_loss) == list(two_loss) == [1, 2, 3, 4]
    for step in (1, 2):  # the third batch is the end of an epoch, whose rest is shared out differently
        assert two_loss[step] == pytest.approx(one_loss[step], rel=1e-6)
    norms = history(tmp_path / "one", "grad_norm"), history(tmp_path / "two", "grad_norm")
    assert norms[1][1] == pytest.approx(norms[0][1], rel=1e-5)
    probes = [history(tmp_path / name, "eval_probe_yes_rate") for name in ("one", "two")]
    assert list(probes[0]) == list(probes[1]) == [4]


@pytest.mark.slow
def test_two_processes_leave_the_same_damaged_questions_out(arguments, tmp_path):
    questions = write_questions(tmp_path / "questions", 19, {1, 16, 18})
    common = {"max_steps": 1, "eval_steps": 1, "save_steps": 0, "questions": questions, "learning_rate": 0.0}
    main(arguments(**common, output_dir=tmp_path / "one"))
    output = output_of(run_script(arguments(**common, output_dir=tmp_path / "two"), *TORCHRUN))
    for clip in (1, 16, 18):
        assert output.count(f"{clip}.flac are left out: audio file") == 1
    for name in ("accuracy", "yes_rate", "auroc"):
        one, two = (history(tmp_path / folder, f"eval_probe_{name}") for folder in ("one", "two"))
        assert one
        assert two == pytest.approx(one)


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", ["false", "true"])
def test_sharded_language_model_trains_the_same_adapter(arguments, tmp_path, checkpointing):
    """On three clips with questions, of which two processes have one and a half each."""
    common = {"max_steps": 4, "eval_steps": 2, "save_steps": 2, "per_device_train_batch_size": 2, "max_questions": 6}
    extra = f'{{"use_cpu": true, "disable_tqdm": true, "gradient_checkpointing": {checkpointing}}}'

    def train(folder, sharded):
        options = {"output_dir": folder, "shard_language_model": sharded, "training_arguments": extra}
        output = output_of(run_script(arguments(**common, **options), *TORCHRUN))
        return re.search(r"frozen tensors are as they were \(hash (\w+)\)", output)[1]

    assert train(tmp_path / "whole", False) != train(tmp_path / "sharded", True)  # which has parts of them only
    for value in ("loss", "grad_norm", "eval_loss", "eval_probe_auroc"):
        whole, sharded = history(tmp_path / "whole", value), history(tmp_path / "sharded", value)
        assert whole
        assert sharded == pytest.approx(whole, rel=1e-5), value
    for folder in ("checkpoint-2", ""):
        whole, sharded = weights(tmp_path / "whole" / folder), weights(tmp_path / "sharded" / folder)
        assert whole.keys() == sharded.keys()
        assert all(torch.allclose(tensor, sharded[name], rtol=1e-5, atol=1e-6) for name, tensor in whole.items())

    (tmp_path / "sharded" / "trainer_state.json").unlink()
    shutil.rmtree(tmp_path / "sharded" / "checkpoint-4")
    train(tmp_path / "sharded", True)  # goes on from the second step
    assert all(torch.equal(tensor, sharded[name]) for name, tensor in weights(tmp_path / "sharded").items())


def test_sharding_wants_several_processes(arguments):
    with pytest.raises(SystemExit, match="start the script with torchrun"):
        main(arguments(shard_language_model=True))
