"""One look for all plots: colours that the colour-blind tell apart, a shape for each system, light background."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, without yellow, which is too faint on a light background.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#6B4C9A")
SHADES = ("#3b1f5b", "#8d6bb8", "#bfa3dd")  # for what is no system, dark to light
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
INK = "#1d2733"
MUTED = "#66727f"
GRID = "#e4e8ec"
PAPER = "#8b97a3"  # what is the paper's and not ours
BACKGROUND = "#ffffff"
SIZE = (4.7, 3.5)  # inches; small, so that text is large enough on a phone
DOTS_PER_INCH = 200

_SETTINGS = {
    "figure.figsize": SIZE,
    "figure.dpi": DOTS_PER_INCH,
    "figure.facecolor": BACKGROUND,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": BACKGROUND,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that plots look alike everywhere
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,  # a system's name may hold a dollar sign
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": BACKGROUND,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


@dataclass(frozen=True)
class Mark:
    """How a series is drawn."""

    color: str
    marker: str
    dashes: str


def marks(names: Iterable[str]) -> dict[str, Mark]:
    """A colour, a shape and a dash for each name, by its place; no two of the first 49 are alike."""
    dashes = ("-", "--", ":", "-.")
    return {
        name: Mark(
            PALETTE[number % len(PALETTE)],
            MARKERS[(number + number // len(PALETTE)) % len(MARKERS)],
            dashes[number // len(PALETTE) % len(dashes)],
        )
        for number, name in enumerate(names)
    }


@contextmanager
def figure(height: float = SIZE[1], panels: int = 1) -> Iterator[tuple["Figure", Any]]:
    """A figure in the style of the report, closed at the end.

    Args:
        height: in inches.
        panels: how many plots, one below the other on a common x axis.

    Yields:
        The figure and its axes: one, or an array where there are several.
    """
    import matplotlib

    with matplotlib.rc_context({**_SETTINGS, "backend": "agg"}):
        from matplotlib import pyplot

        drawn, axes = pyplot.subplots(panels, figsize=(SIZE[0], height), sharex=True)
        try:
            yield drawn, axes
        finally:
            pyplot.close(drawn)


def shorten(name: str, length: int = 28) -> str:
    """A name that fits into a plot."""
    name = " ".join(name.split())
    return name if len(name) <= length else f"{name[: length - 1].rstrip()}…"
