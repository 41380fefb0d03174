"""Ask a question about a recording.

python examples/ask.py runs/demo/model street.wav "Is there a siren?"
"""

import sys

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

output = model.generate(**inputs, max_new_tokens=100, do_sample=False)
print(processor.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
