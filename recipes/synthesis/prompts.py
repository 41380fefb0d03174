"""The generation prompts P_gen (section 3.1) and the rule-based templates (section 5.4), read from a YAML file."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml

from recipes.records import SAMPLE_TYPES

DEFAULT_PROMPTS = Path(__file__).with_name("prompts.yaml")
FAMILIES = tuple(name for name in SAMPLE_TYPES if name != "rule")


@dataclass(frozen=True)
class RuleTemplate:
    """A prompt and the response that a rule writes for it.

    Attributes:
        prompt: P_gen.
        caption: the response for a seed that is a caption; `{caption}` stands for it.
        tags: the response for a seed of tags; `{tags}` stands for them, written as a list.
    """

    prompt: str
    caption: str
    tags: str

    def respond(self, seed: Mapping[str, Any]) -> str:
        """The response for a seed record."""
        if seed["seed_type"] == "caption":
            return self.caption.format(caption=seed["seed"])
        return self.tags.format(tags=join_tags(seed["tags"] or [seed["seed"]]))


class Prompts:
    """The prompt families of a run.

    Args:
        path: a YAML file with any of the keys `positive`, `negative`, `combined` (lists of prompts) and `rule` (a list
            of `prompt`, `caption`, `tags`). What it leaves out comes from `prompts.yaml` beside this module.

    Raises:
        ValueError: the file cannot be used; the message names the file and the entry.
    """

    def __init__(self, path: str | Path = DEFAULT_PROMPTS) -> None:
        self.path = Path(path)
        entries = {**_read(DEFAULT_PROMPTS), **_read(self.path)}
        self.families = {name: tuple(entries[name]) for name in FAMILIES}
        self.rules = tuple(entries["rule"])

    def choose(self, corpus: str, seed_id: str, sample_type: str, sample_index: int) -> str | RuleTemplate:
        """The prompt (for `rule`, the template) of a sample; the same in every run and on every machine.

        The draws of one seed take different prompts for as long as the family has any left.
        """
        family = self.rules if sample_type == "rule" else self.families[sample_type]
        digest = blake2b("\0".join((corpus, seed_id, sample_type)).encode(), digest_size=8).digest()
        return family[(int.from_bytes(digest, "big") + sample_index) % len(family)]


def join_tags(tags: list[str]) -> str:
    """Tags as running text: `a, b and c`, or `a; b, c; d` where a tag itself holds a comma."""
    if any("," in tag for tag in tags):
        return "; ".join(tags)
    return " and ".join(filter(None, (", ".join(tags[:-1]), tags[-1])))


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read the prompts in {path}: {error}") from error
    if not isinstance(entries, dict) or not entries:
        raise ValueError(f"{path} must map families of prompts ({', '.join(SAMPLE_TYPES)}) to lists")
    for name, family in entries.items():
        if name not in SAMPLE_TYPES:
            raise ValueError(f"{path}: there is no family {name!r}; there are {', '.join(SAMPLE_TYPES)}")
        if not isinstance(family, list) or not family:
            raise ValueError(f"{path}: {name} must be a list with at least one entry")
        if name == "rule":
            entries[name] = [_rule_template(path, entry) for entry in family]
            continue
        for prompt in family:
            if not isinstance(prompt, str) or not prompt.strip():
                raise ValueError(f"{path}: {name} holds {prompt!r}, which is not a prompt")
        if duplicates := {prompt for prompt in family if family.count(prompt) > 1}:
            raise ValueError(f"{path}: {name} holds {sorted(duplicates)[0]!r} twice")
    return entries


def _rule_template(path: Path, entry: Any) -> RuleTemplate:
    if not isinstance(entry, dict) or set(entry) != {"prompt", "caption", "tags"}:
        raise ValueError(f"{path}: a rule needs exactly prompt, caption and tags, not {entry!r}")
    for name in ("caption", "tags"):
        try:
            fields = [field for _, field, _, _ in string.Formatter().parse(str(entry[name])) if field is not None]
        except ValueError as error:
            raise ValueError(f"{path}: rule {entry[name]!r}: {error}") from error
        if fields != [name]:
            raise ValueError(f"{path}: rule {entry[name]!r} must hold {{{name}}} once and no other field")
    return RuleTemplate(**{name: str(text) for name, text in entry.items()})
