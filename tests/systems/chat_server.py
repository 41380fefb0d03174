"""A server that takes audio in OpenAI's chat format: `python chat_server.py PORT`.

It says Yes to loud recordings and No to quiet ones, and what it does besides depends on the model that is asked:
`ears` just answers; `flaky` turns every question away twice (503) before it answers; `deaf` takes no audio (400);
`picky` turns down questions about cats (400); `locked` wants a key (401); `mute` answers with no text.
"""

import base64
import io
import json
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import soundfile

came: Counter[bytes] = Counter()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": "ears", "object": "model", "created": 0, "owned_by": ""}]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        model, content = request["model"], request["messages"][-1]["content"]
        question = next(part["text"] for part in content if part["type"] == "text")
        came[body] += 1
        if model == "locked":
            self._send(401, {"error": {"message": "who are you?"}})
        elif model == "deaf" or (model == "picky" and "cat" in question):
            self._send(400, {"error": {"message": "this model does not take that"}})
        elif model == "flaky" and came[body] < 3:
            self._send(503, {"error": {"message": "later"}}, {"Retry-After": "0.01"})
        elif model == "mute":
            self._send(200, self._completion(""))
        else:
            audio = next(part["input_audio"] for part in content if part["type"] == "input_audio")
            assert audio["format"] == "wav"
            waveform, rate = soundfile.read(io.BytesIO(base64.b64decode(audio["data"])))
            loud = rate == 16000 and np.abs(waveform).max() > 0.3
            self._send(200, self._completion(f"{'Yes' if loud else 'No'}. You asked: {question}"))

    def _completion(self, text: str) -> dict:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return {"id": "1", "object": "chat.completion", "created": 0, "model": "ears", "choices": [choice]}

    def _send(self, status: int, body: dict, headers: dict[str, str] | None = None) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
