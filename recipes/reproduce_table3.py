"""Table 3 of the paper in miniature: what do negatives, and who wrote them, do to hallucination?

    python recipes/reproduce_table3.py                       # the seven "Ours" rows, three seeds each
    python recipes/reproduce_table3.py --levers true         # and one controlled change at a time
    python recipes/reproduce_table3.py --text_model DIR --other_text_model DIR    # on backbones of your own

The protocol is recipes/table3/PROTOCOL.md, written before the first run. All rows are trained on the same clips with
the same settings; the test clips are scored once, at the end. A run that was stopped goes on where it was. The output
folder gets `summary.json` (every number) and `table3.md` (the page that is made of it).
"""

from dataclasses import dataclass
from pathlib import Path

from recipes.command_line import option, parse_options, write_options
from recipes.miniature import AUDIO_MODEL, OTHER_TEXT_MODEL, TEXT_MODEL


@dataclass
class Table3Options:
    """The size of the experiment."""

    output_dir: str = option("runs/table3", "gets data, models, answers, summary.json and table3.md")
    audio_model: str = option(AUDIO_MODEL, "audio encoder")
    text_model: str = option(TEXT_MODEL, "backbone, which also writes the data of the self-generated rows")
    other_text_model: str = option(OTHER_TEXT_MODEL, "the other LLM, which plays the paper's Gemini")
    rows: list[str] = option([], "names of the rows to run (see recipes/table3/rows.py); all of Table 3 if left out")
    levers: bool = option(False, "run the levers too")
    seeds: int = option(3, "adapters trained for each row")
    steps: int = option(900, "optimizer steps of each")
    corpus: str = option("sound_world:train", "seeds, as in synthesize_listen.py")
    benchmarks: list[str] = option(
        [f"sound_world/{kind}" for kind in ("random", "popular", "adversarial", "hypernym", "synonym",
                                            "question_answering")],
        "questions, as in evaluate_listen.py",
    )  # fmt: skip
    training: list[str] = option([], "further options of train_listen.py for every row, as NAME=VALUE")
    limit: int | None = option(None, "ask only the first so many questions of each benchmark")
    processes: int = option(2, "runs side by side, each with one thread")


def main(argv: list[str] | None = None) -> None:
    """Make the data, train and judge every row, and write down what came out."""
    (options,) = parse_options(Table3Options, description=__doc__, argv=argv)
    try:
        reproduce(options)
    except KeyboardInterrupt:
        raise SystemExit("stopped; the same command goes on from here") from None
    except (ValueError, OSError, RuntimeError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error


def reproduce(options: Table3Options) -> None:
    """Run the experiment.

    Raises:
        ValueError: a row that does not exist.
        RuntimeError: one of the runs failed; the message names its log.
    """
    from recipes.table3.jobs import Job, run_jobs
    from recipes.table3.pools import exchange_negatives
    from recipes.table3.rows import HALF_STRANGE, LEVERS, OTHER, RULE, SELF, STRANGE, TABLE3
    from recipes.table3.summary import summarize, write_page

    output = Path(options.output_dir)
    known = {row.name: row for row in (*TABLE3, *LEVERS)}
    if unknown := sorted(set(options.rows) - set(known)):
        raise ValueError(f"there are no rows {', '.join(unknown)}; there are {', '.join(known)}")
    names = options.rows or [row.name for row in (*TABLE3, *(LEVERS if options.levers else ()))]
    rows = [known[name] for name in names]
    write_options(output / "table3.yaml", options)

    pools = {row.pool for row in rows}
    generators = {SELF: ("self", ""), OTHER: (options.other_text_model, ""), RULE: ("rule", "")}
    if pools & {STRANGE, HALF_STRANGE}:
        pools.add(SELF)
    common = ("--corpora", options.corpus, "--text_model", options.text_model)
    jobs = [
        Job(f"synthesize-{pool}", "synthesize_listen.py",
            (*common, "--generator", generators[pool][0], "--output_dir", str(output / "pools" / pool)))
        for pool in sorted(pools & set(generators))
    ]  # fmt: skip
    run_jobs(jobs, output / "logs", options.processes, "synthesis")
    for pool, share in ((STRANGE, 1.0), (HALF_STRANGE, 0.5)):
        if pool in pools and not (output / "pools" / pool / "data").is_dir():
            exchange_negatives(output / "pools" / SELF, output / "pools" / pool, share)

    models = {f"{row.name}-seed{seed}": (row, seed) for row in rows for seed in range(options.seeds)}
    backbones = ("--audio_model", options.audio_model, "--text_model", options.text_model)
    further = tuple(part for entry in options.training for part in f"--{entry}".split("=", 1))
    jobs = [
        Job(f"train-{name}", "train_listen.py",
            (*backbones, "--responses", str(output / "pools" / row.pool), "--mixture", row.mixture,
             "--max_steps", str(round(row.steps * options.steps)), "--seed", str(seed),
             "--output_dir", str(output / "models" / name), *row.options, *further))
        for name, (row, seed) in models.items()
    ]  # fmt: skip
    run_jobs(jobs, output / "logs", options.processes, "training")

    first = output / "models" / next(iter(models))
    systems = {name: f"{name}=listen:{output / 'models' / name}" for name in models}
    systems |= {"text": f"text=text:{first}", "always-yes": "always-yes=always-yes"}
    systems |= {f"silence-{name}": f"silence-{name}=silence:listen:{output / 'models' / name}" for name in models
                if models[name][0].name == "self-pn"}  # fmt: skip
    asked = ("--benchmarks", *options.benchmarks, "--output_dir", str(output / "answers"))
    if options.limit is not None:
        asked += ("--limit", str(options.limit))
    jobs = [
        Job(f"evaluate-{name}", "evaluate_listen.py", ("--systems", system, *asked))
        for name, system in systems.items()
    ]
    run_jobs(jobs, output / "logs", options.processes, "evaluation")

    summary = summarize(rows, options.seeds, output / "answers")
    print(write_page(summary, rows, options, output))


if __name__ == "__main__":
    main()
