"""Questions of presence about corpora with tags."""

from pathlib import Path

import pytest

from recipes.benchmarks.presence import presence_questions
from recipes.benchmarks.specification import load_apart, load_specified
from recipes.corpora import load_corpus
from recipes.records import QUESTION_FEATURES

CLIPS = {"a.wav": "dog;rain", "b.wav": "dog", "c.wav": "car;rain", "d.wav": "siren;car;dog", "e.wav": "wind"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import soundfile

    for name in CLIPS:
        soundfile.write(tmp_path / name, [0.0] * 100, 16000)
    rows = "".join(f"{name},{tags}\n" for name, tags in CLIPS.items())
    (tmp_path / "metadata.csv").write_text(f"file,tags\n{rows}")
    return tmp_path


def by_clip(questions) -> dict[str, list[dict]]:
    clips: dict[str, list[dict]] = {}
    for question in questions:
        clips.setdefault(Path(question["audio"]["path"]).name, []).append(question)
    return clips


@pytest.mark.parametrize("strategy", ["random", "popular", "adversarial"])
def test_every_tag_is_asked_for_and_as_many_absent_ones(folder: Path, strategy: str) -> None:
    questions = presence_questions(load_corpus("folder", folder), "folder", strategy)
    assert set(QUESTION_FEATURES) <= set(questions.features)
    assert len(set(questions["id"])) == len(questions) == 17
    for name, asked in by_clip(questions).items():
        tags = CLIPS[name].split(";")
        assert [each["object"] for each in asked if each["answer"] == "yes"] == tags
        absent = [each["object"] for each in asked if each["answer"] == "no"]
        assert len(set(absent)) == len(absent) == min(len(tags), 5 - len(tags))
        assert not set(absent) & set(tags)
        assert all(each["object"] in each["question"] for each in asked)
        assert {each["seed"] for each in asked} == {"; ".join(tags)}


def test_popular_and_adversarial_objects_are_chosen_as_in_the_paper(folder: Path) -> None:
    seeds = load_corpus("folder", folder)
    popular = by_clip(presence_questions(seeds, "folder", "popular"))
    assert popular["e.wav"][1]["object"] == "dog"
    adversarial = by_clip(presence_questions(seeds, "folder", "adversarial"))
    assert adversarial["c.wav"][2]["object"] == "dog"  # beside rain in a, beside car in d


def test_draws_depend_on_the_clip_alone(folder: Path) -> None:
    seeds = load_corpus("folder", folder)

    def yes_questions(questions) -> set[tuple[str, str]]:
        return {(q["id"], q["question"]) for q in questions if q["answer"] == "yes"}

    other_order = presence_questions(seeds.select([3, 4, 0, 1, 2]), "folder", "popular")
    assert yes_questions(other_order) == yes_questions(presence_questions(seeds, "folder", "popular"))
    questions = presence_questions(seeds, "folder")["question"][:]
    assert questions == presence_questions(seeds, "folder")["question"][:]
    assert questions != presence_questions(seeds, "folder", seed=1)["question"][:]


def test_a_corpus_that_cannot_be_asked_about_is_refused(folder: Path) -> None:
    seeds = load_corpus("folder", folder)
    with pytest.raises(ValueError, match="1 clips have 3 different tags, too few"):
        presence_questions(seeds.select([3]), "folder")
    with pytest.raises(ValueError, match="'rare' is not one of"):
        presence_questions(seeds, "folder", "rare")
    (folder / "metadata.csv").write_text("file,caption\na.wav,a dog barks\n")
    with pytest.raises(ValueError, match="has no tags"):
        presence_questions(load_corpus("folder", folder), "folder")


def test_esc10_in_a_folder_of_esc50(shared_data: Path) -> None:
    questions = load_specified(f"presence/esc10:fold4={shared_data / 'annotations' / 'esc50'}")
    assert (len(questions), len(set(questions["object"]))) == (160, 10)


def test_real_recordings(shared_data: Path) -> None:
    questions = presence_questions(load_corpus("esc50", shared_data / "esc10", "fold4"), "esc50:fold4")
    answers = questions["answer"][:]
    assert answers.count("yes") == answers.count("no") == len(answers) / 2
    assert all(Path(audio["path"]).is_file() for audio in questions["audio"])


def test_a_misspelled_strategy_is_refused(folder: Path) -> None:
    rows = "".join(f"{name},{tags},test\n" for name, tags in CLIPS.items())
    (folder / "metadata.csv").write_text(f"file,tags,split\n{rows}")
    with pytest.raises(ValueError, match="'adverserial' is no strategy; there are random, popular, adversarial"):
        load_specified(f"presence/folder:test:adverserial={folder}")
    assert set(load_specified(f"presence/folder:test[:50%]:adversarial={folder}")["sampling"]) == {"adversarial"}


def test_benchmarks_of_one_file_are_taken_apart(tmp_path: Path) -> None:
    rows = ["a,x,1", "a,y,2", "b,x,3", "a,x,4", "a,x,5"]
    lines = [f"{row},a.wav,Is there a dog?,yes" for row in rows]
    (tmp_path / "mine.csv").write_text("\n".join(["benchmark,subset,id,audio,question,answer", *lines]))
    parts = load_apart(str(tmp_path / "mine.csv"), limit=2)
    assert [(part[0]["benchmark"], part[0]["subset"], part["id"][:]) for part in parts] == [
        ("a", "x", ["1", "4"]),
        ("a", "y", ["2"]),
        ("b", "x", ["3"]),
    ]
