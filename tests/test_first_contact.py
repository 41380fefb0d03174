"""What a newcomer meets first: the time that imports and `--help` take, and errors that say what to do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recipes.miniature import AUDIO_MODEL, TEXT_MODEL
from tests.hub import serve_hub

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "recipes").glob("*.py")
    if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")
)


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    """Run Python in a new process, in the project's folder."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=300,
    )


def processor_seconds(*command: str) -> float:
    """Processor time of a command, which other processes lengthen less than they do the time by the clock."""
    before = os.times()
    subprocess.run([sys.executable, *command], capture_output=True, cwd=ROOT, check=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def test_import_adds_little_to_that_of_transformers() -> None:
    """At most 10 % of the modules: seconds differ more than that from one run to the next on a busy machine."""
    code = "import sys, transformers; known = len(sys.modules); import modeling_listen; print(known, len(sys.modules))"
    alone, both = map(int, run(code).stdout.split())
    assert both <= 1.1 * alone


def test_import_does_not_import_torch() -> None:
    code = "import sys, modeling_listen; print([name for name in ('torch', 'transformers') if name in sys.modules])"
    assert run(code).stdout.strip() == "[]"


@pytest.mark.parametrize(
    "imports",
    [
        "import modeling_listen; from transformers import AutoConfig, AutoModel, AutoProcessor",
        "from transformers import AutoConfig, AutoModel, AutoProcessor; import modeling_listen",
        "import modeling_listen; from transformers import Trainer, AutoProcessor, AutoModel, AutoConfig",
        "from modeling_listen.presence_listen import presence_probabilities; "
        "from transformers import AutoConfig, AutoModel, AutoProcessor",
    ],
)
def test_auto_classes_know_listen_whatever_is_imported_first(imports: str, demo_model: Path) -> None:
    code = f"{imports}\nfor auto in (AutoConfig, AutoModel, AutoProcessor):\n"
    done = run(f"{code}    print(type(auto.from_pretrained({str(demo_model)!r})).__module__)")
    modules = [f"modeling_listen.{name}_listen" for name in ("configuration", "modeling", "processing")]
    assert done.stdout.split() == modules, done.stderr


def test_every_public_name_is_there() -> None:
    code = (
        "import modeling_listen\nfor name in modeling_listen.__all__: print(getattr(modeling_listen, name).__name__)"
    )
    import modeling_listen

    done = run(code)
    assert done.stdout.split() == modeling_listen.__all__, done.stderr
    assert set(modeling_listen.__all__) <= set(dir(modeling_listen))
    with pytest.raises(AttributeError, match="no_such_name"):
        modeling_listen.no_such_name  # noqa: B018


@pytest.mark.parametrize("recipe", RECIPES)
def test_help_is_quick(recipe: str) -> None:
    assert min(processor_seconds(recipe, "--help") for _ in range(2)) < 2.0


def test_the_terminals_help_is_quick() -> None:
    assert processor_seconds("-m", "modeling_listen", "--help") < 1.0


def old_transformers(folder: Path, version: str) -> str:
    """A folder that, before all others in the path, announces another version of Transformers."""
    metadata = folder / f"transformers-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: transformers\nVersion: {version}\n", encoding="utf-8")
    return str(folder)


def test_old_transformers(tmp_path: Path) -> None:
    done = run("import modeling_listen", PYTHONPATH=old_transformers(tmp_path, "4.57.6"))
    assert done.returncode
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and "5.20" in last and "4.57.6" in last and "pip install" in last


@pytest.mark.parametrize("version", ["5.20.0", "5.31.0.dev0", "6.0.0rc1"])
def test_new_transformers(version: str, tmp_path: Path) -> None:
    assert run("import modeling_listen", PYTHONPATH=old_transformers(tmp_path, version)).returncode == 0


def test_no_token_for_a_gated_model(tmp_path: Path) -> None:
    code = (
        "from modeling_listen import ListenForConditionalGeneration\n"
        f"ListenForConditionalGeneration.from_backbones({AUDIO_MODEL!r}, 'gated/llm')"
    )
    with serve_hub(tmp_path) as url:
        done = run(code, HF_ENDPOINT=url, HF_HUB_OFFLINE="0", HF_HOME=str(tmp_path))
    assert done.returncode
    message = done.stderr.split("OSError: ")[-1]
    assert "gated/llm" in message and "hf auth login" in message


def test_no_internet() -> None:
    from modeling_listen import ListenForConditionalGeneration

    with pytest.raises(OSError, match=r"offline|connect") as raised:  # HF_HUB_OFFLINE is set for all tests
        ListenForConditionalGeneration.from_pretrained("owner/model")
    assert "owner/model" in str(raised.value)


@pytest.mark.parametrize("folder", ["missing", "empty", "other"])
def test_wrong_folder(folder: str, tmp_path: Path) -> None:
    from modeling_listen import ListenForConditionalGeneration

    (tmp_path / "empty").mkdir()
    path = TEXT_MODEL if folder == "other" else str(tmp_path / folder)
    with pytest.raises((OSError, ValueError)) as raised:
        ListenForConditionalGeneration.from_pretrained(path)
    assert path in str(raised.value)
    assert folder != "other" or "is a llama model" in str(raised.value)


def test_no_space_on_the_disk(demo_model: Path, tmp_path: Path) -> None:
    """The system refuses to write more than 60 kB to a file, as it does where a disk is full."""
    import resource

    from modeling_listen import ListenForConditionalGeneration

    model = ListenForConditionalGeneration.from_pretrained(demo_model)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot write the checkpoint") as raised:
            model.save_pretrained(tmp_path / "saved")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(tmp_path / "saved") in str(raised.value)
