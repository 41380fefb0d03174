"""Train LISTEN on your own recordings, and judge it on some that it has not heard, in one command.

python examples/train_on_your_recordings.py my_recordings --output runs/mine

`my_recordings` holds a table, `metadata.csv`, with the columns `file` and `caption`, or `tags` with ";" between them.
What a column `split` calls test is held out; without that, a fifth of the recordings, spread over the table. These
need tags: the model is asked whether it hears these, and whether it hears other recordings' tags. Where none has any,
it is trained and not judged.

The defaults are the miniature's backbones, which have read about a few dozen sounds and know little else. Any Whisper
and any instruction-tuned language model will do. What is no option here goes to recipes/train_listen.py:

python examples/train_on_your_recordings.py my_recordings --output runs/mine --audio_model openai/whisper-small \\
    --text_model Qwen/Qwen2.5-7B-Instruct --num_query_tokens 64 --num_hidden_layers 2 --dtype bfloat16
"""

import argparse
from pathlib import Path
from typing import Any

from modeling_listen import ListenAdapterConfig
from modeling_listen.checkpoint_listen import backbone_configs
from recipes import evaluate_listen, report_listen, synthesize_listen, train_listen
from recipes.benchmarks.presence import presence_questions
from recipes.command_line import errors_as_messages, parse_options
from recipes.corpora import load_corpus
from recipes.miniature import AUDIO_MODEL, TEXT_MODEL
from recipes.training.arguments import DataOptions, ModelOptions, TrainingOptions, check_best_by
from recipes.training.model import load_processor

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("recordings", help="folder of the table, or the table")
parser.add_argument("--output", type=Path, default=Path("runs/mine"))
parser.add_argument("--audio_model", default=AUDIO_MODEL, help="Hub id or folder of a Whisper")
parser.add_argument("--text_model", default=TEXT_MODEL, help="Hub id or folder of an instruction-tuned language model")
parser.add_argument("--num_train_epochs", type=int, default=20)
arguments, training = parser.parse_known_args()
output = arguments.output

# What is for training: load_corpus("folder", ...) reads the table, and percentages of a split cut no recording in two.
train, held_out = "train", "test"
try:
    seeds = load_corpus("folder", arguments.recordings)
    if "test" not in seeds.unique("split"):
        count = len({audio["path"] for audio in seeds["audio"]})
        step = 20 if count >= 25 else 50 if count >= 10 else 100  # a fifth of each step is at least one recording
        cuts = [(start, start + step * 4 // 5, start + step) for start in range(0, 100, step)]
        train = "+".join(f"train[{start}%:{cut}%]" for start, cut, _ in cuts)
        held_out = "+".join(f"train[{cut}%:{end}%]" for _, cut, end in cuts)
    heard = {audio["path"] for audio in load_corpus("folder", arguments.recordings, train)["audio"]}
    judged = load_corpus("folder", arguments.recordings, held_out)
    if both := heard.intersection(audio["path"] for audio in judged["audio"]):
        raise ValueError(f"{min(both)} is in rows for training and in rows for test; give all its rows one split")
    questions = presence_questions(judged, "held_out") if any(judged["tags"]) or not len(judged) else None
except (ValueError, OSError) as error:
    raise SystemExit(f"{arguments.recordings}: {error}") from error


def flags(**options: Any) -> list[str]:
    """Options as a command line spells them."""
    return [f"--{name}={value}" for name, value in options.items()]


own = flags(
    responses=output / "responses",
    output_dir=output / "model",
    audio_model=arguments.audio_model,
    text_model=arguments.text_model,
    max_steps=-1,
    num_train_epochs=arguments.num_train_epochs,
    warmup_steps=0.1,
    validation_clips=min(100, len(heard) // 10),
    questions="",
)
training = [*own, *training]  # of flags that are given twice the last ones win

# What training would refuse shows before the language model has written for hours.
with errors_as_messages():
    model, data, options = parse_options(ModelOptions, DataOptions, TrainingOptions, description="", argv=training)
    check_best_by(options, data)
    options.trainer_arguments(bf16=model.dtype == "bfloat16")
    configs = backbone_configs(model.audio_model, model.text_model, model.audio_revision, model.text_revision)
    ListenAdapterConfig(num_query_tokens=model.num_query_tokens, audio_layers=model.audio_layers).fit(*configs)
    load_processor(model)

output.mkdir(parents=True, exist_ok=True)
if questions is None:
    names = sorted({audio["path"] for audio in judged["audio"]})
    (output / "held_out.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    notice = (
        f"{output}/model is not judged, since the {len(names)} held-out recordings have no tags to ask for. To judge "
        f"it, write questions about what {output}/held_out.txt names, as a CSV of audio, question and answer:\n"
        f"python recipes/evaluate_listen.py --systems listen:{output}/model --benchmarks questions.csv"
    )
    print(notice)

# The language model writes what there is to learn, the adapter learns it, held-out recordings tell what it learned.
corpus = f"folder:{train}={arguments.recordings}"
synthesize_listen.main(flags(corpora=corpus, text_model=arguments.text_model, output_dir=output / "responses"))
train_listen.main(training)
if questions is None:
    print(notice)
else:
    questions.to_parquet(output / "questions.parquet")
    systems = ["--systems", f"LISTEN=listen:{output}/model", "text", "silence", "always-yes"]
    evaluate_listen.main([*systems, *flags(benchmarks=output / "questions.parquet", output_dir=output)])
    report_listen.main(flags(results=output, output_dir=output))
