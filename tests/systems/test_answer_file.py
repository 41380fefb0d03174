"""The resumable file of answers."""

from pathlib import Path

import pytest

from recipes.systems.answer_file import AnswerFile, read_answers, remove_answers
from recipes.systems.base import Answer

BATCHES = [["a", "b"], ["c"], ["d", "e"]]


def questions(batch: list[str]) -> list[dict]:
    return [{"id": each, "question": f"{each}?", "answer": "yes"} for each in batch]


def answers(batch: list[str]) -> list[Answer]:
    return [Answer(f"Yes, {each} – “ü”\n", 1 / 3) for each in batch]


def write(path: Path, stop: int = 3) -> None:
    with AnswerFile(path, BATCHES) as file:
        for batch in BATCHES[file.batches_done : stop]:
            file.append(questions(batch), answers(batch))


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    read = read_answers(tmp_path / "a.jsonl")
    assert list(read) == ["a", "b", "c", "d", "e"]
    assert read["d"] == Answer("Yes, d – “ü”\n", 1 / 3)


def test_a_file_cut_anywhere_is_completed_to_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path)
    whole = path.read_bytes()
    ends = [0, *(index + 1 for index, byte in enumerate(whole) if byte == ord("\n"))]
    near_ends = {end + step for end in ends for step in (-1, 0, 1, 9)}
    for length in sorted(near_ends & set(range(len(whole) + 1))):
        path.write_bytes(whole[:length])
        lines = sum(end <= length for end in ends[1:])
        with AnswerFile(path, BATCHES) as file:
            done = file.batches_done
        assert done == sum(end <= lines for end in (2, 3, 5))
        write(path)
        assert path.read_bytes() == whole


def test_answers_to_other_questions_are_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path)
    with pytest.raises(ValueError, match="holds an answer to 'b' where the one to 'x' is due"):
        AnswerFile(path, [["a", "x"]])
    with AnswerFile(path, BATCHES) as file:  # the lock was released
        assert file.batches_done == 3


def test_what_follows_the_last_batch_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path)
    with AnswerFile(path, BATCHES[:1]) as file:
        assert file.batches_done == 1
    assert list(read_answers(path)) == ["a", "b"]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with AnswerFile(tmp_path / "a.jsonl", BATCHES), pytest.raises(RuntimeError, match="another process is writing"):
        AnswerFile(tmp_path / "a.jsonl", BATCHES)


def test_what_a_crash_of_the_machine_left_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path)
    whole = path.read_bytes()
    third = whole.index(b'{"id": "c"')
    path.write_bytes(whole[:third] + b"\0" * 40 + b"\n" + whole[third:])
    write(path)
    assert path.read_bytes() == whole


def test_what_is_being_written_is_not_deleted(tmp_path: Path) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path in paths:
        write(path)
    with AnswerFile(paths[1], BATCHES), pytest.raises(RuntimeError, match=r"another process is writing .*b\.jsonl"):
        remove_answers(paths)
    assert all(path.exists() for path in paths)
    remove_answers(paths)
    assert not any(path.exists() for path in paths)
