"""Clotho on the official captions of version 1's evaluation split and on names that real files have."""

import unicodedata

import pytest

from recipes.annotations import AnnotationError
from recipes.corpora import load_corpus

HEADER = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"


@pytest.mark.parametrize("split", ["test", "evaluation", "eval"])
def test_official_counts(shared_data, split):
    seeds = load_corpus("clotho", shared_data / "annotations" / "clotho", split=split, missing_audio="keep")
    assert len(seeds) == len(set(seeds["id"])) == 5225
    assert len({audio["path"] for audio in seeds["audio"]}) == 1045
    assert all(seed["seed"] in seed["captions"] and len(seed["captions"]) == 5 for seed in seeds)


def test_heads_of_version_2(shared_data):
    seeds = load_corpus("clotho", shared_data / "annotations" / "clotho", "development+validation", "keep")
    assert len(seeds) == 10
    assert seeds[0]["id"] == "clotho/train/ Ambience Birds.wav#1"
    assert seeds[0]["seed"] == "A wild assortment of birds are chirping and calling out in nature."
    assert seeds[9]["split"] == "validation"


@pytest.mark.parametrize(
    ("written", "on_disk"),
    [
        (" Ambience Birds.wav", " Ambience Birds.wav"),
        (" Ambience Birds.wav", "Ambience Birds.wav"),
        ("salt &amp; pepper #2.wav", "salt &amp; pepper #2.wav"),
        ("salt &amp; pepper #2.wav", "salt & pepper #2.wav"),
        ("12:30 train.wav", "12_30 train.wav"),
        ("a/b.wav", "a_b.wav"),
        (unicodedata.normalize("NFC", "Tür.wav"), unicodedata.normalize("NFD", "Tür.wav")),
        (unicodedata.normalize("NFD", "Tür.wav"), unicodedata.normalize("NFC", "Tür.wav")),
        ("rain.wav", "rain.flac"),
    ],
)
@pytest.mark.parametrize(
    "folder", ["evaluation", "clotho_audio_files/evaluation", "clotho_audio_evaluation/evaluation"]
)
def test_names_that_real_files_have(tmp_path, write, record, folder, written, on_disk):
    write(tmp_path / "clotho_captions_evaluation.csv", HEADER + f"{written},One,Two,Three,Four,Five\n")
    path = record(tmp_path / folder / on_disk)
    seeds = load_corpus("clotho", tmp_path)
    assert {audio["path"] for audio in seeds["audio"]} == {str(path)}
    assert seeds["seed"][:] == ["One", "Two", "Three", "Four", "Five"]


def test_the_exact_name_goes_before_its_variants(tmp_path, write, record):
    write(tmp_path / "clotho_captions_evaluation.csv", HEADER + " a.wav,1,2,3,4,5\na.wav,1,2,3,4,5\n")
    paths = [record(tmp_path / "evaluation" / name) for name in (" a.wav", "a.wav")]
    seeds = load_corpus("clotho", tmp_path)
    assert [seeds[0]["audio"]["path"], seeds[5]["audio"]["path"]] == [str(path) for path in paths]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../../etc/passwd,1,2,3,4,5", "line 2: the file name '../../etc/passwd' leaves"),
        ("/etc/passwd,1,2,3,4,5", "line 2: the file name '/etc/passwd' leaves"),
        ("a.wav,1,2,,4,5", "line 2: the caption_3 is empty"),
        ("a.wav,1,2,3,4", "line 2: 5 cells where 6 are due"),
        ("a.wav,1,2,3,4,5\na.wav,1,2,3,4,5", "line 3: the id 'clotho/test/a.wav#1' is there twice"),
    ],
)
def test_malformed_rows_name_file_and_line(tmp_path, write, row, message):
    write(tmp_path / "clotho_captions_evaluation.csv", HEADER + row + "\n")
    with pytest.raises(AnnotationError, match=f"clotho_captions_evaluation.csv, {message}"):
        load_corpus("clotho", tmp_path, missing_audio="keep")


def test_two_versions_in_one_folder_are_ambiguous(tmp_path, write):
    for version in ("v1", "v2"):
        write(tmp_path / f"clotho_captions_evaluation.{version}.csv", HEADER + "a.wav,1,2,3,4,5\n")
    with pytest.raises(AnnotationError, match="several files could be the annotations"):
        load_corpus("clotho", tmp_path)
