"""The options of the experiment."""

from dataclasses import dataclass

from recipes.command_line import option
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
    backbones: str | None = option(
        None, "folder of further language models and encoders (see recipes/miniature/build_backbones.py) to compare on"
    )
    seeds: int = option(3, "adapters trained for each row")
    steps: int = option(900, "optimizer steps of each")
    corpus: str = option("sound_world:train", "seeds, as in synthesize_listen.py")
    samples: list[str] = option(
        ["positive=2", "negative=2", "combined=1"], "responses per seed, as in synthesize_listen.py; not of rules"
    )
    benchmarks: list[str] = option(
        [f"sound_world/{kind}" for kind in ("random", "popular", "adversarial", "hypernym", "synonym",
                                            "question_answering")],
        "questions, as in evaluate_listen.py",
    )  # fmt: skip
    training: list[str] = option([], "further options of train_listen.py for every row, as NAME=VALUE")
    limit: int | None = option(None, "ask only the first so many questions of each benchmark")
    processes: int = option(2, "runs side by side, each with one thread")
