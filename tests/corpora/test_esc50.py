"""ESC-50 on the official metadata and on the real recordings of ESC-10."""

import shutil

import pytest
import soundfile

from recipes.annotations import AnnotationError
from recipes.corpora import load_corpus, prepare_corpus
from recipes.records import SEED_FEATURES


def test_official_counts(shared_data):
    seeds = load_corpus("esc50", shared_data / "annotations" / "esc50", missing_audio="keep")
    assert len(seeds) == len(set(seeds["id"])) == 2000
    assert len(set(seeds["seed"])) == 50
    assert "door wood knock" in set(seeds["seed"])
    assert not any("_" in seed for seed in seeds["seed"])


def test_real_recordings(shared_data):
    corpus = prepare_corpus("esc50", shared_data / "esc10", missing_audio="error")
    seeds = corpus.seeds()
    assert len(seeds) == 320
    assert len(set(seeds["seed"])) == 10
    seed = seeds[7]
    assert seed["audio"]["path"].endswith(".ogg")
    assert seed["duration"] == soundfile.info(seed["audio"]["path"]).duration
    assert sum(split.seconds_on_disk for split in corpus.coverage.values()) == pytest.approx(sum(seeds["duration"]))


def test_folds_are_splits(shared_data):
    train = load_corpus("esc50", shared_data / "esc10", split="fold1+fold2+fold3")
    test = load_corpus("esc50", shared_data / "esc10", split="fold4")
    assert (len(train), len(test)) == (240, 80)
    assert set(train["split"]) == {"fold1", "fold2", "fold3"}
    assert not set(train["id"]) & set(test["id"])
    assert len(load_corpus("esc50", shared_data / "esc10", split="train")) == 320
    assert len(load_corpus("esc50", shared_data / "esc10", split="fold1[:10]+fold2[50%:]")) == 50
    assert load_corpus("esc50", shared_data / "esc10", split="train[79:81]")["split"][:] == ["fold1", "fold2"]


def test_esc10_is_esc50s_clips_of_ten_classes(tmp_path, shared_data, write):
    ten, fifty = (load_corpus(name, shared_data / "esc10") for name in ("esc10", "esc50"))
    assert [seed["id"].replace("esc10", "esc50") for seed in ten] == fifty["id"][:]
    for column in set(SEED_FEATURES) - {"id", "corpus"}:
        assert ten[column][:] == fifty[column][:]
    whole = load_corpus("esc10", shared_data / "annotations" / "esc50", "fold5", missing_audio="keep")
    assert (len(whole), len(set(whole["seed"])), set(whole["corpus"])) == (80, 10, {"esc10"})
    write(tmp_path / "meta" / "esc50.csv", "filename,fold,category,esc10\na.wav,1,dog,yes\n")
    with pytest.raises(AnnotationError, match="line 2: the column esc10 is 'yes'; it must be True or False"):
        load_corpus("esc10", tmp_path)


@pytest.mark.parametrize("split", ["fold5", "fold6", "test", "", "fold1+", "fold1-fold3", "all"])
def test_unknown_split_names_what_is_there(shared_data, split):
    with pytest.raises(AnnotationError, match=r"there is no split.*it has fold1, fold2, fold3, fold4"):
        load_corpus("esc50", shared_data / "esc10", split=split)


@pytest.mark.parametrize("part", ["[:ten]", "[0:5:2]", "[:200%]"])
def test_malformed_slice(shared_data, part):
    with pytest.raises(AnnotationError, match=r"split .fold1.*write e"):
        load_corpus("esc50", shared_data / "esc10", split=f"fold1{part}")


def test_converted_recordings_and_a_folder_above(tmp_path, shared_data):
    target = tmp_path / "ESC-50-master"
    (target / "meta").mkdir(parents=True)
    (target / "audio").mkdir()
    shutil.copy(shared_data / "annotations" / "esc50" / "esc50.csv", target / "meta")
    for path in sorted((shared_data / "esc10" / "audio").glob("*.ogg"))[:5]:
        shutil.copy(path, target / "audio")
    # The official metadata names .wav files; these are .ogg.
    assert len(load_corpus("esc50", tmp_path)) == 5


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../../etc/passwd,1,dog", "the file name '../../etc/passwd' leaves"),
        ("1-1-A-0.wav,9,dog", "the fold is '9'"),
        ("1-1-A-0.wav,1, ", "the category is empty"),
    ],
)
def test_malformed_rows_name_file_and_line(tmp_path, write, row, message):
    write(tmp_path / "meta" / "esc50.csv", f"filename,fold,category\n{row}\n")
    with pytest.raises(AnnotationError, match=f"esc50.csv, line 2: {message}"):
        load_corpus("esc50", tmp_path, missing_audio="keep")
