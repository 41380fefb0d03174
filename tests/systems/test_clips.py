"""What is asked together, and the reading of recordings."""

from pathlib import Path

import datasets
import numpy as np
import pytest
import soundfile

from recipes.systems.base import Answer, Clip, System
from recipes.systems.bounds import Shuffled, Silence
from recipes.systems.clips import answer_readable, load_batches, plan_batches
from tests.modeling_listen.backbones import noise


def questions_on(*paths: str | None) -> datasets.Dataset:
    rows = [
        {"id": str(number), "question": f"{number}?", "audio": {"path": path, "bytes": None}}
        for number, path in enumerate(paths)
    ]
    return datasets.Dataset.from_list(rows)


def test_questions_on_one_recording_are_asked_together() -> None:
    plan = plan_batches(questions_on("a", "b", "a", "c", "b", "a"), batch_size=4)
    assert plan.recordings == [0, 1, 3]
    assert plan.batches == [[(0, [0, 2, 5])], [(1, [1, 4]), (2, [3])]]


def test_a_recording_with_more_questions_than_a_batch_is_in_several() -> None:
    plan = plan_batches(questions_on(*"aaaaab"), batch_size=2)
    assert plan.batches == [[(0, [0, 1])], [(0, [2, 3])], [(0, [4]), (1, [5])]]


def test_every_question_is_asked_once_in_batches_that_fit() -> None:
    paths = [f"clip{number}" for number in np.random.default_rng(0).integers(0, 20, size=300)]
    plan = plan_batches(questions_on(*paths), batch_size=7)
    assert sorted(index for batch in plan.batches for clip in batch for index in clip.questions) == list(range(300))
    assert all(sum(len(clip.questions) for clip in batch) <= 7 for batch in plan.batches)
    for clip in (clip for batch in plan.batches for clip in batch):
        assert {paths[index] for index in clip.questions} == {paths[plan.recordings[clip.recording]]}


def test_recordings_inside_the_questions_are_told_apart() -> None:
    rows = [{"audio": {"path": None, "bytes": content}} for content in (b"one", b"two", b"one")]
    assert plan_batches(datasets.Dataset.from_list(rows), 8).batches == [[(0, [0, 2]), (1, [1])]]


@pytest.mark.parametrize("hears", [True, False])
def test_recordings_are_read_where_they_are_wanted(hears: bool, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0.5), 8000)
    (tmp_path / "b.wav").write_bytes(b"no sound")
    questions = questions_on(str(tmp_path / "a.wav"), str(tmp_path / "b.wav"), str(tmp_path / "missing.wav"))
    plan = plan_batches(questions, batch_size=1)
    recordings = [questions[index]["audio"] for index in plan.recordings]
    clips = [clip for batch in load_batches(questions, plan.batches, recordings, hears, 2) for clip in batch]
    assert [clip.questions[0]["id"] for clip in clips] == ["0", "1", "2"]
    if hears:
        assert clips[0].waveform.shape == (16000,)
        assert "b.wav' cannot be decoded" in clips[1].error
        assert "missing.wav' does not exist" in clips[2].error
    else:
        assert all(clip.waveform is None and clip.error is None for clip in clips)


class Loudness(System):
    """Answers with what it hears."""

    name = "loudness"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def identity(self) -> dict:
        return {"loudness": 1}

    def answer(self, clips: list[Clip]) -> list[list[Answer]]:
        self.asked.append(len(clips))
        return [[Answer(f"{np.abs(clip.waveform).max():.1f}")] * len(clip.questions) for clip in clips]


def clip(loudness: float, questions: int = 1, error: str | None = None) -> Clip:
    waveform = None if error else np.full(100, loudness, dtype=np.float32)
    return Clip({}, [{"question": "?"}] * questions, waveform, error)


def test_no_system_is_asked_about_what_cannot_be_read() -> None:
    system = Loudness()
    batches = [[clip(0.1, 2), clip(0, 2, "broken"), clip(0.3)], [clip(0, 1, "gone")]]
    answers = [of_batch for _, of_batch in answer_readable(system, batches)]
    assert [[[each.response for each in of_clip] for of_clip in of_batch] for of_batch in answers] == [
        [["0.1", "0.1"], [None, None], ["0.3"]],
        [[None]],
    ]
    assert answers[0][1][0].error == "broken"
    assert system.asked == [2]


def test_silence_is_as_long_as_the_recording() -> None:
    heard = []

    class Recorder(Loudness):
        def answer(self, clips: list[Clip]) -> list[list[Answer]]:
            heard.extend(each.waveform for each in clips)
            return super().answer(clips)

    answers = list(Silence("s", Recorder()).answer_all([[clip(0.5)], [clip(0.7)]]))
    assert [of_batch[0][0].response for of_batch in answers] == ["0.0", "0.0"]
    assert all(each.shape == (100,) and not each.any() for each in heard)


@pytest.mark.parametrize("count", [2, 3, 17])
def test_shuffling_interchanges_all_recordings_in_the_same_way(count: int) -> None:
    recordings = [{"path": str(number), "bytes": None} for number in range(count)]
    heard = Shuffled("s", Loudness()).recordings(recordings)
    assert sorted(each["path"] for each in heard) == sorted(each["path"] for each in recordings)
    assert all(own != other for own, other in zip(recordings, heard, strict=True))
    assert heard == Shuffled("s", Loudness()).recordings(recordings)


def test_one_recording_cannot_be_shuffled() -> None:
    with pytest.raises(ValueError, match="needs two of them"):
        Shuffled("s", Loudness()).recordings([{"path": "a", "bytes": None}])
