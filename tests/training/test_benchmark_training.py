"""The benchmark of training steps."""

import json
from dataclasses import replace

import pytest
import torch

from recipes.benchmark_training import main
from recipes.training import benchmark
from recipes.training.benchmark_options import BenchmarkOptions


@pytest.fixture
def small(monkeypatch):
    """The miniature's sizes, smaller still."""
    geometry = replace(
        benchmark.SIZES["miniature"],
        text={**benchmark.SIZES["miniature"].text, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2},
    )
    monkeypatch.setitem(benchmark.SIZES, "miniature", geometry)


@pytest.mark.parametrize("responses_per_clip", [1, 3])
def test_every_variant_has_the_same_loss_and_its_own_cost(small, tmp_path, responses_per_clip, capsys):
    output = tmp_path / "results" / "benchmark.json"
    main(
        ["--size", "miniature", "--clips", "3", "--repeats", "2", "--seconds", "1", "--device", "cpu",
         "--responses_per_clip", str(responses_per_clip), "--output", str(output)]
    )  # fmt: skip
    rows = {row["variant"]: row for row in json.loads(output.read_text())}
    assert list(rows) == ["naive", "all", "no_shared_clips", "no_prefix_cache", "no_masked_head", "no_filled_rows"]
    for row in rows.values():
        assert row["loss"] == pytest.approx(rows["naive"]["loss"], rel=1e-5)
        assert row["samples_per_second"] > 0
        assert row["supervised_tokens_per_second"] > 29 * row["samples_per_second"]
        assert row["peak_memory_bytes"] > 50e6
        assert 0 <= row["padding"] < 1
        assert row["mfu"] is None
    work = {name: row["tflop_per_sample"] for name, row in rows.items()}
    assert work["all"] < work["no_masked_head"]
    assert work["all"] < work["no_prefix_cache"] < work["naive"]
    assert work["all"] < work["no_filled_rows"]
    assert rows["all"]["padding"] == 0
    assert "naive" in capsys.readouterr().out


def test_padding_is_counted(small):
    bench = benchmark.Bench(BenchmarkOptions(size="miniature", clips=1, responses_per_clip=1, seconds=1, device="cpu"))
    batch = bench.batch()
    assert bench.step(batch, benchmark.VARIANTS["naive"])[1] == 0
    two = benchmark.Batch(batch.clips * 2, batch.waveforms * 2)
    assert bench.step(two, benchmark.VARIANTS["naive"])[1] == 0
    longer = benchmark.Batch([*batch.clips, bench.batch().clips[0]], batch.waveforms * 2)
    lengths = [sum(map(len, clip.samples[0])) for clip in longer.clips]
    row = benchmark.PREFIX_TOKENS + len(batch.clips[0].span) + max(lengths) - 1  # the last token predicts nothing
    expected = (max(lengths) - min(lengths)) / (2 * row)
    assert bench.step(longer, benchmark.VARIANTS["naive"])[1] == pytest.approx(expected)
    assert bench.step(longer, benchmark.VARIANTS["all"])[1] == 0


def test_steps_leave_the_weights(small):
    bench = benchmark.Bench(BenchmarkOptions(size="miniature", clips=2, seconds=1, device="cpu"))
    before = [each.clone() for each in bench.model.parameters()]
    bench.step(bench.batch(), benchmark.VARIANTS["all"])
    assert all(torch.equal(*pair) for pair in zip(before, bench.model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clips", "0"], "clips is 0; it must be at least 1"),
        (["--seconds", "nan"], "seconds is nan; it must be a number above 0"),
        (["--device", "foo"], "device string: foo"),
        pytest.param(
            ["--device", "cuda"],
            "device is cuda, and PyTorch finds no GPU here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_mistakes_are_named(small, tmp_path, arguments, message):
    with pytest.raises(SystemExit) as error:
        main(["--size", "miniature", "--output", str(tmp_path / "results.json"), *arguments])
    assert message in str(error.value)


@pytest.mark.parametrize("output", ["", "file/results.json"])
def test_results_that_cannot_be_written_are_not_measured(tmp_path, output, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(benchmark, "SIZES", {})  # measuring would fail
    with pytest.raises(SystemExit, match=r"(OS|FileExists|NotADirectory)Error.*"):
        main(["--size", "miniature", "--device", "cpu", "--output", str(tmp_path / output)])
