"""Draws the picture of the idea in the README: `python recipes/figures/draw_idea.py` writes idea.svg beside itself."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

matplotlib.use("agg")
INK, FROZEN, TRAINED, SPAN, PLAIN = "#1f2933", "#dbe7f3", "#f9d7b5", "#fdf3c9", "#f3f4f6"


def box(axes: Axes, x: float, y: float, width: float, text: str, color: str, height: float = 0.62, **style) -> None:
    """A rounded box around text; `(x, y)` is its lower left corner."""
    axes.add_patch(
        FancyBboxPatch(
            (x, y), width, height, boxstyle="round,pad=0.02,rounding_size=0.08", facecolor=color, edgecolor=INK, lw=1.1
        )
    )
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", color=INK, **{"fontsize": 9.5, **style})


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """An arrow between two points."""
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=INK, lw=1.1))


def prompt(axes: Axes, y: float, span: str) -> None:
    """The prompt of Eq. 1, `span` standing between its markers."""
    box(axes, 0.0, y, 1.55, "[Begin of audio]", PLAIN)
    box(axes, 1.65, y, 3.0, span, SPAN, style="italic")
    box(axes, 4.75, y, 1.45, "[End of audio]", PLAIN)
    box(axes, 6.3, y, 2.75, "Identify sounds\nthat are absent …", PLAIN)


def draw() -> Figure:
    """Data construction above, training below: one prompt, two things in its span."""
    figure = Figure(figsize=(12.4, 3.9), facecolor="white")
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set(xlim=(-0.15, 14.6), ylim=(-1.0, 3.85))
    axes.axis("off")
    heading = {"fontsize": 11, "fontweight": "bold", "color": INK}
    axes.text(0, 3.55, "1  The language model writes the data, reading a caption where audio will stand", **heading)
    axes.text(0, 1.72, "2  The adapter learns to make the same model say the same when it hears the audio", **heading)

    for y, span in ((2.6, "A woman talks as water pours."), (0.75, "embeddings of the audio")):
        prompt(axes, y, span)
        arrow(axes, (9.1, y + 0.31), (9.6, y + 0.31))
        box(axes, 9.65, y, 1.5, "LLM\nfrozen", FROZEN)
        arrow(axes, (11.2, y + 0.31), (11.7, y + 0.31))
    box(axes, 11.75, 2.6, 2.75, "Not there: a car,\nbirds, a dog …", PLAIN)
    box(axes, 11.75, 0.75, 2.75, "Not there: a car,\nbirds, a dog …", PLAIN)
    arrow(axes, (13.1, 2.55), (13.1, 1.42))
    axes.text(13.2, 1.98, "target", fontsize=9.5, color=INK, va="center")

    time = np.linspace(0, 1, 400)
    wave = np.sin(90 * time) * np.sin(7 * time) * np.exp(-2 * (time - 0.5) ** 2)
    axes.plot(0.05 + 1.45 * time, -0.5 + 0.28 * wave, color=INK, lw=0.9)
    arrow(axes, (1.55, -0.5), (1.75, -0.5))
    box(axes, 1.8, -0.81, 1.2, "Whisper\nfrozen", FROZEN)
    arrow(axes, (3.05, -0.5), (3.35, -0.5))
    adapter = "adapter, trained: Q-Former over intermediate layers,\nweighted sum, projection"
    box(axes, 3.4, -0.81, 5.65, adapter, TRAINED)
    arrow(axes, (3.9, -0.14), (3.3, 0.7))
    return figure


if __name__ == "__main__":
    path = Path(__file__).with_name("idea.svg")
    draw().savefig(path, metadata={"Date": None})
    print(path)
