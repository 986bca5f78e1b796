"""Host, Origin, token, limits, names: what is let in and what is not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.datastructures import Headers
from starlette.websockets import WebSocketDisconnect
from talking import TOKEN, Server, serving

from clickwise.annotate.server.bodies import safe_name
from clickwise.annotate.server.security import Guard, checked_token, new_token
from clickwise.errors import OptionError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("doors"), most_upload=20_000, allowed_hosts=("team.example",)) as running:
        yield running


GOOD = {"host": "127.0.0.1:8765", "authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/api/project", {}, None),
        ("/api/project", {"host": "localhost:1"}, None),
        ("/api/project", {"host": "[::1]:8765"}, None),
        ("/api/project", {"host": "team.example"}, None),
        ("/api/project", {"host": "team.example:8443"}, None),
        ("/api/project", {"host": "TEAM.example"}, None),
        ("/api/project", {"host": ""}, "misdirected"),
        ("/api/project", {"host": "evil.example"}, "misdirected"),
        ("/", {"host": "evil.example"}, "misdirected"),
        ("/api/project", {"host": "127.0.0.1.evil.example"}, "misdirected"),
        ("/api/project", {"host": "evil.example@127.0.0.1"}, "misdirected"),
        ("/api/project", {"host": "127.0.0.1:port"}, "misdirected"),
        ("/api/project", {"host": "10.0.0.7:8765"}, "misdirected"),
        ("/api/project", {"origin": "http://127.0.0.1:8765"}, None),
        ("/api/project", {"origin": "http://127.0.0.1:9999"}, "forbidden"),
        ("/api/project", {"origin": "http://localhost:8765"}, "forbidden"),
        ("/api/project", {"origin": "https://team.example"}, None),
        ("/api/project", {"origin": "https://team.example.evil.example"}, "forbidden"),
        ("/api/project", {"origin": "null"}, "forbidden"),
        ("/api/project", {"origin": "http://evil.example"}, "forbidden"),
        ("/", {"origin": "http://evil.example"}, "forbidden"),
        ("/api/project", {"origin": "file:///x"}, "forbidden"),
        ("/api/project", {"origin": "http://[bad"}, "forbidden"),
        ("/api/project", {"authorization": ""}, "unauthorised"),
        ("/api/project", {"authorization": TOKEN}, "unauthorised"),
        ("/api/project", {"authorization": f"Basic {TOKEN}"}, "unauthorised"),
        ("/api/project", {"authorization": f"Bearer {TOKEN}x"}, "unauthorised"),
        ("/api/project", {"authorization": "Bearer \u00e9"}, "unauthorised"),
        ("/api/nothing", {"authorization": ""}, "unauthorised"),
        ("/api/docs", {"authorization": ""}, None),
        ("/", {"authorization": ""}, None),
        ("/static/x.js", {"authorization": ""}, None),
    ],
)
def test_who_is_let_in(path: str, headers: dict[str, str], code: str | None) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in {**GOOD, **headers}.items()]
    refusal = Guard(TOKEN, ("team.example",)).refusal(path, Headers(raw=raw), is_socket=False)
    assert (None if refusal is None else refusal[0]) == code


@pytest.mark.parametrize(
    ("host", "here", "is_known"),
    [
        ("192.168.1.5:8765", "192.168.1.5", True),
        ("192.168.1.5", "::ffff:192.168.1.5", True),
        ("[2001:DB8::5]:8765", "2001:db8:0::5", True),
        ("[fe80::1]:8765", "fe80::1%eth0", True),
        ("192.168.1.6:8765", "192.168.1.5", False),
        ("evil.example", "evil.example", False),
        ("testserver", "testserver", False),
        ("", "", False),
    ],
)
def test_the_address_at_which_a_request_arrives_is_known(host: str, here: str, is_known: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in {**GOOD, "host": host}.items()]
    refusal = Guard(TOKEN).refusal("/api/project", Headers(raw=raw), is_socket=False, here=here)
    assert (refusal is None) == is_known
    origin = Headers(raw=[*raw, (b"origin", b"http://evil.example")])
    assert Guard(TOKEN).refusal("/api/project", origin, is_socket=False, here=here) is not None


def test_every_answer_has_its_headers(server: Server) -> None:
    for path in ("/", "/api/project", "/api/docs", "/nothing"):
        headers = server.http.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert server.http.get("/api/project").headers["cache-control"] == "no-store"
    assert server.http.get("/api/project", headers={"authorization": ""}).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example"}])
def test_a_socket_from_elsewhere_is_refused_before_it_opens(server: Server, headers: dict[str, str]) -> None:
    with pytest.raises(WebSocketDisconnect), server.http.websocket_connect("/api/live", headers=headers):
        pass


@pytest.mark.parametrize(
    "hello",
    [
        '{"type": "hello", "token": "wrong", "user": "", "client": "c"}',
        '{"type": "ping"}',
        "nonsense",
        '{"type": "hello", "token": "a-token-for-tests", "user": "", "client": "no spaces"}',
    ],
)
def test_a_socket_without_the_token_is_closed(server: Server, hello: str) -> None:
    with server.http.websocket_connect("/api/live", headers={"host": "127.0.0.1"}) as socket:
        socket.send_text(hello)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 4401


def test_another_protocol_is_told_so(server: Server) -> None:
    with server.http.websocket_connect("/api/live", headers={"host": "127.0.0.1"}) as socket:
        socket.send_json({"type": "hello", "token": TOKEN, "user": "", "client": "c", "protocol": 99})
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 4400


def test_a_proxy_may_hand_its_prefix_on_or_strip_it(tmp_path: Path) -> None:
    with serving(tmp_path, root_path="/annotate") as server:
        for prefix in ("", "/annotate"):
            assert server.http.get(f"{prefix}/").status_code == 200
            assert server.http.get(f"{prefix}/static/main.js").status_code == 200
            assert server.http.get(f"{prefix}/api/health").status_code == 200
            assert server.http.get(f"{prefix}/api/health", headers={"authorization": ""}).status_code == 401
            with server.http.websocket_connect(f"{prefix}/api/live", headers={"host": "127.0.0.1"}) as socket:
                socket.send_json({"type": "hello", "token": TOKEN, "client": f"c{len(prefix)}"})
                assert socket.receive_json()["type"] == "welcome"
        moved = server.http.get("/annotate", follow_redirects=False)
        assert (moved.status_code, moved.headers["location"]) == (307, "/annotate/")
        assert server.http.get("/annotatee/api/health").status_code == 404


def picture(side: int = 20) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_uploads_get_safe_names_below_the_project(server: Server) -> None:
    folder = server.services.settings.folder
    assert folder is not None
    with server.client() as client:
        for name in ("../../evil.png", "evil.png", "C:\\x\\evil.png", ".hidden", "con.png", "a/b/\u00e9 1.png", ""):
            answer = server.http.post("/api/images", params={"name": name}, content=picture())
            assert answer.status_code == 200, answer.text
            shown = answer.json()
            assert client.of("image")["image"] == shown
            path = Path(server.store.image(shown["image_id"]).path)
            assert path.parent == folder / "uploads"
            assert "/" not in shown["name"].removeprefix("uploads/")
    names = sorted(path.name for path in (folder / "uploads").iterdir())
    assert names == sorted(
        ["evil.png", "evil-2.png", "evil-3.png", "hidden.png", "_con.png", "\u00e9 1.png", "picture.png"]
    )


def test_uploads_have_limits_and_leave_nothing_behind(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = server.services.settings.folder
    assert folder is not None
    before = sorted((folder / "uploads").glob("*")) if (folder / "uploads").exists() else []

    def parts() -> Iterator[bytes]:
        yield from [b"x" * 1000] * 30

    for body, status in [
        (b"x" * 20_001, 413),
        (parts(), 413),
        (b"", 400),
        (b"GIF89a nonsense", 400),
        (b"not a picture", 400),
    ]:
        answer = server.http.post("/api/images?name=x.png", content=body)
        assert answer.status_code == status, answer.text
        assert str(folder) not in answer.text
    monkeypatch.setenv("CLICKWISE_MAX_PIXELS", "1000")
    assert "megapixels" in server.http.post("/api/images?name=x.png", content=picture(40)).json()["error"]["message"]
    after = sorted((folder / "uploads").glob("*")) if (folder / "uploads").exists() else []
    assert [path.name for path in after] == [path.name for path in before]
    assert not list((folder / "uploads").glob(".*"))


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server/app.py",
        "/static/%2e%2e/server/app.py",
        "/static/..%2fserver%2fapp.py",
        "/static//etc/passwd",
        "/api/images/..%2f..%2fetc%2fpasswd",
        "/api/images/x/tiles/0/0/..jpg",
    ],
)
def test_no_path_leads_out(server: Server, path: str) -> None:
    answer = server.http.get(path)
    assert answer.status_code in (400, 404)
    assert "import" not in answer.text


def test_safe_names() -> None:
    assert safe_name("x" * 500 + ".jpg").endswith("x.jpg")
    assert len(safe_name("\u00e9" * 500 + ".jpg").encode()) <= 120
    assert safe_name("a\x00b\n.png") == "a_b_.png"
    assert safe_name("page.html") == "page.html.png"
    assert safe_name("...") == "picture.png"


def test_tokens() -> None:
    assert len(new_token()) >= 21
    assert new_token() != new_token()
    for bad in ("short", "with space in it", "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9", ""):
        with pytest.raises(OptionError):
            checked_token(bad)
