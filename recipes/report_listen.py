"""Makes a report of results: Tables 2 and 3 with our rows beside the paper's, plots, examples, on one page.

    python recipes/report_listen.py --results runs/demo --output_dir runs/demo
    python recipes/report_listen.py --results runs/positive runs/negative --reference "LISTEN P+N"

A results folder is what recipes/evaluate_listen.py wrote: `results.json` and, for intervals, comparisons, ROC curves
and examples, its Parquet files of answers. The models that were evaluated and the responses that they were trained on
are reported too, where they are in these folders, in those of --traces, or still where the settings say. Into the
output folder go report.html (one page that needs no other file), report.md, plots/*.png and the merged results.json,
unless an evaluation's own is there.
"""

from dataclasses import dataclass
from pathlib import Path

from recipes.command_line import option, parse_options


@dataclass
class ReportOptions:
    """What is reported, and where."""

    results: list[str] = option(["runs/evaluation"], "folders with results.json and answers, in them or below")
    output_dir: str = option("runs/report", "folder that the report goes to", aliases=["--output"])
    traces: list[str] = option([], "more folders with responses (synthesis) and models (training) to tell of")
    reference: str | None = option(
        None, "system that the others are compared with; the first in the results by default"
    )
    title: str = option("What does it hear, and what does it not?", "heading of the page")


def main(argv: list[str] | None = None) -> None:
    """Make the report that the command line asks for."""
    (options,) = parse_options(ReportOptions, description=__doc__, argv=argv)
    from recipes.report.inputs import read_inputs
    from recipes.report.page import build_report, write_report
    from recipes.report.tables import to_text

    output = Path(options.output_dir)
    folders = [Path(folder) for folder in (*options.results, *options.traces)]
    try:
        if missing := [str(folder) for folder in folders if not folder.is_dir()]:
            raise FileNotFoundError(f"there is no folder {', '.join(missing)}")
        inputs = read_inputs(options.results)
        report = build_report(inputs, folders, output, options.title, options.reference)
    except (OSError, ValueError) as error:
        raise SystemExit(f"report_listen.py: {error}") from None
    page, *others = write_report(report, inputs, output)
    for section in report.sections[:1]:
        print(f"{section.task.title}\n\n{to_text(section.table)}\n")
    print(f"{page} ({', '.join(path.name for path in others)} beside it)")


if __name__ == "__main__":
    main()
