"""The plots of a report; each function draws one, saves it and says in words what is to be seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.report import style
from recipes.report.inputs import Result
from recipes.report.scores import LABELS, NEGATIVE_KINDS, negative_kind, paper_tables
from recipes.report.traces import HISTORY_SCORES, History, LayerWeights

if TYPE_CHECKING:
    import numpy as np
    import pandas
    from matplotlib.axes import Axes

# The paper's rows that are named in the plot; the others would cover each other.
_NAMED = {
    "Ours (Positive + Negative)": "P + N",
    "Ours (Positive + Positive)": "P + P",
    "Ours (Combined)": "combined",
    "Ours (Rule-based Template)": "rules",
    "Gemini-1.5-Pro": "Gemini",
    "LTU-AS": "LTU-AS",
}


@dataclass(frozen=True)
class Plot:
    """A saved picture.

    Attributes:
        path: the PNG file.
        title: what it shows.
        caption: how to read it.
        description: what those learn who do not see it.
    """

    path: Path
    title: str
    caption: str
    description: str


def plot_yes_rate(results: Sequence[Result], looks: Mapping[str, style.Mark], path: Path) -> Plot | None:
    """Accuracy over the share of yes answers, with the paper's rows as hollow markers.

    Args:
        results: one for each system.
        looks: of the systems.
        path: of the picture.
    """
    own = [each for each in results if {"yes_rate", "accuracy"} <= each.values.keys()]
    if not own:
        return None
    with style.figure(height=4.3) as (drawn, axes):
        axes.fill_between([0, 50, 100], [50, 100, 50], 103, color=style.GRID, alpha=0.7, linewidth=0)
        axes.plot([0, 50, 100], [50, 100, 50], color=style.PAPER, linewidth=0.9)
        axes.text(4, 92, "cannot be reached\nwhere half is yes", color=style.MUTED, fontsize=8, va="top")
        names = paper_tables()["table3"]["columns"]["existence"]
        for number, (system, row) in enumerate(paper_tables()["table3"]["rows"].items()):
            scores = dict(zip(names, row["existence"], strict=True))
            point = scores["yes_rate"], scores["accuracy"]
            label = "in the paper" if number == 0 else None
            axes.plot(*point, "o", markersize=5.5, mfc="none", mec=style.PAPER, label=label, zorder=2)
            if system in _NAMED:
                left = point[0] > 70
                axes.annotate(
                    _NAMED[system],
                    point,
                    xytext=(-6 if left else 6, 3),
                    textcoords="offset points",
                    fontsize=7.5,
                    color=style.MUTED,
                    ha="right" if left else "left",
                    zorder=2,
                )
        for result in own:
            mark = looks[result.system]
            x, y = (100 * result.values[score] for score in ("yes_rate", "accuracy"))
            _error_bars(axes, result, x, y, mark)
            axes.plot(x, y, mark.marker, color=mark.color, label=style.shorten(result.system), zorder=4, clip_on=False)
        low = min([48, *(100 * each.values["accuracy"] - 3 for each in own)])
        axes.set(xlim=(0, 100), ylim=(low, 101), xlabel="questions answered with yes (%)", ylabel="accuracy (%)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, handletextpad=0.3)
        drawn.savefig(path)
    return Plot(
        path,
        "How often yes, and how often right?",
        "Half of the questions are to be answered with yes, so a system without bias stands in the middle. To the "
        "right, sounds are reported that are not there; to the left, sounds are missed. Filled: this run. Hollow: the "
        "paper's rows, which were measured on other questions; one of them lies where none can.",
        "; ".join(
            "{}: yes to {yes_rate:.0%}, accuracy {accuracy:.0%}".format(each.system, **each.values) for each in own
        ),
    )


def _error_bars(axes: "Axes", result: Result, x: float, y: float, mark: style.Mark) -> None:
    spans = {}
    for axis, name, value in (("x", "yes_rate", x), ("y", "accuracy", y)):
        if ends := result.intervals.get(name):
            spans[f"{axis}err"] = [[max(0, value - 100 * ends[0])], [max(0, 100 * ends[1] - value)]]
    if spans:
        axes.errorbar(x, y, **spans, color=mark.color, linewidth=1, alpha=0.6, zorder=3)


def plot_negative_kinds(results: Sequence[Result], path: Path) -> Plot | None:
    """F1 of the answer no for each system, by how the sounds that are not there were chosen."""
    own = [each for each in results if negative_kind(each.subset) and "f1_no" in each.values]
    systems = list(dict.fromkeys(each.system for each in own))
    kinds = [kind for kind in NEGATIVE_KINDS if any(negative_kind(each.subset) == kind for each in own)]
    if not own:
        return None
    look = {
        kind: replace(mark, color=color)
        for (kind, mark), color in zip(style.marks(NEGATIVE_KINDS).items(), style.SHADES, strict=True)
    }
    with style.figure(height=1.2 + 0.5 * len(systems)) as (drawn, axes):
        for row, system in enumerate(systems):
            axes.axhline(row, color=style.GRID, linewidth=1, zorder=0)
            for place, kind in enumerate(kinds):
                for result in (each for each in own if each.system == system and negative_kind(each.subset) == kind):
                    x, y = 100 * result.values["f1_no"], row + 0.2 * (place - (len(kinds) - 1) / 2)
                    if ends := result.intervals.get("f1_no"):
                        axes.plot(
                            [100 * end for end in ends], [y, y], color=look[kind].color, linewidth=1.4, alpha=0.6
                        )
                    axes.plot(x, y, look[kind].marker, color=look[kind].color, markersize=6.5, clip_on=False)
        for kind in kinds:
            axes.plot([], [], look[kind].marker, color=look[kind].color, label=kind)
        axes.set_yticks(range(len(systems)), [style.shorten(system, 24) for system in systems])
        axes.set(xlim=(0, 100), ylim=(len(systems) - 0.5, -0.5), xlabel="F1 of the answer no (%)")
        axes.grid(axis="y", visible=False)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(kinds), handletextpad=0.2)
        drawn.savefig(path)
    return Plot(
        path,
        "Which absent sounds deceive?",
        "The sounds that are not there are drawn at random, are the most common ones (popular), or those that often "
        "go with what is there (adversarial). Lines are 95% confidence intervals.",
        "; ".join(f"{r.system}, {negative_kind(r.subset)}: {100 * r.values['f1_no']:.0f} %" for r in own),
    )


def plot_roc(answers: "pandas.DataFrame", looks: Mapping[str, style.Mark], path: Path) -> Plot | None:
    """ROC curves from the probability of yes; systems without one, or with one value only, are left out.

    Args:
        answers: to one set of questions, by all systems.
        looks: of the systems.
        path: of the picture.
    """
    from recipes.benchmarks.metrics import auroc

    curves = {}
    scored = answers[answers["p_yes"].notna() & answers["answer"].isin(LABELS)]
    for system, own in scored.groupby("system", sort=False):
        probabilities, positive = own["p_yes"].to_numpy(), (own["answer"] == "yes").to_numpy()
        if own["p_yes"].nunique() > 1 and own["answer"].nunique() > 1:
            curves[system] = (*_roc(probabilities, positive), auroc(probabilities, positive))
    if not curves:
        return None
    with style.figure(height=4.3) as (drawn, axes):
        axes.plot([0, 100], [0, 100], color=style.PAPER, linewidth=0.9, linestyle=":")
        for system, (false_alarms, hits, area) in curves.items():
            mark = looks[system]
            label = f"{style.shorten(system, 24)}: {100 * area:.1f}"
            axes.plot(100 * false_alarms, 100 * hits, color=mark.color, linestyle=mark.dashes, label=label)
        axes.set(xlim=(-1, 101), ylim=(-1, 101), aspect="equal")
        axes.set(xlabel="absent sounds reported (%)", ylabel="present sounds reported (%)")
        axes.legend(loc="lower right", title="area under the curve (%)", title_fontsize=8.5, alignment="left")
        drawn.savefig(path)
    return Plot(
        path,
        "Can a threshold tell them apart?",
        "Each curve runs through all thresholds on the probability of yes. The nearer to the upper left, the better "
        "present and absent sounds are told apart, whatever the bias towards yes; the dotted line is chance.",
        "; ".join(f"{system}: area {100 * area:.1f} %" for system, (*_, area) in curves.items()),
    )


def _roc(scores: "np.ndarray", positive: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    """False and true positive rates at all thresholds, from none to all."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # the last of those with equal scores
    hits = np.cumsum(positive[order])[ends]
    false_alarms = ends + 1 - hits
    return np.append(0, false_alarms / false_alarms[-1]), np.append(0, hits / hits[-1])


def plot_training(runs: Sequence[History], path: Path) -> Plot | None:
    """Losses over steps, and below them the scores on the questions that a training was watched with."""
    if not runs:
        return None
    panels = [("loss", "eval_loss"), ("eval_probe_accuracy", "eval_probe_auroc")]
    panels = [names for names in panels if any(set(names) & run.scores.keys() for run in runs)]
    with style.figure(height=1.2 + 2 * len(panels) + 0.12 * len(runs), panels=len(panels)) as (drawn, axes):
        axes = [axes] if len(panels) == 1 else list(axes)
        for panel, names in zip(axes, panels, strict=True):
            for mark, run in zip(style.marks(str(number) for number in range(len(runs))).values(), runs, strict=True):
                for name, line in zip(names, ("-", "--"), strict=True):
                    if points := run.scores.get(name):
                        label = (
                            HISTORY_SCORES[name]
                            if len(runs) == 1
                            else f"{style.shorten(run.name)}, {HISTORY_SCORES[name]}"
                        )
                        scale = 1 if "loss" in name else 100
                        values = [scale * value for _, value in points]
                        panel.plot([step for step, _ in points], values, line, color=mark.color, label=label)
            loss = "loss" in names
            panel.set(ylabel="loss (nats per token)" if loss else "probe (%)", xlim=(0, None))
            if panel is axes[-1]:  # below, where it covers nothing
                panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, fontsize=7)
            else:
                panel.legend(loc="upper right", fontsize=7)
        axes[-1].set_xlabel("step")
        drawn.savefig(path)
    last = [
        f"{run.name}: {HISTORY_SCORES[name]} {points[-1][1]:.3f} at step {points[-1][0]}"
        for run in runs
        for name, points in run.scores.items()
    ]
    return Plot(
        path,
        "Training",
        "Loss on the responses that the adapter is to make likely; below, how the yes/no questions that the training "
        "is watched with (the probe) were answered on the way.",
        "; ".join(last),
    )


def plot_layers(adapters: Sequence[LayerWeights], path: Path) -> Plot | None:
    """How much of each encoder layer the adapters use: mean over query tokens, and each token as a dot."""
    if not adapters:
        return None
    with style.figure(height=3.0) as (drawn, axes):
        width = 0.8 / len(adapters)
        layers = sorted({layer for each in adapters for layer in each.layers})
        for place, adapter in enumerate(adapters):
            color = style.PALETTE[place % len(style.PALETTE)]
            x = [layers.index(layer) + width * (place - (len(adapters) - 1) / 2) for layer in adapter.layers]
            shares = 100 * adapter.weights
            axes.bar(x, shares.mean(axis=1), width * 0.9, color=color, alpha=0.3, label=style.shorten(adapter.name))
            for center, tokens in zip(x, shares, strict=True):
                spread = [center + width * 0.7 * (i / max(1, len(tokens) - 1) - 0.5) for i in range(len(tokens))]
                axes.plot(spread, tokens, "o", color=color, markersize=3)
        axes.axhline(100 / len(layers), color=style.MUTED, linewidth=0.9, linestyle=":")
        axes.set_xticks(range(len(layers)), [str(layer) for layer in layers])
        axes.set(xlabel="encoder layer", ylabel="weight (%)", ylim=(0, None))
        axes.grid(axis="x", visible=False)
        if len(adapters) > 1:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=7.5)
        drawn.savefig(path)
    return Plot(
        path,
        "What the adapter listens to",
        "How the adapter mixes the layers of the audio encoder: bars are means over query tokens, dots single query "
        "tokens; the dotted line is where all started.",
        "; ".join(
            f"{each.name}, layer {layer}: {100 * tokens.mean():.0f} %"
            for each in adapters
            for layer, tokens in zip(each.layers, each.weights, strict=True)
        ),
    )
