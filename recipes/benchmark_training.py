"""What each optimisation of training is worth: the step with all of them, without each in turn, and without any.

    # A 200 M language model on this machine's CPU; a few minutes.
    python recipes/benchmark_training.py --output runs/benchmark_training.json

    # The geometry of whisper-small and Llama-3.1-8B in bfloat16 on a GPU of 80 GB.
    python recipes/benchmark_training.py --size 8b --clips 24 --repeats 10 --output runs/benchmark_8b.json

Weights, sounds and tokens are random, so nothing is downloaded; lengths are like those of real data: 35 tokens before
the audio, 64 for it, 21 of prompt, 30 to 130 of response. A step is everything between two batches of clips: rows,
spectrograms, forward, backward, optimizer. The variants take turns on the same batches in one process.
"""

import json
import os
from pathlib import Path

from recipes.command_line import errors_as_messages, parse_options
from recipes.training.benchmark_options import BenchmarkOptions


def main(argv: list[str] | None = None) -> None:
    """Measure, print and write."""
    (options,) = parse_options(BenchmarkOptions, description=__doc__, argv=argv)
    from recipes.training.benchmark import format_results, measure

    with errors_as_messages(RuntimeError, resumes="the same command begins anew"):
        output = Path(options.output)
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.is_dir() or not os.access(output.parent, os.W_OK):  # rather now than after all measuring
            raise OSError(f"cannot write {output}: give another --output")
        results = measure(options)
        output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        print(format_results(results))


if __name__ == "__main__":
    main()
