"""What a report is made from: results.json files, answers and the traces of a run, found below result folders."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

RESULTS = "results.json"
MERGED_FROM = "merged_from"  # in a report's results.json, the path from there to the one that a result is of
SCORES = ("n", "accuracy", "f1_yes", "f1_no", "f1_weighted", "yes_rate", "auroc", "unparsed")
# Folders are searched this deep: a run's own outputs, not corpora that may lie beside them.
_DEPTH = 3
_ANSWER_COLUMNS = ("id", "benchmark", "subset", "question", "answer", "system", "response", "p_yes", "parsed")
_CLIP_COLUMNS = ("clip", "recording")
_REQUIRED_COLUMNS = {"id", "benchmark", "question", "answer", "system", "parsed"}


@dataclass(frozen=True)
class Result:
    """The scores of one system on one subset of a benchmark.

    Attributes:
        values: its numbers by name (`n`, `accuracy`, ...), rates in 0..1; what is missing or not finite is left out.
        intervals: 95% confidence intervals by the same names.
        raw: the object as it stands in results.json.
        source: the results.json that an evaluation wrote it to, also where it was read from a report's merger.
    """

    system: str
    benchmark: str
    subset: str
    values: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict, compare=False)
    source: Path | None = field(default=None, compare=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """System, benchmark and subset."""
        return self.system, self.benchmark, self.subset


@dataclass
class Inputs:
    """Everything that was read.

    Attributes:
        results: one for each system, benchmark and subset, in the order of the files.
        answers: the answer records without the recordings; `recording` is the recording's path or null, `clip` what
            tells it from others.
        notes: what was left out or renamed, for the reader.
    """

    results: list[Result]
    answers: "pandas.DataFrame"
    notes: list[str]

    @property
    def systems(self) -> list[str]:
        """The systems in the order of the results."""
        return list(dict.fromkeys(result.system for result in self.results))

    def of(self, system: str, benchmark: str, subsets: Iterable[str]) -> "pandas.DataFrame":
        """One system's answers to some subsets of a benchmark."""
        rows = self.answers
        return rows[(rows["system"] == system) & (rows["benchmark"] == benchmark) & rows["subset"].isin(list(subsets))]


def read_inputs(folders: Iterable[str | Path]) -> Inputs:
    """Read all results and answers below some folders; what reports merged gives way to what it was merged from.

    Args:
        folders: where evaluations wrote their results.

    Raises:
        FileNotFoundError: a folder does not exist, or holds no results.json.
        ValueError: a file that cannot be used; the message names it.
    """
    import pandas

    sources: dict[Path, list[Result]] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise FileNotFoundError(
                f"the results folder {folder} does not exist; make it with recipes/evaluate_listen.py"
            )
        files = find(folder, RESULTS)
        if not files:
            raise FileNotFoundError(
                f"{folder} holds no {RESULTS}, nor does a folder in it; make one with recipes/evaluate_listen.py"
            )
        sources |= {path.resolve(): [] for path in files}
    for path in sources:
        sources[path] = [each for each in read_results(path) if each.source == path or each.source not in sources]
    notes: list[str] = []
    names = _distinct_names(sources, notes)

    results: dict[tuple[str, str, str], Result] = {}
    frames = []
    for path, each in sources.items():
        for result in each:
            renamed = replace(result, system=names.get((path, result.system), result.system))
            results.setdefault(renamed.key, renamed)
        frame = _answers_beside(path, [other for other in sources if other != path])
        if len(frame):
            frame["system"] = [names.get((path, system), system) for system in frame["system"]]
            frames.append(frame)
    answers = pandas.concat(frames, ignore_index=True) if frames else _empty_answers()
    answers = answers.drop_duplicates(["system", "benchmark", "subset", "id"])
    inputs = Inputs(list(results.values()), answers, notes)
    places = {system: place for place, system in enumerate(inputs.systems)}
    inputs.answers = answers.sort_values(
        "system", key=lambda names: names.map(places).fillna(len(places)), kind="stable", ignore_index=True
    )
    return inputs


def find(folder: Path, pattern: str) -> list[Path]:
    """Files that match a pattern in a folder or at most three levels below it, nearest first, by name."""
    found = {path for depth in range(_DEPTH + 1) for path in folder.glob("*/" * depth + pattern) if path.is_file()}
    return sorted(found, key=lambda path: (len(path.parts), path))


def read_results(path: Path) -> list[Result]:
    """Read one results.json.

    Raises:
        ValueError: it is not a list of objects with `system` and `benchmark`, or a score is no number.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    results = parse_results(rows, str(path))
    return [
        replace(each, source=(path.parent / str(each.raw.get(MERGED_FROM, path.name))).resolve()) for each in results
    ]


def parse_results(rows: Any, where: str) -> list[Result]:
    """Read the objects of a results.json.

    Args:
        rows: the list.
        where: what error messages call it.

    Raises:
        ValueError: as for `read_results`.
    """
    if not isinstance(rows, list):
        raise ValueError(f"{where} must hold a list of objects, not {type(rows).__name__}")
    return [_result(row, f"{where}, object {number}") for number, row in enumerate(rows, 1)]


def _result(row: Any, where: str) -> Result:
    if not isinstance(row, dict) or not all(row.get(name) for name in ("system", "benchmark")):
        raise ValueError(f"{where}: `system` and `benchmark` are needed")
    values, intervals = {}, {}
    for name, value in row.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and math.isfinite(value):
            values[name] = value
        elif name in SCORES and value is not None and not number:
            raise ValueError(f"{where}: {name} is {value!r}, not a number")
    given = row.get("intervals") or {}
    if not isinstance(given, dict):
        raise ValueError(f"{where}: intervals is {given!r}, not an object")
    for name, ends in given.items():
        if isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, int | float) for end in ends):
            if all(map(math.isfinite, ends)):
                intervals[name] = (float(ends[0]), float(ends[1]))
        elif ends is not None:
            raise ValueError(f"{where}: the interval of {name} is {ends!r}, not two numbers")
    return Result(str(row["system"]), str(row["benchmark"]), str(row.get("subset") or ""), values, intervals, row)


def _distinct_names(sources: dict[Path, list[Result]], notes: list[str]) -> dict[tuple[Path, str], str]:
    """New names for systems that two files call the same and score differently: the folder's name is added."""
    seen: dict[tuple[str, str, str], tuple[Path, Result]] = {}
    clashing: dict[str, set[Path]] = {}
    for path, results in sources.items():
        for result in results:
            first, other = seen.setdefault(result.key, (path, result))
            if first != path and other != result:
                clashing.setdefault(result.system, set()).update((first, path))
    names = {}
    for system, paths in clashing.items():
        folders = {path: path.parent.name for path in paths}
        if len(set(folders.values())) < len(folders):
            folders = {path: f"{path.parent.parent.name}/{path.parent.name}" for path in paths}
        names |= {(path, system): f"{system} ({folder})" for path, folder in folders.items()}
        notes.append(
            f"{len(paths)} folders score a system called {system} differently; the folder's name is added to it."
        )
    return names


def _answers_beside(results: Path, others: list[Path]) -> "pandas.DataFrame":
    """The answers below the folder of a results.json, without those that lie nearer to another one."""
    import pandas

    nested = [other.parent for other in others if results.parent in other.parent.parents]
    files = [
        path for path in find(results.parent, "*.parquet") if not any(folder in path.parents for folder in nested)
    ]
    frames = [frame for path in files if (frame := read_answers(path)) is not None]
    return pandas.concat(frames, ignore_index=True) if frames else _empty_answers()


def read_answers(path: Path) -> "pandas.DataFrame | None":
    """Read answer records without their recordings; None if the Parquet file holds other records.

    Raises:
        ValueError: the file is not Parquet.
    """
    import pandas
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path} is not a Parquet file: {error}") from None
    names = set(file.schema_arrow.names)
    if not names >= _REQUIRED_COLUMNS:
        return None
    columns = [name for name in (*_ANSWER_COLUMNS, "clip_key") if name in names]
    audio = file.schema_arrow.field("audio").type if "audio" in names else None
    if audio is not None and pyarrow.types.is_struct(audio) and audio.get_field_index("path") >= 0:
        columns.append("audio.path")
    frame: pandas.DataFrame = file.read(columns=columns).to_pandas()
    audio_paths = frame.pop("audio") if "audio" in frame else None
    frame["recording"] = None if audio_paths is None else [each and each.get("path") for each in audio_paths]
    frame["clip"] = frame["clip_key"] if "clip_key" in frame else frame["recording"]
    frame = frame.reindex(columns=[*_ANSWER_COLUMNS, *_CLIP_COLUMNS])
    for name in frame.columns:
        if name != "p_yes":
            frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
    frame["p_yes"] = frame["p_yes"].astype(float)
    frame["subset"] = [subset or "" for subset in frame["subset"]]
    return frame


def _empty_answers() -> "pandas.DataFrame":
    import pandas

    return pandas.DataFrame({name: [] for name in (*_ANSWER_COLUMNS, *_CLIP_COLUMNS)})
