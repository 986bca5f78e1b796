"""A local HTTP server that can be told to behave badly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web:
    """Serves bytes by path; ``behave[path]`` may hold a list of behaviours, one used up per request.

    Behaviours: an int (answer with that status), "truncate" (half the body, then hang up), "stall" (a few bytes, then
    silence), "crawl" (a byte at a time), "ignore-range", "no-length", "chop" (chunked, cut off), "html".
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.behave: dict[str, list[int | str]] = {}
        self.requests: list[tuple[str, str | None, int]] = []
        self.stop = threading.Event()
        self.base = ""

    def url(self, path: str) -> str:
        return f"{self.base}{path}"


class _Handler(BaseHTTPRequestHandler):
    web: Web
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        web, path = self.web, self.path
        queue = web.behave.get(path, [])
        behaviour = queue.pop(0) if queue else "normal"
        body = web.files.get(path)
        wanted = self.headers.get("Range")
        if isinstance(behaviour, int) or body is None:
            return self._answer(behaviour if isinstance(behaviour, int) else 404, b"sorry", {})
        if behaviour == "html":
            return self._answer(200, b"<html>please log in</html>", {})
        etag = web.etags.get(path)
        headers = {"ETag": etag} if etag else {}
        if_range = self.headers.get("If-Range")
        start = 0
        if wanted and behaviour != "ignore-range" and if_range in {None, etag}:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self._answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self._send(206 if start else 200, body[start:], headers, str(behaviour))
        return None

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._send(status, body, headers, "normal")

    def _send(self, status: int, body: bytes, headers: dict[str, str], behaviour: str) -> None:
        self.web.requests.append((self.path, self.headers.get("Range"), status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if behaviour == "chop":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(body):x}\r\n".encode() + body[: len(body) // 2])
        elif behaviour == "no-length":
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if behaviour == "truncate":
                self.wfile.write(body[: len(body) // 2])
            elif behaviour == "stall":
                self.wfile.write(body[:10])
                self.wfile.flush()
                self.web.stop.wait(5)
            elif behaviour == "crawl":
                self._crawl(body)
            else:
                self.wfile.write(body)
        self.close_connection = behaviour in {"chop", "no-length", "truncate", "stall", "crawl"}

    def _crawl(self, body: bytes) -> None:
        try:
            for value in body:
                self.wfile.write(bytes([value]))
                self.wfile.flush()
                if self.web.stop.wait(0.02):
                    return
        except OSError:
            return


@contextmanager
def serve() -> Iterator[Web]:
    """A server on a free port of this machine, until the block ends."""
    web = Web()
    handler: Callable[..., BaseHTTPRequestHandler] = type("Handler", (_Handler,), {"web": web})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
    server.daemon_threads = True
    web.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
