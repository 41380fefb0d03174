"""Ask about a sound from the terminal.

    python -m modeling_listen street.wav "Is there a siren?" --model FOLDER_OR_HUB_ID
    python -m modeling_listen *.wav --sounds "siren, dog bark, rain" --json
    sox street.flac -t wav - | python -m modeling_listen - "Replay the audio."

The model is that of `--model`, or of the environment variable LISTEN_MODEL. Answers go to standard output, one line
for an answer or a sound, with the file's name before it where there are several; errors go to standard error. The exit
status is 0 where all files could be read, 1 where some could not, 2 where nothing could be asked.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

QUESTION = "Is there a sound of {} in the audio?"
# A word with a separator of paths that asks nothing, or with a suffix.
FILE_NAME = re.compile(r"\S*[/\\]\S*(?<![?？])|\S*\.[A-Za-z][A-Za-z0-9]{1,4}")


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; exits with a message where it is not understood."""
    parser = argparse.ArgumentParser(
        prog="python -m modeling_listen", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="audio files, - for standard input; last the question, unless --sounds",
    )
    parser.add_argument(
        "--sounds", metavar="LIST", help="sounds to look for, separated by commas, instead of a question"
    )
    parser.add_argument("--model", default=os.environ.get("LISTEN_MODEL"), help="checkpoint folder or Hub id")
    parser.add_argument("--device", help="such as cuda or cpu; a GPU where there is one")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="length of an answer at most (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a file, for other programs")
    arguments = parser.parse_args(argv)
    if not arguments.model:
        parser.error("which model? Give --model FOLDER_OR_HUB_ID or set LISTEN_MODEL")
    if arguments.sounds is None:
        last = arguments.files[-1]
        if len(arguments.files) < 2 or os.path.exists(last) or FILE_NAME.fullmatch(last):
            parser.error(
                f'nothing is asked: {last} is taken for a file; add a question, or --sounds "siren, dog bark"'
            )
        arguments.question = arguments.files.pop()
        if not arguments.question.strip():
            parser.error("the question is empty")
    else:
        arguments.sounds = [sound.strip() for sound in arguments.sounds.split(",") if sound.strip()]
        if not arguments.sounds:
            parser.error("--sounds names no sound")
    if arguments.files.count("-") > 1:
        parser.error("standard input can be read once only")
    if arguments.max_new_tokens < 1:
        parser.error("--max-new-tokens must be at least 1")
    return arguments


def load(source: str, device: str | None) -> tuple[Any, Any]:
    """Model and processor of a checkpoint.

    Raises:
        OSError, ValueError, RuntimeError, AssertionError: it cannot be loaded, or not onto that device.
    """
    import torch
    from transformers.utils import logging

    from . import ListenForConditionalGeneration, ListenProcessor

    logging.disable_progress_bar()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = ListenForConditionalGeneration.from_pretrained(source, dtype="auto").to(device).eval()
    return model, ListenProcessor.from_pretrained(source)


def answer(model: Any, processor: Any, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What is answered about each file, or the error that reading it met.

    Raises:
        ValueError: a question that cannot be asked.
    """
    for file in arguments.files:
        try:
            if os.path.isdir(file):
                raise ValueError(f"{file!r} is a folder: give its files, such as {os.path.join(file, '*.wav')}")
            waveform = processor.load_audio(sys.stdin.buffer.read() if file == "-" else file)
        except ValueError as error:
            yield {"file": file, "error": str(error)}
            continue
        if arguments.sounds is None:
            inputs = processor(waveform, arguments.question, rendered=False).to(model.device)
            output = model.generate(**inputs, max_new_tokens=arguments.max_new_tokens, do_sample=False)
            text = processor.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            yield {"file": file, "question": arguments.question, "answer": text}
        else:
            from . import presence_probabilities

            questions = [QUESTION.format(sound) for sound in arguments.sounds]
            [scores] = presence_probabilities(model, processor, [waveform], [questions])
            yield {"file": file, "sounds": dict(zip(arguments.sounds, scores, strict=True))}


def in_words(result: dict[str, Any], name_file: bool) -> str:
    """The lines that a person reads: fields with tabs between them."""
    if "answer" in result:
        rows = [[" ".join(result["answer"].split()) if name_file else result["answer"]]]
    else:
        rows = [[sound, f"{p:.3f}", "yes" if p >= 0.5 else "no"] for sound, p in result["sounds"].items()]
    return "\n".join("\t".join([result["file"], *row] if name_file else row) for row in rows)


def main(argv: list[str] | None = None) -> int:
    """Answer for each file; returns the exit status."""
    arguments = parse_arguments(argv)
    try:
        model, processor = load(arguments.model, arguments.device)
    except (OSError, ValueError, RuntimeError, AssertionError) as error:
        print(f"cannot use the model {arguments.model!r}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    failed = False
    try:
        for result in answer(model, processor, arguments):
            if "error" in result:
                failed = True
                print(result["error"], file=sys.stderr)
            if arguments.json:
                print(json.dumps(result, ensure_ascii=False), flush=True)
            elif "error" not in result:
                print(in_words(result, name_file=len(arguments.files) > 1), flush=True)
    except BrokenPipeError:  # whoever read the answers has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError, RuntimeError) as error:
        print(f"cannot answer: {error}", file=sys.stderr)
        return 2
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
