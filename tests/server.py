"""HTTP servers on this machine, for as long as a test needs them."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class QuietHandler(BaseHTTPRequestHandler):
    """Answers without a line for each request."""

    def log_message(self, *arguments: object) -> None:
        pass


class _Files(QuietHandler, SimpleHTTPRequestHandler):
    pass


@contextmanager
def serve(handler: type[BaseHTTPRequestHandler] | partial) -> Iterator[str]:
    """Answer requests in a thread; yields the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def serve_folder(folder: Path) -> AbstractContextManager[str]:
    """Serve the files of a folder."""
    return serve(partial(_Files, directory=str(folder)))
