"""What the documentation says is there, is there: paths, commands, flags, Python."""

import ast
import inspect
import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    page for page in ROOT.rglob("*.md") if not {".venv", "runs", "build", ".cache"} & set(page.relative_to(ROOT).parts)
)
SCRIPTS = sorted((ROOT / "recipes").glob("*_*.py"))
PROGRAMS = [script for script in SCRIPTS if "def main(" in script.read_text(encoding="utf-8")]


def _texts() -> dict[str, str]:
    """All prose in which commands stand: pages, configurations, and the docstrings of scripts and examples."""
    written = [*PAGES, *sorted((ROOT / "recipes" / "configs").rglob("*.yaml"))]
    texts = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in written}
    for script in [*PROGRAMS, *sorted((ROOT / "examples").rglob("*.py"))]:
        source = script.read_text(encoding="utf-8")
        texts[str(script.relative_to(ROOT))] = source.split('"""')[1] if '"""' in source else ""
    return texts


@cache
def _help(script: str) -> str:
    done = subprocess.run([sys.executable, *script.split(), "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", sorted(_texts()))
def test_paths_exist(page: str) -> None:
    named = re.findall(r"(?<![\w./-])((?:recipes|examples|modeling_listen|tests)/[\w./-]+\.\w+)", _texts()[page])
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("page", sorted(_texts()))
def test_commands_have_the_flags_they_use(page: str) -> None:
    text = re.sub(r"\\+\n\s*", " ", _texts()[page])
    text = re.sub(r"(?<!`)`[^`]+`(?!`)", lambda inline: inline[0].replace("\n", " "), text)
    command = r"(?:python|torchrun [^\n`]*?) ?((?:recipes|examples)/[\w/]+\.py|-m modeling_listen)([^\n`#|]*)"
    for script, arguments in re.findall(command, text):
        flags = re.findall(r"(?<=\s)--[\w-]+", arguments)
        if script == "examples/lmms_eval_listen.py":
            continue  # its flags are those of lmms-eval
        if flags and script == "examples/app.py":
            pytest.importorskip("gradio", reason="the page needs gradio: pip install -e '.[app]'")
        for flag in flags:
            assert re.search(rf"{re.escape(flag)}\b", _help(script)), f"{page}: {script} has no {flag}"
        shlex.split(arguments, comments=True)


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page, text in _texts().items():
        assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)) <= targets, page


def test_links_inside_the_project_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("summary", sorted((ROOT / "recipes" / "table3").glob("*.json")), ids=lambda path: path.name)
def test_tables_of_the_experiment_are_made_of_its_summary(summary: Path) -> None:
    from recipes.table3.page import tables

    made = tables(json.loads(summary.read_text(encoding="utf-8")))
    assert made in (ROOT / "recipes" / "table3" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_import_and_call_what_is_there(page: Path) -> None:
    """The data of most pages is not here: names are imported, and calls fitted to signatures."""
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        tree = ast.parse(block)
        imports = [each for each in tree.body if isinstance(each, (ast.Import, ast.ImportFrom))]
        exec(compile(ast.Module(imports, []), str(page), "exec"), names)
        for call in (each for each in ast.walk(tree) if isinstance(each, ast.Call)):
            if isinstance(call.func, ast.Name) and inspect.isfunction(function := names.get(call.func.id)):
                inspect.signature(function).bind(*call.args, **{each.arg: each.value for each in call.keywords})


def test_python_blocks_of_the_readme_run(demo_model: Path, tmp_path: Path) -> None:
    """One after the other, as a reader would."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    source = "".join(blocks).replace("runs/demo/model", str(demo_model))
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"{source}\n{done.stderr}"
    assert len(done.stdout.strip().splitlines()) == len(blocks) > 1
