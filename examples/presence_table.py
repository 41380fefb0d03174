"""Which of these sounds are there? A table of probabilities.

python examples/presence_table.py runs/demo/model street.wav "siren, dog, rain"
"""

import sys

from transformers import pipeline

from modeling_listen import ListenForConditionalGeneration, ListenProcessor

if len(sys.argv) != 4:
    sys.exit(__doc__)
folder, audio, labels = sys.argv[1:]
try:
    model = ListenForConditionalGeneration.from_pretrained(folder)
    presence = pipeline("sound-presence", model=model, processor=ListenProcessor.from_pretrained(folder))
    rows = presence(audio, candidate_labels=labels)
except (OSError, ValueError) as error:  # no model, no recording or no label
    sys.exit(str(error))

for row in rows:
    print(f"{row['label']:20} {row['score']:6.3f} {'yes' if row['present'] else 'no'}")
