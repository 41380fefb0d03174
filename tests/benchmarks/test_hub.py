import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from recipes.annotations import AnnotationError
from recipes.benchmarks import load_benchmark
from recipes.benchmarks.hub import copy_repository, write_recordings
from tests.benchmarks.hub_server import serve_hub

OWNER = "kuanhuggingface"
PROGRAM = """
from pathlib import Path
from recipes.benchmarks import load_benchmark
for row in load_benchmark("audio_hallucination", subset={subset!r}, missing_audio="error"):
    print(row["answer"], Path(row["audio"]["path"]).read_bytes()[:4])
"""


@pytest.fixture
def recording(shared_data):
    return next((shared_data / "esc10" / "audio").iterdir()).read_bytes()


def write_parquet(path, rows):
    path.parent.mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def ask(endpoint, home, subset):
    """Load a subset in a process that may use the Hub at `endpoint`."""
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_HOME": str(home)}
    program = PROGRAM.format(subset=subset)
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_questions_and_recordings_from_the_hub(tmp_path, recording):
    hub, home = tmp_path / "hub" / OWNER, tmp_path / "home"
    question = {"entry_id": 0, "audio_index": "Yone", "prompt_text": "Is there a sound of dog in the audio?"}
    question |= {"object": "dog", "attribute": "positive", "label": "Yes", "sampling": "random"}
    write_parquet(hub / "AudioHallucination_AudioCaps-Random" / "data" / "test.parquet", [question])
    rows = [{"youtube_id": "Yone", "audio": {"bytes": recording, "path": None}}]
    write_parquet(hub / "audiocaps_hallucination" / "data" / "test.parquet", rows)
    with serve_hub(hub.parent) as endpoint:
        assert ask(endpoint, home, "random") == ["yes b'OggS'"]
    assert ask(endpoint, home, "random") == ["yes b'OggS'"]  # the Hub is gone, the copy is there


@pytest.mark.slow
def test_recordings_in_an_archive(tmp_path, recording):
    hub = tmp_path / "hub" / OWNER
    rows = [{"audio": "a@b.wav", "query": "Is there a sound of dog barking?", "ground_truth": "no"}]
    repository = "Audio-Hallucination_Object-Existence_AudioCaps-ESC50-VocalSound"
    write_parquet(hub / repository / "data" / "test.parquet", rows)
    (hub / "BEAF-Audio").mkdir()
    with tarfile.open(hub / "BEAF-Audio" / "BEAF_Audio.tar", "w") as archive:
        member = tarfile.TarInfo("BEAF_Audio/a@b.wav")
        member.size = len(recording)
        archive.addfile(member, io.BytesIO(recording))
    with serve_hub(hub.parent) as endpoint:
        assert ask(endpoint, tmp_path / "home", "object_existence") == ["no b'OggS'"]


def test_hub_out_of_reach(tmp_path):
    with pytest.raises(AnnotationError, match=r"kuan/x cannot be fetched.*data_dir"):
        copy_repository("kuan/x", tmp_path, ["*.parquet"])
    with pytest.raises(AnnotationError, match=r"AudioCaps-Random cannot be fetched"):
        load_benchmark("audio_hallucination")


def test_recordings_are_written_once_each(tmp_path, recording):
    rows = [{"youtube_id": name, "audio": {"bytes": recording, "path": None}} for name in ("Yone", "../Ytwo")]
    rows.append({"youtube_id": "Ygone", "audio": None})
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "0.parquet")
    for _ in range(2):
        write_recordings([tmp_path / "0.parquet"], "youtube_id", tmp_path / "audio")
    assert sorted(path.name for path in (tmp_path / "audio").iterdir()) == ["Yone.wav", "Ytwo.wav"]
    assert (tmp_path / "audio" / "Yone.wav").read_bytes() == recording
