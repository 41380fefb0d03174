"""What was run, as far as the settings say that runs write beside their results."""

import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from recipes.report.inputs import Inputs, find
from recipes.systems import parse_system

_PACKAGES = ("torch", "transformers", "datasets", "evaluate")
_LIMIT = 20_000  # bytes of a file of settings that is shown


@dataclass(frozen=True)
class Settings:
    """A YAML file of settings: folder and name, text without this machine's folders, and what it holds."""

    name: str
    text: str
    content: dict[str, Any]


def read_settings(folders: Iterable[Path]) -> list[Settings]:
    """The settings in some folders and below; what is no mapping, or too long to be shown, is left out."""
    import yaml

    here = f"{Path.cwd()}/"
    found = []
    for path in dict.fromkeys(path.resolve() for folder in folders for path in find(folder, "*.yaml")):
        if path.stat().st_size > _LIMIT:
            continue
        text = path.read_text(encoding="utf-8", errors="replace").replace(here, "")
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError:
            continue
        if isinstance(content, dict):
            found.append(Settings("/".join(path.parts[-2:]), text, content))
    return found


def related_folders(folders: Iterable[Path]) -> list[Path]:
    """The folders, the models that were evaluated in them, and the responses that those were trained on."""
    related = list(dict.fromkeys(folders))
    for folder in related:  # grows while it is gone through
        for settings in read_settings([folder]):
            named = [value for _, kind, value in _systems(settings) if kind == "listen"]
            named += [settings.content["responses"]] if isinstance(settings.content.get("responses"), str) else []
            related += [path for path in map(Path, named) if path.is_dir() and path not in related]
    return related


def model_names(settings: Iterable[Settings]) -> dict[Path, str]:
    """What evaluations call the models in folders."""
    return {
        Path(value).resolve(): name
        for each in settings
        for name, kind, value in _systems(each)
        if name and kind == "listen"
    }


def _systems(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """The name, kind and value ("" where they are not given) of each system of an evaluation."""
    for system in settings.content.get("systems") or []:
        try:
            name, kind, value = parse_system(system)
        except (ValueError, AttributeError):  # other settings may call something else so
            continue
        yield name or "", kind, value or ""


def tell_facts(inputs: Inputs, settings: Sequence[Settings]) -> list[tuple[str, str]]:
    """Systems, benchmarks, seeds and versions: headings and sentences."""
    facts = [("Systems", ", ".join(inputs.systems) or "none")]
    named = {name: f"{kind}: {value}" for each in settings for name, kind, value in _systems(each)}
    facts += [(system, named[system]) for system in inputs.systems if system in named]
    for benchmark in dict.fromkeys(each.benchmark for each in inputs.results):
        sizes = {each.subset: each.values.get("n") for each in inputs.results if each.benchmark == benchmark}
        parts = [
            f"{size:,.0f} {subset.replace('_', ' ')}".strip() for subset, size in sizes.items() if size is not None
        ]
        clips = inputs.answers.loc[inputs.answers["benchmark"] == benchmark, "clip"].nunique()
        about = f", about {clips:,} clips" if clips else ""
        facts.append((benchmark.replace("_", " "), f"questions: {', '.join(parts) or 'not counted'}{about}"))
    seeds = [
        f"{each.name.removesuffix('.yaml')} {each.content['seed']}" for each in settings if "seed" in each.content
    ]
    if seeds:
        facts.append(("Seeds", ", ".join(seeds)))
    versions = [f"Python {platform.python_version()}", *_versions(), platform.machine()]
    return [*facts, ("Versions", ", ".join(versions))]


def _versions() -> Iterator[str]:
    for package in _PACKAGES:
        try:
            yield f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            continue
