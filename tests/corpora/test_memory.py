"""A million seeds pass through a corpus in less than a gibibyte of resident memory."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from recipes.corpora import load_corpus
seeds = load_corpus("folder", sys.argv[1], missing_audio="keep")
count = sum(len(batch["id"]) for batch in seeds.iter(batch_size=1000))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.slow
def test_a_million_seeds(tmp_path, own_cache):
    with (tmp_path / "mine.csv").open("w") as file:
        file.write("file,caption\n")
        for number in range(1_000_000):
            file.write(f"part{number % 1000:03d}/{number:07d}.wav,Sound {number} of many is heard in the distance\n")
    environment = os.environ | {"HF_DATASETS_CACHE": str(own_cache), "OMP_NUM_THREADS": "1"}
    output = subprocess.check_output([sys.executable, "-c", PROGRAM, str(tmp_path)], env=environment, text=True)
    count, gibibytes = output.split()
    assert int(count) == 1_000_000
    assert float(gibibytes) < 1
