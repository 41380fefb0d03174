"""Table 2 of the paper, hours and samples of the training corpora, beside what the files at hand give."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from recipes.corpora import prepare_corpus

SAMPLES_PER_SEED = 2  # one positive and one negative, or two positives

# Hours and samples as printed.
PAPER = {
    "audioset": ("AudioSet-20K", 60.4, 42_000),
    "audiocaps": ("AudioCaps", 138.0, 96_000),
    "clotho": ("Clotho", 18.0, 27_000),
    "macs": ("MACS", 10.9, 33_000),
    "fsd50k": ("FSD50K", 56.4, 56_000),
    "esc50": ("ESC50", 2.8, 4_000),
    "urbansound8k": ("UrbanSound8K", 9.7, 17_000),
    "vocalsound": ("VocalSound", 20.2, 34_000),
}
PAPER_TOTAL = ("Total", 316.4, 308_000)

# Seconds that a clip of the corpus nominally has. The paper's hours follow from them, also where clips are shorter:
# 8,732 clips of UrbanSound8K are 9.7 h at four seconds each, and last 8.75 h.
NOMINAL_SECONDS = {"audioset": 10, "audiocaps": 10, "macs": 10, "esc50": 5, "urbansound8k": 4}


@dataclass
class Row:
    """One corpus in Table 2; hours are None where lengths are not known without the recordings."""

    dataset: str
    paper_hours: float
    paper_samples: int
    clips: int
    clips_on_disk: int
    seeds: int
    samples: int
    hours: float | None  # by the paper's convention
    true_hours: float | None  # of all annotated clips
    hours_on_disk: float


def table2_rows(corpora: Mapping[str, str | Path], cache_dir: str | Path | None = None) -> list[Row]:
    """Hours and samples of corpora on the splits that fit the paper best, whether or not the recordings are there.

    Args:
        corpora: names of Table 2's corpora (the keys of `PAPER`) and their folders.
        cache_dir: where Arrow files go; the `datasets` cache by default.

    Raises:
        ValueError: a corpus that is not in Table 2, or whose annotations cannot be used.
    """
    if unknown := [name for name in corpora if name not in PAPER]:
        raise ValueError(f"not in Table 2: {', '.join(unknown)}; it has {', '.join(PAPER)}")
    return [_row(name, corpora[name], cache_dir) for name in PAPER if name in corpora]


def _row(name: str, data_dir: str | Path, cache_dir: str | Path | None) -> Row:
    corpus = prepare_corpus(name, data_dir, split="paper", missing_audio="keep", cache_dir=cache_dir)
    splits = corpus.coverage.values()
    clips, seeds = sum(split.clips for split in splits), sum(split.seeds for split in splits)
    known = not any(split.unknown for split in splits)
    true_hours = sum(split.seconds for split in splits) / 3600 if known else None
    nominal = NOMINAL_SECONDS.get(name)
    return Row(
        *PAPER[name],
        clips=clips,
        clips_on_disk=clips - sum(split.missing + split.unreadable for split in splits),
        seeds=seeds,
        samples=SAMPLES_PER_SEED * seeds,
        hours=clips * nominal / 3600 if nominal else true_hours,
        true_hours=true_hours,
        hours_on_disk=sum(split.seconds_on_disk for split in splits) / 3600,
    )


def table2(corpora: Mapping[str, str | Path], cache_dir: str | Path | None = None) -> str:
    """Table 2 as Markdown: the paper's figures beside those of the corpora at hand; see `table2_rows`."""
    rows = table2_rows(corpora, cache_dir)
    at_hand = {row.dataset: row for row in [*rows, _total(rows)]}
    lines = [
        "| Dataset | Paper: hours | samples | Here: hours | true hours | seeds | samples | On disk: clips | hours |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for dataset, hours, samples in [*PAPER.values(), PAPER_TOTAL]:
        cells = [dataset, f"{hours:.1f}", f"{samples // 1000}K", *_cells(at_hand.get(dataset))]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("")
    lines.append(
        f"Samples are {SAMPLES_PER_SEED} for each seed, a caption or a clip's tags. Hours follow the paper's "
        "convention (the nominal length for each clip), true hours the recordings or else the annotations. The totals "
        "are those of the corpora at hand. – is not known."
    )
    return "\n".join(lines)


def _total(rows: list[Row]) -> Row:
    columns = [column.name for column in fields(Row)[len(PAPER_TOTAL) :]]
    values = [[getattr(row, column) for row in rows] for column in columns]
    return Row(*PAPER_TOTAL, *(None if None in each else sum(each) for each in values))


def _cells(row: Row | None) -> list[str]:
    if row is None:
        return ["–"] * 6
    share = f" ({100 * row.clips_on_disk / row.clips:.1f} %)" if row.clips else ""
    return [
        *("–" if hours is None else f"{hours:.2f}" for hours in (row.hours, row.true_hours)),
        f"{row.seeds:,}",
        f"{row.samples:,}",
        f"{row.clips_on_disk:,} of {row.clips:,}{share}",
        f"{row.hours_on_disk:.2f}",
    ]
