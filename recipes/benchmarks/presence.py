"""Questions of presence about any corpus with tags: evaluate on recordings of your own.

Each clip is asked about its tags (yes) and about as many other tags, as far as there are so many (no), in one of the
five wordings and by one of the three strategies of https://arxiv.org/abs/2406.08402: `random`, `popular` (the tags of
most clips) and `adversarial` (the tags that most often stand beside the clip's in other clips). The last two tell
little where each clip has one tag only, as in ESC-50: no tag stands beside another, and all may be as frequent.
"""

import random
from typing import TYPE_CHECKING

from recipes.benchmarks.audio_hallucination import TEMPLATES, adversarial_negatives, popular_negatives

if TYPE_CHECKING:
    import datasets

BENCHMARK = "presence"
STRATEGIES = ("random", "popular", "adversarial")


def presence_questions(
    seeds: "datasets.Dataset", subset: str, strategy: str = "random", seed: int = 0
) -> "datasets.Dataset":
    """Make questions of presence from the seeds of a corpus.

    Args:
        seeds: records of `recipes.records.SEED_FEATURES` with tags; of several seeds of a clip the first is used.
        subset: what the questions' `subset` says.
        strategy: how the no questions' objects are chosen, one of `STRATEGIES`.
        seed: another seed draws other wordings and other random objects. Draws depend on the clip's id, not on its
            place in the corpus.

    Returns:
        Records of `recipes.records.QUESTION_FEATURES`, clip by clip, yes before no, with the columns `object`,
        `sampling`, `seed` (the clip's) and `answer_type`.

    Raises:
        ValueError: an unknown strategy, a clip without tags, or a corpus in which every clip has all.
    """
    import datasets

    from recipes.records import QUESTION_FEATURES

    if strategy not in STRATEGIES:
        raise ValueError(f"the strategy {strategy!r} is not one of {', '.join(STRATEGIES)}")
    clips = {}
    for record in seeds:
        clips.setdefault(record["audio"]["path"] or record["id"], record)
    labels = {key: list(dict.fromkeys(record["tags"])) for key, record in clips.items()}
    if untagged := next((key for key, tags in labels.items() if not tags), None):
        raise ValueError(f"the clip {untagged} has no tags: questions of presence need a corpus with tags")
    chosen = {"popular": popular_negatives, "adversarial": adversarial_negatives}
    every_tag = list(dict.fromkeys(tag for tags in labels.values() for tag in tags))
    negatives = chosen[strategy](labels) if strategy in chosen else {}

    rows = []
    for key, record in clips.items():
        generator = random.Random(f"{seed}/{record['id']}")
        absent = negatives.get(key)
        if absent is None:
            others = [tag for tag in every_tag if tag not in labels[key]]
            absent = generator.sample(others, min(len(others), len(labels[key])))
        asked = [(tag, "yes") for tag in labels[key]] + [(tag, "no") for tag in absent]
        for number, (tag, answer) in enumerate(asked):
            rows.append(
                {
                    "id": f"{BENCHMARK}/{subset}/{record['id']}/{number}",
                    "benchmark": BENCHMARK,
                    "subset": subset,
                    "audio": record["audio"],
                    "question": generator.choice(TEMPLATES).format(tag),
                    "answer": answer,
                    "answer_type": "yes_no",
                    "object": tag,
                    "sampling": strategy,
                    "seed": record["seed"],
                }
            )
    if not any(row["answer"] == "no" for row in rows):
        raise ValueError(
            f"{subset}: {len(clips)} clips have {len(every_tag)} different tags, too few to ask for others"
        )
    text = datasets.Value("string")
    own = dict.fromkeys(("answer_type", "object", "sampling", "seed"), text)
    # `datasets` encodes rows with an audio column only where torchcodec is installed; casting does without.
    stored = {**QUESTION_FEATURES, **own, "audio": {"bytes": datasets.Value("binary"), "path": text}}
    questions = datasets.Dataset.from_list(rows, features=datasets.Features(stored))
    return questions.cast_column("audio", QUESTION_FEATURES["audio"])
