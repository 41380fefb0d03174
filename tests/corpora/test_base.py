"""What all corpora share: missing audio, the cache, errors that say what to do."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from recipes.annotations import AnnotationError
from recipes.corpora import CORPORA, load_corpus, prepare_corpus
from recipes.corpora.table2 import PAPER
from recipes.records import SEED_FEATURES


@pytest.fixture
def folder(tmp_path, write, record):
    """Four annotated clips: two recordings, one that is cut off, one that is not there."""
    record(tmp_path / "a.wav", seconds=0.5)
    record(tmp_path / "b.wav", seconds=1.0)
    (tmp_path / "cut.wav").write_bytes(b"RIFF")
    write(tmp_path / "mine.csv", "file,caption\na.wav,One\nb.wav,Two\ncut.wav,Three\ngone.wav,Four\n")
    return tmp_path


def test_missing_audio_is_skipped_counted_and_reported_once(folder, caplog):
    corpus = prepare_corpus("folder", folder)
    seeds = corpus.seeds()
    assert seeds.features == SEED_FEATURES
    assert seeds["seed"][:] == ["One", "Two"]
    coverage = corpus.coverage["train"]
    assert (coverage.clips, coverage.seeds, coverage.missing, coverage.unreadable) == (4, 2, 1, 1)
    assert (coverage.seconds, coverage.seconds_on_disk, coverage.unknown) == (1.5, 1.5, 2)
    [warning] = caplog.messages
    assert warning.startswith(
        "folder: 2 of 4 clips have no usable recording (1 missing, 1 unreadable) and are skipped"
    )
    assert str(folder / "cut.wav") in warning
    # What is missing is known also where the build comes from the cache.
    assert prepare_corpus("folder", folder).coverage == corpus.coverage
    assert len(caplog.messages) == 2


def test_missing_audio_can_be_kept(folder, caplog):
    seeds = load_corpus("folder", folder, missing_audio="keep")
    assert seeds["seed"][:] == ["One", "Two", "Three", "Four"]
    assert seeds[3]["audio"] == {"bytes": None, "path": str(folder / "gone.wav")}
    assert seeds["duration"][:] == [0.5, 1.0, None, None]
    assert "are kept" in caplog.text


def test_kept_paths_are_the_official_ones(shared_data, tmp_path, write):
    table = (shared_data / "annotations" / "esc50" / "esc50.csv").read_text()
    write(tmp_path / "meta" / "esc50.csv", table)
    [seed] = load_corpus("esc50", tmp_path, split="fold1[:1]", missing_audio="keep")
    assert seed["audio"]["path"] == str(tmp_path / "audio" / "1-100032-A-0.wav")
    (tmp_path / "ESC-50-master" / "audio").mkdir(parents=True)
    [seed] = load_corpus("esc50", tmp_path, split="fold1[:1]", missing_audio="keep")
    assert seed["audio"]["path"] == str(tmp_path / "ESC-50-master" / "audio" / "1-100032-A-0.wav")


@pytest.mark.parametrize(("name", "expected"), [("a.aiff", "a.aiff"), ("a", "a.wav"), ("a_30.5", "a_30.5.wav")])
def test_kept_paths_have_a_suffix(tmp_path, write, name, expected):
    write(tmp_path / "mine.csv", f"file,caption\n{name},One\n")
    [seed] = load_corpus("folder", tmp_path, missing_audio="keep")
    assert seed["audio"]["path"] == str(tmp_path / expected)


def test_missing_audio_can_be_an_error(folder):
    with pytest.raises(FileNotFoundError, match=r"mine.csv, line 4: the recording .*cut.wav cannot be read.*skip"):
        load_corpus("folder", folder, missing_audio="error")
    os.unlink(folder / "cut.wav")
    with pytest.raises(FileNotFoundError, match=r"mine.csv, line 4: .*cut.wav is not there.*skip"):
        load_corpus("folder", folder, missing_audio="error")


def test_a_moved_audio_folder_gives_no_seeds_but_is_not_fatal(tmp_path, write, caplog):
    write(tmp_path / "mine.csv", "file,caption\naudio/a.wav,One\n")
    seeds = load_corpus("folder", tmp_path)
    assert len(seeds) == 0
    assert seeds.features == SEED_FEATURES
    assert f"line 2: {tmp_path}/audio/a.wav is not there" in caplog.text


def test_what_changes_is_never_served_stale(folder, write, record):
    def seeds():
        return load_corpus("folder", folder)["duration"][:]

    assert seeds() == [0.5, 1.0]
    record(folder / "gone.wav", seconds=0.25)
    assert seeds() == [0.5, 1.0, 0.25]
    record(folder / "a.wav", seconds=2.0)
    assert seeds() == [2.0, 1.0, 0.25]
    os.unlink(folder / "b.wav")
    assert seeds() == [2.0, 0.25]
    table = folder / "mine.csv"
    status = table.stat()
    write(table, table.read_text().replace("gone.wav,Four", "gone.wav,Five"))
    os.utime(table, ns=(status.st_atime_ns, status.st_mtime_ns))  # same size, same time, another content
    assert load_corpus("folder", folder)["seed"][:] == ["One", "Five"]
    assert len(load_corpus("folder", folder, missing_audio="keep")) == 4


def test_what_has_not_changed_is_built_once(folder, own_cache):
    first = load_corpus("folder", folder).cache_files
    written = os.stat(first[0]["filename"]).st_mtime_ns
    assert load_corpus("folder", folder).cache_files == first
    assert os.stat(first[0]["filename"]).st_mtime_ns == written


@pytest.mark.parametrize("name", ["annotations.py", "audio_files.py", "records.py", "folder.py"])
def test_another_version_of_the_code_builds_again(folder, monkeypatch, name):
    first = load_corpus("folder", folder).cache_files
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read_bytes(path) + (b"#" if path.name == name else b""))
    assert load_corpus("folder", folder).cache_files != first


@pytest.mark.parametrize(
    ("named", "there"),
    [("b.aiff", "b.aiff"), ("b.au", "b.au"), ("b.wav", "b.WAV"), ("b.WAV", "b.flac"), ("b", "b.WAV")],
)
def test_recordings_are_found_under_their_own_names(tmp_path, write, record, named, there):
    (tmp_path / "a" / "b").mkdir(parents=True)  # a folder is no recording
    record(tmp_path / "a" / there, seconds=0.25)
    write(tmp_path / "mine.csv", f"file,caption\na/{named},One\n")
    [seed] = load_corpus("folder", tmp_path)
    assert seed["audio"]["path"] == str(tmp_path / "a" / there)
    assert seed["duration"] == 0.25


def test_two_processes_at_once(folder, own_cache):
    program = f"from recipes.corpora import load_corpus; print(len(load_corpus('folder', {str(folder)!r})))"
    environment = os.environ | {"HF_DATASETS_CACHE": str(own_cache), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in processes] == ["2", "2"]


def test_license_citation_and_homepage(shared_data):
    for name, part in (("esc50", "piczak2015esc"), ("audiocaps", "kim2019audiocaps")):
        seeds = load_corpus(name, shared_data / "annotations" / name, missing_audio="keep")
        assert part in seeds.info.citation
        assert seeds.info.license
        assert seeds.info.homepage.startswith("https://")


@pytest.mark.parametrize("name", PAPER)
def test_every_corpus_of_the_paper_says_whose_it_is(name):
    module, builder = CORPORA[name].split(":")
    corpus = getattr(import_module(module), builder)
    assert name == corpus.CORPUS
    assert corpus.LICENSE and corpus.DESCRIPTION
    assert corpus.HOMEPAGE.startswith("https://")
    assert re.match(r"@\w+\{\w+,\n.*year = \{\d{4}\}\n\}$", corpus.CITATION, re.DOTALL)


@pytest.mark.parametrize("name", [name for name in CORPORA if name != "sound_world"])
def test_wrong_data_dir_says_what_to_do(tmp_path, name):
    for data_dir in (None, tmp_path / "nowhere", tmp_path):
        with pytest.raises(AnnotationError, match=r"data_dir|holds no table") as error:
            load_corpus(name, data_dir)
        assert "get it from https://" in str(error.value) or "write a .csv" in str(error.value)


def test_unknown_names_and_options(folder):
    with pytest.raises(ValueError, match="no corpus 'esc-50'; there are audioset, audiocaps"):
        load_corpus("esc-50", folder)
    with pytest.raises(ValueError, match="missing_audio='ignore' is not one of skip, keep, error"):
        load_corpus("folder", folder, missing_audio="ignore")
    with pytest.raises(TypeError, match="folds"):
        load_corpus("folder", folder, folds=3)


def test_importing_is_cheap():
    program = "import sys, recipes.corpora; print({'datasets', 'torch', 'pyarrow', 'soundfile'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"
