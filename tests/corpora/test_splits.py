"""Split specifications."""

import datasets
import pytest

from recipes.annotations import AnnotationError
from recipes.corpora.splits import SplitPart, parse_splits

ALIASES = {"train": ("fold1", "fold2"), "val": ("validation",)}


def parse(specification: str) -> list[SplitPart]:
    return parse_splits(specification, ALIASES, {"fold1", "fold2", "validation"}.__contains__)


def test_names_groups_and_slices():
    assert parse("fold1") == [SplitPart("fold1", ("fold1",))]
    assert parse("train[:10%]+val") == [
        SplitPart("train", ("fold1", "fold2"), "[:10%]"),
        SplitPart("val", ("validation",)),
    ]
    assert len(parse("fold1[:50%]+fold1[50%:]")) == 2


@pytest.mark.parametrize("specification", ["", "+", "fold3", "train-val", "fold1[", "fold1 fold2"])
def test_what_is_not_there(specification):
    with pytest.raises(AnnotationError, match="there is no split"):
        parse(specification)


@pytest.mark.parametrize("specification", ["fold1+fold1", "train+fold2", "fold2[:10]+train"])
def test_no_row_twice(specification):
    with pytest.raises(AnnotationError, match="twice"):
        parse(specification)


@pytest.mark.parametrize(
    ("slice", "expected"),
    [
        ("", range(10)),
        ("[:3]", range(3)),
        ("[-2:]", range(8, 10)),
        ("[50%:]", range(5, 10)),
        ("[:99]", range(10)),
        ("[100%:]", range(0)),
    ],
)
def test_slices(slice, expected):
    rows = datasets.Dataset.from_dict({"n": list(range(10)), "audio": [{"path": f"{n}.wav"} for n in range(10)]})
    assert SplitPart("train", ("fold1", "fold2"), slice).take(rows)["n"][:] == list(expected)


@pytest.mark.parametrize(
    ("slice", "expected"),
    [("[:50%]", "aababa"), ("[50%:]", "ddcc"), ("[25%:75%]", "bdbd"), ("[:5]", "aabda"), ("[-1:]", "c")],
)
def test_percentages_cut_no_recording_in_two(slice, expected):
    names = "aabdabdcac"  # rows of a recording need not stand together
    rows = datasets.Dataset.from_dict({"audio": [{"path": name} for name in names]})
    taken = SplitPart("train", ("train",), slice).take(rows)
    assert [audio["path"] for audio in taken["audio"]] == list(expected)
