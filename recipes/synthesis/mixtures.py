"""The training sets of section 4.3, each chosen from one pool of responses."""

import logging
from hashlib import blake2b
from typing import TYPE_CHECKING

from recipes.synthesis.quality import usable

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

# How many responses of which kind each seed gives.
MIXTURES: dict[str, dict[str, int]] = {
    "positive+positive": {"positive": 2},  # 2N: two different draws
    "positive+negative": {"positive": 1, "negative": 1},  # N + N
    "combined": {"combined": 1},  # N, each as good as two (section 4.3)
    "rule": {"rule": 2},  # 2N (section 5.4)
    "2 positive+2 negative": {"positive": 2, "negative": 2},  # not in the paper: more responses on the same clips
}


def mix(responses: "Dataset", mixture: str, seed: int = 0) -> "Dataset":
    """Choose a training set from a pool of responses.

    Responses that training may not use (see `usable`) are left out and counted in the log; so a seed may give fewer
    than the mixture asks for. Where a seed has more draws than asked for, `seed` decides which are taken.

    Args:
        responses: response records.
        mixture: one of `MIXTURES`.
        seed: another one takes other draws.

    Returns:
        The chosen records, in the order of the pool.

    Raises:
        ValueError: no such mixture, or a pool without enough draws of a kind.
    """
    if mixture not in MIXTURES:
        raise ValueError(f"there is no mixture {mixture!r}; there are {', '.join(MIXTURES)}")
    wanted = MIXTURES[mixture]
    columns = ("corpus", "id", "sample_type", "sample_index", "response", "finish_reason")
    draws: dict[str, int] = {}
    candidates: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    left_out = 0
    table = responses.select_columns(list(columns)).with_format("arrow")
    place = 0
    for batch in table.iter(batch_size=10_000):
        for row in batch.to_pylist():
            kind = row["sample_type"]
            if kind in wanted:
                draws[kind] = max(draws.get(kind, 0), row["sample_index"] + 1)
                if usable(row):
                    candidates.setdefault((row["corpus"], row["id"], kind), []).append((row["sample_index"], place))
                else:
                    left_out += 1
            place += 1
    for kind, count in wanted.items():
        if draws.get(kind, 0) < count:
            remedy = "--generator rule" if kind == "rule" else f"--samples {kind}={count}"
            raise ValueError(
                f"{mixture} needs {count} {kind} responses for each seed and the pool has {draws.get(kind, 0)}: "
                f"synthesize them with `{remedy}`"
            )
    chosen = [
        place
        for (corpus, seed_id, kind), rows in candidates.items()
        for _, place in _take(rows, wanted[kind], draws[kind], f"{seed}\0{corpus}\0{seed_id}\0{kind}")
    ]
    logger.info("%s: %d responses; %d cut, empty or refused ones left out", mixture, len(chosen), left_out)
    return responses.select(sorted(chosen))


def _take(rows: list[tuple[int, int]], count: int, draws: int, name: str) -> list[tuple[int, int]]:
    """`count` of a seed's usable draws, beginning with one that `name` decides."""
    first = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") % draws
    return sorted(rows, key=lambda row: (row[0] - first) % draws)[:count]
