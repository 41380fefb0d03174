"""Pools whose negatives are not about their own clips: what is left when negatives are only a second prompt."""

import random
from pathlib import Path

from recipes.synthesis.dataset import load_responses, write_dataset


def exchange_negatives(source: str | Path, target: str | Path, share: float, seed: int = 0) -> int:
    """Give a share of the clips the negative response of another clip; all else stays.

    The clips chosen pass their negatives on in a circle, so that every response is used as often as before.

    Args:
        source: output folder of a synthesis.
        target: folder for the changed records.
        share: of the clips with a negative response, 0 to 1.
        seed: which clips, and in which order.

    Returns:
        How many responses were exchanged.

    Raises:
        FileNotFoundError: the source holds no responses.
    """
    records = load_responses(source).to_list()
    places = [place for place, record in enumerate(records) if record["sample_type"] == "negative"]
    chosen = random.Random(seed).sample(places, round(share * len(places)))
    responses = [(records[place]["response"], records[place]["response_tokens"]) for place in chosen]
    for place, (response, tokens) in zip(chosen, responses[1:] + responses[:1], strict=True):
        records[place] |= {"response": response, "response_tokens": tokens}
    write_dataset(iter(records), target, len(records))
    return len(chosen)
