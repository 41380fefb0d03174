"""Ask a model that is being served, from any program that speaks the OpenAI protocol.

transformers serve runs/demo/served --trust-remote-code --port 8000      (pip install "transformers[serving]")
python examples/ask_over_http.py http://127.0.0.1:8000/v1 runs/demo/served street.wav "Is there a siren?"

The folder must be self-contained: model.save_pretrained("runs/demo/served", include_backbones=True), and then
processor.save_pretrained("runs/demo/served").
"""

import base64
import os
import sys
from pathlib import Path

from openai import OpenAI

if len(sys.argv) != 5:
    sys.exit(__doc__)
url, model, audio, question = sys.argv[1:]
client = OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none"))
data = base64.b64encode(Path(audio).read_bytes()).decode()
content = [
    {"type": "input_audio", "input_audio": {"data": data, "format": Path(audio).suffix[1:]}},
    {"type": "text", "text": question},
]
reply = client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], max_tokens=100)
print(reply.choices[0].message.content)
