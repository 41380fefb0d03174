"""A tiny LISTEN with random weights, and a pool of responses on short recordings of noise."""

import json
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from recipes.records import QUESTION_FEATURES, RESPONSE_FEATURES
from tests.modeling_listen.backbones import build_audio_model, build_text_model

SOUNDS = ("dog", "cat", "rain", "siren", "bell", "engine")


@pytest.fixture(scope="session")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Folders of a Whisper that hears 2 s and of a Llama, both of random weights."""
    folder = tmp_path_factory.mktemp("backbones")
    sizes = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}  # as quantization wants them
    text_model = build_text_model(folder / "llama", "llama", **sizes)
    return str(build_audio_model(folder / "whisper")), str(text_model)


def write_recording(path: Path, seconds: float, seed: int) -> dict:
    """A recording of noise; returns its `audio` record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(scale=0.1, size=int(16_000 * seconds)).astype(np.float32)
    soundfile.write(path, noise, 16_000)
    return {"path": str(path), "bytes": None}


def response_records(clip: int, audio: dict, counts: dict[str, int]) -> list[dict]:
    """Response records of one clip, so many of each kind, each of another length."""
    sound, other = SOUNDS[clip % len(SOUNDS)], SOUNDS[(clip + 1) % len(SOUNDS)]
    prompts = {"positive": "Replay the audio.", "negative": "What is absent?", "combined": "Both.", "rule": "List."}
    return [
        {
            "id": f"clip{clip}",
            "corpus": "noise",
            "split": "train",
            "audio": audio,
            "duration": 1.0,
            "seed": sound,
            "seed_type": "tags",
            "captions": [],
            "tags": [sound],
            "sample_type": kind,
            "sample_index": index,
            "prompt": prompts[kind],
            "response": f"There is {'no ' * (kind == 'negative')}{other if kind == 'negative' else sound}"
            + "." * index,
            "generator": "test",
            "finish_reason": "stop",
            "response_tokens": 5,
        }
        for kind, count in counts.items()
        for index in range(count)
    ]


def write_pool(folder: Path, records: list[dict]) -> str:
    """Write response records as synthesis leaves them."""
    (folder / "data").mkdir(parents=True)
    schema = RESPONSE_FEATURES.arrow_schema
    pq.write_table(pa.Table.from_pylist(records, schema=schema), folder / "data" / "train-00000-of-00001.parquet")
    return str(folder)


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pool of 12 clips of 0.3 to 1.4 s, with two positive, a negative, a combined and two rule responses each."""
    folder = tmp_path_factory.mktemp("pool")
    counts = {"positive": 2, "negative": 1, "combined": 1, "rule": 2}
    records = []
    for clip in range(12):
        audio = write_recording(folder / "audio" / f"{clip}.wav", 0.3 + clip / 10, clip)
        records += response_records(clip, audio, counts)
    return write_pool(folder / "responses", records)


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight yes/no questions on four clips, and two that nobody answers yes or no."""
    folder = tmp_path_factory.mktemp("questions")
    records = []
    for clip in range(4):
        audio = write_recording(folder / f"{clip}.wav", 0.5 + clip / 10, 100 + clip)
        asked = [(SOUNDS[clip], "yes"), (SOUNDS[clip + 1], "no"), ("What is it?", "dog")]
        for index, (sound, answer) in enumerate(asked[: 3 if clip < 2 else 2]):
            question = sound if "?" in sound else f"Is there a {sound}?"
            records.append(
                {"id": f"{clip}-{index}", "benchmark": "noise", "subset": "test", "audio": audio, "question": question,
                 "answer": answer, "answer_type": "word" if answer == "dog" else "yes_no"}
            )  # fmt: skip
    file = folder / "questions.parquet"
    schema = QUESTION_FEATURES.arrow_schema.append(pa.field("answer_type", pa.string())).remove_metadata()
    pq.write_table(pa.Table.from_pylist(records, schema=schema), file)
    return str(file)


def write_questions(folder: Path, count: int, damaged: Collection[int] = ()) -> str:
    """A file of a yes/no question on each of so many recordings, of which the damaged ones are cut in the middle."""
    lines = []
    for clip in range(count):
        file = Path(write_recording(folder / f"{clip}.flac", 0.5, clip)["path"])
        if clip in damaged:
            content = file.read_bytes()
            file.write_bytes(content[: len(content) // 2])
        question = f"Is there a {SOUNDS[clip % len(SOUNDS)]}?"
        lines.append(json.dumps({"audio": file.name, "question": question, "answer": ["yes", "no"][clip % 2]}) + "\n")
    questions = folder / "questions.jsonl"
    questions.write_text("".join(lines))
    return str(questions)


@pytest.fixture
def arguments(
    backbones: tuple[str, str], pool: str, questions: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Callable[..., list[str]]:
    """Makes a command line of train_listen.py: a short run on CPU, unless options say otherwise."""

    caplog.set_level("INFO")

    def make(**options: object) -> list[str]:
        values = {
            "audio_model": backbones[0],
            "text_model": backbones[1],
            "num_query_tokens": 4,
            "responses": pool,
            "questions": questions,
            "validation_clips": 2,
            "output_dir": str(tmp_path / "run"),
            "max_steps": 6,
            "per_device_train_batch_size": 3,
            "warmup_steps": 1,
            "logging_steps": 1,
            "eval_steps": 3,
            "save_steps": 3,
            "training_arguments": '{"use_cpu": true, "disable_tqdm": true}',
            **options,
        }
        return [text for name, value in values.items() for text in (f"--{name}", str(value))]

    return make
