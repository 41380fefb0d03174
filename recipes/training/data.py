"""The clips that a run trains on, is validated with and is asked about."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.synthesis.mixtures import mix
from recipes.training.arguments import DataOptions
from recipes.training.clips import Clips, load_records, split_off

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)


def load_responses(source: str) -> "Dataset":
    """The pool of responses.

    Raises:
        FileNotFoundError, ValueError: there is none; the message says how to make one.
    """
    command = f"python recipes/synthesize_listen.py --output_dir {source}"
    remedy = f"make them with `{command}`, --corpora and the --text_model that is trained with"
    return load_records(source, "responses", remedy)


def load_clips(options: DataOptions, seed: int) -> tuple[Clips, Clips]:
    """Clips with the responses of the mixture: those to train on, and those held out.

    Raises:
        FileNotFoundError: there are no responses.
        ValueError: no such mixture, too few responses, or not one clip that can be read.
    """
    responses = mix(load_responses(options.responses), options.mixture, seed)
    clips = Clips(responses, ("prompt", "response"), options.audio_dir, options.max_responses_per_clip)
    train, validation = split_off(clips.without_unreadable("clips"), options.validation_clips, seed)
    logger.info(
        "%s: %d responses on %d clips to train on, %d on %d held out",
        options.mixture, train.num_records, train.num_clips, validation.num_records, validation.num_clips,
    )  # fmt: skip
    return train, validation


def load_questions(options: DataOptions) -> Clips:
    """Clips with yes/no questions, those that can be read; how many others there are is said.

    Raises:
        FileNotFoundError, ValueError: there are none, or a file has a question that cannot be used.
    """
    from recipes.benchmarks import BENCHMARKS, load_benchmark
    from recipes.benchmarks.question_file import SUFFIXES, read_questions

    name, _, folder = options.questions.partition("=")
    name, _, subset = name.partition("/")
    if name in BENCHMARKS:
        questions = load_benchmark(name, folder or None, subset or None, missing_audio="skip")
    elif Path(options.questions).suffix in SUFFIXES or Path(options.questions).is_file():
        questions = read_questions(options.questions, missing_audio="skip", audio_dir=options.audio_dir)
    else:
        remedy = f"give a file, or one of {', '.join(BENCHMARKS)} as NAME/SUBSET=FOLDER"
        questions = load_records(options.questions, "questions", remedy)
    answers = questions.select_columns(["answer"]).with_format("arrow")[:]["answer"].to_pylist()
    rows = [row for row, answer in enumerate(answers) if str(answer).lower() in ("yes", "no")]
    if not rows:
        raise ValueError(f"{options.questions} has no question whose answer is yes or no and whose recording is there")
    if others := len(answers) - len(rows):
        logger.warning("probe: %d of %d questions are not asked: their answer is not yes or no", others, len(answers))
    questions = questions.select(rows[: options.max_questions])
    clips = Clips(questions, ("question", "answer"), options.audio_dir).without_unreadable("clips of questions")
    logger.info("probe: %d questions on %d clips", clips.num_records, len(clips))
    return clips


def answers_in(questions: Clips) -> set[str]:
    """The answers that occur, in lower case."""
    return {answer.lower() for index in range(len(questions)) for answer in questions.texts_of(index)["answer"]}
