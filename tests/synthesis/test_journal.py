import json
import logging
import subprocess
import sys

import pytest

from recipes.synthesis.journal import Journal
from recipes.synthesis.plan import digest


def line(number: int, text: str = "") -> dict:
    return {
        "key": digest(number),
        "seed": "a seed",
        "prompt": "a prompt",
        "response": text or f"response {number}",
        "finish_reason": "stop",
        "response_tokens": number,
        "generator": "test",
    }


def test_what_is_appended_is_found_by_this_and_the_next_process(tmp_path):
    odd = 'umlauts äöü, a line\nbreak, "quotes", a \u2028 separator, 猫 and 🐈'
    with Journal(tmp_path) as journal:
        journal.append([line(1), line(2, odd)])
        journal.append([])
        journal.append([line(3)])
        assert len(journal) == 3
        assert digest(2) in journal
        assert digest(4) not in journal
        assert journal[digest(2)]["response"] == odd
    with Journal(tmp_path) as journal:
        assert [journal[digest(number)]["response_tokens"] for number in (3, 1, 2)] == [3, 1, 2]
        assert journal[digest(2)]["response"] == odd
        with pytest.raises(KeyError):
            journal[digest(4)]
    assert len((tmp_path / "part-00001-of-00001.jsonl").read_bytes().splitlines()) == 3


def test_a_batch_torn_at_any_byte_is_gone_as_a_whole_and_nothing_else_is(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append([line(1), line(2)])
        kept = journal.path.stat().st_size
        journal.append([line(3, "ä"), line(4)])
    whole = journal.path.read_bytes()
    for size in range(kept, len(whole)):
        journal.path.write_bytes(whole[:size])
        with Journal(tmp_path) as torn:
            assert len(torn) == 2
            assert torn.corrupt_lines == 0
            torn.append([line(5)])
        with Journal(tmp_path) as after:
            assert [digest(number) in after for number in range(1, 6)] == [True, True, False, False, True]


@pytest.mark.parametrize("damage", [b"{not json}\n", b'"a string"\n', b'{"key": "xyz"}\n', b"\xff\xfe\n", b"\n"])
def test_a_damaged_line_in_the_middle_is_reported_and_made_again(tmp_path, caplog, damage):
    with Journal(tmp_path) as journal:
        journal.append([line(1), line(2), line(3)])
        journal.append([line(4)])
    lines = journal.path.read_bytes().splitlines(keepends=True)
    lines[1] = damage
    journal.path.write_bytes(b"".join(lines))
    with caplog.at_level(logging.WARNING), Journal(tmp_path) as journal:
        assert journal.corrupt_lines == 1
        assert [digest(number) in journal for number in (1, 2, 3, 4)] == [True, False, True, True]
        assert journal[digest(4)]["response"] == "response 4"
        journal.append([line(2)])
    assert "line 2" in caplog.text
    assert str(journal.path) in caplog.text
    with Journal(tmp_path) as journal:
        assert len(journal) == 4


def test_a_second_writer_is_turned_away(tmp_path):
    with Journal(tmp_path), pytest.raises(RuntimeError, match="another process is writing"):
        Journal(tmp_path)
    with Journal(tmp_path):
        pass


def test_parts_have_a_writer_each_and_see_each_other(tmp_path):
    with Journal(tmp_path, (1, 2)) as first, Journal(tmp_path, (2, 2)) as second:
        first.append([line(1)])
        second.append([line(2)])
        torn = b'{"key": "'
        second.path.write_bytes(second.path.read_bytes() + torn)
        with Journal(tmp_path) as whole:
            assert [digest(number) in whole for number in (1, 2)] == [True, True]
            assert whole[digest(2)]["response"] == "response 2"
        assert second.path.read_bytes().endswith(torn)  # the other writer's affair


def test_the_first_of_two_equal_keys_stays(tmp_path):
    with Journal(tmp_path, (1, 2)) as first:
        first.append([line(1, "first")])
    with Journal(tmp_path, (2, 2)) as second:
        second.append([line(1, "second")])
    with Journal(tmp_path) as journal:
        assert len(journal) == 1
        assert journal[digest(1)]["response"] == "first"


FULL_DISK = """
import resource, sys
from recipes.synthesis.journal import Journal
from recipes.synthesis.plan import digest
make = lambda number: {"key": digest(number), "response": "x" * 500, "finish_reason": "stop",
                       "response_tokens": 1, "generator": "test"}
with Journal(sys.argv[1]) as journal:
    journal.append([make(1)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # no file may grow beyond
    try:
        journal.append([make(2), make(3)])
    except OSError as error:
        print(error)
    print(journal.path.read_bytes().count(b"\\n"))
"""


def test_a_full_disk_keeps_what_was_kept(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    message, lines = result.stdout.splitlines()
    assert "make room and run the same command again" in message
    assert "part-00001-of-00001.jsonl" in message
    assert lines == "1"
    with Journal(tmp_path) as journal:
        assert len(journal) == 1


def test_a_folder_that_cannot_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Journal(tmp_path / "file" / "journal")


def test_every_line_is_json_with_the_request(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append([line(1), line(2)])
    lines = [json.loads(text) for text in journal.path.read_text().splitlines()]
    assert lines == [line(1), {**line(2), "commit": True}]
