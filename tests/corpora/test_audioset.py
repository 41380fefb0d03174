"""AudioSet on the head of the official segments file and on layouts found in the wild."""

import shutil

import pytest

from recipes.annotations import AnnotationError
from recipes.corpora import load_corpus, prepare_corpus
from recipes.corpora.audioset import AudioSet
from recipes.records import SEED_FEATURES

HEADER = "# Segments csv created\n# num_ytids=2\n# YTID, start_seconds, end_seconds, positive_labels\n"
LABELS = 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech, man speaking"\n'


@pytest.fixture
def folder(tmp_path, write):
    write(tmp_path / "class_labels_indices.csv", LABELS)
    rows = '-_ab_cd-123, 30.000, 40.000, "/m/09x0r,/m/05zppz"\nabcdefghijk, 2.500, 6.500, "/m/09x0r"\n'
    write(tmp_path / "balanced_train_segments.csv", HEADER + rows)
    return tmp_path


def test_official_head(shared_data):
    seeds = load_corpus("audioset", shared_data / "annotations" / "audioset", missing_audio="keep")
    assert seeds.features == SEED_FEATURES
    assert len(seeds) == 4
    first = seeds[0]
    assert first["id"] == "audioset/train/--PJHxphWEs"
    assert first["tags"] == ["Speech", "Gush"]
    assert first["seed"] == "Speech; Gush"
    assert first["seed_type"] == "tags"
    assert first["duration"] == 10.0


def test_every_official_class_has_a_name(shared_data):
    builder = AudioSet(shared_data / "annotations" / "audioset")
    names = builder.label_names()
    assert len(names) == 527
    assert sum("," in name for name in names.values()) == 75
    assert names["/m/05zppz"] == "Male speech, man speaking"


def test_names_with_commas_stay_whole(folder):
    seeds = load_corpus("audioset", folder, missing_audio="keep")
    assert seeds[0]["tags"] == ["Speech", "Male speech, man speaking"]
    assert seeds[0]["seed"] == "Speech; Male speech, man speaking"
    assert seeds["duration"][:] == [10.0, 4.0]


def test_the_ontology_names_labels_too(folder, shared_data):
    (folder / "class_labels_indices.csv").unlink()
    shutil.copy(shared_data / "annotations" / "audioset" / "ontology.json", folder)
    assert load_corpus("audioset", folder, missing_audio="keep")[0]["tags"][1] == "Male speech, man speaking"


@pytest.mark.parametrize("content", ["{}", '{"id": "/m/09x0r"}', '[{"id": "/m/09x0r"}]', "[1]"])
def test_what_is_no_ontology_is_named(folder, write, content):
    (folder / "class_labels_indices.csv").unlink()
    write(folder / "ontology.json", content)
    with pytest.raises(AnnotationError, match=r"ontology\.json|among the class names"):
        load_corpus("audioset", folder, missing_audio="keep")


@pytest.mark.parametrize(
    "name",
    [
        "-_ab_cd-123.wav",
        "audio/Y-_ab_cd-123.wav",
        "balanced_train/-_ab_cd-123_30_40.flac",
        "audio/balanced_train_segments/-_ab_cd-123_30000.flac",
        "balanced_train_segments/audio/Y-_ab_cd-123_30.000_40.000.wav",
    ],
)
def test_file_names_in_the_wild(folder, record, name):
    record(folder / name, seconds=0.25)
    [seed] = load_corpus("audioset", folder)
    assert seed["audio"]["path"] == str(folder / name)
    assert seed["duration"] == 0.25  # the recording's, not the annotation's


def test_damaged_ids_are_counted_and_skipped(folder, write, caplog):
    rows = '#NAME?, 0, 10, "/m/09x0r"\nabcdefghijk, 0, 10, "/m/09x0r"\n'
    write(folder / "balanced_train_segments.csv", HEADER + rows)
    corpus = prepare_corpus("audioset", folder, missing_audio="keep")
    assert len(corpus.seeds()) == 1
    assert corpus.coverage["train"].malformed == 1
    assert "balanced_train_segments.csv, line 4: '#NAME?' is no YouTube id" in caplog.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('abcdefghijk, 0, 10, "/m/nonsense"', "line 4.*'/m/nonsense'.*class_labels_indices"),
        ('short, 0, 10, "/m/09x0r"', "line 4.*'short' is not a YouTube id"),
        ('../../etc/x, 0, 10, "/m/09x0r"', "line 4.*is not a YouTube id"),
        ('abcdefghijk, 0, ten, "/m/09x0r"', "line 4: the end is 'ten'"),
        ('abcdefghijk, 10, 0, "/m/09x0r"', "line 4: the segment ends at 0 s"),
        ("abcdefghijk, 0, 10, /m/09x0r,/m/05zppz", "line 4: 5 cells where 4 are due"),
        ('abcdefghijk, 0, 10, "/m/09x0r"\nabcdefghijk, 0, 10, "/m/09x0r"', "line 5: the id .*abcdefghijk.* twice"),
    ],
)
def test_malformed_rows_name_file_and_line(folder, write, row, message):
    write(folder / "balanced_train_segments.csv", HEADER + row + "\n")
    with pytest.raises(AnnotationError, match=f"(?s)balanced_train_segments.csv, {message}"):
        load_corpus("audioset", folder, missing_audio="keep")


def test_unbalanced_set_only_by_name(folder, write):
    write(folder / "unbalanced_train_segments.csv", HEADER + 'zzzzzzzzzzz, 0, 10, "/m/09x0r"\n')
    assert len(load_corpus("audioset", folder, missing_audio="keep")) == 2
    assert len(load_corpus("audioset", folder, split="unbalanced_train", missing_audio="keep")) == 1
