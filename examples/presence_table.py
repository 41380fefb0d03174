"""Which of these sounds are there? A table of probabilities.

python examples/presence_table.py runs/demo/model street.wav "siren, dog, rain"
"""

import sys

from transformers import pipeline

from modeling_listen import ListenForConditionalGeneration, ListenProcessor

if len(sys.argv) != 4:
    sys.exit(__doc__)
folder, audio, labels = sys.argv[1:]
model = ListenForConditionalGeneration.from_pretrained(folder)
presence = pipeline("sound-presence", model=model, processor=ListenProcessor.from_pretrained(folder))

for row in presence(audio, candidate_labels=labels):
    print(f"{row['label']:20} {row['score']:6.3f} {'yes' if row['present'] else 'no'}")
