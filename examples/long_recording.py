"""When is it there? The probability of a sound over a long recording, window by window.

A recording longer than the encoder's window may also be asked about as a whole (see ask.py): it is then heard in as
many windows as it takes.

python examples/long_recording.py runs/demo/model night.wav "dog"
"""

import sys

from modeling_listen import ListenForConditionalGeneration, ListenProcessor, presence_probabilities

if len(sys.argv) != 4:
    sys.exit(__doc__)
folder, audio, sound = sys.argv[1:]
try:
    model = ListenForConditionalGeneration.from_pretrained(folder, device_map="auto")
    processor = ListenProcessor.from_pretrained(folder)
    waveform = processor.load_audio(audio)
except (OSError, ValueError) as error:  # no model, or no recording
    sys.exit(str(error))

windows = processor.cut(waveform)
end, length = (len(each) / processor.feature_extractor.sampling_rate for each in (waveform, windows[0]))
question = f"Is there a sound of {sound} in the audio?"

for first in range(0, len(windows), 8):
    batch = windows[first : first + 8]
    scores = presence_probabilities(model, processor, batch, [[question]] * len(batch))
    for number, [score] in enumerate(scores, first):
        print(f"{min(number * length, end - length):8.1f} s  {score:.3f}  {'#' * round(40 * score)}")
