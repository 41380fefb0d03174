"""Table 2 beside the paper's, counted on real annotation files."""

import pytest

from recipes.corpora.table2 import PAPER, PAPER_TOTAL, table2, table2_rows


def test_the_paper_s_total_is_the_sum_of_its_rows():
    assert sum(hours for _, hours, _ in PAPER.values()) == pytest.approx(PAPER_TOTAL[1])
    # The printed thousands are rounded: they add up to 309.
    assert sum(samples for *_, samples in PAPER.values()) == PAPER_TOTAL[2] + 1000


def test_rows_on_real_annotations(shared_data):
    annotations = shared_data / "annotations"
    urban, esc = table2_rows({"esc50": annotations / "esc50", "urbansound8k": annotations / "urbansound8k"})[::-1]
    assert (urban.clips, urban.clips_on_disk, urban.seeds, urban.samples) == (8732, 0, 8732, 17464)
    assert urban.hours == pytest.approx(9.70, abs=0.005)
    assert urban.true_hours == pytest.approx(8.75, abs=0.005)
    assert esc.hours == pytest.approx(2.78, abs=0.005)
    assert esc.true_hours is None
    assert esc.samples == 4000


def test_coverage_on_real_recordings(shared_data):
    [row] = table2_rows({"esc50": shared_data / "esc10"})
    assert (row.clips, row.clips_on_disk) == (320, 320)
    assert row.true_hours == row.hours_on_disk == pytest.approx(320 * 5 / 3600, rel=0.01)


def test_printed_table(shared_data):
    text = table2({"urbansound8k": shared_data / "annotations" / "urbansound8k"})
    lines = text.splitlines()
    assert len(lines) == 2 + len(PAPER) + 1 + 2
    assert "| UrbanSound8K | 9.7 | 17K | 9.70 | 8.75 | 8,732 | 17,464 | 0 of 8,732 (0.0 %) | 0.00 |" in lines
    assert "| Clotho | 18.0 | 27K | – | – | – | – | – | – |" in lines
    assert lines[10].startswith("| Total | 316.4 | 308K | 9.70 | 8.75 |")


def test_only_the_paper_s_corpora(tmp_path):
    with pytest.raises(ValueError, match="not in Table 2: folder"):
        table2_rows({"folder": tmp_path})
