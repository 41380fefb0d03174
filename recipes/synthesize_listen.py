"""Section 3.1 of the paper: seeds -> generation prompts -> responses, the training data of LISTEN.

A text LLM reads a caption or tags where audio will stand later, and answers prompts about what can be heard
(positive), what cannot (negative), or both (combined). Its responses become a pool, `data/*.parquet` in the output
folder, from which training takes the mixture that it wants.

    # The miniature: the embedded sound world and a small Llama, on any CPU.
    python recipes/synthesize_listen.py

    # The paper's own data, written by the backbone itself. Name the corpora that you have.
    python recipes/synthesize_listen.py --text_model meta-llama/Llama-3.1-8B-Instruct \\
        --corpora clotho:paper=data/clotho esc50:paper=data/ESC-50 audiocaps:paper=data/audiocaps \\
        --output_dir runs/paper/responses

    # The same pool by another LLM, or by rules (Table 3): this option and the folder differ. A URL is any
    # OpenAI-compatible server, its key is read from the environment variable OPENAI_API_KEY.
    ... --generator 'https://generativelanguage.googleapis.com/v1beta/openai#gemini-1.5-pro'
    ... --generator http://localhost:8000/v1
    ... --generator rule

A run that was stopped, by whatever, goes on where it was when the same command is given again. To share a run out,
give every machine the same command with `--shard 1/64` to `--shard 64/64` and the same output folder (or collect the
files of all `journal` folders in one); the command without `--shard` then writes the dataset, for which it needs the
same LLM or server again, since the journal is keyed by who wrote it.
"""

import dataclasses
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from recipes.command_line import errors_as_messages, option, parse_options, write_options
from recipes.miniature import BACKBONES, TEXT_MODEL

if TYPE_CHECKING:
    from datasets import Dataset

    from recipes.synthesis.engines import Engine
    from recipes.synthesis.journal import Journal
    from recipes.synthesis.judge import Judgements
    from recipes.synthesis.plan import Plan, Request, Sampling

DEFAULT_CORPORA = ["sound_world:train"]
LLM_SAMPLES = ["positive=2", "negative=1", "combined=1"]
RULE_SAMPLES = ["rule=2"]
MINIATURE_PROMPTS = BACKBONES.parent / "prompts.yaml"


@dataclass
class SynthesisOptions:
    """What is synthesized, by whom and where to."""

    corpora: list[str] = option(
        DEFAULT_CORPORA,
        "Corpora as NAME=FOLDER or NAME:SPLIT=FOLDER, SPLIT `paper` being what Table 2 counts. NAME is audioset, "
        "audiocaps, clotho, macs, fsd50k, esc50, esc10, urbansound8k, vocalsound, sound_world (no FOLDER) or folder.",
    )
    missing_audio: str = option("skip", "What becomes of seeds whose recording is not there: skip, keep or error.")
    text_model: str = option(TEXT_MODEL, "The backbone LLM, a folder or a name on the Hub.")
    generator: str = option(
        "self",
        "Who writes the responses: `self` (text_model), `rule`, URL or URL#MODEL of an OpenAI-compatible server, or "
        "another LLM's folder or name.",
    )
    samples: list[str] = option(
        [],
        f"Responses per seed by kind. Default: {' '.join(LLM_SAMPLES)}, which serves the three mixtures of the paper "
        "that an LLM writes; rule=2 for rule.",
    )
    prompts: str | None = option(
        None,
        "YAML file of prompt families. Default: recipes/synthesis/prompts.yaml, or the ones that it knows for the "
        "miniature.",
    )
    temperature: float = option(0.6, "Of the draws, 0 being greedy. The paper gives none; this is Llama 3.1's own.")
    top_p: float = option(0.9, "Nucleus of the draws; as above.")
    max_new_tokens: int = option(256, "Responses are cut there; cut ones are counted and not trained on.")
    seed: int = option(0, "Another seed draws other responses.")
    output_dir: str = option("runs/synthesis", "Gets the journal, the dataset, its card and the quality report.")
    shard: str = option("1/1", "PART/PARTS: make one part of the responses, for runs on several machines.")
    batch_size: int = option(32, "Responses in flight in this process.")
    window: int = option(512, "Responses computed and kept together; a stopped run repeats at most one window.")
    device: str = option("auto", "Device of the LLM in this process.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", "Its number format; auto is the checkpoint's."
    )
    concurrency: int = option(64, "Requests in flight at a URL.")
    retries: int = option(8, "Further attempts for a request at a URL, after 1, 2, 4, ... up to 60 s.")
    judge: bool = option(False, "Ask the generator whether the sounds that it named as absent contradict the seed.")
    push_to_hub: str | None = option(None, "Dataset repository to publish to (records and card, no recordings).")
    table2: bool = option(False, "Print hours and samples of the corpora beside the paper's Table 2, and stop.")
    benchmark: int = option(0, "Time this many greedy responses against plain padded `generate`, and stop.")


def main(argv: list[str] | None = None) -> None:
    """Synthesize, or print Table 2, or time the engine."""
    (options,) = parse_options(SynthesisOptions, description=__doc__, argv=argv)
    with errors_as_messages(RuntimeError):
        if options.table2:
            _print_table2(options)
        elif options.benchmark:
            _print_benchmark(options)
        else:
            synthesize(options)


def synthesize(options: SynthesisOptions) -> None:
    """Make what is missing of a run, then write its dataset, report and card."""
    from recipes.synthesis.journal import Journal
    from recipes.synthesis.plan import Plan, Sampling, parse_shard
    from recipes.synthesis.prompts import Prompts

    options = _resolved(options)
    if options.judge and options.generator == "rule":
        raise ValueError("--judge needs an LLM; rules name no absent sounds that could be judged")
    samples, part, prompts = _samples(options), parse_shard(options.shard), Prompts(options.prompts)
    sampling = Sampling(options.temperature, options.top_p, options.max_new_tokens, options.seed)
    corpora = load_corpora(options.corpora, options.missing_audio)
    output = Path(options.output_dir)
    with Journal(output / "journal", part) as journal:
        engine = make_engine(options, sampling)
        plan = Plan(corpora, samples, prompts, engine.identity, None if options.generator == "rule" else sampling)
        run_engine(engine, plan, journal, options.window, part)
        if part[1] > 1:
            print(f"part {options.shard} is complete; without --shard the same command writes the dataset")
            return
        finish(options, plan, engine, journal)


def load_corpora(specifications: list[str], missing_audio: str) -> list["Dataset"]:
    """Load corpora given as `NAME[:SPLIT][=FOLDER]`.

    Raises:
        ValueError: an unknown corpus, one without any seed, or two that give different seeds the same id.
    """
    from recipes.corpora import load_corpus

    corpora: list[Dataset] = []
    for specification in specifications:
        name_and_split, _, folder = specification.partition("=")
        name, _, split = name_and_split.partition(":")
        corpus = load_corpus(name, folder or None, split or None, missing_audio)
        if not len(corpus):
            raise ValueError(
                f"{specification}: there are no seeds; either the split is empty, or no recording was found: then the "
                "warning above names the first, and --missing_audio keep does without recordings"
            )
        for other, earlier in zip(specifications, corpora, strict=False):
            if earlier[0]["corpus"] == corpus[0]["corpus"] and (shared := _shared_ids(earlier, corpus)):
                raise ValueError(
                    f"{other} and {specification} both have the seed {min(shared)!r}, and {len(shared) - 1:,} more: "
                    "what has the same id is taken for the same seed; give each seed once, with an id of its own"
                )
        corpora.append(corpus)
    return corpora


def _shared_ids(first: "Dataset", second: "Dataset") -> set[str]:
    known = set(first["id"][:])
    return known.intersection(second["id"][:])


def make_engine(options: SynthesisOptions, sampling: "Sampling") -> "Engine":
    """The engine that `--generator` asks for."""
    if options.generator == "rule":
        from recipes.synthesis.engines.rule_engine import RuleEngine

        return RuleEngine()
    from recipes.synthesis.engines.transformers_engine import TransformersEngine, load_processor

    if "://" in options.generator:
        from recipes.synthesis.engines.openai_engine import OpenAIEngine

        render = load_processor(options.text_model).render_prompt
        return OpenAIEngine(options.generator, sampling, render, options.concurrency, options.retries)
    model = options.text_model if options.generator == "self" else options.generator
    return TransformersEngine.from_pretrained(model, sampling, options.batch_size, options.device, options.dtype)


def run_engine(
    engine: "Engine",
    plan: "Plan | Judgements",
    journal: "Journal",
    window: int,
    part: tuple[int, int] = (1, 1),
    unit: str = "responses",
) -> None:
    """Let an engine make what the journal does not hold of one part of a plan."""
    from tqdm import tqdm

    from recipes.synthesis.plan import pending_windows

    with tqdm(total=-(-len(plan) // part[1]), desc=engine.name, unit=f" {unit}", smoothing=0.05) as bar:

        def pending() -> Iterator[list["Request"]]:
            for size, requests in pending_windows(plan, journal, window, part):
                bar.update(size - len(requests))
                if requests:
                    yield requests

        for responses in engine.generate(pending()):
            journal.append(map(dataclasses.asdict, responses))
            bar.update(len(responses))


def finish(options: SynthesisOptions, plan: "Plan", engine: "Engine", journal: "Journal") -> None:
    """Write a complete run's dataset, quality report and card, and publish them if asked to."""
    from recipes.synthesis import dataset
    from recipes.synthesis.judge import SAMPLING, Judgements
    from recipes.synthesis.quality import format_report, measure

    output = Path(options.output_dir)
    dataset.write_dataset(dataset.rows(plan, journal), output, len(plan))
    write_options(output / "synthesis.yaml", options)
    report = measure(dataset.read_records(output))
    if options.judge:
        judgements = Judgements(output, engine.identity)
        run_engine(engine.with_sampling(SAMPLING), judgements, journal, options.window, unit="judgements")
        report["judge"] = judgements.write(journal)
    (output / "quality.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    dataset.write_card(output, plan, engine.name, format_report(report))
    print(f"{format_report(report)}\n\n{len(plan):,} responses in {output / 'data'}")
    if options.push_to_hub:
        dataset.push_to_hub(output, options.push_to_hub)


def _resolved(options: SynthesisOptions) -> SynthesisOptions:
    """The options with every default that depends on others filled in.

    Raises:
        ValueError: a number is too small.
    """
    from recipes.synthesis.prompts import DEFAULT_PROMPTS

    for name, least in (("batch_size", 1), ("window", 1), ("concurrency", 1), ("retries", 0), ("benchmark", 0)):
        if (value := getattr(options, name)) < least:
            raise ValueError(f"--{name} is {value}; it must be at least {least}")
    rule = options.generator == "rule"
    miniature = Path(options.text_model).resolve().is_relative_to(BACKBONES)
    return dataclasses.replace(
        options,
        samples=options.samples or (RULE_SAMPLES if rule else LLM_SAMPLES),
        prompts=options.prompts or str(MINIATURE_PROMPTS if miniature and not rule else DEFAULT_PROMPTS),
    )


def _samples(options: SynthesisOptions) -> dict[str, int]:
    from recipes.records import SAMPLE_TYPES

    allowed = ["rule"] if options.generator == "rule" else [name for name in SAMPLE_TYPES if name != "rule"]
    samples: dict[str, int] = {}
    for entry in options.samples:
        name, _, draws = entry.partition("=")
        if name not in allowed or not draws.isdecimal() or int(draws) < 1 or name in samples:
            raise ValueError(
                f"--samples {entry}: give KIND=DRAWS once for each kind; --generator {options.generator} makes "
                f"{', '.join(allowed)}"
            )
        samples[name] = int(draws)
    return samples


def _print_table2(options: SynthesisOptions) -> None:
    """Table 2 beside the paper's.

    Raises:
        ValueError: a corpus without a folder, one that is named twice, or a split that is not the paper's.
    """
    from recipes.corpora.table2 import table2

    folders: dict[str, str] = {}
    for entry in options.corpora if options.corpora != DEFAULT_CORPORA else []:
        name, _, folder = entry.partition("=")
        name = name.removesuffix(":paper")
        if ":" in name:
            raise ValueError(f"table2 counts the split `paper`: leave the split out of {name}")
        if not folder:
            raise ValueError(f"--corpora {entry}: table2 needs its folder, {name}=FOLDER")
        if name in folders:
            raise ValueError(f"--corpora has {name} twice; table2 counts one folder for each corpus")
        folders[name] = folder
    print(table2(folders))


def _print_benchmark(options: SynthesisOptions) -> None:
    from recipes.synthesis.benchmark import compare
    from recipes.synthesis.engines.transformers_engine import TransformersEngine
    from recipes.synthesis.plan import Plan, Sampling
    from recipes.synthesis.prompts import Prompts

    options = _resolved(options)
    sampling = Sampling(temperature=0, max_new_tokens=options.max_new_tokens, seed=options.seed)
    engine = make_engine(options, sampling)
    if not isinstance(engine, TransformersEngine):
        raise ValueError(f"--benchmark times an LLM in this process, not --generator {options.generator}")
    corpora = load_corpora(options.corpora, options.missing_audio)
    plan = Plan(corpora, _samples(options), Prompts(options.prompts), engine.identity, sampling)
    print(compare(engine, plan, options.benchmark, options.window))


if __name__ == "__main__":
    sys.exit(main())
