"""Print an answer word by word, as it is made.

python examples/stream.py runs/demo/model street.wav "Replay the audio."
"""

import sys

from transformers import TextStreamer

from modeling_listen import ListenForConditionalGeneration, ListenProcessor

if len(sys.argv) != 4:
    sys.exit(__doc__)
folder, audio, question = sys.argv[1:]
try:
    model = ListenForConditionalGeneration.from_pretrained(folder, device_map="auto")
    processor = ListenProcessor.from_pretrained(folder)
    inputs = processor(audio, question).to(model.device)
except (OSError, ValueError) as error:  # no model, or no recording
    sys.exit(str(error))

streamer = TextStreamer(processor.tokenizer, skip_prompt=True, skip_special_tokens=True)
model.generate(**inputs, max_new_tokens=100, do_sample=False, streamer=streamer)
