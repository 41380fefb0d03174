"""What can be judged, chosen by a string: `load_systems(["LISTEN=listen:runs/model", "text", "always-yes"])`."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recipes.systems.base import Settings, System

# Kind -> what its VALUE is; `--help` prints it.
KINDS = {
    "listen": "a checkpoint of LISTEN: folder or Hub id",
    "hf": "any audio LLM of Transformers: folder or Hub id",
    "api": "URL or URL#MODEL of a server that takes audio in OpenAI's chat format; key from OPENAI_API_KEY",
    "function": "MODULE:FUNCTION or FILE.py:FUNCTION, called as function(audio_path, question) -> str",
    "answers": "a CSV file with the columns entry_id, audio_index, label, response",
    "text": "bound: the language model reads the seed; a checkpoint of LISTEN or any causal LM",
    "silence": "bound: another system hears silence",
    "shuffled": "bound: another system hears the recordings interchanged",
    "always-yes": "bound",
    "always-no": "bound",
}
_BORROWING = ("text", "silence", "shuffled")
_KIND = rf"(?:{'|'.join(KINDS)})"
_SPECIFICATION = re.compile(
    rf"(?:(?P<name>(?!{_KIND}:).+?)=(?={_KIND}(?:[:=]|$)))?(?P<kind>{_KIND})(?:[:=](?P<value>.+))?"
)


def load_systems(specifications: Sequence[str], settings: "Settings | None" = None) -> "list[System]":
    """Make systems from `[NAME=]KIND[:VALUE]`, such as `listen:runs/model` or `Qwen2-Audio=hf:Qwen/Qwen2-Audio-7B`.

    KIND is one of `KINDS`. Without NAME a system is called by its specification. `text`, `silence` and `shuffled`
    without VALUE are the bounds of the first system in the list that is `listen` (or, the latter two, `hf`).

    Args:
        specifications: one for each system.
        settings: how they answer.

    Raises:
        ValueError: a specification that cannot be understood, or names that are the same.
    """
    from recipes.systems.base import Settings

    systems = []
    for specification in spell_out(specifications):
        name, kind, value = parse_system(specification)
        systems.append(_make(name or specification, kind, value, settings or Settings()))
    names = [system.name for system in systems]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"several systems are called {sorted(repeated)[0]!r}: name them as NAME=KIND:VALUE")
    return systems


def spell_out(specifications: Sequence[str]) -> list[str]:
    """The specifications, with the system whose bound it is as VALUE of each bound that has none.

    Raises:
        ValueError: one cannot be understood, or a bound has no system.
    """
    parsed = [parse_system(each) for each in specifications]
    return [
        f"{name or kind}={kind}:{_first_model(kind, parsed)}" if kind in _BORROWING and not value else specification
        for specification, (name, kind, value) in zip(specifications, parsed, strict=True)
    ]


def parse_system(specification: str) -> tuple[str | None, str, str | None]:
    """NAME, KIND and VALUE of `[NAME=]KIND[:VALUE]`, the first and the last None where they are not given.

    Raises:
        ValueError: it cannot be understood.
    """
    match = _SPECIFICATION.fullmatch(specification.strip())
    if not match:
        raise ValueError(
            f"{specification!r} is no system: write [NAME=]KIND[:VALUE], with KIND one of {', '.join(KINDS)}"
        )
    name, kind, value = match["name"], match["kind"], match["value"]
    if value is None and kind not in (*_BORROWING, "always-yes", "always-no"):
        raise ValueError(f"the system {specification!r} lacks a value: {kind}:VALUE, with VALUE {KINDS[kind]}")
    return name and name.strip(), kind, value


def _first_model(bound: str, parsed: list[tuple[str | None, str, str | None]]) -> str:
    kinds = ("listen",) if bound == "text" else ("listen", "hf")
    for _, kind, value in parsed:
        if kind in kinds:
            return value if bound == "text" else f"{kind}:{value}"
    example = "text:MODEL" if bound == "text" else f"{bound}:listen:CHECKPOINT"
    raise ValueError(
        f"the bound {bound!r} is that of another system, but none of the systems is {' or '.join(kinds)}: "
        f"name one, as in {example}"
    )


def _make(name: str, kind: str, value: str | None, settings: "Settings") -> "System":
    from recipes.systems import answers_csv, bounds, function, hf_audio_llm, listen, openai_api

    if kind in ("always-yes", "always-no"):
        return bounds.Constant(name, kind.removeprefix("always-"))
    if kind in ("silence", "shuffled"):
        _, other_kind, other_value = parse_system(value)
        if other_kind not in ("listen", "hf", "api", "function"):
            raise ValueError(f"{kind}:{value}: {other_kind} does not listen, so it has no such bound")
        bound = bounds.Silence if kind == "silence" else bounds.Shuffled
        return bound(name, _make(value, other_kind, other_value, settings))
    classes = {
        "listen": listen.Listen,
        "hf": hf_audio_llm.HFAudioLLM,
        "api": openai_api.OpenAIAPI,
        "function": function.Function,
        "answers": answers_csv.AnswersCSV,
        "text": listen.SeedReader,
    }
    return classes[kind](name, value, settings)
