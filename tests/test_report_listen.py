"""The report of a run: every number from its inputs, one page that needs nothing else, text that stays text."""

import base64
import json
import re
import resource
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from recipes.report.page import Report
from recipes.report_listen import main
from tests.report.runs import answer_questions, score, write_answers, write_run

SCRIPT = Path(__file__).parents[1] / "recipes" / "report_listen.py"
HOSTILE = "<script>alert('x')</script> & \"quoted\" | pipe"
PAPER = "https://arxiv.org/abs/2505.14518"


class Page(HTMLParser):
    """The tables, links, tags and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self._in_cell = False  # and not in its finer print
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        self._in_cell = tag in ("td", "th") or (self._in_cell and tag != "small")

    def handle_endtag(self, tag):
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The folder of a report on a run with all that can be reported but a model."""
    folder = write_run(tmp_path_factory.mktemp("demo"))
    (folder / "model").mkdir()
    lines = [{"step": step, "loss": 1 / step, "eval_loss": 1.1 / step} for step in range(1, 20)]
    (folder / "model" / "history.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "evaluation.yaml").write_text("systems: ['LISTEN positive+negative=listen:elsewhere/model']\nseed: 12\n")
    before = (folder / "results.json").read_text()
    main(["--results", str(folder), "--output_dir", str(folder)])
    return folder, json.loads(before)


def rows_of(page, system):
    return [row for row in page.rows if row and row[0] == system]


def test_every_number_of_the_tables_is_in_the_results(report):
    folder, results = report
    page = Page(folder / "report.html")
    names = ("accuracy", "f1_yes", "f1_no", "f1_weighted", "yes_rate", "auroc", "unparsed")
    for system in {row["system"] for row in results}:
        shown = {tuple(row[1:]) for row in rows_of(page, system)}
        expected = {
            (*(f"{100 * row[name]:.1f}" for name in names), f"{row['n']:,}")
            for row in results
            if row["system"] == system
        }
        pooled = [
            score([answer for subset in subsets for answer in _answers(system, subset)])
            for subsets in (("random", "popular", "adversarial"), ("hypernym", "synonym"))
        ]
        expected |= {(*(f"{100 * row[name]:.1f}" for name in names), f"{row['n']:,}") for row in pooled}
        assert shown == expected


def _answers(system, subset):
    from tests.report.runs import SYSTEMS

    return answer_questions(system, subset, 40, *SYSTEMS[system])


def test_markdown_and_html_show_the_same_numbers(report):
    folder, _ = report
    page = Page(folder / "report.html")
    markdown = (folder / "report.md").read_text()
    rows = [
        [re.sub(r" \([^)]*–[^)]*\)", "", cell).strip() for cell in line.strip("|").split(" | ")]
        for line in markdown.splitlines()
        if line.startswith("| silence |")
    ]
    assert rows == rows_of(page, "silence")


def test_the_papers_thirteen_rows_stand_below_ours(report):
    page = Page(report[0] / "report.html")
    assert ["SALMONN-13B", "70.8", "77.0", "60.1", "68.5", "76.8", "", "", ""] in page.rows
    assert len(rows_of(page, "Ours (Rule-based Template)")) == 3


def test_the_page_needs_no_other_file(report):
    page = Page(report[0] / "report.html")
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "base"}
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "href", "data", "action"):
            value = attributes.get(name)
            if value is not None:
                assert value.startswith("data:image/png;base64,") if tag == "img" else (tag, value) == ("a", PAPER)
    style = (report[0] / "report.html").read_text().split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style


def test_plots_are_in_the_page_as_they_are_on_disk(report):
    folder, _ = report
    embedded = [
        base64.b64decode(attributes["src"].split(",")[1])
        for tag, attributes in Page(folder / "report.html").tags
        if tag == "img"
    ]
    files = {path.name: path.read_bytes() for path in (folder / "plots").glob("*.png")}
    assert set(files) == {"yes_rate.png", "negative_kinds.png", "roc.png", "training.png"}
    assert sorted(embedded) == sorted(files.values())
    assert all(f"(plots/{name})" in (folder / "report.md").read_text() for name in files)


def test_what_was_run_is_told(report):
    text = Page(report[0] / "report.html").text
    for expected in ("listen: elsewhere/model", "evaluation 12", "about 40 clips", "transformers 5", "160 random"):
        assert expected in text


def test_a_model_elsewhere_is_found_by_the_settings(tmp_path):
    run = write_run(tmp_path / "evaluation", {"A=B": (2.0, 0.0)}, ("random",))
    model = tmp_path / "model"
    model.mkdir()
    (model / "history.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    (model / "training.yaml").write_text("seed: 34\nresponses: gone\n")
    (run / "evaluation.yaml").write_text(f"systems: ['A=B=listen:{model}', silence]\n")
    main(["--results", str(run), "--output_dir", str(tmp_path / "out")])
    page = Page(tmp_path / "out" / "report.html")
    described = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert any("A=B: training 1.000 at step 2" in each for each in described)
    text = page.text
    assert "model/training 34" in text and f"listen: {model}" in text


def test_it_can_be_made_again_in_the_same_folder(report):
    folder, results = report
    first = (folder / "results.json").read_text()
    assert json.loads(first) == results
    main(["--results", str(folder), "--output_dir", str(folder)])
    assert (folder / "results.json").read_text() == first


def test_names_and_responses_from_outside_stay_text(tmp_path):
    rows = [
        {**row, "system": HOSTILE, "response": f"{HOSTILE} {row['parsed']}", "question": HOSTILE}
        for row in answer_questions("text", "random", 10)
    ]
    (tmp_path / "results.json").write_text(json.dumps([score(rows)]))
    write_answers(tmp_path / "answers.parquet", rows)
    (tmp_path / "evaluation.yaml").write_text(f"# </pre>{HOSTILE}\n")
    main(["--results", str(tmp_path), "--output_dir", str(tmp_path / "out"), "--title", HOSTILE])
    page = Page(tmp_path / "out" / "report.html")
    assert "script" not in {tag for tag, _ in page.tags}
    assert rows_of(page, HOSTILE)
    assert HOSTILE in page.text
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert "<script" not in markdown


def test_empty_results_make_a_page_that_says_so(tmp_path, capsys):
    (tmp_path / "results.json").write_text("[]")
    main(["--results", str(tmp_path), "--output_dir", str(tmp_path)])
    assert "There are no results to show." in Page(tmp_path / "report.html").text
    assert str(tmp_path / "report.html") in capsys.readouterr().out


def test_one_bare_result_is_enough(tmp_path, capsys):
    name = "a system with a name that goes on and on " * 5 + "here"
    content = (
        f'[{{"system": "{name}", "benchmark": "sound_world", "subset": "random", "accuracy": 0.625, "f1_no": NaN}}]'
    )
    (tmp_path / "results.json").write_text(content)
    main(["--results", str(tmp_path), "--output_dir", str(tmp_path / "out")])
    assert rows_of(Page(tmp_path / "out" / "report.html"), name)[0][1:] == ["62.5", "–"]
    assert "62.5" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "results.json").read_text())[0]["f1_no"] is None


def test_kinds_of_questions_are_shown(tmp_path):
    row = {"system": "A", "benchmark": "synonym_hypernym", "subset": "esc50", "accuracy": 0.6}
    relations = {"synonym": {"accuracy": 0.71}, "hypernym": {"accuracy": 0.52}}
    (tmp_path / "results.json").write_text(json.dumps([{**row, "by_relation": relations}]))
    main(["--results", str(tmp_path), "--output_dir", str(tmp_path)])
    page = Page(tmp_path / "report.html")
    assert ["synonym", "A", "71.0"] in page.rows
    assert ["hypernym", "A", "52.0"] in page.rows
    assert "| hypernym | A | 52.0 |" in (tmp_path / "report.md").read_text()


def test_kinds_of_negatives_of_presence_are_drawn(tmp_path):
    kinds = {"random": 0.7, "popular": 0.6, "adversarial": 0.5}
    rows = [
        {"system": "A", "benchmark": "presence", "subset": f"{corpus}:{kind}", "accuracy": 0.6, "f1_no": f1}
        for corpus in ("folder:test", "esc50")
        for kind, f1 in kinds.items()
    ]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    main(["--results", str(tmp_path), "--output_dir", str(tmp_path)])
    page = Page(tmp_path / "report.html")
    described = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert any("A, random: 70 %; A, popular: 60 %; A, adversarial: 50 %" in each for each in described), described


def test_several_runs_in_one_report(tmp_path):
    for name, separation in (("positive", 1.0), ("negative", 2.0)):
        write_run(tmp_path / name, {"LISTEN": (separation, 0.0)}, ("random",))
    folders = [str(tmp_path / name) for name in ("positive", "negative")]
    main(["--results", *folders, "--output_dir", str(tmp_path / "out"), "--reference", "LISTEN (negative)"])
    page = Page(tmp_path / "out" / "report.html")
    (pair,) = rows_of(page, "LISTEN (negative) against LISTEN (positive)")
    assert pair[-1] == "160"
    merged = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["system"] for row in merged] == ["LISTEN (positive)", "LISTEN (negative)"]


def test_an_evaluation_s_results_are_not_written_over(tmp_path, capsys):
    row = {"system": "LISTEN", "benchmark": "sound_world", "subset": "random", "n": 10}
    own = {name: json.dumps([{**row, "accuracy": accuracy}]) for name, accuracy in (("a", 0.6), ("b", 0.8))}
    for name, text in own.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(text)
    folders = [str(tmp_path / name) for name in own]
    for output in ("a", "b"):
        main(["--results", *folders, "--output_dir", str(tmp_path / output)])
        assert {name: (tmp_path / name / "results.json").read_text() for name in own} == own
        page = Page(tmp_path / output / "report.html")
        assert [rows_of(page, f"LISTEN ({name})")[0][1] for name in own] == ["60.0", "80.0"]
    assert "(report.md beside it)" in capsys.readouterr().out


def test_a_report_above_the_runs_follows_them(tmp_path):
    row = {"system": "LISTEN", "benchmark": "sound_world", "subset": "random", "n": 10}
    for accuracies in ((0.6, 0.8), (0.9, 0.8)):
        for name, accuracy in zip("ab", accuracies, strict=True):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "results.json").write_text(json.dumps([{**row, "accuracy": accuracy}]))
        main(["--results", str(tmp_path), "--output_dir", str(tmp_path)])
        merged = json.loads((tmp_path / "results.json").read_text())
        assert [each["accuracy"] for each in merged] == list(accuracies)
        assert [each["merged_from"] for each in merged] == ["a/results.json", "b/results.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--results", "nowhere"], "no folder nowhere"),
        (["--traces", "nowhere"], "no folder nowhere"),
        (["--reference", "nobody"], "no system 'nobody' in the results; there are A"),
    ],
)
def test_errors_name_the_value(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results.json").write_text('[{"system": "A", "benchmark": "sound_world"}]')
    with pytest.raises(SystemExit, match=message):
        main(["--results", ".", "--output_dir", "out", *arguments])


def test_stale_plots_go(tmp_path):
    run = write_run(tmp_path, {"text": (5.0, 0.0)}, ("random",))
    main(["--results", str(run), "--output_dir", str(run)])
    assert (run / "plots" / "roc.png").exists()
    for answers in (run / "answers").rglob("*.parquet"):
        answers.unlink()
    main(["--results", str(run), "--output_dir", str(run)])
    assert not (run / "plots" / "roc.png").exists()


def test_the_templates_show_every_part_of_a_report():
    templates = [(SCRIPT.parent / "report" / f"report.{kind}.jinja").read_text() for kind in ("html", "md")]
    for name in Report.__dataclass_fields__:
        shown = [f"report.{name}" in template for template in templates]
        assert shown == [True, name != "settings"], name


def test_help_is_quick():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "--reference" in output and "results.json" in output
    # Processor time: what else runs on the machine does not count.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
