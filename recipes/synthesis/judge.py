"""Asks the generator itself whether the sounds that its responses name as absent contradict the seed."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from recipes.synthesis.dataset import read_records
from recipes.synthesis.journal import Journal
from recipes.synthesis.plan import Request, Sampling, make_request, run_digest
from recipes.synthesis.quality import named_sounds, usable

QUESTION = "Is there a sound of {} in the audio?"
# A yes or a no comes first or not at all.
SAMPLING = Sampling(temperature=0, max_new_tokens=16)
VERDICT = re.compile(r"\W*(yes|no)\b(?! (?:(?:and|or) (?:yes|no)|idea|doubt|information)\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Judgements:
    """Questions about a run: one for each sound that a usable negative or combined response lists as absent.

    Args:
        folder: the run's output folder, its dataset written.
        identity: the engine's.
    """

    folder: Path
    identity: dict[str, Any]

    def questions(self) -> Iterator[tuple[Mapping[str, Any], str, Request]]:
        """Response record, sound and request, in the order of the records."""
        run = run_digest(self.identity, SAMPLING)
        for row in read_records(self.folder):
            if row["sample_type"] in ("negative", "combined") and usable(row):
                for sound in dict.fromkeys(named_sounds(row["response"])[1]):
                    yield row, sound, make_request(run, row["seed"], QUESTION.format(sound))

    def __len__(self) -> int:
        return sum(1 for _ in self.questions())

    def windows(self, size: int) -> Iterator[list[Request]]:
        """The requests, `size` at a time."""
        requests = (request for _, _, request in self.questions())
        while window := list(islice(requests, size)):
            yield window

    def write(self, journal: Journal) -> dict[str, int]:
        """Write `judgements.jsonl`: a line for each question, its `verdict` `contradicted`, `absent` or `unclear`.

        Returns:
            `sounds`, and how many of them have each verdict.
        """
        counts = {"sounds": 0, "contradicted": 0, "absent": 0, "unclear": 0}
        with (self.folder / "judgements.jsonl").open("w", encoding="utf-8") as file:
            for row, sound, request in self.questions():
                verdict = _verdict(journal[request.key]["response"])
                counts["sounds"] += 1
                counts[verdict] += 1
                names = ("corpus", "id", "sample_type", "sample_index")
                line = {**{name: row[name] for name in names}, "sound": sound, "verdict": verdict}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return counts


def _verdict(answer: str) -> str:
    first = VERDICT.match(answer)
    return {"yes": "contradicted", "no": "absent"}[first[1].lower()] if first else "unclear"
