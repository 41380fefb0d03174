"""Sections 4.2 and 5 of the paper: benchmarks -> answers -> scores, for LISTEN and whatever it is compared with.

    # The miniature: what train_listen.py makes without options, on the sound world, with its bounds, on any CPU.
    python recipes/evaluate_listen.py --systems "LISTEN=listen:runs/training" text silence always-yes

    # Two rows of the paper's Table 3 on its three benchmarks.
    python recipes/evaluate_listen.py --output_dir runs/table3 \\
        --systems "LISTEN (P+N)=listen:runs/positive_negative" "Qwen2-Audio=hf:Qwen/Qwen2-Audio-7B-Instruct" \\
        --benchmarks audio_hallucination/random=data/hallucination clotho_aqa=data/clotho_aqa \\
                     synonym_hypernym/esc50=data/ESC-50

    # Is the sound there? Questions about the tags of your own recordings (a CSV of file and tags).
    python recipes/evaluate_listen.py --systems listen:runs/model always-yes --benchmarks presence/folder=my_recordings

A SYSTEM is [NAME=]KIND[:VALUE]. KIND and VALUE are one of

{systems}

The bounds text, silence and shuffled are those of the first `listen` (or `hf`) system, if they have no VALUE.

A BENCHMARK is NAME[/SUBSET][=FOLDER], FOLDER holding its files and recordings; presence/CORPUS[:SPLIT][:STRATEGY]
[=FOLDER], questions made from the tags of a corpus (STRATEGY: random, popular or adversarial); or a .csv, .jsonl or
.parquet file with the columns audio, question and answer (each benchmark and subset that columns of these names tell
apart is scored by itself). Names: {benchmarks}.

The output folder gets results.json (rows of other systems are kept), every answer as
answers/SYSTEM/BENCHMARK-SUBSET.parquet, and the options (with the systems and benchmarks of earlier runs). A run that
was stopped, by whatever, goes on where it was when the same command is given again. To share the work out, start the
script with `accelerate launch` or `torchrun`, or give each of several machines that share the output folder
`--shard 1/4` to `--shard 4/4`: whoever is last to finish writes the scores.
"""

import dataclasses
import hashlib
import itertools
import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from recipes.benchmarks import BENCHMARKS
from recipes.benchmarks.specification import load_apart
from recipes.command_line import errors_as_messages, option, parse_options, write_options
from recipes.systems import KINDS, load_systems, parse_system, spell_out

if TYPE_CHECKING:
    import datasets

    from recipes.systems.base import System
    from recipes.systems.clips import Plan

logger = logging.getLogger(__name__)

SOUND_WORLD = ("random", "popular", "adversarial", "hypernym", "synonym", "question_answering")


@dataclass
class EvaluationOptions:
    """Who is asked what, and where the answers go."""

    systems: list[str] = option([], "Who is asked: [NAME=]KIND[:VALUE] each, see above.")
    benchmarks: list[str] = option(
        [f"sound_world/{subset}" for subset in SOUND_WORLD],
        "What is asked: NAME[/SUBSET][=FOLDER] each, see above. Default: all of the sound world.",
    )
    output_dir: str = option("runs/evaluation", "Gets results.json, the answers and the options.")
    score: str = option(
        "generate",
        "`generate` responses greedily, as the paper does, or `logits`: answer yes/no questions by the more probable "
        "of the two as first token, which is several times as fast. For `listen`, `hf` and `text`.",
        choices=["generate", "logits"],
    )
    max_new_tokens: int = option(64, "Responses are cut there.")
    batch_size: int = option(32, "Questions that are answered at once; those on one clip share its computation.")
    limit: int | None = option(None, "Ask only the first so many questions of each benchmark.")
    missing_audio: str = option(
        "keep", "Questions whose recording is not there: keep (counted as unanswered), skip or error."
    )
    resume: bool = option(True, "Go on with answers that are there; `--resume false` throws them away.")
    shard: str = option("", "PART/PARTS: answer one part of the questions. Default: by RANK and WORLD_SIZE, or 1/1.")
    device: str = option("auto", "cpu, cuda:0, ... The default is this process's accelerator where there is one.")
    dtype: str = option("auto", "Of the weights: float32, bfloat16, ... The default is the checkpoint's.")
    concurrency: int = option(16, "Requests in flight, for `api`.")
    num_workers: int = option(4, "Threads that read recordings.")


def main(argv: list[str] | None = None) -> None:
    """Ask every system every question, keep the answers, and score them."""
    systems = "\n".join(f"    {kind:<12}{value}" for kind, value in KINDS.items())
    description = __doc__.format(systems=systems, benchmarks=", ".join([*BENCHMARKS, "presence"]))
    (options,) = parse_options(EvaluationOptions, description=description, argv=argv)
    for name in ("max_new_tokens", "batch_size", "limit", "concurrency", "num_workers"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise SystemExit(f"--{name} is {value}; it must be at least 1")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shard = _parse_shard(options.shard)
    systems = _make_systems(options)
    benchmarks = [questions for each in options.benchmarks for questions in _load_questions(each, options)]
    names = [_benchmark_name(questions) for questions in benchmarks]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise SystemExit(f"two benchmarks would both write to {repeated}.parquet; leave one out of --benchmarks")
    for system, questions in itertools.product(systems, benchmarks):
        try:
            system.check(questions)
        except ValueError as error:
            raise SystemExit(str(error)) from error
    output = Path(options.output_dir)
    with errors_as_messages(RuntimeError, yaml.YAMLError):
        _write_options(output / "evaluation.yaml", options)
        for system in systems:
            try:
                for questions in benchmarks:
                    _evaluate(system, questions, output, shard, options)
            finally:
                system.close()


def _evaluate(
    system: "System", questions: "datasets.Dataset", output: Path, shard: tuple[int, int], options: EvaluationOptions
) -> None:
    """Have one system answer one benchmark's questions, and score it once all parts are there."""
    from recipes.systems.clips import plan_batches
    from recipes.systems.results import answer_records, merge_results, score, write_records

    folder = output / "answers" / _file_name(system.name) / _benchmark_name(questions)
    plan = plan_batches(questions, options.batch_size)
    _agree_on(folder, _part(folder, *shard), system, questions, options)
    _answer(system, questions, plan, folder, shard, options)
    if (answers := _complete(folder, shard[1], questions)) is None:
        logger.info("%s: part %d of %d is done; the last part to finish scores", folder, *shard)
        return
    records = answer_records(questions, answers, system.name)
    write_records(records, folder.with_name(f"{folder.name}.parquet"))
    merge_results(output, row := score(records))
    _report(row)


def _answer(
    system: "System",
    questions: "datasets.Dataset",
    plan: "Plan",
    folder: Path,
    shard: tuple[int, int],
    options: EvaluationOptions,
) -> None:
    from tqdm import tqdm

    from recipes.systems.answer_file import AnswerFile
    from recipes.systems.clips import answer_readable, load_batches

    part, parts = shard
    ids = questions["id"][:]
    batches = plan.batches[part - 1 :: parts]
    batch_ids = [[ids[index] for clip in batch for index in clip.questions] for batch in batches]
    first = questions[0]
    with AnswerFile(_part(folder, part, parts), batch_ids) as file:
        todo = batches[file.batches_done :]
        done = sum(map(len, batch_ids[: file.batches_done]))
        if not todo:
            return
        recordings = system.recordings([questions[index]["audio"] for index in plan.recordings])
        loaded = load_batches(questions, todo, recordings, system.hears, options.num_workers)
        unreadable = set()
        title = f"{system.name}: {first['benchmark']}/{first['subset']}"
        with tqdm(total=sum(map(len, batch_ids)), initial=done, desc=title, unit="question") as progress:
            for batch, answers in answer_readable(system, loaded):
                unreadable |= {clip.error for clip in batch if clip.error}
                file.append(
                    [question for clip in batch for question in clip.questions], list(itertools.chain(*answers))
                )
                progress.update(sum(map(len, answers)))
    if unreadable:
        logger.warning(
            "%s: %d recordings cannot be read, so questions about them are unanswered; the first: %s",
            title,
            len(unreadable),
            min(unreadable),
        )


def _agree_on(
    folder: Path, part: Path, system: "System", questions: "datasets.Dataset", options: EvaluationOptions
) -> None:
    """Refuse to go on with answers that were given otherwise, or throw them away; note how these are given."""
    from filelock import FileLock

    from recipes.systems.answer_file import remove_answers

    settings = {"system": system.identity_for(questions), "questions": _digest(questions)}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.json"
    with FileLock(folder / ".settings.json.lock"):
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else settings
        changed = ", ".join(name for name in settings if known.get(name) != settings[name])
        if changed and options.resume:
            raise SystemExit(
                f"{folder} holds answers that were given otherwise (what differs is the {changed}): choose another "
                "--output_dir, or throw them away with --resume false"
            )
        if not options.resume:
            # Other parts may be on their way, unless they are of before.
            remove_answers(folder.glob("part-*.jsonl") if changed else [part])
        path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _digest(questions: "datasets.Dataset") -> str:
    """What tells questions from others; their recordings go by file name, so that folders may move."""
    from recipes.systems.clips import clip_keys

    asked = [
        name for name in ("id", "question", "answer", "answer_type", "options", "seed") if name in questions.features
    ]
    columns = {name: questions[name][:] for name in asked}
    columns["recordings"] = [os.path.basename(key) for key in clip_keys(questions)]
    return hashlib.blake2b(json.dumps(columns).encode(), digest_size=16).hexdigest()


def _complete(folder: Path, parts: int, questions: "datasets.Dataset") -> "list | None":
    """All answers in the questions' order; None while some are not there."""
    from recipes.systems.answer_file import read_answers

    answers: dict[str, Any] = {}
    for part in range(1, parts + 1):
        path = _part(folder, part, parts)
        if path.exists():
            answers |= read_answers(path)
    ids = questions["id"][:]
    return [answers[each] for each in ids] if all(each in answers for each in ids) else None


def _part(folder: Path, part: int, parts: int) -> Path:
    return folder / f"part-{part}-of-{parts}.jsonl"


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.+()-]+", "_", name)


def _benchmark_name(questions: "datasets.Dataset") -> str:
    return _file_name(f"{questions[0]['benchmark']}-{questions[0]['subset']}")


def _write_options(path: Path, options: EvaluationOptions) -> None:
    """Note the options, with the systems and benchmarks of earlier runs, whose results stay, before this run's own."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        known = (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}
        systems = [*known.get("systems", ()), *spell_out(options.systems)]
        benchmarks = [*known.get("benchmarks", ()), *options.benchmarks]
        options = dataclasses.replace(
            options,
            systems=list({parse_system(each)[0] or each: each for each in systems}.values()),
            benchmarks=list({each.partition("=")[0]: each for each in benchmarks}.values()),
        )
        write_options(path, options)


def _report(row: dict[str, Any]) -> None:
    scores = {
        name: row[name] for name in ("accuracy", "f1_yes", "f1_no", "yes_rate", "auroc") if row[name] is not None
    }
    logger.info(
        "%s on %s/%s: %d questions, %s, %.1f %% unparsed (%.1f %% unanswered%s)",
        row["system"],
        row["benchmark"],
        row["subset"],
        row["n"],
        ", ".join(f"{name} {value:.3f}" for name, value in scores.items()),
        100 * row["unparsed"],
        100 * row["unanswered"],
        # Answers that are there stay, also when a recording that was missing has come.
        "; --resume false asks again" if row["unanswered"] else "",
    )


def _make_systems(options: EvaluationOptions) -> "list[System]":
    from recipes.systems.base import Settings

    if not options.systems:
        raise SystemExit("whom to ask? --systems listen:CHECKPOINT always-yes, for example; see --help")
    device = options.device
    if device == "auto" and "LOCAL_RANK" in os.environ:
        import torch

        if torch.accelerator.is_available():
            device = f"{torch.accelerator.current_accelerator().type}:{os.environ['LOCAL_RANK']}"
    names = {field.name for field in dataclasses.fields(Settings)}
    values = {name: value for name, value in dataclasses.asdict(options).items() if name in names}
    try:
        systems = load_systems(options.systems, Settings(**{**values, "device": device}))
    except ValueError as error:
        raise SystemExit(str(error)) from error
    folders = [_file_name(system.name) for system in systems]
    if repeated := next((name for name in folders if folders.count(name) > 1), None):
        raise SystemExit(f"two systems would both write to answers/{repeated}; choose names that differ in letters")
    return systems


def _load_questions(specification: str, options: EvaluationOptions) -> "list[datasets.Dataset]":
    try:
        return load_apart(specification, options.missing_audio, options.limit)
    except (ValueError, OSError) as error:
        raise SystemExit(f"cannot load the benchmark {specification!r}: {error}") from error


def _parse_shard(shard: str) -> tuple[int, int]:
    """Part and parts, from 1; by the environment of a launcher where no shard is given."""
    if not shard:
        return int(os.environ.get("RANK", 0)) + 1, int(os.environ.get("WORLD_SIZE", 1))
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise SystemExit(f"--shard is {shard!r}; write PART/PARTS, such as 1/4")
    return int(match[1]), int(match[2])


if __name__ == "__main__":
    main()
