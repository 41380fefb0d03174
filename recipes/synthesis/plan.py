"""The plan of a run: which samples there will be, in order, and the request behind each of them."""

import json
import sqlite3
from collections.abc import Container, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any

from recipes.synthesis.prompts import Prompts

if TYPE_CHECKING:
    from datasets import Dataset

# What a request is made of; the other columns (audio above all) are read only where the samples are written.
REQUEST_COLUMNS = ("id", "corpus", "seed", "seed_type", "tags")
ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Sampling:
    """How responses are drawn.

    Attributes:
        temperature: 0 is greedy decoding.
        top_p: nucleus: the smallest set of tokens whose probabilities reach this sum.
        max_new_tokens: a response is cut there, and says so in `finish_reason`.
        seed: another seed gives other draws.
    """

    temperature: float = 0.6
    top_p: float = 0.9
    max_new_tokens: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}; it must be 0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}; it must be at least 1")

    @property
    def greedy(self) -> bool:
        """Whether equal prompts have equal responses."""
        return self.temperature == 0


@dataclass(frozen=True, slots=True)
class Request:
    """One response to be made.

    Attributes:
        key: hash of everything that determines the response, 32 hexadecimal digits.
        seed: P_seed, the text in the span.
        prompt: P_gen.
        engine_seed: seeds the random draws of this response, below 2**31; 0 where there are none.
        target: the response that a rule has written; None where an LLM is to write it.
    """

    key: str
    seed: str
    prompt: str
    engine_seed: int = 0
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of the final dataset: a seed record, its place among the seed's draws and the request behind it."""

    row: dict[str, Any]
    sample_type: str
    sample_index: int
    request: Request


class Plan:
    """Every sample of a run, in the order of the final dataset: corpus by corpus, seed by seed. Memory stays flat.

    Args:
        corpora: datasets of seed records.
        samples: number of draws by sample type.
        prompts: the prompt families.
        identity: what, besides the request itself, determines a response: the generator and its weights and template.
        sampling: how responses are drawn; None for rule templates.
    """

    def __init__(
        self,
        corpora: list["Dataset"],
        samples: dict[str, int],
        prompts: Prompts,
        identity: dict[str, Any],
        sampling: Sampling | None,
    ) -> None:
        self.corpora, self.samples, self.prompts, self.sampling = corpora, samples, prompts, sampling
        self._run = run_digest(identity, sampling)

    def __len__(self) -> int:
        return sum(map(len, self.corpora)) * sum(self.samples.values())

    def iterate(self, columns: Iterable[str] = REQUEST_COLUMNS) -> Iterator[Sample]:
        """All samples in order, their rows holding `columns` (which must include `REQUEST_COLUMNS`)."""
        columns = list(columns)
        for corpus in self.corpora:
            tables = corpus.select_columns(columns).with_format("arrow").iter(batch_size=ROWS_AT_ONCE)
            for table in tables:
                for row in table.to_pylist():
                    yield from self._samples_of(row)

    def windows(self, size: int) -> Iterator[list[Request]]:
        """The requests of all samples, `size` at a time: the unit that is shared out, computed and kept together."""
        requests = (sample.request for sample in self.iterate())
        while window := list(islice(requests, size)):
            yield window

    def _samples_of(self, row: dict[str, Any]) -> Iterator[Sample]:
        for sample_type, draws in self.samples.items():
            for index in range(draws):
                chosen = self.prompts.choose(row["corpus"], row["id"], sample_type, index)
                if sample_type == "rule":
                    request = make_request(self._run, row["seed"], chosen.prompt, target=chosen.respond(row))
                else:
                    draw = [row["corpus"], row["id"], sample_type, index]
                    request = make_request(self._run, row["seed"], chosen, engine_seed=self._engine_seed(draw))
                yield Sample(row, sample_type, index, request)

    def _engine_seed(self, draw: list[Any]) -> int:
        if self.sampling is None or self.sampling.greedy:
            return 0
        return int(digest([self.sampling.seed, *draw])[:8], 16) >> 1


def run_digest(identity: dict[str, Any], sampling: Sampling | None) -> str:
    """Digest of what determines all responses of a run alike."""
    options = asdict(sampling) if sampling else {}
    options.pop("seed", None)  # part of each request's own seed
    if sampling and sampling.greedy:
        options.pop("top_p")
    return digest([identity, options])


def make_request(run: str, seed: str, prompt: str, engine_seed: int = 0, target: str | None = None) -> Request:
    """A request of the run with the digest `run`."""
    return Request(digest([run, seed, prompt, engine_seed, target]), seed, prompt, engine_seed, target)


def pending_windows(
    plan: Plan, journal: Container[str], size: int, part: tuple[int, int] = (1, 1)
) -> Iterator[tuple[int, list[Request]]]:
    """What one part of a run has yet to make, window by window.

    Window `i` belongs to part `i % parts + 1`, and a request that several windows hold belongs to the first of them:
    each window's requests are the same however a run is shared out or interrupted.

    Yields:
        (number of samples in the window, its requests that the journal does not hold), for the windows of this part.
    """
    first_seen = sqlite3.connect("", isolation_level=None)  # temporary, on disk once it outgrows its cache
    first_seen.execute("PRAGMA cache_size = -32768")
    first_seen.execute("CREATE TABLE keys (key BLOB PRIMARY KEY) WITHOUT ROWID")
    insert = "INSERT OR IGNORE INTO keys VALUES (?)"
    with closing(first_seen):
        for index, window in enumerate(plan.windows(size)):
            first_seen.execute("BEGIN")
            new = [each for each in window if first_seen.execute(insert, (bytes.fromhex(each.key),)).rowcount]
            first_seen.execute("COMMIT")
            if index % part[1] == part[0] - 1:
                yield len(window), [request for request in new if request.key not in journal]


def digest(value: Any) -> str:
    """128 bits of BLAKE2b over a value's canonical JSON, as 32 hexadecimal digits."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def parse_shard(shard: str) -> tuple[int, int]:
    """Read `3/64`: part 3 of 64, counted from 1. Returns the pair; raises ValueError for anything else."""
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise ValueError(f"shard is {shard!r}; it must be PART/PARTS with 1 <= PART <= PARTS, such as 3/64")
    return int(part), int(parts)
