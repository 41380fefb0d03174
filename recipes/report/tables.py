"""Tables as data, and as Markdown: scores beside the paper's Table 3, hours and samples beside its Table 2.

    from recipes.report.tables import results_markdown
    print(results_markdown("runs/demo/results.json"))

is for model cards.
"""

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipes.report.inputs import Result, parse_results, read_results
from recipes.report.scores import TASKS, Comparison, Task, paper_tables, task_of
from recipes.report.traces import CorpusCount

NOTHING = "–"
# Score -> heading and what it means.
COLUMNS = {
    "n": ("Questions", "how many were asked"),
    "accuracy": ("Acc", "share of right answers; one that cannot be read is not right"),
    "f1_yes": ("F1 (Y)", "F1 score of the answer yes: sounds that are there are found, others are not reported"),
    "f1_no": ("F1 (N)", "F1 score of the answer no: low where sounds that are not there are reported"),
    "f1_weighted": ("F1 (W)", "mean of both, weighted by how many questions have each answer"),
    "yes_rate": ("Yes", "share of questions answered with yes; in a set that is half yes, 50 is without bias"),
    "auroc": ("AUROC", "how well the probability of yes separates yes from no questions, whatever the threshold"),
    "unparsed": ("Unparsed", "share of answers in which neither yes nor no could be read"),
}


@dataclass(frozen=True)
class Cell:
    """Text in a table, and finer print below or after it."""

    text: str
    detail: str = ""


@dataclass
class Group:
    """Rows under a heading of their own; in each the first cell is what the row is about."""

    heading: str
    rows: list[list[Cell]]
    source: str = "here"  # or "paper"


@dataclass
class Table:
    """A table: column headings with explanations (or ""), and groups of rows as long as the columns."""

    columns: list[tuple[str, str]]
    groups: list[Group] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The columns that have an explanation."""
        return [column for column in self.columns if column[1]]


def percent(value: float | None) -> str:
    """A rate in 0..1 as the paper prints it: percent with one decimal."""
    return NOTHING if value is None else f"{100 * value:.1f}"


def results_table(task: Task, results: Iterable[Result], paper: bool = True) -> Table | None:
    """Scores on one task, a group for each subset, and the paper's rows where it has the task.

    Returns:
        None if none of the results are of the task.
    """
    own = [result for result in results if task_of(result.benchmark, result.subset) == task]
    if not own:
        return None
    shown = [name for name in task.columns if any(name in result.values for result in own)]
    table = Table([("System", ""), *(COLUMNS[name] for name in (*shown, "n"))])
    for benchmark, subset in dict.fromkeys((result.benchmark, result.subset) for result in own):
        rows = [
            [Cell(result.system), *(_score(result, name) for name in shown), Cell(_count(result.values.get("n")))]
            for result in own
            if (result.benchmark, result.subset) == (benchmark, subset)
        ]
        table.groups.append(Group(describe_subset(benchmark, subset), rows))
    printed = paper_tables()["table3"]
    if paper and task.name in printed["columns"]:
        names = printed["columns"][task.name]
        rows = []
        for system, values in printed["rows"].items():
            scores = dict(zip(names, values[task.name], strict=True))
            cells = [Cell(f"{scores[name]:.1f}" if name in scores else "") for name in shown]
            rows.append([Cell(system), *cells, Cell("")])
        table.groups.append(Group("The paper, Table 3: other models, other questions", rows, source="paper"))
    if any(result.intervals for result in own):
        table.notes.append(
            "Ranges are 95% confidence intervals, from drawing clips anew (bootstrap). They do not cover what another "
            "training run, or another backbone, would change."
        )
    return table


def readings_table(task: Task, results: Iterable[Result]) -> Table | None:
    """The answers read by the official scripts' rules, what cannot be read being a no; None where nothing changes.

    The figures of the paper's Table 3 fit this reading only.
    """
    names = [name for name in task.columns if name not in ("auroc", "unparsed")]
    table = Table([("System", ""), *(COLUMNS[name] for name in names)])
    changed = False
    for result in results:
        reading = (result.raw.get("readings") or {}).get("listen") or {}
        if task_of(result.benchmark, result.subset) != task or not all(name in reading for name in names):
            continue
        scores = [percent(reading[name]) for name in names]
        changed |= scores != [percent(result.values.get(name)) for name in names]
        heading = describe_subset(result.benchmark, result.subset)
        if heading not in [group.heading for group in table.groups]:
            table.groups.append(Group(heading, []))
        group = next(group for group in table.groups if group.heading == heading)
        group.rows.append([Cell(result.system), *map(Cell, scores)])
    return table if changed else None


# Ratios of pairs of a question to be answered with yes and one to be answered with no, in words.
_PAIRS = {
    "correct_correct": "both questions of a pair right",
    "correct_incorrect": "only the one with yes right",
    "incorrect_correct": "only the one with no right",
    "incorrect_incorrect": "neither right",
}


def parts_table(task: Task, results: Iterable[Result]) -> Table | None:
    """Accuracy by kind of question, and ratios of pairs; None where no benchmark tells them apart."""
    table = Table([("Questions", ""), ("System", ""), ("Acc", "share of right answers, or of pairs answered so")])
    for result in results:
        if task_of(result.benchmark, result.subset) == task and (parts := list(_parts_of(result))):
            heading = describe_subset(result.benchmark, result.subset)
            if heading not in [group.heading for group in table.groups]:
                table.groups.append(Group(heading, []))
            group = next(group for group in table.groups if group.heading == heading)
            group.rows += [[Cell(part), Cell(result.system), Cell(percent(value))] for part, value in parts]
    for group in table.groups:
        order = list(dict.fromkeys(row[0].text for row in group.rows))
        group.rows.sort(key=lambda row: order.index(row[0].text))
    return table if table.groups else None


def _parts_of(result: Result) -> Iterator[tuple[str, float | None]]:
    for relation, scores in (result.raw.get("by_relation") or {}).items():
        yield relation, scores.get("accuracy")
    for name, value in result.raw.items():
        if name.startswith("accuracy_"):
            part, _, given = name.removeprefix("accuracy_").partition("_given_")
            yield f"{part}, where the clip's solvable question is right" if given else part, value
    ratios = result.raw.get("pairs") or {}
    for name, words in _PAIRS.items():
        if ratios.get("pairs") and name in ratios:
            yield words, ratios[name]


def describe_subset(benchmark: str, subset: str) -> str:
    """What readers call a subset of a benchmark: "sound world: random + popular + adversarial"."""
    name = benchmark.replace("_", " ")
    return f"{name}: {subset.replace('_', ' ')}" if subset else name


def _count(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def _score(result: Result, name: str) -> Cell:
    low, high = map(percent, result.intervals.get(name) or (None, None))
    return Cell(percent(result.values.get(name)), f"{low}–{high}" if low != high else "")


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Pairs of systems on the same questions."""
    table = Table(
        [
            ("Systems", ""),
            ("Difference", "of accuracy, in points: first less second"),
            ("Only first right", "questions that the first alone answered right"),
            ("Only second right", "questions that the second alone answered right"),
            ("p", "probability of a difference at least this large if both were right equally often"),
            ("Questions", "those that both were asked"),
        ]
    )
    for benchmark, subset in dict.fromkeys((each.benchmark, each.subset) for each in comparisons):
        rows = [
            [
                Cell(f"{each.first} against {each.second}"),
                Cell(f"{100 * each.difference:+.1f}"),
                Cell(_count(each.only_first)),
                Cell(_count(each.only_second)),
                Cell("< 0.001" if each.p_value < 0.001 else f"{each.p_value:.3f}"),
                Cell(_count(each.questions)),
            ]
            for each in comparisons
            if (each.benchmark, each.subset) == (benchmark, subset)
        ]
        table.groups.append(Group(describe_subset(benchmark, subset), rows))
    tests = dict.fromkeys(each.test for each in comparisons)
    table.notes.append(
        f"Two-sided test: {'; '.join(tests)}. Each pair is tested by itself. It says whether these two would differ "
        "on other clips, not whether two others, trained with another seed, would."
    )
    return table


def to_markdown(table: Table) -> str:
    """A table for a Markdown page; text from outside can neither break the table nor become HTML."""
    lines = [
        _line(markdown_text(heading) for heading, _ in table.columns),
        _line("---" if number == 0 else "---:" for number in range(len(table.columns))),
    ]
    for group in table.groups:
        if group.heading:
            lines.append(_line([f"**{markdown_text(group.heading)}**", *[""] * (len(table.columns) - 1)]))
        lines += [_line(map(_markdown_cell, row)) for row in group.rows]
    return "\n".join([*lines, *(f"\n{markdown_text(note)}" for note in table.notes)])


def to_text(table: Table) -> str:
    """A table for the terminal, in columns, without the finer print."""
    rows = [[heading for heading, _ in table.columns]]
    for group in table.groups:
        rows += [[group.heading], *([cell.text for cell in row] for row in group.rows)]
    full = [row for row in rows if len(row) > 1]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    lines = []
    for row in rows:
        if len(row) == 1:
            lines.append(f"\n{row[0]}" if row[0] else "")
        else:
            first, *others = (
                text.ljust(width) if place == 0 else text.rjust(width)
                for place, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join([first, *others]))
    return "\n".join(lines)


def markdown_text(text: Any) -> str:
    """Text from outside as it reads, on one line, in Markdown."""
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    for sign in "\\`*_[]|~#":
        escaped = escaped.replace(sign, f"\\{sign}")
    return escaped


def _markdown_cell(cell: Cell) -> str:
    return markdown_text(cell.text) + (f" ({markdown_text(cell.detail)})" if cell.detail else "")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def results_markdown(results: str | Path | list[dict[str, Any]]) -> str:
    """All scores of results.json, or of the objects in it, as Markdown tables under a heading for each task.

    Raises:
        ValueError: the results cannot be read; the message says where.
    """
    rows = parse_results(results, "results") if isinstance(results, list) else read_results(Path(results))
    found = [(task, results_table(task, rows, paper=False)) for task in TASKS]
    return "\n\n".join(f"### {task.title}\n\n{to_markdown(table)}" for task, table in found if table is not None)


def responses_table(counts: Sequence[CorpusCount]) -> Table | None:
    """Hours and samples of the training data beside Table 2 of the paper; None without data."""
    if not counts:
        return None
    printed = paper_tables()["table2"]
    names = {name.lower().replace("-20k", ""): name for name in printed["corpora"]}
    table = Table(
        [
            ("Corpus", ""),
            ("Hours", "of unique audio"),
            ("Clips", ""),
            ("Responses", "written; the mixture that is trained on is drawn from them"),
            ("Paper: hours", ""),
            ("Paper: samples", ""),
        ]
    )
    rows, shown = [], set()
    for count in counts:
        paper = names.get(count.corpus.lower())
        shown.add(paper)
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(count.samples.items()))
        own = [Cell(_hours(count.hours)), Cell(_count(count.clips)), Cell(_count(count.samples.total()), kinds)]
        rows.append([Cell(paper or count.corpus.replace("_", " ")), *own, *_paper_size(printed["corpora"].get(paper))])
    table.groups.append(Group("This run", rows))
    sizes = {**printed["corpora"], "Total (Ours)": printed["total"], **printed["others"]}
    rows = [[Cell(name), *[Cell("")] * 3, *_paper_size(size)] for name, size in sizes.items() if name not in shown]
    table.groups.append(Group("The paper, Table 2: what else it has", rows, source="paper"))
    return table


def _hours(hours: float | None) -> str:
    if hours is None:
        return NOTHING
    return f"{hours:,.2f}" if hours < 1 else f"{hours:,.1f}"


def _paper_size(size: list[float | None] | None) -> list[Cell]:
    hours, thousands = size or (None, None)
    return [
        Cell("" if hours is None else f"{hours:,}"),
        Cell("" if thousands is None else f"{thousands:,}K"),
    ]


# What recipes/miniature/build_backbones.py measures, in words.
_GATES = {
    "yes_no": "yes/no questions answered right from text",
    "positives_right": "sounds named present that are present",
    "positives_complete": "present sounds that are named",
    "negatives_absent": "sounds named absent that are absent",
    "negatives_absent_blind": "the same for the list of another clip",
    "hypernym": "hypernym questions answered right from text",
    "synonym": "synonym questions answered right from text",
    "question_answering": "everyday questions answered right from text",
}


def gates_table(gates: dict[str, Any]) -> Table | None:
    """What a backbone could do from text alone before anything was built on it; None where it was not measured."""
    measured, least = gates.get("measured") or {}, gates.get("gates") or {}
    rows = [
        [Cell(words), Cell(percent(measured[name])), Cell(percent(least.get(name)))]
        for name, words in _GATES.items()
        if measured.get(name) is not None
    ]
    if not rows:
        return None
    return Table([("From text alone", ""), ("Measured", ""), ("At least", "what it had to reach")], [Group("", rows)])
