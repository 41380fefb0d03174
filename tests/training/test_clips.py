"""Records grouped by clip, whatever carries them."""

import gc
import io
import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from datasets import Dataset

from recipes.records import RESPONSE_FEATURES
from recipes.training.arguments import DataOptions
from recipes.training.clips import Clips, WaveformClips, load_records, split_off
from recipes.training.data import load_clips, load_questions
from tests.training.conftest import response_records, write_pool, write_recording

COLUMNS = ("prompt", "response")


def ids(clips: Clips) -> list[str]:
    return [clips.id_of(index) for index in range(len(clips))]


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
    assert (len(split), split.num_clips, split.num_records) == (2, 1, 6)


def test_equal_names_in_other_corpora_are_other_clips(tmp_path):
    audio = {"path": "1.wav", "bytes": None}
    records = [{**response_records(0, audio, {"positive": 1})[0], "corpus": corpus} for corpus in ("a", "b", "a")]
    clips = Clips(load_records(write_pool(tmp_path / "pool", records), "responses", ""), COLUMNS)
    assert ids(clips) == ["a/1.wav", "b/1.wav"]
    assert clips.num_records == 3


def test_audio_inside_the_records(tmp_path):
    records = [
        record
        for clip in range(3)
        for record in response_records(clip, {"path": None, "bytes": encoded(0.2, clip)}, {"positive": 2})
    ]
    clips = Clips(load_records(write_pool(tmp_path / "pool", records), "responses", ""), COLUMNS)
    assert ids(clips) == ["noise/clip0", "noise/clip1", "noise/clip2"]
    kept = clips.without_unreadable("clips")
    assert kept.seconds.tolist() == [0.2, 0.2, 0.2]
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
    assert not set(ids(train)) & set(ids(held_out))


def test_splitting_depends_on_the_seed_and_keeps_a_recording_together(pool):
    clips = Clips(load_records(pool, "responses", ""), COLUMNS, max_records=2)
    sides = [split_off(clips, 4, seed) for seed in (0, 0, 1)]
    assert ids(sides[0][1]) == ids(sides[1][1]) != ids(sides[2][1])
    assert len(sides[0][1]) == 12  # four recordings of six responses, two at a time
    assert not set(ids(sides[0][0])) & set(ids(sides[0][1]))
    with pytest.raises(ValueError, match="only 12 clips"):
        split_off(clips, 12, 0)


def test_a_clip_of_several_passes_is_counted_once(pool, caplog):
    caplog.set_level("INFO")
    train, held_out = load_clips(DataOptions(responses=pool, max_responses_per_clip=1, validation_clips=3), 0)
    assert (len(train), len(held_out)) == (18, 6)
    assert "18 responses on 9 clips to train on, 6 on 3 held out" in caplog.text


@pytest.mark.parametrize("name", ["empty.jsonl", "cut.jsonl", "notes.txt", "blank.jsonl", "empty.parquet", "cut.csv"])
def test_files_that_hold_no_responses_are_named_with_a_remedy(tmp_path, name):
    content = {"cut": '{"id": "1", ', "notes": "Some notes.", "blank": "\n\n"}.get(name.partition(".")[0], "")
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{name} holds no responses .*: make them with `python recipes/synthesize"):
        load_clips(DataOptions(responses=str(tmp_path / name)), 0)


@pytest.mark.parametrize("as_path", [False, True])
def test_responses_of_json_lines(tmp_path, as_path):
    audio = write_recording(tmp_path / "1.wav", 0.3, 0)
    records = response_records(0, audio["path"] if as_path else {"path": audio["path"]}, {"positive": 2})
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    options = {"mixture": "positive+positive", "validation_clips": 0}
    train, _ = load_clips(DataOptions(responses=str(tmp_path / "pool.jsonl"), **options), 0)
    assert train[0]["audio"] == audio


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


def test_questions_from_files(questions, tmp_path, caplog):
    clips = load_questions(DataOptions(questions=questions))
    assert "2 of 10 questions are not asked" in caplog.text
    assert (len(clips), clips.num_records) == (4, 8)
    assert set(clips[0]["answer"]) == {"yes", "no"}
    assert load_questions(DataOptions(questions=questions, max_questions=3)).num_records == 3

    lines = tmp_path / "questions.jsonl"
    table = pq.read_table(questions).to_pylist()
    lines.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    assert load_questions(DataOptions(questions=str(lines))).num_records == 8

    (tmp_path / "folder").mkdir()
    capitals = pa.Table.from_pylist([{**row, "answer": row["answer"].upper()} for row in table])
    pq.write_table(capitals, tmp_path / "folder" / "1.parquet")
    assert load_questions(DataOptions(questions=str(tmp_path / "folder"))).num_records == 8

    for changed in ({"answer": "dog", "answer_type": "word"}, {"audio": {"path": "gone.wav", "bytes": None}}):
        pq.write_table(pa.Table.from_pylist([{**table[0], **changed}]), tmp_path / "none.parquet")
        with pytest.raises(ValueError, match="no question whose answer is yes or no and whose recording is there"):
            load_questions(DataOptions(questions=str(tmp_path / "none.parquet")))
    (tmp_path / "notes.txt").write_text("Is there a dog?")
    with pytest.raises(ValueError, match=r"notes\.txt is no file of questions"):
        load_questions(DataOptions(questions=str(tmp_path / "notes.txt")))
    with pytest.raises(FileNotFoundError, match="sound_world"):
        load_questions(DataOptions(questions=str(tmp_path / "nothing")))


@pytest.mark.parametrize("kind", ["csv", "path", "mapping"])
@pytest.mark.parametrize("apart", [False, True])
def test_questions_from_files_as_they_are_evaluated(tmp_path, kind, apart):
    """Relative paths start in the file's folder, or in `audio_dir`; capitals do not matter."""
    folder = tmp_path / "recordings" if apart else tmp_path
    rows = [(f"{index}.wav", "Is there a dog?", answer) for index, answer in enumerate(("Yes", "no", "NO"))]
    for index, (name, *_) in enumerate(rows):
        write_recording(folder / name, 0.2, index)
    file = tmp_path / ("questions.csv" if kind == "csv" else "questions.jsonl")
    if kind == "csv":
        file.write_text("".join(",".join(row) + "\n" for row in [("audio", "question", "answer"), *rows]))
    else:
        audio = {"path": lambda name: name, "mapping": lambda name: {"path": name}}[kind]
        records = [{"audio": audio(name), "question": question, "answer": answer} for name, question, answer in rows]
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
    clips = load_questions(DataOptions(questions=str(file), audio_dir=str(folder) if apart else None))
    assert [clip["answer"] for clip in clips] == [["yes"], ["no"], ["no"]]
    assert clips[2]["audio"] == {"path": str(folder / "2.wav"), "bytes": None}


def test_questions_of_a_benchmark():
    clips = load_questions(DataOptions(questions="sound_world/dev_random", max_questions=10))
    assert clips.num_records == 10
    assert {answer for index in range(len(clips)) for answer in clips[index]["answer"]} == {"yes", "no"}


def test_a_clip_costs_its_name_and_little_more():
    count, path = 20_000, "/corpora/audioset/eval_segments/Y{:011d}_30.000.wav"
    audio = [{"path": path.format(row // 2), "bytes": None} for row in range(2 * count)]
    columns = {name: [name] * 2 * count for name in ("corpus", "id", "prompt", "response")}
    types = pa.struct([("path", pa.string()), ("bytes", pa.binary())])
    records = Dataset(pa.table({**columns, "audio": pa.array(audio, types)}))
    Clips(records.select(range(2)), COLUMNS)  # imports
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    clips = Clips(records, COLUMNS)
    held, peak = tracemalloc.get_traced_memory()
    held += pa.total_allocated_bytes() - before
    tracemalloc.stop()
    assert len(clips) == count
    assert held / count < len(clips.id_of(0)) + 40 + 2 * 8
    assert peak / count < 200


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
