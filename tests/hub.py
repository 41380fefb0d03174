"""A Hub on this machine: it takes what is published, and one of its models is gated."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.server import QuietHandler, serve

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_writes"


@contextmanager
def serve_hub(root: Path) -> Iterator[str]:
    """Take uploads with `TOKEN` into `root/OWNER/NAME`; whatever `gated/...` holds is refused. Yields the URL."""

    created = set()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            owner, name, *rest = self.path.split("?")[0].strip("/").split("/")
            file = root.joinpath(owner, name, *rest[2:])
            if "gated/" in self.path:
                message = "Access to this model is restricted. You must have access to it and be authenticated."
                self._send(401, {"error": message}, {"X-Error-Code": "GatedRepo", "X-Error-Message": message})
            elif owner == "api" and rest[2:3] == ["tree"]:
                self._send(200, b"[]", {})  # nothing that would have to be deleted
            elif (owner, name) not in created or rest[:1] != ["resolve"]:
                self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            elif not file.is_file():
                self._send(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
            else:
                self._send(200, file.read_bytes(), {"X-Repo-Commit": COMMIT, "ETag": f'"{file.name}"'})

        do_HEAD = do_GET

        def do_POST(self) -> None:
            body = self._read()
            parts = self.path.split("?")[0].strip("/").split("/")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(401, {"error": "Invalid username or password."}, {})
            elif parts[1:] == ["repos", "create"]:
                asked = json.loads(body)
                created.add((asked["organization"], asked["name"]))
                self._send(200, {"url": f"{url}/{asked['organization']}/{asked['name']}"}, {})
            elif parts[1:] == ["validate-yaml"]:
                self._send(200, {"errors": [], "warnings": []}, {})
            elif parts[4] == "preupload":
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self._send(200, {"files": files}, {})
            elif parts[4] == "commit":
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        path = root.joinpath(*parts[2:4], line["value"]["path"])
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(base64.b64decode(line["value"]["content"]))
                commit = f"{url}/{parts[2]}/{parts[3]}/commit/{COMMIT}"
                self._send(200, {"success": True, "commitUrl": commit, "commitOid": COMMIT}, {})

        def _read(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def _send(self, status: int, answer: dict | bytes, headers: dict[str, str]) -> None:
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    with serve(Handler) as url:
        yield url
