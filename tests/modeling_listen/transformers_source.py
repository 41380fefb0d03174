"""Transformers' own common testers, from the source distribution of the installed version."""

import importlib
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import filelock
import pytest
import transformers

CACHE = Path(__file__).resolve().parents[2] / ".cache"
# As a package of this name: `tests` is ours.
PACKAGE = "transformers_tests"
# What the testers import and the distribution does not hold; LISTEN's generation has tests of its own.
NOT_DISTRIBUTED = {
    f"{PACKAGE}/__init__.py": "",
    f"{PACKAGE}/exporters/__init__.py": "",
    f"{PACKAGE}/exporters/test_export.py": "class ExportTesterMixin:\n    pass\n",
    f"{PACKAGE}/generation/__init__.py": "",
    f"{PACKAGE}/generation/test_utils.py": "class GenerationTesterMixin:\n    pass\n",
    "utils/fetch_hub_objects_for_ci.py": "def url_to_local_path(url):\n    return url\n",
}


def _fetch(folder: Path, version: str) -> None:
    """Download the source distribution of a version and unpack its testers.

    Raises:
        subprocess.SubprocessError: it cannot be had.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(CACHE)]
    options = ["--no-deps", "--no-binary", "transformers", "--retries", "1", "--timeout", "20"]
    subprocess.run([*pip, *options, f"transformers=={version}"], check=True, capture_output=True, timeout=300)
    archive = next(CACHE.glob(f"transformers-{version}.tar.gz"))
    for name, text in NOT_DISTRIBUTED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with tarfile.open(archive) as files:
        for member in files:
            parts = Path(member.name).parts
            if member.isfile() and len(parts) == 3 and parts[1] == "tests":
                (folder / PACKAGE / parts[2]).write_bytes(files.extractfile(member).read())
    archive.unlink()
    (folder / "complete").touch()


def common_tester(name: str) -> ModuleType:
    """A module of Transformers' `tests/`, fetched on first use; where it cannot be had, the caller's tests skip."""
    version = transformers.__version__
    folder = CACHE / f"transformers-{version}"
    CACHE.mkdir(exist_ok=True)
    with filelock.FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            try:
                _fetch(folder, version)
            except (subprocess.SubprocessError, StopIteration) as error:
                pytest.skip(f"no source distribution of transformers {version}: {error}", allow_module_level=True)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return importlib.import_module(f"{PACKAGE}.{name}")
