from collections import Counter

import pytest

from recipes.annotations import AnnotationError
from recipes.benchmarks import load_benchmark

HEADER = "file_name,QuestionText,answer,confidence\n"


def write(folder, *rows):
    (folder / "clotho_aqa_test.csv").write_text(HEADER + "".join(row + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture
def published(shared_data):
    return shared_data / "annotations" / "clotho_aqa"


def test_published_counts(published):
    yes_no = load_benchmark("clotho_aqa", published)
    assert Counter(yes_no["answer"]) == {"yes": 684, "no": 425}
    words = load_benchmark("clotho_aqa", published, "words")
    assert len(words) == 203
    assert len(yes_no) + len(words) == 1_312
    everything = load_benchmark("clotho_aqa", published, "all")
    assert Counter(everything["answer_type"]) == {"yes_no": 1_892, "word": 946}
    assert sum(everything["unanimous"]) == 1_312
    assert len({audio["path"] for audio in everything["audio"]}) == 473
    assert set(words["answer"]).isdisjoint({"yes", "no"})


def test_rows(tmp_path):
    write(
        tmp_path,
        *["b.wav,Is it dry?,no,yes", "b.wav,Is it dry?,No ,Maybe", "b.wav,Is it dry?,yes,no"],
        *["b.wav,How many?,two,yes"] * 3,
        *['b.wav,"Is it wet, or not?",YES,yes'] * 3,
    )
    everything = load_benchmark("clotho_aqa", tmp_path, "all")
    assert everything["answer"][:] == ["no", "two", "yes"]
    assert everything["answers"][0] == ["no", "no", "yes"]
    assert everything["confidence"][0] == ["yes", "maybe", "no"]
    assert everything["unanimous"][:] == [False, True, True]
    assert load_benchmark("clotho_aqa", tmp_path)["question"][:] == ["Is it wet, or not?"]
    assert load_benchmark("clotho_aqa", tmp_path, "words")["answer"][:] == ["two"]


@pytest.mark.parametrize(
    ("listed", "on_disk"),
    [
        ("Rock &amp; Roll&#39;s.wav", "Rock &amp; Roll&#39;s.wav"),
        ("Rock &amp; Roll&#39;s.wav", "Rock & Roll's.wav"),
        ("café.wav", "cafe\u0301.wav"),
        ("18:44.wav", "18_44.wav"),
        (" leading.wav", " leading.wav"),
        ("a.wav", "a.flac"),
    ],
)
def test_names_of_recordings(tmp_path, listed, on_disk):
    write(tmp_path, *[f"{listed},Is it?,yes,yes"] * 3)
    recording = tmp_path / "audio_files" / on_disk
    recording.parent.mkdir()
    recording.touch()
    assert load_benchmark("clotho_aqa", tmp_path)[0]["audio"]["path"] == str(recording)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a.wav,Is it?,yes,yes"] * 2, "line 2: 'Is it\\?' has 2 answers"),
        (["a.wav,Is it?,,yes"] * 3, "line 2: the question or its answer is empty"),
        (["a.wav,Is it?,yes"] * 3, "line 2: 3 cells where 4 are due"),
        ([], "hold no question"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, rows, message):
    with pytest.raises(AnnotationError, match=message):
        load_benchmark("clotho_aqa", write(tmp_path, *rows))


def test_no_copy_on_the_hub():
    with pytest.raises(AnnotationError, match=r"zenodo.*data_dir"):
        load_benchmark("clotho_aqa")
