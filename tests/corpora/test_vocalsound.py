"""VocalSound in its documented format."""

import json

import pytest

from recipes.annotations import AnnotationError, read_csv
from recipes.corpora import load_corpus
from recipes.corpora.vocalsound import NAMES

ENTRIES = [
    {"wav": "/data/sls/scratch/authors/audio_16k/f0003_0_cough.wav", "labels": "/m/01b_21"},
    {"wav": "/data/sls/scratch/authors/audio_16k/m0004_0_throatclearing.wav", "labels": "/m/0dl9sf8"},
]


@pytest.mark.parametrize("folder", ["audio_16k", "audio_44k", ""])
def test_documented_format(tmp_path, write, record, folder):
    write(tmp_path / "datafiles" / "tr.json", json.dumps({"data": ENTRIES}))
    write(tmp_path / "datafiles" / "val.json", json.dumps({"data": [dict(ENTRIES[0], wav="x/f0009_0_cough.wav")]}))
    path = record(tmp_path / folder / "m0004_0_throatclearing.wav")
    [seed] = load_corpus("vocalsound", tmp_path)
    assert seed["audio"]["path"] == str(path)
    assert (seed["seed"], seed["id"]) == ("throat clearing", "vocalsound/train/m0004_0_throatclearing.wav")
    kept = load_corpus("vocalsound", tmp_path, split="paper", missing_audio="keep")
    assert kept["seed"][:] == ["cough", "throat clearing", "cough"]
    assert kept["split"][:] == ["train", "train", "validation"]


def test_names_are_those_of_the_published_map(shared_data):
    rows = read_csv(
        shared_data / "annotations" / "vocalsound" / "class_labels_indices_vs.csv", ("mid", "display_name")
    )
    assert {row["mid"]: row["display_name"].lower() for _, row in rows} == NAMES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "no list `data`"),
        ('{"data": [{"labels": "/m/01b_21"}]}', "entry 1: .*no `wav`"),
        ('{"data": [{"wav": "a.wav", "labels": "/m/x"}]}', "entry 1: the label is '/m/x'"),
        ('{"data": [{"wav": "a/..", "labels": "/m/01b_21"}]}', "entry 1: the file name '..' leaves"),
        (json.dumps({"data": [ENTRIES[0], ENTRIES[0]]}), "entry 2: the id .* twice"),
    ],
)
def test_malformed_files(tmp_path, write, content, message):
    write(tmp_path / "te.json", content)
    with pytest.raises(AnnotationError, match=f"te.json.*{message}"):
        load_corpus("vocalsound", tmp_path, missing_audio="keep")
