"""What each optimisation of training is worth: the step with all of them, without each in turn, and without any.

    # A 200 M language model on this machine's CPU; a few minutes.
    python recipes/benchmark_training.py --output runs/benchmark_training.json

    # The geometry of whisper-small and Llama-3.1-8B in bfloat16 on a GPU of 80 GB.
    python recipes/benchmark_training.py --size 8b --clips 24 --repeats 10 --output runs/benchmark_8b.json

Weights, sounds and tokens are random, so nothing is downloaded; lengths are like those of real data: 35 tokens before
the audio, 64 for it, 21 of prompt, 30 to 130 of response. A step is everything between two batches of clips: rows,
spectrograms, forward, backward, optimizer. The variants take turns on the same batches in one process.
"""

from dataclasses import dataclass
from typing import Literal

from recipes.command_line import option, parse_options


@dataclass
class BenchmarkOptions:
    """What is measured, and where."""

    output: str = option("runs/benchmark_training.json", "JSON file of the results, a list with one object a variant")
    size: Literal["miniature", "mid", "8b"] = option("mid", "of the model: 0.7 M, 200 M or 8 B of language model")
    responses_per_clip: int = option(2, "responses on each clip")
    clips: int = option(4, "clips in a batch")
    seconds: float = option(10.0, "length of a clip; at most the encoder's window is used")
    repeats: int = option(5, "batches that every variant is timed on; the median counts")
    device: str = option("auto", "cuda, cpu or auto")
    dtype: Literal["auto", "float32", "bfloat16"] = option("auto", "of the backbones; auto is bfloat16 on GPUs")
    seed: int = option(0, "of weights and batches")

    def __post_init__(self) -> None:
        for name in ("responses_per_clip", "clips", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


def main(argv: list[str] | None = None) -> None:
    """Measure, print and write."""
    (options,) = parse_options(BenchmarkOptions, description=__doc__, argv=argv)
    import json
    from pathlib import Path

    from recipes.training.benchmark import format_results, measure

    results = measure(options)
    output = Path(options.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(format_results(results))


if __name__ == "__main__":
    main()
