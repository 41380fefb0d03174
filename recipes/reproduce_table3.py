"""Table 3 of the paper in miniature: what do negatives, and who wrote them, do to hallucination?

    python recipes/reproduce_table3.py                       # the seven "Ours" rows, three seeds each
    python recipes/reproduce_table3.py --levers true         # and one controlled change at a time
    python recipes/reproduce_table3.py --backbones DIR       # ... and Positive + Positive and Negative on others
    python recipes/reproduce_table3.py --text_model DIR --other_text_model DIR    # on backbones of your own

    # On recordings: ESC-10, with an encoder that went on training on the same folds (see README.md).
    python recipes/reproduce_table3.py --output_dir runs/table3_esc10 --audio_model runs/my_whisper \\
        --corpus esc10:fold1+fold2+fold3=ESC-50 --benchmarks presence/esc10:fold4=ESC-50 --steps 400 \\
        --training validation_clips=24 questions=

The protocol is recipes/table3/PROTOCOL.md, written before the first run. All rows are trained on the same clips with
the same settings; the test clips are scored once, at the end. A run that was stopped goes on where it was. The output
folder gets `summary.json` (every number), and `table3.md` and its plots, which are made of it.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.command_line import errors_as_messages, parse_options, write_options
from recipes.table3.options import Table3Options

if TYPE_CHECKING:
    from recipes.table3.jobs import Job
    from recipes.table3.rows import Row


def main(argv: list[str] | None = None) -> None:
    """Make the data, train and judge every row, and write down what came out."""
    (options,) = parse_options(Table3Options, description=__doc__, argv=argv)
    with errors_as_messages(RuntimeError):
        reproduce(options)


def reproduce(options: Table3Options) -> None:
    """Run the experiment.

    Raises:
        ValueError: a row that does not exist.
        RuntimeError: one of the runs failed; the message names its log.
    """
    from recipes.table3.jobs import run_jobs
    from recipes.table3.page import write_page
    from recipes.table3.pools import make_pools
    from recipes.table3.summary import summarize
    from recipes.table3.tagger import ask_tagger

    rows = _rows(options)
    output = Path(options.output_dir)
    make_pools(rows, options, output)
    write_options(output / "table3.yaml", options)
    models = {f"{row.name}-seed{seed}": (row, seed) for row in rows for seed in range(options.seeds)}
    run_jobs(
        [_training(name, row, seed, options) for name, (row, seed) in models.items()],
        output / "logs",
        options.processes,
        "training",
    )
    ask_tagger(
        options.audio_model, options.text_model, options.corpus, options.benchmarks, output / "answers", options.limit
    )
    run_jobs(_evaluations(list(models), rows[0].name, options), output / "logs", options.processes, "evaluation")
    print(write_page(summarize(rows, options, output), output))


def _rows(options: Table3Options) -> list["Row"]:
    """The rows that are asked for.

    Raises:
        ValueError: a row that does not exist, or a folder without backbones.
    """
    from recipes.table3.rows import LEVERS, TABLE3, rows_on

    known = {row.name: row for row in (*TABLE3, *LEVERS)}
    if unknown := sorted(set(options.rows) - set(known)):
        raise ValueError(f"there are no rows {', '.join(unknown)}; there are {', '.join(known)}")
    rows = [known[name] for name in options.rows or known if options.rows or options.levers or known[name] in TABLE3]
    if options.backbones is not None:
        configs = sorted(Path(options.backbones).glob("*/config.json"))
        if not configs:
            raise ValueError(f"{options.backbones} holds no folders of backbones: build_backbones.py makes them")
        for config in configs:
            is_encoder = json.loads(config.read_text(encoding="utf-8"))["model_type"] == "whisper"
            rows += rows_on(config.parent, is_encoder)
    return rows


def _training(name: str, row: "Row", seed: int, options: Table3Options) -> "Job":
    from recipes.table3.jobs import Job

    output = Path(options.output_dir)
    arguments = ["--audio_model", row.audio_model or options.audio_model]
    arguments += ["--text_model", row.text_model or options.text_model]
    arguments += ["--responses", str(output / "pools" / row.pool), "--mixture", row.mixture]
    arguments += ["--max_steps", str(round(row.steps * options.steps)), "--seed", str(seed)]
    arguments += ["--output_dir", str(output / "models" / name), *row.options]
    arguments += [part for entry in options.training for part in f"--{entry}".split("=", 1)]
    return Job(f"train-{name}", "train_listen.py", tuple(arguments))


def _evaluations(models: list[str], first: str, options: Table3Options) -> list["Job"]:
    """One for each model; of Positive + Negative's also with silence and with other recordings; and the bounds."""
    from recipes.table3.jobs import Job
    from recipes.table3.rows import NEGATIVE

    output = Path(options.output_dir)
    folders = {name: f"listen:{output / 'models' / name}" for name in models}
    systems = dict(folders)
    for seed in range(options.seeds):
        if (name := f"{NEGATIVE.name}-seed{seed}") in folders:
            systems |= {f"{bound}-{name}": f"{bound}:{folders[name]}" for bound in ("silence", "shuffled")}
    systems |= {"text": f"text:{output / 'models' / first}-seed0", "always-yes": "always-yes"}
    asked = ("--benchmarks", *options.benchmarks, "--output_dir", str(output / "answers"))
    if options.limit is not None:
        asked += ("--limit", str(options.limit))
    return [
        Job(f"evaluate-{name}", "evaluate_listen.py", ("--systems", f"{name}={system}", *asked))
        for name, system in systems.items()
    ]


if __name__ == "__main__":
    main()
