"""Who was not invited gets nothing: raw requests and sockets, as other programs and other sites would send them."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from e2e.pictures import disc
from e2e.serving import PATIENCE, TOKEN, Server

NOTHING = {"Authorization": ""}
EVIL = "http://evil.example"
EVERY_CALL = [
    ("GET", "health"),
    ("GET", "project"),
    ("GET", "images"),
    ("GET", "images/x"),
    ("GET", "images/x/tiles/0/0/0.jpg"),
    ("GET", "images/x/thumbnail.jpg"),
    ("POST", "images?name=a.png"),
    ("POST", "images/x/do"),
    ("PUT", "classes"),
    ("POST", "models/clickwise-s/load"),
    ("GET", "labels?format=coco"),
    ("POST", "labels?format=coco"),
    ("GET", "bundle"),
    ("POST", "bundle"),
    ("POST", "scratch"),
    ("GET", "no/such/thing"),
]


def raw(server: Server, request: bytes) -> bytes:
    """The answer to exactly these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(request)
        answer = b""
        while part := wire.recv(65536):
            answer += part
    return answer


def asked(server: Server, target: str, host: str | None = None, *more: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a GET with a right token; the target goes out as it is, unnormalised."""
    host = f"127.0.0.1:{server.port}" if host is None else host
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {TOKEN}", "Connection: close", *more]
    head, _, body = raw(server, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")).partition(b"\r\n\r\n")
    try:
        found = json.loads(body)
    except ValueError:
        found = {}
    return int(head.split()[1]), found


def live(server: Server, **arguments: Any) -> Any:
    return connect(f"ws://127.0.0.1:{server.port}/api/live", proxy=None, open_timeout=30, **arguments)


def hello(token: str = TOKEN, **fields: Any) -> str:
    return json.dumps({"type": "hello", "token": token, "user": "", "client": "raw", "protocol": 1} | fields)


@pytest.mark.parametrize(("method", "path"), EVERY_CALL, ids=[f"{m} {p}" for m, p in EVERY_CALL])
def test_no_call_without_the_token(server: Server, method: str, path: str) -> None:
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"X-Token": TOKEN}):
        address = f"{server.url}/api/{path}{'&' if '?' in path else '?'}token={TOKEN}"
        answer = httpx.request(method, address, headers=given, content=b"{}", trust_env=False, timeout=PATIENCE)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "unauthorised"
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")


def test_page_is_open_and_holds_no_data(server: Server) -> None:
    page = httpx.get(f"{server.url}/", trust_env=False, timeout=PATIENCE)
    assert page.status_code == 200
    assert TOKEN not in page.text
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert (page.headers["x-content-type-options"], page.headers["referrer-policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize("origin", [EVIL, "null", "https://127.0.0.1.evil.example", "http://127.0.0.1:1", "file://"])
def test_evil_origin(server: Server, origin: str) -> None:
    """A page of another site in the user's browser, even one that knows the token."""
    status, body = asked(server, "/api/project", None, f"Origin: {origin}")
    assert (status, body["error"]["code"]) == (403, "forbidden")
    with pytest.raises(InvalidStatus) as refused, live(server, origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_evil_page_gets_no_permission_by_preflight(server: Server) -> None:
    asking = {
        "Origin": EVIL,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = httpx.options(f"{server.url}/api/images", headers=asking, trust_env=False, timeout=PATIENCE)
    assert answer.status_code >= 400
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "127.0.0.1@evil", "[::2]"]
)
def test_evil_host(server: Server, host: str) -> None:
    """A name of another site that was made to point to this computer (DNS rebinding)."""
    status, body = asked(server, "/api/project", host)
    assert (status, body["error"]["code"]) == (421, "misdirected")
    status, _ = asked(server, "/", host)
    assert status == 421
    with pytest.raises(InvalidStatus) as refused, live(server, additional_headers={"Host": host}):
        pass
    assert refused.value.response.status_code in (400, 403)


def test_own_host_and_origin_are_let_in(server: Server) -> None:
    for host in (f"127.0.0.1:{server.port}", f"localhost:{server.port}", f"[::1]:{server.port}"):
        assert asked(server, "/api/health", host, f"Origin: http://{host}")[0] == 200


@pytest.mark.parametrize(
    "first",
    [
        hello("wrong"),
        hello(""),
        json.dumps({"type": "ping"}),
        json.dumps({"type": "open", "image_id": "x"}),
        "no json",
        "[" * 5000,
        "{}",
        b"\x00\xff",
    ],
    ids=["wrong token", "no token", "ping", "open", "no JSON", "brackets", "nothing", "bytes"],
)
def test_socket_without_the_token_is_closed(server: Server, first: str | bytes) -> None:
    with live(server) as wire:
        wire.send(first)
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_socket_that_says_nothing_is_closed(server: Server) -> None:
    with live(server) as wire, pytest.raises(ConnectionClosed) as closed:
        wire.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_socket_of_another_protocol_is_closed(server: Server) -> None:
    with live(server) as wire:
        wire.send(hello(protocol=99))
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4400


def test_nonsense_over_the_socket_is_answered_and_harms_nobody(server: Server, image: str) -> None:
    before = server.document(image)
    nonsense: list[Any] = [
        "no json",
        [],
        {"type": "no such"},
        {"type": "click", "id": "a", "image_id": image, "x": "1", "y": 2},
        {"type": "click", "id": "b", "image_id": image, "x": 1e300, "y": 2},
        {"type": "click", "id": "c", "image_id": image, "x": 10, "y": 10, "model": "../../etc/passwd"},
        {"type": "click", "id": "d", "image_id": "../../x", "x": 10, "y": 10},
        {"type": "click", "id": "e", "image_id": image, "object_id": 4096, "x": 10, "y": 10},
        {"type": "stroke", "id": "f", "image_id": image, "points": [], "radius": 3},
        {"type": "mask", "id": "g", "image_id": image, "mask": {"rect": [0, 0, 10**9, 10**9], "counts": "1"}},
        {"type": "mask", "id": "h", "image_id": image, "mask": {"rect": [0, 0, 9, 9], "counts": "~~~~"}},
        {"type": "action", "id": "i", "image_id": image, "action": {"action": "delete", "object_ids": [7]}},
        {"type": "action", "id": "j", "image_id": image, "action": {"action": "add_click"}},
        {"type": "undo", "id": "k", "image_id": image},
        {"type": "undo", "id": "l" * 1000, "image_id": image},
    ]
    with live(server) as wire:
        wire.send(hello(client="nonsense"))
        assert json.loads(wire.recv(timeout=30))["type"] == "welcome"
        for number, message in enumerate(nonsense):
            wire.send(message if isinstance(message, str) else json.dumps(message))
            answer = {"type": ""}
            while answer["type"] not in ("error", "result"):
                answer = json.loads(wire.recv(timeout=60))
            assert answer["type"] == "error" or answer["delta"] is None, (number, answer)
            assert "\n" not in answer.get("message", "")
            assert answer.get("code") != "internal", answer
            assert str(Path(__file__).parents[2]) not in answer.get("message", "")
    assert server.document(image) == before


@pytest.mark.parametrize(
    "target",
    [
        "/static/../../pyproject.toml",
        "/static/%2e%2e/server/app.py",
        "/static/..%2f..%2fserver%2fapp.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/css/../../../protocol.py",
        "/../../etc/passwd",
        "/api/images/..%2f..%2fetc%2fpasswd/tiles/0/0/0.jpg",
        "/api/images/%2e%2e/thumbnail.jpg",
        "/api/images/..\\..\\secret/thumbnail.jpg",
        "/api/images/x%00/thumbnail.jpg",
        "/api/images/x/tiles/0/0/..%2f..%2fsecret.jpg",
        "/api/labels?format=../../etc/passwd",
        "/api/models/..%2f..%2fx/load",
    ],
)
def test_path_escape(server: Server, target: str) -> None:
    """Nothing in an address leads to a file; the answer names none either."""
    status, _ = asked(server, target)
    assert status in (400, 404, 405, 422)
    answer = raw(server, f"GET {target} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    for secret in (b"root:", b"FastAPI(", b"[project]", str(Path.home()).encode() + b"/", b"Traceback"):
        assert secret not in answer


@pytest.mark.parametrize(
    "name", ["../../escaped.png", "..\\..\\escaped.png", "/tmp/escaped.png", "a/../b.png", "\x00.png", ".."]
)
def test_upload_stays_in_its_folder(server: Server, tmp_path: Path, name: str) -> None:
    data = disc(tmp_path, "small.png").read_bytes()
    item = server.api("POST", "images", params={"name": name}, content=data)
    assert not set(item["name"]) & set("\\\0")
    (uploads,) = [path for path in server.pictures[0].rglob("uploads") if path.is_dir()]
    kept = [path for path in server.pictures[0].parent.rglob("*") if path.is_file() and path.read_bytes() == data]
    assert kept
    assert {path.parent for path in kept} == {uploads}


def test_upload_that_is_no_picture(server: Server) -> None:
    for data in (b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(100), b"<svg onload='alert(1)'/>"):
        answer = server.client.post(f"{server.url}/api/images", params={"name": "a.png"}, content=data)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
        assert str(server.pictures[0]) not in answer.text
    (uploads,) = [path for path in server.pictures[0].rglob("uploads") if path.is_dir()]
    assert not list(uploads.glob(".*"))


def test_request_that_is_too_large(server: Server) -> None:
    announced = f"POST /api/images HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    answer = raw(server, (announced + f"Content-Length: {10**12}\r\nConnection: close\r\n\r\n").encode())
    assert answer.split()[1] == b"413"
