"""FSD50K on the heads of the official ground truth."""

import csv
import json
import shutil

import pytest

from recipes.annotations import AnnotationError
from recipes.corpora import load_corpus
from recipes.corpora.fsd50k import readable


def test_official_heads(shared_data):
    folder = shared_data / "annotations" / "fsd50k"
    seeds = load_corpus("fsd50k", folder, missing_audio="keep")
    assert {split: seeds["split"][:].count(split) for split in ("train", "validation", "test")} == {
        "train": 4,
        "validation": 2,
        "test": 6,
    }
    assert seeds[0]["id"] == "fsd50k/train/64760"
    assert seeds[0]["seed"] == "Electric guitar; Guitar; Plucked string instrument; Musical instrument; Music"
    assert len(load_corpus("fsd50k", folder, split="dev", missing_audio="keep")) == 6


def test_official_layout_and_the_hub_s_copy_of_the_files(tmp_path, shared_data, record):
    source = shared_data / "annotations" / "fsd50k"
    for labels, audio in (("FSD50K.ground_truth", "FSD50K.dev_audio"), ("labels", "clips/dev")):
        folder = tmp_path / labels
        (folder / labels).mkdir(parents=True)
        shutil.copy(source / "dev.head.csv", folder / labels / "dev.csv")
        path = record(folder / audio / "64760.wav")
        [seed] = load_corpus("fsd50k", folder)
        assert seed["audio"]["path"] == str(path)


def test_every_label_gets_the_ontology_s_name(shared_data):
    folder = shared_data / "annotations"
    ontology = json.loads((folder / "audioset" / "ontology.json").read_text())
    names = {entry["id"]: entry["name"] for entry in ontology}
    with (folder / "fsd50k" / "vocabulary.csv").open(newline="") as file:
        vocabulary = list(csv.reader(file))
    assert len(vocabulary) == 200
    for _, label, mid in vocabulary:
        assert readable(label) == names[mid]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('1,"Dog,Animal","/m/0bt9lr",train', "2 labels but 1 mids"),
        ('1,"Dog","/m/0bt9lr",dev', "the split is 'dev'"),
        ('1,"Dog","/m/0bt9lr",test', "the split is 'test'"),
        ('../1,"Dog","/m/0bt9lr",train', "the file name '../1' leaves"),
        ('1,"","",train', "the label is empty"),
    ],
)
def test_malformed_rows_name_file_and_line(tmp_path, write, row, message):
    write(tmp_path / "dev.csv", f"fname,labels,mids,split\n{row}\n")
    with pytest.raises(AnnotationError, match=f"dev.csv, line 2: {message}"):
        load_corpus("fsd50k", tmp_path, split="train", missing_audio="keep")
