"""Ask a model that is being served, from any program that speaks the OpenAI protocol.

transformers serve runs/demo/model --trust-remote-code --port 8000      (pip install "transformers[serving]")
python examples/ask_over_http.py http://127.0.0.1:8000/v1 runs/demo/model street.wav "Is there a siren?"

A machine that lacks the backbones' folders serves a model that holds them: that which
model.save_pretrained(folder, include_backbones=True) and processor.save_pretrained(folder) write.
"""

import base64
import os
import sys
from pathlib import Path

from openai import OpenAI, OpenAIError

if len(sys.argv) != 5:
    sys.exit(__doc__)
url, model, audio, question = sys.argv[1:]
client = OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none"))
try:
    data = base64.b64encode(Path(audio).read_bytes()).decode()
    content = [
        {"type": "input_audio", "input_audio": {"data": data, "format": Path(audio).suffix[1:]}},
        {"type": "text", "text": question},
    ]
    messages = [{"role": "user", "content": content}]
    reply = client.chat.completions.create(model=model, messages=messages, max_tokens=100)
except (OSError, OpenAIError) as error:
    sys.exit(f"cannot ask {url} about {audio}: {error}")
print(reply.choices[0].message.content)
