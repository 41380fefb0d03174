import json
import shutil

import pytest

from recipes.annotations import AnnotationError
from recipes.benchmarks import load_benchmark
from recipes.benchmarks.aqua_bench import TYPES, AquaBench

NAMES = {"animal": "Animal-Sounds", "music": "Music-Instruments-Sounds", "vocal": "Vocal-Sounds"}


@pytest.fixture
def published(shared_data, tmp_path):
    """The heads of the three main files, under the names of the whole ones."""
    for name in NAMES.values():
        head = shared_data / "annotations" / "aqua_bench" / f"AQUA-Bench-{name}-Track.head16.json"
        shutil.copy(head, tmp_path / f"AQUA-Bench-{name}-Track.json")
    return tmp_path


def change(folder, index, **values):
    path = folder / "AQUA-Bench-Animal-Sounds-Track.json"
    entries = json.loads(path.read_text())
    entries[index] |= values
    path.write_text(json.dumps(entries))


@pytest.mark.parametrize("track", NAMES)
def test_published_rows(published, track):
    questions = load_benchmark("aqua_bench", published, track)
    assert questions["type"][:] == list(TYPES) * 4
    assert questions["group"][:] == [number // 4 for number in range(16)]
    assert set(questions["answer_type"]) == {"choice"}
    for question in questions:
        assert question["answer"] in question["options"]
        assert (question["subtype"] is None) == (question["type"] == "Solvable")
        assert (question["type"] == "Solvable") == (question["answer"] not in ("None of the above", "Unanswerable"))


def test_twelve_subsets():
    assert len(AquaBench.SUBSETS) == len(set(AquaBench.SUBSETS)) == 12


@pytest.mark.parametrize(
    ("subset", "name"),
    [
        ("animal", "evaluation-data/AUQA-Bench-Animal-Sounds-Track.json"),  # official files are misspelt
        ("music_uncertainty", "AQUA-Bench-Music-Instruments-Sounds-Track-Uncertainty.json"),
        ("vocal_option_design2", "aqua-bench/evaluation-data/AUQA-Bench-Vocal-Sounds-Track-Option-Design2.json"),
    ],
)
def test_file_names(published, tmp_path_factory, subset, name):
    path = tmp_path_factory.mktemp("copy") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(published / f"AQUA-Bench-{NAMES[subset.split('_')[0]]}-Track.json", path)
    folder = path.parents[len(name.split("/")) - 1]
    assert len(load_benchmark("aqua_bench", folder, subset)) == 16


def test_recordings_are_found_by_name(published):
    for name in ("Flute/302.wav", "Piano/302.wav", "ESC-50/audio/5-208030-A-0.wav"):
        (published / name).parent.mkdir(parents=True)
        (published / name).touch()
    assert load_benchmark("aqua_bench", published, "music")[0]["audio"]["path"].endswith("/Piano/302.wav")
    assert load_benchmark("aqua_bench", published)[0]["audio"]["path"].endswith("audio/5-208030-A-0.wav")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"answer": "Lion"}, "entry 5: the answer 'Lion' is none of the options"),
        ({"type": "IAQD"}, "entry 5: the type is 'IAQD' where 'AAD' is due"),
        ({"options": None}, "entry 5: 'options' must be there as list"),
        ({"audio_filename": 3}, "entry 5: 'audio_filename' must be there as str"),
    ],
)
def test_entries_that_cannot_be_used(published, values, message):
    change(published, 5, **values)
    with pytest.raises(AnnotationError, match=message):
        load_benchmark("aqua_bench", published)


@pytest.mark.parametrize("content", ["", "[{]", "{}", "[1, 2, 3]", "[1, 2, 3, 4]"])
def test_files_that_cannot_be_used(tmp_path, content):
    (tmp_path / "AQUA-Bench-Animal-Sounds-Track.json").write_text(content)
    with pytest.raises(AnnotationError, match=r"AQUA-Bench-Animal-Sounds-Track\.json"):
        load_benchmark("aqua_bench", tmp_path)
