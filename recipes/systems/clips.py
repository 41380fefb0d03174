"""From questions to batches of clips: which questions are asked together, and the reading of recordings ahead."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from recipes.systems.base import SAMPLING_RATE, Answer, Clip, System

if TYPE_CHECKING:
    import datasets
    import numpy as np

_BATCHES_AHEAD = 2


class PlannedClip(NamedTuple):
    """Questions about one recording that are asked at once.

    Attributes:
        recording: number of the recording, in the order of first appearance.
        questions: their indices in the data set.
    """

    recording: int
    questions: list[int]


class Plan(NamedTuple):
    """What is asked together. It depends on the questions and the batch size only, so a resumed run has the same.

    Attributes:
        recordings: for each recording, the index of a question that holds it.
        batches: of clips.
    """

    recordings: list[int]
    batches: list[list[PlannedClip]]


def plan_batches(questions: "datasets.Dataset", batch_size: int) -> Plan:
    """Gather the questions on each recording, and recordings in batches.

    Args:
        questions: records of `recipes.records.QUESTION_FEATURES`.
        batch_size: questions in a batch; a recording with more of them is in several.
    """
    numbers: dict[str, int] = {}
    recordings: list[int] = []
    asked: list[list[int]] = []
    for index, key in enumerate(clip_keys(questions)):
        number = numbers.setdefault(key, len(recordings))
        if number == len(recordings):
            recordings.append(index)
            asked.append([])
        asked[number].append(index)

    batches: list[list[PlannedClip]] = []
    room = 0
    for number, indices in enumerate(asked):
        for start in range(0, len(indices), batch_size):
            part = indices[start : start + batch_size]
            if len(part) > room:
                batches.append([])
                room = batch_size
            batches[-1].append(PlannedClip(number, part))
            room -= len(part)
    return Plan(recordings, batches)


def clip_keys(questions: "datasets.Dataset") -> list[str]:
    """For each question, what tells its recording from others: a digest of its bytes, or its path."""
    return [
        str(audio.get("path"))
        if audio.get("bytes") is None
        else hashlib.blake2b(audio["bytes"], digest_size=16).hexdigest()
        for audio in questions["audio"]
    ]


def load_batches(
    questions: "datasets.Dataset",
    batches: Sequence[Sequence[PlannedClip]],
    recordings: Sequence[dict[str, Any]],
    hears: bool,
    num_workers: int,
) -> Iterator[list[Clip]]:
    """The clips of planned batches, their recordings read in threads while earlier batches are answered.

    Args:
        questions: the records.
        batches: which of them.
        recordings: what is heard for each recording, by number.
        hears: whether waveforms are wanted.
        num_workers: threads.

    Yields:
        For each batch, its clips; those whose recording cannot be read have an `error`.
    """
    if not hears:
        for batch in batches:
            yield [Clip(recordings[clip.recording], _records(questions, clip)) for clip in batch]
        return
    waiting: deque[tuple[Sequence[PlannedClip], list[Future]]] = deque()
    with ThreadPoolExecutor(num_workers) as pool:
        try:
            for batch in (*batches, *[None] * _BATCHES_AHEAD):
                if batch is not None:
                    waiting.append((batch, [pool.submit(_read, recordings[clip.recording]) for clip in batch]))
                if waiting and (batch is None or len(waiting) > _BATCHES_AHEAD):
                    planned, read = waiting.popleft()
                    yield [
                        Clip(recordings[clip.recording], _records(questions, clip), *future.result())
                        for clip, future in zip(planned, read, strict=True)
                    ]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _records(questions: "datasets.Dataset", clip: PlannedClip) -> list[dict[str, Any]]:
    return [questions[index] for index in clip.questions]


def _read(audio: dict[str, Any]) -> "tuple[np.ndarray | None, str | None]":
    """The waveform, or None and why there is none."""
    from modeling_listen.audio_listen import read_audio

    try:
        return read_audio(audio, SAMPLING_RATE), None
    except (ValueError, OSError) as error:
        return None, str(error) or type(error).__name__


def answer_readable(
    system: System, batches: Iterable[Sequence[Clip]]
) -> Iterator[tuple[Sequence[Clip], list[list[Answer]]]]:
    """Have a system answer about the recordings that could be read; the others' questions are unanswered.

    Yields:
        Each batch and, for each of its clips, the answers.
    """
    asked: deque[Sequence[Clip]] = deque()

    def readable() -> Iterator[list[Clip]]:
        for batch in batches:
            asked.append(batch)
            yield [clip for clip in batch if clip.error is None]

    for answers in system.answer_all(readable()):
        batch, remaining = asked.popleft(), iter(answers)
        yield (
            batch,
            [
                next(remaining) if clip.error is None else [Answer(None, None, clip.error)] * len(clip.questions)
                for clip in batch
            ],
        )
