"""The page of the experiment: tables beside the paper's, and two plots, all made of `summary.json`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recipes.miniature.gates import GATES
from recipes.report import style
from recipes.report.scores import NEGATIVE_KINDS, negative_kind, paper_tables
from recipes.table3.summary import COLUMNS

# The table's columns; `summary.json` has more.
SHOWN = [column for column in COLUMNS if column not in ("QA AUROC", "Syn-Hyp AUROC")]
SUMMARY, PAGE, YES_RATES, NEGATIVES = "summary.json", "table3.md", "yes_rates.png", "negatives.png"


def write_page(summary: dict[str, Any], output: str | Path) -> str:
    """Write `summary.json`, the plots and `table3.md`.

    Returns:
        The tables, for the terminal.
    """
    output = Path(output)
    (output / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    plot_yes_rates(summary, output / YES_RATES)
    pictures = [f"![Yes rate and accuracy of every run]({YES_RATES})"]
    if plot_negatives(summary, output / NEGATIVES):
        pictures.append(f"![F1 of the answer no, by kind of negative]({NEGATIVES})")
    text = tables(summary)
    (output / PAGE).write_text("\n\n".join(["# Table 3 in miniature", text, *pictures]) + "\n", encoding="utf-8")
    return text


_ABOUT_GATES = (
    "Backbones, in percent; language models from text alone, in brackets the least that passes (the gate). *Right*: "
    "of the sounds that a response to a positive prompt names, those in the caption; *complete*: of those in the "
    "caption, the ones it names. *Negatives absent*: of the sounds that a response to a negative prompt names, those "
    "not in the caption; *blind*: the same with another clip's caption, as one would by guessing."
)


def tables(summary: dict[str, Any]) -> str:
    """Gates, the table beside the paper's, and one table for each lever, as Markdown."""
    rows, setting = summary["rows"], summary["setting"]
    parts = []
    if summary["gates"]:
        parts += [_ABOUT_GATES, _gates_table(summary["gates"])]
    table3 = {name: row for name, row in rows.items() if row["question"] is None}
    parts += [
        f"Mean ± standard error over {setting['seeds']} seeds, in percent; {setting['steps']} steps. Against another "
        "row: difference in accuracy, p of a permutation test over clips, seeds with lower accuracy and AUROC.",
        _table3(table3, summary["bounds"]),
    ]
    for question in dict.fromkeys(row["question"] for row in rows.values() if row["question"] is not None):
        own = {name: row for name, row in rows.items() if row["question"] == question}
        parts += [f"**{question}**", _lever_table(own)]
    return "\n\n".join(parts)


def _table3(rows: dict[str, Any], bounds: dict[str, Any]) -> str:
    columns = [column for column in SHOWN if any(column in row["columns"] for row in rows.values())]
    head = ["Row", *columns, "Training loss", "Against Positive + Negative", "Paper: Acc, F1 (N), Yes"]
    names = paper_tables()["table3"]["columns"]["existence"]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows.values():
        paper = paper_tables()["table3"]["rows"].get(row["title"].replace("other LLM", "Gemini"))
        scores = dict(zip(names, paper["existence"], strict=True)) if paper else {}
        printed = ", ".join(f"{scores[name]:.1f}" for name in ("accuracy", "f1_no", "yes_rate") if name in scores)
        lines.append(_line([row["title"], *_cells(row, columns), _loss(row), _against(row["comparison"]), printed]))
    for name, bound in bounds.items():
        lines.append(_line([f"*{name}*", *_cells(bound, columns), "", "", ""]))
    return "\n".join(lines)


def _lever_table(rows: dict[str, Any]) -> str:
    columns = [column for column, (task, _) in COLUMNS.items() if task == "existence"]
    head = ["Row", "Steps", "Epochs", *columns, "Training loss", "Against its Positive + Negative"]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows.values():
        epochs = "–" if row["epochs"] is None else f"{row['epochs']:.1f}"
        budget = [str(row["steps"]), epochs]
        lines.append(_line([row["title"], *budget, *_cells(row, columns), _loss(row), _against(row["comparison"])]))
    return "\n".join(lines)


def _gates_table(gates: dict[str, dict[str, float]]) -> str:
    names = list(dict.fromkeys(name for each in gates.values() for name in each if not name.endswith("_greedy")))
    head = ["", *(f"{name.replace('_', ' ')}{_gate(name)}" for name in names)]
    lines = [_line(head), _line(["---"] * len(head))]
    for backbone, measured in gates.items():
        lines.append(_line([backbone, *(f"{100 * measured[n]:.1f}" if n in measured else "–" for n in names)]))
    return "\n".join(lines)


def _gate(name: str) -> str:
    return f" ({100 * GATES[name]:.0f})" if name in GATES else ""


def _cells(row: dict[str, Any], columns: Iterable[str]) -> list[str]:
    return [_cell(row["columns"].get(column)) for column in columns]


def _cell(value: dict[str, Any] | None) -> str:
    if value is None:
        return "–"
    error = value["standard_error"]
    return f"{100 * value['mean']:.1f}" + ("" if error is None else f" ± {100 * error:.1f}")


def _loss(row: dict[str, Any]) -> str:
    """Mean loss over all steps and seeds, in nats per token."""
    return "–" if row["train_loss"] is None else f"{row['train_loss']:.2f}"


def _against(comparison: dict[str, Any] | None) -> str:
    if comparison is None:
        return ""
    lower = [sum(each > 0 for each in comparison[f"less_{name}"]) for name in ("Acc", "AUROC")]
    seeds = len(comparison["less_Acc"])
    difference = f"{-100 * comparison['difference']:+.1f} (p = {comparison['p']:.1g})"
    return f"{difference}; lower in {lower[0]}/{seeds} and {lower[1]}/{seeds}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plot_yes_rates(summary: dict[str, Any], path: Path) -> None:
    """Accuracy over the share of yes: a point for each seed of each row of Table 3, hollow ones for the paper's."""
    rows = {name: row for name, row in summary["rows"].items() if row["question"] is None}
    looks = style.marks(row["title"] for row in rows.values())
    names = paper_tables()["table3"]["columns"]["existence"]
    with style.figure(height=5.2) as (drawn, axes):
        axes.plot([0, 50, 100], [50, 100, 50], color=style.PAPER, linewidth=0.9)  # the best at each share
        for row in rows.values():
            mark = looks[row["title"]]
            own = (row["columns"][column]["values"] for column in ("Yes", "Acc"))
            x, y = ([100 * value for value in values] for values in own)
            axes.plot(
                x, y, mark.marker, color=mark.color, label=_short(row["title"]), alpha=0.85, zorder=3, clip_on=False
            )
            paper = paper_tables()["table3"]["rows"].get(row["title"].replace("other LLM", "Gemini"))
            if paper:
                scores = dict(zip(names, paper["existence"], strict=True))
                point = scores["yes_rate"], scores["accuracy"]
                axes.plot(*point, mark.marker, mfc="none", mec=mark.color, markersize=6, alpha=0.7, zorder=2)
        axes.set(xlim=(0, 102), ylim=(45, 101), xlabel="questions answered with yes (%)", ylabel="accuracy (%)")
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, title="filled: here, hollow: in the paper"
        )
        drawn.savefig(path)


def plot_negatives(summary: dict[str, Any], path: Path) -> bool:
    """F1 of the answer no for each row of Table 3, by how absent sounds were chosen; False without such subsets."""
    rows = [row for row in summary["rows"].values() if row["question"] is None]
    kinds = [kind for kind in NEGATIVE_KINDS if any(negative_kind(each) == kind for each in rows[0]["subsets"])]
    if not kinds:
        return False
    marks = style.marks(kinds)
    with style.figure(height=1.2 + 0.45 * len(rows)) as (drawn, axes):
        for height, row in enumerate(rows):
            axes.axhline(height, color=style.GRID, linewidth=1, zorder=0)
            for place, kind in enumerate(kinds):
                subset = next(each for each in row["subsets"] if negative_kind(each) == kind)
                values = [100 * value for value in row["subsets"][subset]["f1_no"]]
                y = [height + 0.22 * (place - (len(kinds) - 1) / 2)] * len(values)
                color = style.SHADES[place]
                label = kind if not height else None
                axes.plot(values, y, marks[kind].marker, color=color, markersize=6, label=label, clip_on=False)
        axes.set_yticks(range(len(rows)), [_short(row["title"]) for row in rows])
        axes.set(xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5), xlabel="F1 of the answer no (%), a mark for each seed")
        axes.grid(axis="y", visible=False)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(kinds), handletextpad=0.2)
        drawn.savefig(path)
    return True


def _short(title: str) -> str:
    """`Ours (other LLM, Combined)` as `other LLM, Combined`."""
    inner = title.partition("(")[2].removesuffix(")")
    return inner.replace("Positive + Positive", "P + P").replace("Positive + Negative", "P + N") or title
