"""A Hub of data repositories on this machine: what `huggingface_hub` asks of it, answered from a folder."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from tests.server import QuietHandler, serve

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serve_hub(root: Path) -> Iterator[str]:
    """Serve the repositories `root/OWNER/NAME`; yields the endpoint's URL."""

    class Handler(QuietHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            parts = unquote(self.path.split("?")[0]).strip("/").split("/")
            if parts[:2] == ["api", "datasets"]:
                self._describe("/".join(parts[2:4]), as_tree="tree" in parts)
                return
            path = root.joinpath(*parts[1:3], *parts[5:])  # datasets/OWNER/NAME/resolve/REVISION/FILE
            if parts[0] != "datasets" or not path.is_file():
                self.send_error(404)
                return
            content = path.read_bytes()
            self._send(content if body else b"", len(content), hashlib.sha256(content).hexdigest())

        def _describe(self, repository: str, as_tree: bool) -> None:
            folder = root / repository
            sizes = {
                path.relative_to(folder).as_posix(): path.stat().st_size
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            }
            if as_tree:
                answer = [{"type": "file", "path": name, "size": sizes[name], "oid": COMMIT} for name in sizes]
            else:
                answer = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in sizes]}
            content = json.dumps(answer).encode()
            self._send(content, len(content), COMMIT)

        def _send(self, content: bytes, length: int, tag: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.send_header("ETag", f'"{tag}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            self.wfile.write(content)

    with serve(Handler) as url:
        yield url
