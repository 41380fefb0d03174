"""A real HTTP server on loopback that speaks the chat completions protocol, and misbehaves as it is told."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "tiny"
# What a fault does instead of answering.
FAULTS = ("rate_limit", "server_error", "close", "half", "no_json", "no_choices", "no_finish", "slow", "ok", "ok")


def answer_to(body: dict[str, Any]) -> str:
    """The server's answer, which depends on the request alone."""
    content = body["messages"][-1]["content"]
    return f"I hear what was said: {content} (seed {body.get('seed')})"


class ChatServer:
    """Serves `/v1/models` and `/v1/chat/completions` on a free port while it is a context.

    Args:
        fault: (request body, how often the same body came before) -> name of a fault or "ok".
        delay: seconds that every answer takes.
        retry_after: what `Retry-After` says.
        answer: request body -> content of the answer.
    """

    def __init__(
        self,
        fault: Callable[[dict, int], str] | None = None,
        delay: float = 0.0,
        retry_after: str = "0.05",
        answer: Callable[[dict], str] = answer_to,
    ) -> None:
        self.fault = fault or (lambda body, times: "ok")
        self.delay, self.retry_after, self.answer = delay, retry_after, answer
        self.models = [MODEL]
        self.arrivals: list[tuple[float, str]] = []  # time and fault of every request
        self.bodies: list[dict] = []
        self.authorizations: set[str | None] = set()
        self.answered: Counter[str] = Counter()  # complete answers by request
        self._came: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> "ChatServer":
        chat_server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                chat_server.authorizations.add(self.headers.get("Authorization"))
                models = [
                    {"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in chat_server.models
                ]
                self._send(200, {"object": "list", "data": models})

            def do_POST(self) -> None:
                chat_server._answer(self)

            def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # clients that were killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: Any) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        name = json.dumps(body, sort_keys=True)
        with self._lock:
            fault = self.fault(body, self._came[name])
            self._came[name] += 1
            self.arrivals.append((time.monotonic(), fault))
            self.bodies.append(body)
            self.authorizations.add(handler.headers.get("Authorization"))
        time.sleep(self.delay)
        completion = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": self.answer(body)}}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 7, "total_tokens": 8},
        }
        whole = json.dumps(completion).encode()
        if fault == "rate_limit":
            handler._send(429, {"error": {"message": "slow down"}}, {"Retry-After": self.retry_after})
        elif fault == "server_error":
            handler._send(500, {"error": {"message": "out of order"}})
        elif fault == "close":
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        elif fault == "half":
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(whole)))
            handler.end_headers()
            handler.wfile.write(whole[: len(whole) // 2])
            handler.close_connection = True
        elif fault == "no_json":
            handler._send(200, b"<html>maintenance</html>")
        elif fault == "no_choices":
            handler._send(200, {**completion, "choices": []})
        elif fault == "no_finish":
            handler._send(200, {**completion, "choices": [{"index": 0, "message": None}]})
        elif fault.isdecimal():
            handler._send(int(fault), {"error": {"message": f"status {fault}, seed 1"}})
        else:
            if fault == "slow":
                time.sleep(0.3)
            handler._send(200, whole)
            with self._lock:
                self.answered[name] += 1
