from collections import Counter, defaultdict

import pyarrow
import pyarrow.parquet
import pytest

from recipes.annotations import AnnotationError
from recipes.benchmarks import load_benchmark
from recipes.benchmarks.audio_hallucination import (
    PAIRED_REPOSITORIES,
    TEMPLATES,
    adversarial_negatives,
    object_in,
    popular_negatives,
)


@pytest.fixture
def published(shared_data):
    return shared_data / "annotations" / "audio_hallucination"


def write(folder, rows, repository="AudioHallucination_AudioCaps-Random"):
    path = folder / repository / "data" / "test-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def row(entry_id=0, label="Yes", **columns):
    return {
        "entry_id": entry_id,
        "audio_index": "Yabc-_efghij",
        "prompt_text": "Is there a sound of dog in the audio?",
        "object": "dog",
        "attribute": "positive",
        "label": label,
        "sampling": "random",
        **columns,
    }


@pytest.mark.parametrize(
    ("subset", "yes", "no", "negative_objects"),
    [("random", 15_110, 15_110, 593), ("popular", 16_266, 15_110, 10), ("adversarial", 16_202, 14_845, 147)],
)
def test_published_subsets(published, subset, yes, no, negative_objects):
    questions = load_benchmark("audio_hallucination", published, subset)
    assert Counter(questions["answer"]) == {"yes": yes, "no": no}
    assert len(set(questions["id"])) == len(questions) == yes + no
    assert len(set(questions["audio_index"])) == 957
    negatives = {x for x, answer in zip(questions["object"], questions["answer"], strict=True) if answer == "no"}
    assert len(negatives) == negative_objects
    first = questions[0]
    assert first["question"] == "Is there a sound of speech in the audio?"
    assert first["audio"]["path"].endswith("Y7fmOlUlwoNg.wav")
    assert (first["entry_id"], first["object"], first["sampling"]) == (0, "speech", subset)
    assert first["seed"] == "speech; sewing machine; public space"


@pytest.mark.parametrize("subset", ["popular", "adversarial"])
def test_repaired_subsets(published, subset):
    labels = defaultdict(list)
    for each in load_benchmark("audio_hallucination", published, "random").to_list():
        if each["answer"] == "yes" and each["question"] == TEMPLATES[0].format(each["object"]):
            labels[each["audio_index"]].append(each["object"])
    repaired = load_benchmark("audio_hallucination", published, f"{subset}_repaired")
    assert Counter(repaired["answer"]) == {"yes": 15_110, "no": 15_110}
    asked = defaultdict(lambda: defaultdict(list))
    for each in repaired.to_list():
        own = each["object"] in labels[each["audio_index"]]
        assert each["seed"] == "; ".join(labels[each["audio_index"]])
        assert own == (each["answer"] == "yes")
        assert each["attribute"] == ("positive" if own else "negative")
        template = next(t for t in TEMPLATES if each["question"] == t.format(each["object"]))
        asked[each["audio_index"]][template].append(each["object"])
    for clip, of_clip in labels.items():
        assert set(asked[clip]) == set(TEMPLATES)
        for objects in asked[clip].values():  # the same for every wording
            assert objects == asked[clip][TEMPLATES[0]]
            assert len(objects) == len(set(objects)) == 2 * len(of_clip)

    # The published first wording, which is only partly damaged, was drawn by the same rule.
    kept = set()
    for each in load_benchmark("audio_hallucination", published, subset).to_list():
        if each["question"] == TEMPLATES[0].format(each["object"]) and each["answer"] == "no":
            kept.add((each["audio_index"], each["object"]))
    ours = {(clip, x) for clip in labels for x in asked[clip][TEMPLATES[0]][len(labels[clip]) :]}
    honest = {(clip, x) for clip, x in kept if x not in labels[clip]}
    assert len(honest & ours) > 0.8 * len(honest)


class TestNegatives:
    LABELS = {
        "one": ["dog", "speech"],
        "two": ["dog", "bark", "speech"],
        "three": ["rain"],
        "four": ["speech", "music"],
        "five": ["thunder", "rain"],
    }

    def test_popular(self):
        # speech 3, dog 2, rain 2, then bark, music, thunder in order of first appearance.
        assert popular_negatives(self.LABELS) == {
            "one": ["rain", "bark"],
            "two": ["rain", "music", "thunder"],
            "three": ["speech"],
            "four": ["dog", "rain"],
            "five": ["speech", "dog"],
        }

    def test_adversarial(self):
        assert adversarial_negatives(self.LABELS) == {
            "one": ["bark", "music"],  # bark beside both labels, music beside speech
            "two": ["music", "rain", "thunder"],  # music beside speech; then the label of most clips
            "three": ["thunder"],
            "four": ["dog", "bark"],
            "five": ["speech", "dog"],  # nothing else beside them: the labels of most clips
        }

    def test_where_there_are_not_enough_labels(self):
        assert popular_negatives({"one": ["dog", "cat"], "two": ["dog"]}) == {"one": [], "two": ["cat"]}


class TestPairedSets:
    @pytest.mark.parametrize("subset", PAIRED_REPOSITORIES)
    def test_rows(self, tmp_path, subset):
        rows = [
            {"audio": "a@b.wav", "query": "Is there a sound of dog barking?", "ground_truth": "Yes"},
            {"audio": "a.wav", "query": "Is there a sound of dog barking?", "ground_truth": "no"},
            {"audio": "c/1.wav", "query": "Does rain come before thunder?", "ground_truth": "YES"},
            {"audio": "c/2.wav", "query": "Does rain come before thunder?", "ground_truth": "No"},
        ]
        write(tmp_path, rows, PAIRED_REPOSITORIES[subset])
        (tmp_path / "audio" / "c").mkdir(parents=True)
        (tmp_path / "audio" / "c" / "1.wav").touch()
        (tmp_path / "audio" / "2.wav").touch()  # of another folder
        questions = load_benchmark("audio_hallucination", tmp_path, subset)
        assert questions["answer"][:] == ["yes", "no", "yes", "no"]
        assert questions["pair"][:] == [0, 0, 1, 1]
        assert questions["seed"][:] == [None] * 4
        assert questions["object"][:] == ["dog barking", "dog barking", None, None]
        assert questions["attribute"][:] == ["positive", "negative", "positive", "negative"]
        assert questions["entry_id"][:] == [0, 1, 2, 3]
        assert questions["audio"][2]["path"] == str(tmp_path / "audio" / "c" / "1.wav")
        assert len(load_benchmark("audio_hallucination", tmp_path, subset, missing_audio="skip")) == 1

    def test_columns_that_are_there_are_kept(self, tmp_path):
        rows = [
            {
                "entry_id": 9,
                "audio": "1.wav",
                "query": "q?",
                "object": "x",
                "attribute": "negative",
                "ground_truth": "No",
            }
        ]
        write(tmp_path, rows, PAIRED_REPOSITORIES["temporal_order"])
        question = load_benchmark("audio_hallucination", tmp_path, "temporal_order")[0]
        assert (question["entry_id"], question["object"], question["attribute"]) == (9, "x", "negative")

    def test_name_that_leaves_the_folder(self, tmp_path):
        rows = [{"audio": "../1.wav", "query": "q?", "ground_truth": "No"}]
        write(tmp_path, rows, PAIRED_REPOSITORIES["temporal_order"])
        with pytest.raises(AnnotationError, match=r"row 0.*\.\./1\.wav"):
            load_benchmark("audio_hallucination", tmp_path, "temporal_order")


def test_object_in_a_question():
    assert object_in("Is there a sound of dog barking in the audio?") == "dog barking"
    assert object_in("Is there a sound of clock alarm?") == "clock alarm"
    assert object_in("Does rain come first?") is None


@pytest.mark.parametrize(
    "name",
    ["Yabc-_efghij.wav", "Yabc-_efghij.flac", "abc-_efghij.wav", "abc-_efghij_30.ogg", "91139.wav", "91140.mp3"],
)
def test_names_of_recordings(tmp_path, name):
    write(tmp_path, [row()])
    (tmp_path / "test.csv").write_text(
        "audiocap_id,youtube_id,start_time,caption\n91139,abc-_efghij,30,A dog\n91140,abc-_efghij,30,A dog barks\n"
    )
    recording = tmp_path / "audiocaps" / "test" / name
    recording.parent.mkdir(parents=True)
    recording.touch()
    assert load_benchmark("audio_hallucination", tmp_path)[0]["audio"] == {"bytes": None, "path": str(recording)}


def test_the_unsuffixed_repository_may_be_called_v2(tmp_path):
    write(tmp_path, [row()], "AudioHallucination_AudioCaps-Random-v2")
    assert len(load_benchmark("audio_hallucination", tmp_path, "random")) == 1


class TestFilesThatCannotBeUsed:
    def test_none_there(self, tmp_path):
        with pytest.raises(AnnotationError, match=r"popular in .*AudioCaps-Popular/data"):
            load_benchmark("audio_hallucination", tmp_path, "popular")

    def test_cut_off(self, tmp_path, published):
        path = write(tmp_path, [row()])
        content = (published / "AudioHallucination_AudioCaps-Random" / "data" / path.name).read_bytes()
        for size in (0, 3, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:size])
            with pytest.raises(AnnotationError, match=r"not a whole Parquet file.*fetch it again"):
                load_benchmark("audio_hallucination", tmp_path)

    def test_column_missing(self, tmp_path):
        columns = row()
        del columns["prompt_text"]
        path = write(tmp_path, [columns])
        with pytest.raises(AnnotationError, match=rf"{path}: no column prompt_text; its columns are entry_id"):
            load_benchmark("audio_hallucination", tmp_path)

    @pytest.mark.parametrize("label", ["Maybe", "", None])
    def test_answer_that_is_none(self, tmp_path, label):
        write(tmp_path, [row(), row(7, label)])
        with pytest.raises(AnnotationError, match=f"row 7: the answer is {label!r}"):
            load_benchmark("audio_hallucination", tmp_path)

    @pytest.mark.parametrize(
        ("column", "value"),
        [("prompt_text", None), ("prompt_text", " "), ("audio_index", None), ("audio_index", "../x")],
    )
    def test_cell_that_cannot_be_used(self, tmp_path, column, value):
        write(tmp_path, [row(), row(7, **{column: value})])
        with pytest.raises(AnnotationError, match="row 7"):
            load_benchmark("audio_hallucination", tmp_path)

    def test_question_twice(self, tmp_path):
        write(tmp_path, [row(), row()])
        with pytest.raises(AnnotationError, match="'0' is there twice"):
            load_benchmark("audio_hallucination", tmp_path)

    def test_no_rows(self, tmp_path):
        path = write(tmp_path, [row()])
        pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).slice(0, 0), path)
        with pytest.raises(AnnotationError, match="hold no question"):
            load_benchmark("audio_hallucination", tmp_path)
