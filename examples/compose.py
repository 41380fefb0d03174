"""Compose a LISTEN of any Whisper and any instruction-tuned language model; its adapter is untrained.

python examples/compose.py openai/whisper-small Qwen/Qwen2.5-7B-Instruct runs/untrained

Then make data with the same language model and train:

python recipes/synthesize_listen.py --text_model Qwen/Qwen2.5-7B-Instruct --corpora clotho:train=data/clotho \\
    --output_dir runs/responses
python recipes/train_listen.py recipes/configs/paper.yaml --text_model Qwen/Qwen2.5-7B-Instruct \\
    --responses runs/responses --warmup_steps 0.1 --output_dir runs/model
"""

import sys

from modeling_listen import ListenForConditionalGeneration, ListenProcessor

if len(sys.argv) != 4:
    sys.exit(__doc__)
audio_model, text_model, folder = sys.argv[1:]
try:
    model = ListenForConditionalGeneration.from_backbones(audio_model, text_model, dtype="auto", num_query_tokens=64)
    processor = ListenProcessor.from_backbones(audio_model, text_model, num_query_tokens=64)
except (OSError, ValueError) as error:
    sys.exit(str(error))
model.freeze_backbones()

total, trainable = model.num_parameters(), model.num_parameters(only_trainable=True)
print(f"{total:,} parameters, of which the adapter's {trainable:,} are trainable ({trainable / total:.1%})")
model.save_pretrained(folder)
processor.save_pretrained(folder)
