import os

import pytest

from recipes.annotations import AnnotationError
from recipes.benchmarks import BENCHMARKS, load_benchmark
from recipes.records import QUESTION_FEATURES

CSV = "file_name,QuestionText,answer,confidence\n"


@pytest.fixture
def folder(tmp_path):
    """A small Clotho-AQA with two clips, the second of them missing."""
    folder = tmp_path / "clotho"
    folder.mkdir()
    rows = [f"{name}.wav,Is it {word}?,yes,yes\n" * 3 for name in "ab" for word in ("dry", "wet")]
    (folder / "clotho_aqa_test.csv").write_text(CSV + "".join(rows))
    (folder / "a.wav").touch()
    return folder


def test_records(folder):
    questions = load_benchmark("clotho_aqa", folder)
    for name, feature in QUESTION_FEATURES.items():
        assert questions.features[name] == feature
    assert questions[0]["id"] == "clotho_aqa/yes_no/0"
    assert (questions[0]["benchmark"], questions[0]["subset"]) == ("clotho_aqa", "yes_no")
    assert questions[0]["audio"] == {"path": str(folder / "a.wav"), "bytes": None}


class TestMissingAudio:
    def test_kept_counted_and_named(self, folder, caplog):
        questions = load_benchmark("clotho_aqa", folder)
        assert len(questions) == 4
        assert questions[2]["audio"]["path"] == str(folder / "b.wav")
        assert "no recording for 1 of 2 clips (2 of 4 questions)" in caplog.text
        assert str(folder / "b.wav") in caplog.text

    def test_skipped(self, folder):
        assert len(load_benchmark("clotho_aqa", folder, missing_audio="skip")) == 2

    def test_error(self, folder):
        with pytest.raises(FileNotFoundError, match=r"b\.wav.*skip"):
            load_benchmark("clotho_aqa", folder, missing_audio="error")

    def test_none_missing(self, folder, caplog):
        (folder / "b.wav").touch()
        assert len(load_benchmark("clotho_aqa", folder, missing_audio="error")) == 4
        assert not caplog.records

    def test_unknown_value(self, folder):
        with pytest.raises(ValueError, match="'ignore' is not one of keep, skip, error"):
            load_benchmark("clotho_aqa", folder, missing_audio="ignore")


def test_links_that_lead_back_and_hidden_folders(folder):
    (folder / "loop").symlink_to(folder)
    (folder / ".cache").mkdir()
    (folder / ".cache" / "b.wav").touch()
    assert len(load_benchmark("clotho_aqa", folder, missing_audio="skip")) == 2
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere" / "b.wav").touch()
    (folder / "audio").symlink_to(folder.parent / "elsewhere")
    assert load_benchmark("clotho_aqa", folder)[2]["audio"]["path"] == str(folder / "audio" / "b.wav")


class TestCache:
    def built(self, cache):
        return sorted(cache.rglob("*.arrow"))

    def test_used_while_nothing_changes(self, folder, cache):
        load_benchmark("clotho_aqa", folder)
        [arrow] = self.built(cache)
        time = arrow.stat().st_mtime_ns
        load_benchmark("clotho_aqa", folder, missing_audio="skip")
        assert self.built(cache) == [arrow]
        assert arrow.stat().st_mtime_ns == time

    def test_annotation_changed_in_place(self, folder):
        load_benchmark("clotho_aqa", folder)
        path = folder / "clotho_aqa_test.csv"
        status = path.stat()
        path.write_text(path.read_text().replace("dry", "wry"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert load_benchmark("clotho_aqa", folder)[0]["question"] == "Is it wry?"

    def test_recording_appeared_renamed_and_vanished(self, folder):
        load_benchmark("clotho_aqa", folder)
        (folder / "audio").mkdir()
        (folder / "audio" / "b.flac").touch()
        assert load_benchmark("clotho_aqa", folder)[2]["audio"]["path"] == str(folder / "audio" / "b.flac")
        (folder / "audio" / "b.flac").rename(folder / "b.ogg")
        assert load_benchmark("clotho_aqa", folder)[2]["audio"]["path"] == str(folder / "b.ogg")
        (folder / "b.ogg").unlink()
        assert len(load_benchmark("clotho_aqa", folder, missing_audio="skip")) == 2


class TestArguments:
    def test_unknown_benchmark(self, folder):
        with pytest.raises(ValueError, match=f"'mmau'; there are {', '.join(BENCHMARKS)}"):
            load_benchmark("mmau", folder)

    def test_unknown_subset(self, folder):
        with pytest.raises(ValueError, match="no subset 'val'; it has yes_no, words, all"):
            load_benchmark("clotho_aqa", folder, "val")

    @pytest.mark.parametrize("name", ["gone", "clotho_aqa_test.csv"])
    def test_data_dir_that_is_no_folder(self, folder, name):
        with pytest.raises(AnnotationError, match=f"{name}' is not a folder"):
            load_benchmark("clotho_aqa", folder / name)

    def test_annotations_not_there_or_ambiguous(self, folder):
        (folder / "x").mkdir()
        with pytest.raises(AnnotationError, match=r"looked for clotho_aqa_test\.csv.*zenodo"):
            load_benchmark("clotho_aqa", folder / "x")

    def test_relative_data_dir(self, folder, monkeypatch):
        monkeypatch.chdir(folder.parent)
        assert load_benchmark("clotho_aqa", "clotho")[0]["audio"]["path"] == str(folder / "a.wav")
