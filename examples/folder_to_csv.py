"""Ask the same question about every recording of a folder, in batches, and write the answers to a CSV.

python examples/folder_to_csv.py runs/demo/model recordings/ "Replay the audio." answers.csv
"""

import csv
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from modeling_listen import ListenForConditionalGeneration, ListenProcessor

if len(sys.argv) != 5:
    sys.exit(__doc__)
folder, recordings, question, table = sys.argv[1:]
files = sorted(
    path for path in Path(recordings).rglob("*") if path.suffix.lower() in {".wav", ".flac", ".ogg", ".mp3"}
)
if not files:
    sys.exit(f"{recordings} holds no recording in .wav, .flac, .ogg or .mp3")
device = "cuda" if torch.cuda.is_available() else "cpu"
try:
    open(table, "a").close()  # what cannot be written to shows before the model is loaded
    model = ListenForConditionalGeneration.from_pretrained(folder).to(device)
    processor = ListenProcessor.from_pretrained(folder)
except (OSError, ValueError) as error:
    sys.exit(str(error))

with open(table, "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["file", "answer", "error"])
    for start in tqdm(range(0, len(files), 8), unit="batch"):
        clips = {}
        for path in files[start : start + 8]:
            try:
                clips[path] = processor.load_audio(path)
            except ValueError as error:  # a broken recording costs its own row only
                writer.writerow([path, "", error])
        if clips:
            inputs = processor(list(clips.values()), [question] * len(clips)).to(device)
            output = model.generate(**inputs, max_new_tokens=100, do_sample=False)
            answers = processor.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            writer.writerows([path, answer, ""] for path, answer in zip(clips, answers, strict=True))
