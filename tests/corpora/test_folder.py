"""The user's own recordings, and what users get wrong."""

import json
from pathlib import Path

import pytest

from recipes.annotations import AnnotationError
from recipes.corpora import load_corpus


def test_captions_from_csv(tmp_path, write, record):
    path = record(tmp_path / "audio" / "a.wav", seconds=0.75)
    record(tmp_path / "b.ogg")
    write(tmp_path / "mine.csv", "file,caption,note\naudio/a.wav,A dog barks,x\nb.ogg,Rain,\nc.wav,Wind,\n")
    seeds = load_corpus("folder", tmp_path)
    assert seeds["id"][:] == ["folder/train/audio/a.wav", "folder/train/b.ogg"]
    assert seeds[0] == {
        "id": "folder/train/audio/a.wav",
        "corpus": "folder",
        "split": "train",
        "audio": {"bytes": None, "path": str(path)},
        "duration": 0.75,
        "seed": "A dog barks",
        "seed_type": "caption",
        "captions": ["A dog barks"],
        "tags": [],
    }
    assert len(load_corpus("folder", tmp_path / "mine.csv", missing_audio="keep")) == 3


def test_tags_splits_ids_and_durations(tmp_path, write):
    write(
        tmp_path / "mine.tsv",
        "file\ttags\tsplit\tid\tduration\n"
        "a.wav\tMale speech, man speaking; Dog;\ttrain\tone\t2.5\n"
        "b.wav\tCat\tval\ttwo\t\n",
    )
    seeds = load_corpus("folder", tmp_path, missing_audio="keep")
    assert seeds["seed"][:] == ["Male speech, man speaking; Dog", "Cat"]
    assert seeds["seed_type"][:] == ["tags", "tags"]
    assert seeds["tags"][:] == [["Male speech, man speaking", "Dog"], ["Cat"]]
    assert seeds["duration"][:] == [2.5, None]
    assert seeds["id"][:] == ["folder/train/one", "folder/validation/two"]
    assert load_corpus("folder", tmp_path, split="val", missing_audio="keep")["seed"][:] == ["Cat"]


def test_several_captions_of_a_recording(tmp_path, write):
    write(tmp_path / "rows.csv", "file,caption\na.wav,One\na.wav,Two\n")
    write(tmp_path / "columns.csv", "file,caption_1,caption_2\na.wav,One,Two\nb.wav,Three,\n")
    lines = [{"file": "a.wav", "captions": ["One", "Two"], "tags": ["x"]}, {"file_name": "b.wav", "caption": "Three"}]
    write(tmp_path / "lines.jsonl", "\n".join(map(json.dumps, lines)) + "\n")
    rows, columns, objects = (
        load_corpus("folder", tmp_path / name, missing_audio="keep")
        for name in ("rows.csv", "columns.csv", "lines.jsonl")
    )
    assert rows["id"][:] == ["folder/train/a.wav", "folder/train/a.wav/2"]
    assert columns["id"][:] == objects["id"][:] == [f"folder/train/{key}" for key in ("a.wav#1", "a.wav#2", "b.wav")]
    assert columns["seed"][:] == objects["seed"][:] == ["One", "Two", "Three"]
    assert objects[0]["captions"] == ["One", "Two"]
    assert (objects[0]["seed_type"], objects[0]["tags"]) == ("caption", ["x"])
    write(tmp_path / "both.csv", "file,caption_1,caption_2\na.wav,One,Two\na.wav,Three,Four\n")
    both = load_corpus("folder", tmp_path / "both.csv", missing_audio="keep")
    keys = ("a.wav#1", "a.wav#2", "a.wav/2#1", "a.wav/2#2")
    assert both["id"][:] == [f"folder/train/{key}" for key in keys]


@pytest.mark.parametrize("captions", [None, [], ""])
def test_no_captions_beside_a_caption_or_tags(tmp_path, write, captions):
    lines = [
        {"file": "a.wav", "captions": captions, "caption": "One"},
        {"file": "b.wav", "captions": captions, "tags": "x"},
    ]
    write(tmp_path / "lines.jsonl", "\n".join(map(json.dumps, lines)) + "\n")
    assert load_corpus("folder", tmp_path, missing_audio="keep")["seed"][:] == ["One", "x"]


def test_columns_that_a_spreadsheet_leaves_empty(tmp_path, write):
    write(tmp_path / "mine.csv", "file,caption,,\na.wav,One,,\nb.wav,Two, ,\nc.wav,Three\n")
    assert load_corpus("folder", tmp_path, missing_audio="keep")["seed"][:] == ["One", "Two", "Three"]


@pytest.mark.parametrize("apart", [False, True])
def test_parts_of_a_split_share_no_recording(tmp_path, write, apart):
    if apart:
        lines = ["file,caption", *(f"{file}.wav,{caption} {file}" for caption in "abcde" for file in range(30))]
    else:
        lines = ["file,caption_1,caption_2,caption_3,caption_4,caption_5"]
        lines += [",".join([f"{file}.wav", *(f"{caption} {file}" for caption in "abcde")]) for file in range(30)]
    write(tmp_path / "mine.csv", "\n".join(lines) + "\n")

    def recordings(first, last):
        split = "+".join(f"train[{start + first}%:{start + last}%]" for start in range(0, 100, 20))
        seeds = load_corpus("folder", tmp_path, split, missing_audio="keep")
        names = {audio["path"] for audio in seeds["audio"]}
        assert len(seeds) == 5 * len(names)
        return names

    heard, held_out = recordings(0, 16), recordings(16, 20)
    assert (len(heard), len(held_out), len(heard & held_out)) == (25, 5, 0)


def test_slices_that_overlap_are_refused(tmp_path, write):
    write(tmp_path / "mine.csv", "file,caption\n" + "".join(f"{number}.wav,Dog\n" for number in range(4)))
    for split in ("train[:3]+train[1:]", "train[:50%]+train[1:2]"):
        with pytest.raises(AnnotationError, match=r"slices of 'train\[.*' overlap: 'folder/train/1.wav' is in two"):
            load_corpus("folder", tmp_path, split, missing_audio="keep")
    seeds = load_corpus("folder", tmp_path, "train[2:]+train[:1]", missing_audio="keep")
    assert [Path(audio["path"]).stem for audio in seeds["audio"]] == ["2", "3", "0"]


def test_a_byte_order_mark_and_foreign_separators(tmp_path, write, record):
    path = record(tmp_path / "sub" / "Tür.wav")
    write(tmp_path / "mine.csv", "\ufefffile,caption\r\nsub\\Tür.wav,Eine Tür\r\n")
    [seed] = load_corpus("folder", tmp_path)
    assert (seed["audio"]["path"], seed["seed"]) == (str(path), "Eine Tür")


def test_absolute_paths_below_the_folder(tmp_path, write, record):
    path = record(tmp_path / "a.wav")
    write(tmp_path / "mine.csv", f"file,caption\n{path},One\n")
    [seed] = load_corpus("folder", tmp_path)
    assert (seed["audio"]["path"], seed["id"]) == (str(path), "folder/train/a.wav")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "only blank lines"),
        ("file,caption\n", "no rows; write a .csv or .jsonl file with the columns"),
        ("name,caption\na.wav,One\n", "line 2: no column 'file' among 'name', 'caption'"),
        ("file;caption\na.wav;One\n", "line 2: no column 'file' among 'file;caption'"),
        ("file,title\na.wav,One\n", "line 2: no caption and no tags in the columns 'file', 'title'"),
        ("file,caption\na.wav,\n", "line 2: no caption and no tags"),
        ("file,caption\na.wav,  \n", "line 2: the caption is empty"),
        ("file,caption\n,One\n", "line 2: the file name is ''"),
        ("file,caption\na.wav,One,two\n", "line 2: 3 cells where 2 are due"),
        ("file,caption\na.wav,One,\n", "line 2: 3 cells where 2 are due"),
        ("file,caption,,\na.wav,One,,two\n", "line 2: 4 cells where 2 are due"),
        ('file,caption\na.wav, "One, two"\n', "line 2: a blank before a double quote"),
        ('file,caption\na.wav, "One"\n', "line 2: a blank before a double quote"),
        ('file, "caption"\na.wav,One\n', "line 1: a blank before a double quote"),
        ("file,caption,caption\na.wav,One,two\n", "two columns share a name"),
        ('file,caption\na.wav,"One\n', "line 1: not valid CSV.*unclosed double quote"),
        ("file,tags\na.wav,dog;;cat\n", "line 2: the tag is empty"),
        ("file,caption,split\na.wav,One,my split\n", "line 2: the split is 'my split'"),
        ("file,caption,duration\na.wav,One,-1\n", "line 2: the duration is '-1'"),
        ("file,caption,id\na.wav,One,x\nb.wav,Two,x\n", "line 3: the id 'folder/train/x' is there twice"),
        ("file,caption\na.wav,One\na.wav,One\n", "line 3: 'a.wav' is there twice with the same text"),
        ("file,caption\n../../etc/passwd,One\n", "line 2: the file name '../../etc/passwd' leaves"),
        ("file,caption\n/etc/passwd,One\n", "line 2: the file name '/etc/passwd' leaves"),
        ("file,caption\nx\\..\\..\\passwd,One\n", "line 2: the file name .* leaves"),
        ("file,caption\nC:\\passwd,One\n", "line 2: the file name .* leaves"),
    ],
)
def test_malformed_tables_name_file_line_and_remedy(tmp_path, write, text, message):
    write(tmp_path / "mine.csv", text)
    with pytest.raises(AnnotationError, match=message) as error:
        load_corpus("folder", tmp_path, missing_audio="keep")
    assert str(tmp_path / "mine.csv") in str(error.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: not valid JSON"),
        ("[1]", "line 1: .* is not a JSON object"),
        ('{"file": 3, "caption": "One"}', "line 1: the file name is 3"),
        ('{"file": "a.wav", "caption": 3}', "line 1: the caption is 3"),
        ('{"file": "a.wav", "tags": {}}', "line 1: the tags are {}"),
        ('{"file": "a.wav", "caption": "\\ud800"}', "line 1: the caption is .* a text is needed"),
        ('{"file": "a.wav", "captions": [""]}', "line 1: the caption is empty"),
    ],
)
def test_malformed_json_lines(tmp_path, write, line, message):
    write(tmp_path / "mine.jsonl", line + "\n")
    with pytest.raises(AnnotationError, match=f"mine.jsonl, {message}"):
        load_corpus("folder", tmp_path, missing_audio="keep")


def test_latin_1_names_line_and_remedy(tmp_path, write):
    write(tmp_path / "mine.csv", "file,caption\na.wav,One\nb.wav,Eine Tür\n", encoding="latin-1")
    with pytest.raises(AnnotationError, match=r"mine.csv, line 3: byte 0xfc is not UTF-8.*iconv -f latin1"):
        load_corpus("folder", tmp_path)


def test_the_table_must_be_unambiguous(tmp_path, write):
    with pytest.raises(AnnotationError, match=r"holds no table; write a \.csv"):
        load_corpus("folder", tmp_path)
    for name in ("one.csv", "two.csv"):
        write(tmp_path / name, "file,caption\na.wav,One\n")
    with pytest.raises(AnnotationError, match=r"holds one\.csv, two\.csv; give the one to use"):
        load_corpus("folder", tmp_path)
    write(tmp_path / "metadata.csv", "file,caption\nb.wav,Metadata\n")
    assert load_corpus("folder", tmp_path, missing_audio="keep")["seed"][:] == ["Metadata"]
