"""One command line for every recipe: `python recipes/NAME.py [CONFIG.yaml] [--option value ...]`.

Options are dataclass fields (their `metadata["help"]` is what `--help` prints). Values come, later ones winning, from
the field's default, from the YAML file and from the command line; a name that no dataclass has is an error in both.
In the YAML file a list of one may be written without brackets.
"""

import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import yaml

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser


def option(default: Any, help: str, **metadata: Any) -> Any:
    """A dataclass field with a default and the text that `--help` shows for it."""
    metadata = {"help": help, **metadata}
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@contextmanager
def errors_as_messages(
    *further: type[Exception], resumes: str = "the same command goes on from here"
) -> Iterator[None]:
    """End the program with a line where the user can mend what is wrong, or has stopped it, instead of a traceback.

    Args:
        further: errors that users can mend, besides ValueError and OSError.
        resumes: what is said of a run that was stopped.

    Raises:
        SystemExit: in the place of these errors and of KeyboardInterrupt.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(f"stopped; {resumes}") from None
    except (ValueError, OSError, *further) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error


def parse_options(*option_types: type, description: str, argv: list[str] | None = None) -> tuple[Any, ...]:
    """Read the options of a recipe.

    Args:
        option_types: dataclasses whose fields are the options; no two may share a field name.
        description: what `--help` says first; the recipe's docstring.
        argv: arguments to parse instead of `sys.argv[1:]`.

    Returns:
        One instance for each dataclass, in the order given.

    Raises:
        SystemExit: an unknown option, a malformed value or a configuration file that cannot be used; the message
            names it.
    """
    from argparse import RawDescriptionHelpFormatter

    from transformers import HfArgumentParser

    argv = list(sys.argv[1:] if argv is None else argv)
    usage = "%(prog)s [CONFIG.yaml] [--option value ...]"
    parser = HfArgumentParser(
        option_types,
        description=description,
        usage=usage,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if argv and not argv[0].startswith("-"):
        config = Path(argv.pop(0))
        parser.set_defaults(**_read_config(config, parser, option_types))
    with errors_as_messages():  # what the dataclasses refuse
        *options, unknown = parser.parse_args_into_dataclasses(
            argv, look_for_args_file=False, return_remaining_strings=True
        )
    if unknown:
        parser.error(f"unknown options: {' '.join(unknown)}")
    return tuple(options)


def _read_config(config: Path, parser: "ArgumentParser", option_types: tuple[type, ...]) -> dict[str, Any]:
    if not config.is_file():
        parser.error(f"configuration file {config} does not exist")
    try:
        values = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        parser.error(f"configuration file {config} is not valid YAML: {error}")
    if not isinstance(values, dict):
        parser.error(f"configuration file {config} must hold a mapping of option names to values")
    hints = {name: hint for option_type in option_types for name, hint in get_type_hints(option_type).items()}
    actions = {name: parser._option_string_actions.get(f"--{name}") for name in hints}
    if unknown := sorted(name for name in map(str, values) if actions.get(name) is None):
        parser.error(f"configuration file {config} holds unknown options: {', '.join(unknown)}")
    return {name: _checked(value, hints[name], actions[name], parser, config) for name, value in values.items()}


def _checked(value: Any, hint: Any, action: "Action", parser: "ArgumentParser", config: Path) -> Any:
    """What the command line would make of a value that YAML has read."""
    from argparse import ArgumentError

    if value is None and NoneType in get_args(hint):
        return None
    several = action.nargs in ("+", "*")
    values = value if isinstance(value, list) else [value]
    if several and not values:
        return []
    try:
        if value is None or (len(values) != 1 and not several):
            raise ArgumentError(action, f"invalid value: {value!r}")
        return parser._get_values(action, [json.dumps(v) if isinstance(v, dict) else str(v) for v in values])
    except ArgumentError as error:
        parser.error(f"configuration file {config}: {error}")


def resolved(*options: Any) -> dict[str, Any]:
    """All options by name, as a YAML file of them gives them back."""
    values = {name: value for each in options for name, value in dataclasses.asdict(each).items()}
    return yaml.safe_load(yaml.safe_dump(values))


def write_options(path: str | Path, *options: Any) -> None:
    """Write options as a YAML file that the same recipe accepts as its configuration."""
    write_values(path, resolved(*options))


def write_values(path: str | Path, values: dict[str, Any]) -> None:
    """Write values as a YAML file that is there whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    part.replace(path)
