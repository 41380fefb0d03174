"""UrbanSound8K on the official metadata."""

import pytest

from recipes.annotations import AnnotationError
from recipes.corpora import load_corpus

HEADER = "slice_file_name,fsID,start,end,salience,fold,classID,class\n"


def test_official_counts_and_true_hours(shared_data):
    seeds = load_corpus("urbansound8k", shared_data / "annotations" / "urbansound8k", missing_audio="keep")
    assert len(seeds) == len(set(seeds["id"])) == 8732
    assert sum(seeds["duration"]) / 3600 == pytest.approx(8.75, abs=0.005)
    assert len(set(seeds["seed"])) == 10
    assert {"dog bark", "gun shot"} <= set(seeds["seed"])
    assert set(seeds["split"]) == {f"fold{number}" for number in range(1, 11)}


@pytest.mark.parametrize("root", ["", "UrbanSound8K"])
@pytest.mark.parametrize("folder", ["audio/fold5", "fold5", "audio"])
def test_layouts(tmp_path, write, record, root, folder):
    write(
        tmp_path / root / "metadata" / "UrbanSound8K.csv", HEADER + "100032-3-0-0.wav,100032,0.0,0.3,1,5,3,dog_bark\n"
    )
    path = record(tmp_path / root / folder / "100032-3-0-0.wav", seconds=0.25)
    [seed] = load_corpus("urbansound8k", tmp_path, split="fold5")
    assert seed["audio"]["path"] == str(path)
    assert (seed["seed"], seed["duration"]) == ("dog bark", 0.25)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav,1,2.0,1.0,1,5,3,dog_bark", "the clip ends at 1 s"),
        ("a.wav,1,nan,1.0,1,5,3,dog_bark", "the start is 'nan'"),
        ("a.wav,1,0,1.0,1,11,3,dog_bark", "the fold is '11'"),
        ("../fold1/a.wav,1,0,1.0,1,5,3,dog_bark", "the file name '../fold1/a.wav' leaves"),
    ],
)
def test_malformed_rows_name_file_and_line(tmp_path, write, row, message):
    write(tmp_path / "UrbanSound8K.csv", HEADER + row + "\n")
    with pytest.raises(AnnotationError, match=f"UrbanSound8K.csv, line 2: {message}"):
        load_corpus("urbansound8k", tmp_path, missing_audio="keep")
