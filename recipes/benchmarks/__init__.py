"""Section 4.2's benchmarks as records of questions: `load_benchmark("audio_hallucination", data_dir, subset)`."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datasets

# Name -> the module and class of its builder; imported on first use.
BENCHMARKS: dict[str, tuple[str, str]] = {
    "audio_hallucination": ("recipes.benchmarks.audio_hallucination", "AudioHallucination"),
    "clotho_aqa": ("recipes.benchmarks.clotho_aqa", "ClothoAQA"),
    "synonym_hypernym": ("recipes.benchmarks.synonym_hypernym", "SynonymHypernym"),
    "aqua_bench": ("recipes.benchmarks.aqua_bench", "AquaBench"),
    "sound_world": ("recipes.benchmarks.sound_world", "SoundWorld"),
}


def load_benchmark(
    name: str, data_dir: str | Path | None = None, subset: str | None = None, missing_audio: str = "keep"
) -> "datasets.Dataset":
    """Load the questions of a benchmark.

    Args:
        name: one of `BENCHMARKS`.
        data_dir: the folder with its annotation files and recordings; None for the Hub's copy where there is one, and
            for what the project makes itself.
        subset: which part; each benchmark's first (see its module) by default.
        missing_audio: "keep" questions whose recording is missing (they count as unanswered), "skip" them, or "error".

    Returns:
        Records with the columns of `recipes.records.QUESTION_FEATURES`, `answer_type` and the benchmark's own.

    Raises:
        ValueError: an unknown name, subset or value of `missing_audio`, or annotation files that cannot be used.
        FileNotFoundError: a recording is missing and `missing_audio` is "error".
    """
    if name not in BENCHMARKS:
        raise ValueError(f"there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    module, builder = BENCHMARKS[name]
    return getattr(importlib.import_module(module), builder)(
        data_dir=data_dir, subset=subset, missing_audio=missing_audio
    ).questions()
