"""Which of these sounds are there? A table of probabilities.

python examples/presence_table.py runs/demo/model street.wav "siren, dog, rain"

The model's code is loaded from its folder, where training puts it; the adapters in recipes/miniature come without.
"""

import sys

from transformers import pipeline

if len(sys.argv) != 4:
    sys.exit(__doc__)
folder, audio, labels = sys.argv[1:]
presence = pipeline("sound-presence", model=folder, trust_remote_code=True)

for row in presence(audio, candidate_labels=labels):
    print(f"{row['label']:20} {row['score']:6.3f} {'yes' if row['present'] else 'no'}")
