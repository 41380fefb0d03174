"""Ask about a sound from the terminal.

    python -m modeling_listen street.wav "Is there a siren?" --model FOLDER_OR_HUB_ID
    python -m modeling_listen street.wav --sounds "siren, dog bark, rain" --json

The model is `--model`, or the environment variable LISTEN_MODEL.
"""

import argparse
import json
import os
import sys


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; exits with a message where it is not understood."""
    parser = argparse.ArgumentParser(
        prog="python -m modeling_listen", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "audio",
        nargs="+",
        metavar="FILE",
        help="audio files, - for standard input; last the question, unless --sounds",
    )
    parser.add_argument(
        "--sounds", metavar="LIST", help="sounds to look for, separated by commas, instead of a question"
    )
    parser.add_argument("--model", default=os.environ.get("LISTEN_MODEL"), help="checkpoint folder or Hub id")
    parser.add_argument("--device", default=None, help="such as cuda or cpu; a GPU where there is one")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="length of an answer at most (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for other programs")
    arguments = parser.parse_args(argv)
    if not arguments.model:
        parser.error("which model? Give --model FOLDER_OR_HUB_ID or set LISTEN_MODEL")
    if arguments.sounds is None:
        if len(arguments.audio) < 2:
            parser.error('nothing is asked: add a question, or --sounds "siren, dog bark"')
        arguments.question = arguments.audio.pop()
    else:
        arguments.sounds = [sound.strip() for sound in arguments.sounds.split(",") if sound.strip()]
        if not arguments.sounds:
            parser.error("--sounds names no sound")
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Answer for each file; a file that cannot be read is reported, and the exit status is 1."""
    arguments = parse_arguments(argv)

    import torch
    from transformers.utils import logging

    from . import ListenForConditionalGeneration, ListenProcessor
    from .presence_listen import presence_probabilities

    logging.disable_progress_bar()
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        processor = ListenProcessor.from_pretrained(arguments.model)
        model = ListenForConditionalGeneration.from_pretrained(arguments.model, dtype="auto").to(device)
    except (OSError, ValueError) as error:
        kind = "folder" if os.path.isdir(arguments.model) else "Hub id, nor is there such a folder"
        print(f"cannot load {arguments.model!r} as a {kind}: {error}", file=sys.stderr)
        return 2

    failed = False
    for file in arguments.audio:
        try:
            waveform = processor.load_audio(sys.stdin.buffer.read() if file == "-" else file)
        except ValueError as error:
            print(error, file=sys.stderr)
            failed = True
            continue
        if arguments.sounds is None:
            inputs = processor(waveform, arguments.question).to(device)
            output = model.generate(**inputs, max_new_tokens=arguments.max_new_tokens, do_sample=False)
            answer = processor.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            result = {"file": file, "question": arguments.question, "answer": answer}
            lines = [answer]
        else:
            questions = [f"Is there a sound of {sound} in the audio?" for sound in arguments.sounds]
            [scores] = presence_probabilities(model, processor, [waveform], [questions])
            result = {"file": file, "sounds": dict(zip(arguments.sounds, scores, strict=True))}
            lines = [
                f"{sound}\t{score:.3f}\t{'yes' if score > 0.5 else 'no'}" for sound, score in result["sounds"].items()
            ]
        if arguments.json:
            print(json.dumps(result, ensure_ascii=False))
        else:
            print("\n".join(f"{file}\t{line}" if len(arguments.audio) > 1 else line for line in lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
