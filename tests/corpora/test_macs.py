"""MACS in its documented format."""

import pytest

from recipes.annotations import AnnotationError
from recipes.corpora import load_corpus

MACS = """files:
- filename: airport-barcelona-0-0-a.wav
  annotations:
  - annotator_id: 48
    sentence: "People talk: an announcement is made"
    tags: [adults_talking, footsteps]
  - annotator_id: 57
    sentence: Footsteps in a hall
    tags:
    - footsteps
    - announcement_speech
- filename: park-helsinki-24-725-a.wav
  annotations:
  - annotator_id: 48
    sentence: Birds sing
    tags: [birds_singing]
  - annotator_id: 3
    sentence: Wind in the trees
    tags: []
"""


@pytest.mark.parametrize("folder", ["", "MACS"])
def test_documented_format(tmp_path, write, record, folder):
    write(tmp_path / folder / "MACS.yaml", MACS)
    audio = tmp_path / folder / "TAU-urban-acoustic-scenes-2019-development" / "audio"
    path = record(audio / "airport-barcelona-0-0-a.wav")
    seeds = load_corpus("macs", tmp_path)
    assert seeds["seed"][:] == ["People talk: an announcement is made", "Footsteps in a hall"]
    assert seeds["id"][:] == [f"macs/train/airport-barcelona-0-0-a.wav#{number}" for number in (1, 2)]
    assert seeds[0]["tags"] == ["adults talking", "footsteps", "announcement speech"]
    assert seeds[1]["captions"] == seeds["seed"][:]
    assert seeds[1]["audio"]["path"] == str(path)
    assert len(load_corpus("macs", tmp_path, missing_audio="keep")) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("files: [", "not valid YAML"),
        ("clips: []", "no list `files`"),
        ("files:\n- filename: a.wav\n", "file 1: .*no annotations"),
        (MACS.replace("Birds sing", "''"), "file 2 .park-helsinki-24-725-a.wav.: the sentence is empty"),
        (MACS.replace("park-helsinki-24-725-a.wav", "../a.wav"), "file 2: the file name '../a.wav' leaves"),
        (MACS.replace("park-helsinki-24-725-a", "airport-barcelona-0-0-a"), "file 2 .*twice"),
        (MACS.replace("tags: []", "tags: none"), "file 2 .*is not an annotation"),
    ],
)
def test_malformed_files(tmp_path, write, text, message):
    write(tmp_path / "MACS.yaml", text)
    with pytest.raises(AnnotationError, match=f"(?s)MACS.yaml.*{message}"):
        load_corpus("macs", tmp_path, missing_audio="keep")
