from collections import Counter, defaultdict

import pytest

from recipes.benchmarks import load_benchmark, sound_world
from recipes.corpora import load_corpus
from recipes.miniature.clips import draw_clip
from recipes.miniature.world import CATEGORIES, EVENT_CLASSES
from recipes.records import QUESTION_FEATURES, SEED_FEATURES

NUM_CLIPS = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return tmp_path_factory.mktemp("world")


@pytest.fixture(autouse=True)
def few_clips(monkeypatch):
    monkeypatch.setattr(sound_world, "NUM_CLIPS", NUM_CLIPS)


def questions(world, subset):
    """The questions, and the classes of the clip that each asks about."""
    rows = load_benchmark("sound_world", data_dir=world, subset=subset)
    split = "dev" if subset.startswith("dev_") else "test"
    events = {f"{draw_clip(split, i).id}.wav": set(draw_clip(split, i).events) for i in range(NUM_CLIPS)}
    return rows, [events[audio["path"].rsplit("/", 1)[1]] for audio in rows["audio"]]


def test_seeds(world):
    seeds = load_corpus("sound_world", data_dir=world, split="train", num_clips=5)
    assert seeds.features == SEED_FEATURES and len(seeds) == 5
    clip = draw_clip("train", 3)
    assert seeds[3]["seed"] == clip.caption and seeds[3]["tags"] == list(clip.events)
    assert seeds[3]["id"] == "sound_world/train/train-000003"
    assert seeds[3]["duration"] == 5.0


def test_more_clips_begin_with_the_same(world):
    few = load_corpus("sound_world", data_dir=world, split="dev", num_clips=3)
    more = load_corpus("sound_world", data_dir=world, split="dev", num_clips=6)
    assert len(more) == 6 and more["seed"][:3] == few["seed"][:]


def test_splits_of_seeds(world):
    both = load_corpus("sound_world", data_dir=world, split="train[:2]+dev", num_clips=4)
    assert Counter(both["split"]) == {"train": 2, "dev": 4}
    with pytest.raises(ValueError, match="no split 'encoder'"):
        load_corpus("sound_world", data_dir=world, split="encoder", num_clips=2)
    with pytest.raises(ValueError, match="num_clips is 0"):
        load_corpus("sound_world", data_dir=world, split="train", num_clips=0)


@pytest.mark.parametrize("subset", ["random", "popular", "adversarial", "dev_random"])
def test_existence(world, subset):
    rows, events = questions(world, subset)
    assert set(QUESTION_FEATURES) <= set(rows.features)
    assert Counter(rows["answer"]) == {"yes": len(rows) // 2, "no": len(rows) // 2}
    for row, own in zip(rows, events, strict=True):
        assert (row["object"] in own) == (row["answer"] == "yes")
        assert row["object"] in row["question"] and row["relation"] == "existence"
    assert len(set(rows["id"])) == len(rows)
    asked = defaultdict(set)
    for row in rows:
        if row["answer"] == "yes":
            asked[row["audio"]["path"]].add(row["object"])
    assert len(asked) == NUM_CLIPS and all(
        asked[row["audio"]["path"]] == own for row, own in zip(rows, events, strict=True)
    )


def test_popular_and_adversarial_negatives_are_harder(world):
    count = Counter(name for index in range(NUM_CLIPS) for name in draw_clip("test", index).events)
    together = Counter()
    for index in range(NUM_CLIPS):
        events = draw_clip("test", index).events
        together.update((a, b) for a in events for b in events)

    def means(subset):
        rows, events = questions(world, subset)
        negatives = [(row["object"], own) for row, own in zip(rows, events, strict=True) if row["answer"] == "no"]
        beside = [sum(together[name, other] for other in own) for name, own in negatives]
        return sum(count[name] for name, _ in negatives) / len(negatives), sum(beside) / len(beside)

    random, popular, adversarial = means("random"), means("popular"), means("adversarial")
    assert popular[0] > 1.5 * random[0]
    assert adversarial[1] > 2 * random[1]


def test_hypernyms(world):
    rows, events = questions(world, "hypernym")
    assert Counter(rows["answer"]) == {"yes": len(rows) // 2, "no": len(rows) // 2}
    for row, own in zip(rows, events, strict=True):
        assert row["object"] in CATEGORIES[row["event"]]
        assert any(EVENT_CLASSES[name].category == row["event"] for name in own) == (row["answer"] == "yes")


def test_synonyms_and_natural_questions(world):
    rows, events = questions(world, "synonym")
    for row, own in zip(rows, events, strict=True):
        assert row["object"] in EVENT_CLASSES[row["event"]].synonyms and row["object"] in row["question"]
        assert (row["event"] in own) == (row["answer"] == "yes")
    rows, events = questions(world, "question_answering")
    for row, own in zip(rows, events, strict=True):
        assert row["question"] == EVENT_CLASSES[row["event"]].question
        assert (row["event"] in own) == (row["answer"] == "yes")


def test_questions_are_the_same_again(world, tmp_path):
    first, _ = questions(world, "adversarial")
    second, _ = questions(tmp_path, "adversarial")
    assert first["question"][:] == second["question"][:] and first["answer"][:] == second["answer"][:]


def test_dev_and_test_ask_about_other_clips(world):
    paths = [{audio["path"] for audio in questions(world, name)[0]["audio"]} for name in ("random", "dev_random")]
    assert not paths[0] & paths[1]
