"""The options of the benchmark of training."""

import math
from dataclasses import dataclass
from typing import Literal

from recipes.command_line import option


@dataclass
class BenchmarkOptions:
    """What is measured, and where."""

    output: str = option("runs/benchmark_training.json", "JSON file of the results, a list with one object a variant")
    size: Literal["miniature", "mid", "8b"] = option("mid", "of the model: 0.7 M, 200 M or 8 B of language model")
    responses_per_clip: int = option(2, "responses on each clip")
    clips: int = option(8, "clips in a batch")
    seconds: float = option(10.0, "length of a clip; at most the encoder's window is used")
    repeats: int = option(5, "batches that every variant is timed on; the median counts")
    device: str = option("auto", "cuda, cpu or auto")
    dtype: Literal["auto", "float32", "bfloat16"] = option("auto", "of the backbones; auto is bfloat16 on GPUs")
    seed: int = option(0, "of weights and batches")

    def __post_init__(self) -> None:
        for name in ("responses_per_clip", "clips", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds is {self.seconds}; it must be a number above 0")
