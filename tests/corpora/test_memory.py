"""A million seeds pass through a corpus in less than a gibibyte of resident memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# `ru_maxrss` would not do: it begins with the peak of the process that starts the program, a long test session's.
PROGRAM = """
import sys
from recipes.corpora import load_corpus
seeds = load_corpus("folder", sys.argv[1], missing_audio="keep")
count = sum(len(batch["id"]) for batch in seeds.iter(batch_size=1000))
print(count, next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux' /proc")
def test_a_million_seeds(tmp_path, own_cache):
    with (tmp_path / "mine.csv").open("w") as file:
        file.write("file,caption\n")
        for number in range(1_000_000):
            file.write(f"part{number % 1000:03d}/{number:07d}.wav,Sound {number} of many is heard in the distance\n")
    environment = os.environ | {"HF_DATASETS_CACHE": str(own_cache), "OMP_NUM_THREADS": "1"}
    output = subprocess.check_output([sys.executable, "-c", PROGRAM, str(tmp_path)], env=environment, text=True)
    count, kibibytes = map(int, output.split())
    assert count == 1_000_000
    assert kibibytes < 2**20
