"""AudioCaps on the official validation and test files."""

import pytest

from recipes.annotations import AnnotationError
from recipes.corpora import load_corpus, prepare_corpus

HEADER = "audiocap_id,youtube_id,start_time,caption\n"


@pytest.mark.parametrize(
    ("split", "clips", "captions"), [("validation", 495, 2475), ("val", 495, 2475), ("test", 975, 4875)]
)
def test_official_counts(shared_data, split, clips, captions):
    seeds = load_corpus("audiocaps", shared_data / "annotations" / "audiocaps", split=split, missing_audio="keep")
    assert len(seeds) == len(set(seeds["id"])) == captions
    assert len({audio["path"] for audio in seeds["audio"]}) == clips
    assert set(seeds["seed_type"]) == {"caption"}
    assert set(seeds["duration"]) == {None}
    assert all(seed["seed"] in seed["captions"] and len(seed["captions"]) == 5 for seed in seeds)


def test_no_split_means_all_that_are_there(shared_data):
    seeds = load_corpus("audiocaps", shared_data / "annotations" / "audiocaps", missing_audio="keep")
    assert len(seeds) == 2475 + 4875
    assert set(seeds["split"]) == {"validation", "test"}


def test_an_absent_split_names_the_file_to_fetch(shared_data):
    with pytest.raises(AnnotationError, match=r"no file for split 'train' .*dataset/train\.csv.*github\.com"):
        load_corpus("audiocaps", shared_data / "annotations" / "audiocaps", split="train")


@pytest.mark.parametrize("name", ["-bcd_fghijk_30", "Y-bcd_fghijk", "17", "-bcd_fghijk", "-bcd_fghijk_30_40"])
@pytest.mark.parametrize("folder", ["", "audio", "train", "audio/train", "audio_32000Hz/train"])
def test_file_names_in_the_wild(tmp_path, write, record, name, folder):
    write(tmp_path / "dataset" / "train.csv", HEADER + "17,-bcd_fghijk,30,A dog barks\n")
    path = record(tmp_path / folder / f"{name}.flac")
    [seed] = load_corpus("audiocaps", tmp_path)
    assert seed["audio"]["path"] == str(path)
    assert seed["duration"] == 0.5


def test_damaged_ids_are_counted_and_skipped(tmp_path, write, caplog):
    write(tmp_path / "train.csv", HEADER + "17,#NAME?,30,A dog barks\n18,abcdefghijk,0,A cat meows\n")
    corpus = prepare_corpus("audiocaps", tmp_path, missing_audio="keep")
    assert corpus.seeds()["seed"][:] == ["A cat meows"]
    assert corpus.coverage["train"].malformed == 1
    assert "1 malformed rows are skipped" in caplog.text
    assert "train.csv, line 2: '#NAME?'" in caplog.text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("17,abcdefghijk,0,  \n", "line 2: the caption is empty"),
        ("17,abcdefghijk,soon,Rain\n", "line 2: the start_time is 'soon'"),
        ("17,abcdefghijk,0,Rain, wind\n", "line 2: 5 cells where 4 are due"),
        ("17,abcdefghijk,0,Rain\n17,kjihgfedcba,0,Wind\n", "line 3: the audiocap_id .* twice.* line 2"),
        ("17,abcdefghijk,0,Rain\n17,abcdefghijk,0,Rain\n", "line 3: the audiocap_id .* twice.* line 2"),
        ('17,abcdefghijk,0,"Rain\n', "not valid CSV"),
    ],
)
def test_malformed_rows_name_file_and_line(tmp_path, write, rows, message):
    write(tmp_path / "train.csv", HEADER + rows)
    with pytest.raises(
        AnnotationError, match=f"train.csv, .*{message}" if "CSV" in message else f"train.csv, {message}"
    ):
        load_corpus("audiocaps", tmp_path, missing_audio="keep")
