"""The seeds of sound-world clips as people would write them: captions that name every event, and lists of tags."""

import numpy as np

from recipes.miniature.world import EVENT_CLASSES

TAG_SEPARATOR = "; "

_PLACES = {
    "farm": "on a farm",
    "forest": "in a forest",
    "storm": "in a storm",
    "beach": "at the beach",
    "street": "on a street",
    "home": "at home",
    "kitchen": "in a kitchen",
    "workshop": "in a workshop",
    "concert": "at a concert",
}
_JOINTS = (" and ", " while ", " as ", ", then ", " with ", " followed by ")
_PLACE_SHARE = 0.3


def write_caption(scene: str, events: list[str], rng: np.random.Generator, phrasings: int | None = None) -> str:
    """Write a caption that names every event, in an order and in words that are drawn.

    Args:
        scene: a key of `world.SCENES`; named in some captions.
        events: names of the classes heard.
        rng: what the wording is drawn with.
        phrasings: how many of each class's clauses are drawn from; all by default.
    """
    order = rng.permutation(len(events))
    clauses = [str(rng.choice(EVENT_CLASSES[events[i]].clauses[:phrasings])) for i in order]
    text = clauses[0]
    for position, clause in enumerate(clauses[1:], start=1):
        last = position == len(clauses) - 1
        text += (str(rng.choice(_JOINTS)) if last else ", ") + clause
    if rng.random() < _PLACE_SHARE:
        text += f" {_PLACES[scene]}"
    return f"{text[0].upper()}{text[1:]}."


def write_tags(events: list[str], rng: np.random.Generator | None = None) -> str:
    """Join class names as tag corpora do; in a drawn order where `rng` is given."""
    order = range(len(events)) if rng is None else rng.permutation(len(events))
    return TAG_SEPARATOR.join(events[i] for i in order)
