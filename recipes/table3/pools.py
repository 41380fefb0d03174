"""The pools of responses: one of each LLM that writes, and two whose negatives are not about their own clips."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

from recipes.synthesis.dataset import load_responses, write_dataset
from recipes.table3.jobs import Job, run_jobs
from recipes.table3.options import Table3Options
from recipes.table3.rows import CORRUPTED, OTHER, RULE, SELF, STRANGE, Row


def make_pools(rows: Sequence[Row], options: Table3Options, output: Path) -> None:
    """Make the pools that rows are trained on, as `output/pools/NAME`, unless they are there.

    Raises:
        RuntimeError: a synthesis failed; the message names its log.
    """
    writers = {OTHER: options.other_text_model, RULE: "rule"}
    jobs = []
    for pool, text_model in {row.pool: row.text_model or options.text_model for row in rows}.items():
        if pool in (STRANGE, CORRUPTED):
            continue
        arguments = ("--corpora", options.corpus, "--text_model", text_model, "--generator", writers.get(pool, SELF))
        samples = () if pool == RULE else ("--samples", *options.samples)
        folder = ("--output_dir", str(output / "pools" / pool))
        jobs.append(Job(f"synthesize-{pool}", "synthesize_listen.py", (*arguments, *samples, *folder)))
    run_jobs(jobs, output / "logs", options.processes, "synthesis")
    for pool, change in ((STRANGE, exchange_negatives), (CORRUPTED, corrupt_negatives)):
        if any(row.pool == pool for row in rows) and not (output / "pools" / pool / "data").is_dir():
            change(output / "pools" / SELF, output / "pools" / pool)


def exchange_negatives(source: str | Path, target: str | Path, seed: int = 0) -> int:
    """Give each clip the negative responses of another clip; all else stays.

    The clips pass their negatives on in a circle, so that every response is used as often as before.

    Args:
        source: output folder of a synthesis.
        target: folder for the changed records.
        seed: the order of the clips.

    Returns:
        How many responses were exchanged.

    Raises:
        FileNotFoundError: the source holds no responses.
    """
    records = load_responses(source).to_list()
    draws: dict[int, list[int]] = {}
    for place, record in enumerate(records):
        if record["sample_type"] == "negative":
            draws.setdefault(record["sample_index"], []).append(place)
    for places in draws.values():
        # The same order of clips for every draw, as long as each clip has all.
        random.Random(seed).shuffle(places)
        responses = [(records[place]["response"], records[place]["response_tokens"]) for place in places]
        for place, (response, tokens) in zip(places, responses[1:] + responses[:1], strict=True):
            records[place] |= {"response": response, "response_tokens": tokens}
    write_dataset(iter(records), target, len(records))
    return sum(map(len, draws.values()))


def corrupt_negatives(source: str | Path, target: str | Path, seed: int = 0) -> int:
    """In each negative response put a sound that is there in the place of one that is not; all else stays.

    Args:
        source: output folder of a synthesis, of clips with tags.
        target: folder for the changed records.
        seed: which sounds.

    Returns:
        How many responses were changed: those that name a tag of some clip.

    Raises:
        FileNotFoundError: the source holds no responses.
    """
    records = load_responses(source).to_list()
    names = sorted({tag for record in records for tag in record["tags"]}, key=len, reverse=True)
    name = re.compile(r"\b(" + "|".join(map(re.escape, names)) + r")\b")
    generator, changed = random.Random(seed), 0
    for record in records:
        if record["sample_type"] == "negative":
            found = list(name.finditer(record["response"]))
            present = [tag for tag in record["tags"] if tag not in {match[0] for match in found}]
            if found and present:
                match = generator.choice(found)
                before, after = record["response"][: match.start()], record["response"][match.end() :]
                record["response"] = before + generator.choice(present) + after
                changed += 1
    write_dataset(iter(records), target, len(records))
    return changed
