"""Puts a report together and writes it: report.md, report.html, its plots and the merged results.json."""

import base64
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from recipes.report import plots, style, tables, traces, wording
from recipes.report.examples import Example, choose_examples
from recipes.report.facts import model_names, read_settings, related_folders, tell_facts
from recipes.report.inputs import MERGED_FROM, RESULTS, Inputs, Result, read_results
from recipes.report.scores import JOIN, TASKS, Task, compare, negative_kind, paper_tables, pooled_results, task_of


@dataclass
class Section:
    """One task.

    Attributes:
        table: the main one.
        by_subset: where the main one takes subsets together.
        readings: the same answers as the paper seems to have read them, where that makes a difference.
        parts: by kind of question, where benchmarks have several.
    """

    task: Task
    table: tables.Table
    by_subset: tables.Table | None
    readings: tables.Table | None
    parts: tables.Table | None
    notes: list[str]


@dataclass
class Report:
    """All that the templates show, nothing of it formatted as HTML or Markdown yet."""

    title: str
    made: str
    idea: str
    headline: str = ""
    figures: list[tuple[str, str, str]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    pictures: list[plots.Plot] = field(default_factory=list)
    caveats: list[tuple[str, str]] = field(default_factory=list)
    paper_notes: list[str] = field(default_factory=list)
    bounds: list[tuple[str, str]] = field(default_factory=list)
    comparison: tables.Table | None = None
    examples: list[Example] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    data: tables.Table | None = None
    backbones: list[tuple[traces.Backbones, tables.Table | None]] = field(default_factory=list)
    settings: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def build_report(
    inputs: Inputs, folders: Sequence[Path], output: Path, title: str, reference: str | None = None
) -> Report:
    """Compute all tables and draw all plots.

    Args:
        inputs: results and answers.
        folders: where traces of synthesis and training are looked for, and in those that their settings name.
        output: gets the folder `plots`.
        title: of the page.
        reference: the system that others are compared with; the first one by default.

    Raises:
        ValueError: there is no such system, or a trace cannot be read.
    """
    reference = reference or next(iter(inputs.systems), None)
    if reference is not None and reference not in inputs.systems:
        raise ValueError(f"there is no system {reference!r} in the results; there are {', '.join(inputs.systems)}")
    pooled = pooled_results(inputs)
    folders = related_folders(folders)
    settings = read_settings(folders)
    names = model_names(settings)
    models = {folder: names.get(folder, folder.name) for folder in traces.checkpoints(folders)}
    backbones = traces.backbones(models)
    report = Report(
        title=title,
        made=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        idea=wording.IDEA,
        sections=_sections(inputs, pooled),
        caveats=wording.caveats(inputs, backbones),
        bounds=[(system, words) for system in inputs.systems if (words := wording.explain_system(system))],
        examples=choose_examples(inputs.answers),
        data=tables.responses_table(traces.count_responses(folders)),
        backbones=[(each, tables.gates_table(each.text_notes)) for each in backbones],
        settings=[(each.name, each.text) for each in settings],
        notes=inputs.notes,
    )
    report.paper_notes = [
        note for section in report.sections for note in paper_tables()["table3"]["notes"].get(section.task.name, [])
    ] + (paper_tables()["table2"]["notes"] if report.data else [])
    report.headline, report.figures = _headline([*pooled, *inputs.results], reference)
    weights = [each for model, name in models.items() if (each := traces.layer_weights(model, name)) is not None]
    report.pictures = _draw(inputs, pooled, traces.histories(folders, names), weights, output / "plots")
    report.comparison = _compare(inputs, pooled, reference)
    report.facts = tell_facts(inputs, settings)
    return report


def _sections(inputs: Inputs, pooled: list[Result]) -> list[Section]:
    sections = []
    for task in TASKS:
        whole = [each for each in pooled if task_of(each.benchmark, each.subset) == task]
        inside = {(each.benchmark, part) for each in whole for part in each.subset.split(JOIN)}
        rest = [each for each in inputs.results if (each.benchmark, each.subset) not in inside]
        table = tables.results_table(task, [*whole, *rest])
        if table is None:
            continue
        parts = [each for each in inputs.results if (each.benchmark, each.subset) in inside]
        by_subset = tables.results_table(task, parts, paper=False)
        missing = [
            system
            for system in dict.fromkeys(each.system for each in parts if task_of(each.benchmark, each.subset) == task)
            if system not in {each.system for each in whole}
        ]
        notes = [f"By subset only, for lack of answer files: {', '.join(missing)}."] if missing else []
        more = (each(task, inputs.results) for each in (tables.readings_table, tables.parts_table))
        sections.append(Section(task, table, by_subset, *more, notes))
    return sections


def _headline(results: Sequence[Result], reference: str | None) -> tuple[str, list[tuple[str, str, str]]]:
    """A line and a few large numbers about the reference on the first existence set, or the first set at all."""
    own = [each for each in results if each.system == reference and "accuracy" in each.values]
    own.sort(key=lambda each: task_of(each.benchmark, each.subset).name != "existence")
    if not own:
        return "", []
    first = own[0]
    asked = f"{first.values['n']:,.0f} questions" if "n" in first.values else "the questions"
    line = f"{reference} on {asked} of {tables.describe_subset(first.benchmark, first.subset)}"
    words = {
        "accuracy": "of answers are right",
        "f1_no": "F1 of no: knows what is absent",
        "yes_rate": "of answers are yes",
        "auroc": "AUROC: tells present from absent",
    }
    figures = []
    for name, word in words.items():
        if name in first.values:
            ends = first.intervals.get(name)
            span = f"95% interval {tables.percent(ends[0])}–{tables.percent(ends[1])}" if ends else ""
            figures.append((f"{tables.percent(first.values[name])} %", word, span))
    return line, figures


def _draw(
    inputs: Inputs,
    pooled: list[Result],
    histories: Sequence[traces.History],
    weights: Sequence[traces.LayerWeights],
    folder: Path,
) -> list[plots.Plot]:
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.png"):
        stale.unlink()
    existence = [each for each in inputs.results if task_of(each.benchmark, each.subset).name == "existence"]
    whole = [each for each in pooled if task_of(each.benchmark, each.subset).name == "existence"] or existence
    first = [each for each in whole if (each.benchmark, each.subset) == (whole[0].benchmark, whole[0].subset)]
    kinds = [each for each in existence if negative_kind(each.subset)]
    if pooled and first:
        inside = first[0].subset.split(JOIN)
        kinds = [each for each in kinds if each.benchmark == first[0].benchmark and each.subset in inside]
    corpora = [(each.benchmark, each.subset.rpartition(":")[0]) for each in kinds]  # of "presence": "esc50:test"
    same = [each for each, corpus in zip(kinds, corpora, strict=True) if corpus == corpora[0]]
    answers = inputs.answers.iloc[:0]
    if first:
        chosen = (inputs.answers["benchmark"] == first[0].benchmark) & inputs.answers["subset"].isin(
            first[0].subset.split(JOIN)
        )
        answers = inputs.answers[chosen]
    looks = style.marks(dict.fromkeys([*inputs.systems, *inputs.answers["system"]]))
    drawn = [
        plots.plot_yes_rate(first, looks, folder / "yes_rate.png"),
        plots.plot_negative_kinds(same, folder / "negative_kinds.png"),
        plots.plot_roc(answers, looks, folder / "roc.png"),
        plots.plot_training(histories, folder / "training.png"),
        plots.plot_layers(weights, folder / "layers.png"),
    ]
    return [plot for plot in drawn if plot is not None]


def _compare(inputs: Inputs, pooled: list[Result], reference: str | None) -> tables.Table | None:
    whole = dict.fromkeys((each.benchmark, each.subset) for each in pooled)
    inside = {(benchmark, part) for benchmark, subset in whole for part in subset.split(JOIN)}
    rest = dict.fromkeys((each.benchmark, each.subset) for each in inputs.results)
    sets = [*whole, *(each for each in rest if each not in inside)]
    found = [
        comparison
        for benchmark, subset in sets
        for system in inputs.systems
        if system != reference and (comparison := compare(inputs.answers, reference, system, benchmark, subset))
    ]
    return tables.comparison_table(found) if found else None


def write_report(report: Report, inputs: Inputs, output: Path) -> list[Path]:
    """Write `report.html`, `report.md` and the merged `results.json` into a folder that holds the plots.

    Returns:
        The files; the last is left out where it is an evaluation's, which stays as it is.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "markdown": tables.markdown_text,
        "table": tables.to_markdown,
        "base64": lambda path: base64.b64encode(path.read_bytes()).decode("ascii"),
        "model": wording.name_model,
        "notes": wording.list_notes,
    }
    files = [output / "report.html", output / "report.md"]
    for path in files:
        text = environment.get_template(f"{path.name}.jinja").render(report=report)
        path.write_text(text, encoding="utf-8")
    merged = output / RESULTS
    if not merged.exists() or _is_merged(merged):
        rows = [
            _finite({**each.raw, "system": each.system, MERGED_FROM: os.path.relpath(each.source, output.resolve())})
            for each in inputs.results
        ]
        merged.write_text(json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        files.append(merged)
    return files


def _is_merged(results: Path) -> bool:
    """Whether a report wrote a results.json, and nothing was added to it since."""
    try:
        return all(each.source != results.resolve() for each in read_results(results))
    except ValueError:
        return False


def _finite(value: Any) -> Any:
    """The value with null for what JSON cannot say: NaN and the infinities."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
