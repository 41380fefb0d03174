"""Hub mirrors' schemas, in memory: recordings are stored bytes, as their Parquet files have them."""

import io
from pathlib import Path

import datasets
import numpy as np
import pytest
import soundfile

from recipes.annotations import AnnotationError
from recipes.corpora import from_mirror, load_corpus
from recipes.records import SEED_FEATURES


def content(seconds: float = 0.5, container: str = "WAV") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(round(seconds * 8000), 0.1), 8000, format=container)
    return buffer.getvalue()


def mirror(columns: dict, paths: list[str | None] | None = None, **options) -> datasets.Dataset:
    if paths is not None:
        columns["audio"] = [{"path": path, "bytes": content(**options)} for path in paths]
    rows = datasets.Dataset.from_dict(columns)
    # Decoding is the default on the Hub; nothing may be decoded here.
    return rows.cast_column("audio", datasets.Audio()) if paths is not None else rows


def test_audioset(tmp_path):
    columns = {
        "video_id": ["-bcdefghijk"],
        "labels": [["/m/09x0r", "/m/05zppz"]],
        "human_labels": [["Speech", "Male speech, man speaking"]],
    }
    [seed] = from_mirror("audioset", mirror(columns, [None], container="FLAC"), tmp_path)
    assert seed["id"] == "audioset/train/-bcdefghijk"
    assert seed["seed"] == "Speech; Male speech, man speaking"
    assert Path(seed["audio"]["path"]).suffix == ".flac"
    assert seed["duration"] == 0.5


def test_audiocaps_text_only_and_with_audio(tmp_path, record):
    columns = {
        "audiocap_id": [17, 18],
        "youtube_id": ["abcdefghijk", "kjihgfedcba"],
        "start_time": [30, 0],
        "caption": ["A dog barks", "Rain"],
    }
    path = record(tmp_path / "wanted" / "Yabcdefghijk.wav")
    text_only = from_mirror("audiocaps", mirror(columns), tmp_path / "wanted", split="test")
    assert text_only["seed"][:] == ["A dog barks"]
    assert text_only[0]["audio"]["path"] == str(path)
    assert text_only[0]["id"] == "audiocaps/test/17"
    both = from_mirror("audiocaps", mirror(columns, ["a.wav", "b.wav"]), tmp_path / "own")
    assert both["seed"][:] == ["A dog barks", "Rain"]
    assert both.features == SEED_FEATURES


def test_audiocaps_captions_of_a_clip_share_its_recording(tmp_path):
    columns = {
        "audiocap_id": [17, 18],
        "youtube_id": ["abcdefghijk"] * 2,
        "start_time": [30, 30],
        "caption": ["A dog barks", "A bark"],
    }
    seeds = from_mirror("audiocaps", mirror(columns, ["a.wav", "a.wav"]), tmp_path, split="test")
    assert seeds["id"][:] == ["audiocaps/test/17", "audiocaps/test/18"]
    assert len({audio["path"] for audio in seeds["audio"]}) == 1


def test_clotho_writes_a_recording_once_for_five_captions(tmp_path):
    columns = {
        "index": ["0"],
        "datasetname": ["clotho"],
        "audio_len": [0.5],
        "text": ["One"],
        "raw_text": [["One", "Two", "Three", "Four", "Five"]],
    }
    seeds = from_mirror("clotho", mirror(columns, [" a &amp; b.wav"]), tmp_path, split="test")
    assert seeds["seed"][:] == ["One", "Two", "Three", "Four", "Five"]
    [path] = {audio["path"] for audio in seeds["audio"]}
    assert list(tmp_path.rglob("*.wav")) == [Path(path)]
    assert seeds[4]["id"] == "clotho/test/ a &amp; b.wav#5"


def test_esc50_and_urbansound8k(tmp_path):
    esc = {"filename": ["1-100032-A-0.wav"], "fold": [1], "target": [0], "category": ["sea_waves"], "esc10": [True]}
    [seed] = from_mirror("esc50", mirror(esc, ["1-100032-A-0.wav"]), tmp_path)
    assert (seed["seed"], seed["split"]) == ("sea waves", "train")
    urban = {"slice_file_name": ["1-2.wav"], "start": [0.0], "end": [0.25], "fold": [5], "class": ["dog_bark"]}
    [seed] = from_mirror("urbansound8k", mirror(urban, ["1-2.wav"], seconds=0.25), tmp_path)
    assert (seed["seed"], seed["duration"]) == ("dog bark", 0.25)


def test_a_mirrors_table_is_a_corpus_with_folds(tmp_path):
    names = [f"{fold}-{clip}-A-0.wav" for fold in range(1, 6) for clip in range(2)]
    esc = {"filename": names, "fold": [int(name[0]) for name in names], "category": ["door_knock"] * 10}
    esc["esc10"] = [name[2] == "1" for name in names]
    seeds = from_mirror("esc50", mirror(esc, names), tmp_path)
    folds = load_corpus("folder", tmp_path / "train", "fold1+fold3")
    assert folds["id"][:] == [f"folder/fold{name[0]}/{name[:-4]}" for name in names if name[0] in "13"]
    assert set(folds["seed"]) == {"door knock"}
    assert {audio["path"] for audio in folds["audio"]} <= {audio["path"] for audio in seeds["audio"]}
    ten = from_mirror("esc10", mirror(esc, names), tmp_path / "esc10")
    assert ten["id"][:] == [f"esc10/train/{name[:-4]}" for name in names if name[2] == "1"]


def test_a_mirrors_table_keeps_captions(tmp_path):
    columns = {"raw_text": [["One; two", "Two"], ["Three"]]}
    seeds = from_mirror("clotho", mirror(columns, ["a.wav", "b.wav"]), tmp_path, split="test")
    again = load_corpus("folder", tmp_path / "test", "test")
    for column in ("seed", "captions", "audio"):
        assert again[column][:] == seeds[column][:]


def test_vocalsound_with_class_labels_or_answers(tmp_path):
    paths = ["f0003_0_cough.wav", "m0004_0_throatclearing.wav"]
    labelled = mirror({"label": [0, 1]}, paths)
    labelled = labelled.cast_column("label", datasets.ClassLabel(names=["cough", "throatclearing"]))
    seeds = from_mirror("vocalsound", labelled, tmp_path / "labels")
    assert seeds["seed"][:] == ["cough", "throat clearing"]
    answered = mirror({"answer": ["Cough", "Throat clearing"], "spk_id": ["f0003", "m0004"]}, paths)
    seeds = from_mirror("vocalsound", answered, tmp_path / "answers", split="test")
    assert seeds["seed"][:] == ["cough", "throat clearing"]
    assert seeds["split"][:] == ["test", "test"]


def test_changed_mirrors_and_lost_recordings_are_not_served_stale(tmp_path):
    def esc(category):
        return mirror({"filename": ["a.wav"], "category": [category]}, ["a.wav"])

    first = from_mirror("esc50", esc("dog"), tmp_path)
    assert from_mirror("esc50", esc("rain"), tmp_path)["seed"][:] == ["rain"]
    path = Path(first[0]["audio"]["path"])
    path.unlink()
    assert from_mirror("esc50", esc("dog"), tmp_path)["seed"][:] == ["dog"]
    assert path.is_file()


def test_recordings_stay_below_data_dir(tmp_path):
    columns = {"filename": ["a.wav"], "category": ["dog"]}
    seeds = from_mirror("vocalsound", mirror({"label": ["cough"]}, ["../../../escape.wav"]), tmp_path / "data")
    assert Path(seeds[0]["audio"]["path"]).is_relative_to(tmp_path / "data")
    columns["filename"] = ["../../escape.wav"]
    with pytest.raises(AnnotationError, match=r"mirror of esc50, row 0: the file name '../../escape.wav' leaves"):
        from_mirror("esc50", mirror(columns, ["a.wav"]), tmp_path / "data")


def test_unusable_mirrors(tmp_path):
    with pytest.raises(AnnotationError, match="row 0: no column 'category'; the columns are filename, audio"):
        from_mirror("esc50", mirror({"filename": ["a.wav"]}, ["a.wav"]), tmp_path)
    decoded = mirror({"filename": ["a.wav"], "category": ["dog"], "audio": [{"array": [0.0], "sampling_rate": 8000}]})
    with pytest.raises(AnnotationError, match="the audio is decoded"):
        from_mirror("esc50", decoded, tmp_path)
    with pytest.raises(AnnotationError, match="row 0: the class is 'shout'"):
        from_mirror("vocalsound", mirror({"label": ["shout"]}, ["a.wav"]), tmp_path)
    with pytest.raises(AnnotationError, match="the recording has no file name"):
        from_mirror("vocalsound", mirror({"label": ["cough"]}, [None]), tmp_path)
    with pytest.raises(AnnotationError, match="macs has no known mirror"):
        from_mirror("macs", mirror({"label": ["cough"]}), tmp_path)


def test_without_a_mirror_the_same_clip_gives_the_same_seed(tmp_path, shared_data):
    official = load_corpus("esc50", shared_data / "esc10", split="fold1[:1]")[0]
    columns = {"filename": ["1-100032-A-0.ogg"], "fold": [1], "category": ["dog"]}
    columns["audio"] = [{"path": None, "bytes": Path(official["audio"]["path"]).read_bytes()}]
    rows = datasets.Dataset.from_dict(columns).cast_column("audio", datasets.Audio(decode=False))
    seed = from_mirror("esc50", rows, tmp_path)[0]
    for column in ("seed", "seed_type", "tags", "captions", "duration", "corpus"):
        assert seed[column] == official[column]
