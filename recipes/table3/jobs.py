"""Commands side by side, each in a process of one thread: two such processes beat one of two threads at this size."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

RECIPES = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Job:
    """A recipe to be run.

    Attributes:
        name: of its log file.
        script: file name in `recipes`.
        arguments: its command line.
    """

    name: str
    script: str
    arguments: tuple[str, ...]


def run_jobs(jobs: Sequence[Job], logs: str | Path, processes: int, description: str) -> None:
    """Run all jobs, `processes` at a time. The recipes resume by themselves and do nothing where all is done.

    Raises:
        RuntimeError: a job failed; the others have been run to their end. The message names its log.
    """
    from tqdm import tqdm

    logs = Path(logs)
    logs.mkdir(parents=True, exist_ok=True)
    failed = []
    with ThreadPoolExecutor(processes) as pool, tqdm(total=len(jobs), desc=description, unit="run") as bar:
        running = {pool.submit(_run, job, logs / f"{job.name}.log"): job for job in jobs}
        for done in as_completed(running):
            if done.result():
                failed.append(running[done].name)
            bar.update()
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(jobs)} runs failed; see {logs / failed[0]}.log")


def _run(job: Job, log: Path) -> int:
    threads = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, str(RECIPES / job.script), *job.arguments]
    with log.open("w", encoding="utf-8") as file:
        return subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=os.environ | threads).returncode
