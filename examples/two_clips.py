"""Two recordings in one prompt.

python examples/two_clips.py runs/demo/model before.wav after.wav "Which sounds are in the second only?"
"""

import sys

from modeling_listen import ListenForConditionalGeneration, ListenProcessor

if len(sys.argv) != 5:
    sys.exit(__doc__)
folder, first, second, question = sys.argv[1:]
conversation = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Here is one recording:"},
            {"type": "audio", "path": first},
            {"type": "text", "text": "And here is another:"},
            {"type": "audio", "path": second},
            {"type": "text", "text": question},
        ],
    }
]
try:
    model = ListenForConditionalGeneration.from_pretrained(folder, device_map="auto")
    processor = ListenProcessor.from_pretrained(folder)
    inputs = processor.apply_chat_template(conversation, tokenize=True, return_dict=True, add_generation_prompt=True)
except (OSError, ValueError) as error:  # no model, or no recording
    sys.exit(str(error))

inputs = inputs.to(model.device)
output = model.generate(**inputs, max_new_tokens=100, do_sample=False)
print(processor.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
