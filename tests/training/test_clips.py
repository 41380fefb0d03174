"""Records grouped by clip, whatever carries them."""

import gc
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from recipes.records import RESPONSE_FEATURES
from recipes.training.arguments import DataOptions
from recipes.training.clips import Clips, WaveformClips, load_records, split_off
from recipes.training.data import load_clips, load_questions
from tests.training.conftest import response_records, write_pool, write_recording

COLUMNS = ("prompt", "response")


def encoded(seconds: float, seed: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(seed).normal(scale=0.1, size=int(16_000 * seconds))
    soundfile.write(file, noise, 16_000, format="wav")
    return file.getvalue()


def test_responses_of_all_seeds_of_a_recording_are_one_clip(tmp_path):
    """A corpus with five captions a clip has five seeds on the same file."""
    audio = write_recording(tmp_path / "1.wav", 0.3, 0)
    records = [
        {**record, "id": f"caption{caption}"}
        for caption in range(3)
        for record in response_records(0, audio, {"positive": 1, "negative": 1})
    ]
    clips = Clips(load_records(write_pool(tmp_path / "pool", records), "responses", ""), COLUMNS)
    assert len(clips) == 1
    assert len(clips[0]["prompt"]) == 6
    assert clips[0]["audio"] == audio
    split = Clips(load_records(str(tmp_path / "pool"), "responses", ""), COLUMNS, max_records=4)
    assert [len(split[index]["response"]) for index in range(len(split))] == [4, 2]


def test_equal_names_in_other_corpora_are_other_clips(tmp_path):
    audio = {"path": "1.wav", "bytes": None}
    records = [{**response_records(0, audio, {"positive": 1})[0], "corpus": corpus} for corpus in ("a", "b", "a")]
    clips = Clips(load_records(write_pool(tmp_path / "pool", records), "responses", ""), COLUMNS)
    assert clips.ids == ["a/1.wav", "b/1.wav"]
    assert clips.num_records == 3


def test_audio_inside_the_records(tmp_path):
    records = [
        record
        for clip in range(3)
        for record in response_records(clip, {"path": None, "bytes": encoded(0.2, clip)}, {"positive": 2})
    ]
    clips = Clips(load_records(write_pool(tmp_path / "pool", records), "responses", ""), COLUMNS)
    assert clips.ids == ["noise/clip0", "noise/clip1", "noise/clip2"]
    kept = clips.without_unreadable("clips")
    assert len(kept) == 3
    assert kept[2]["audio"]["bytes"] == encoded(0.2, 2)


def test_relative_paths_start_in_audio_dir(tmp_path):
    write_recording(tmp_path / "recordings" / "1.wav", 0.2, 0)
    pool = write_pool(tmp_path / "pool", response_records(0, {"path": "1.wav", "bytes": None}, {"positive": 2}))
    options = {"responses": pool, "mixture": "positive+positive", "validation_clips": 0}
    train, _ = load_clips(DataOptions(**options, audio_dir=str(tmp_path / "recordings")), 0)
    assert train[0]["audio"]["path"] == str(tmp_path / "recordings" / "1.wav")
    with pytest.raises(ValueError, match="none of the 1 clips"):
        load_clips(DataOptions(**options), 0)


@pytest.mark.parametrize(
    ("mixture", "kinds"),
    [
        ("positive+positive", {"positive": 2}),
        ("positive+negative", {"positive": 1, "negative": 1}),
        ("combined", {"combined": 1}),
        ("rule", {"rule": 2}),
    ],
)
def test_mixtures_of_table_3(pool, mixture, kinds):
    train, held_out = load_clips(DataOptions(responses=pool, mixture=mixture, validation_clips=3), 0)
    assert (len(train), len(held_out)) == (9, 3)
    prompts = {"positive": "Replay the audio.", "negative": "What is absent?", "combined": "Both.", "rule": "List."}
    for clips in (train, held_out):
        for index in range(len(clips)):
            expected = [prompts[kind] for kind, count in kinds.items() for _ in range(count)]
            assert clips[index]["prompt"] == expected
    assert not set(train.ids) & set(held_out.ids)


def test_splitting_depends_on_the_seed_and_keeps_a_recording_together(pool):
    clips = Clips(load_records(pool, "responses", ""), COLUMNS, max_records=2)
    sides = [split_off(clips, 4, seed) for seed in (0, 0, 1)]
    assert sides[0][1].ids == sides[1][1].ids != sides[2][1].ids
    assert len(sides[0][1]) == 12  # four recordings of six responses, two at a time
    assert not set(sides[0][0].ids) & set(sides[0][1].ids)
    with pytest.raises(ValueError, match="only 12 clips"):
        split_off(clips, 12, 0)


def test_unreadable_clips_are_passed_over_and_named():
    def load_audio(source: dict) -> np.ndarray:
        if source["path"] in ("1", "2"):
            raise ValueError(f"{source['path']} is broken")
        return np.zeros(10, dtype=np.float32)

    clips = [{"id": str(index), "audio": {"path": str(index)}} for index in range(4)]
    dataset = WaveformClips(clips, load_audio)
    assert dataset[0]["unreadable"] == {}
    assert dataset[1]["id"] == "3"
    assert dataset[1]["unreadable"] == {"1": "1 is broken", "2": "2 is broken"}
    with pytest.raises(ValueError, match="none of 1 clips can be read: 1 is broken"):
        WaveformClips([{"id": "1", "audio": {"path": "1"}}], load_audio)[0]


def test_questions_from_files(questions, tmp_path):
    clips = load_questions(DataOptions(questions=questions))
    assert (len(clips), clips.num_records) == (4, 8)
    assert set(clips[0]["answer"]) == {"yes", "no"}
    assert load_questions(DataOptions(questions=questions, max_questions=3)).num_records == 3

    lines = tmp_path / "questions.jsonl"
    table = pq.read_table(questions).to_pylist()
    lines.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    assert load_questions(DataOptions(questions=str(lines))).num_records == 8

    pq.write_table(pa.Table.from_pylist([{**table[0], "answer": "a dog"}]), tmp_path / "none.parquet")
    with pytest.raises(ValueError, match="no question whose answer is yes or no"):
        load_questions(DataOptions(questions=str(tmp_path / "none.parquet")))
    with pytest.raises(FileNotFoundError, match="sound_world"):
        load_questions(DataOptions(questions=str(tmp_path / "nothing")))


def test_questions_of_a_benchmark():
    clips = load_questions(DataOptions(questions="sound_world/dev_random", max_questions=10))
    assert clips.num_records == 10
    assert {answer for index in range(len(clips)) for answer in clips[index]["answer"]} == {"yes", "no"}


def anonymous_memory() -> int:
    """Bytes that this process holds and that are not pages of files."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    return int(re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of a process's memory")
def test_a_data_set_larger_than_memory_stays_on_disk(tmp_path):
    """What passes through is far more than what is held: records are memory-mapped, clips are read one by one."""
    seconds, count = 10.0, 600  # 192 MB of recordings inside the records
    recording = encoded(seconds, 0)
    folder = tmp_path / "pool" / "data"
    folder.mkdir(parents=True)
    with pq.ParquetWriter(folder / "train.parquet", RESPONSE_FEATURES.arrow_schema, compression="none") as writer:
        for start in range(0, count, 20):
            records = [
                record
                for clip in range(start, start + 20)
                for record in response_records(clip, {"path": None, "bytes": recording}, {"positive": 1})
            ]
            writer.write_table(pa.Table.from_pylist(records, schema=RESPONSE_FEATURES.arrow_schema))
    records = load_records(str(tmp_path / "pool"), "responses", "")
    before = anonymous_memory()
    clips = Clips(records, COLUMNS).without_unreadable("clips")
    read = sum(len(clips[index]["audio"]["bytes"]) for index in np.random.default_rng(0).permutation(len(clips)))
    grown = anonymous_memory() - before
    assert read == count * len(recording) > 190e6
    assert grown < 40e6
