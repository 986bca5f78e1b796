"""``clickwise annotate`` as a process: what it says, how it ends, what is there afterwards."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from talking import make_pictures

from clickwise.annotate.pictures import need_pictures
from clickwise.annotate.server.run import PROJECT_FOLDER, Start, listen, project_place, reached_at
from clickwise.annotate.store import ProjectStore
from clickwise.errors import OptionError

RUN = "import sys; from clickwise.cli.main import main; sys.exit(main())"
TOKEN = "token-on-the-line"


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its address, after it has said it."""
    command = [sys.executable, "-c", RUN, "annotate", "--no-browser", "--port", "0", "--token", TOKEN, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        found = next(
            (m for line in lines if (m := re.match(r"open: (http://127\.0\.0\.1:\d+)/#token=(.*)", line))), None
        )
        assert found is not None, process.stderr.read() if process.stderr else ""
        assert found[2] == TOKEN
        try:
            yield process, found[1]
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak)]
)
def test_a_server_ends_cleanly_and_keeps_what_it_acknowledged(tmp_path: Path, sign: int, code: int) -> None:
    folder = make_pictures(tmp_path / "caf\u00e9 1")
    with started(str(folder)) as (process, address), httpx.Client(
        base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=120
    ) as http:  # fmt: skip
        image = http.get("/api/images").json()["images"][0]["image_id"]
        stroke = {"type": "stroke", "id": "s1", "image_id": image, "points": [[9, 9]], "radius": 4}
        answer = http.post(f"/api/images/{image}/do", json=stroke)
        assert answer.status_code == 200, answer.text
        page = http.get("/", headers={"Authorization": ""})
        assert page.status_code == 200
        assert TOKEN not in page.text
        process.send_signal(sign)
        assert process.wait(240) == code
        assert process.stderr is not None
        assert process.stderr.read() == ""
    with ProjectStore.open(folder / PROJECT_FOLDER, create=False) as store:
        assert store.document(image).objects[0].mask.area > 40
        assert store.name() == "caf\u00e9 1"
        assert not store.check()
    assert sorted(path.name for path in folder.iterdir()) == [PROJECT_FOLDER, "p0.png", "p1.png"]


def test_a_server_that_is_killed_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    folder = make_pictures(tmp_path / "pictures")
    with started(str(folder)) as (process, address), httpx.Client(
        base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=120
    ) as http:  # fmt: skip
        image = http.get("/api/images").json()["images"][0]["image_id"]
        acknowledged = []

        def work() -> None:
            for number in range(1000):
                stroke = {"type": "stroke", "id": f"s{number}", "image_id": image, "points": [[9, 9]], "radius": 4}
                try:
                    acknowledged.append(http.post(f"/api/images/{image}/do", json=stroke).json()["object_id"])
                except httpx.HTTPError:
                    return

        worker = threading.Thread(target=work)
        worker.start()
        while len(acknowledged) < 5:
            assert worker.is_alive()
        process.kill()
        worker.join()
    with ProjectStore.open(folder / PROJECT_FOLDER, create=False) as store:
        kept = [item.object_id for item in store.document(image).objects]
        assert kept[: len(acknowledged)] == acknowledged
        assert len(kept) <= len(acknowledged) + 1
        assert not store.check()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no/such/folder"], "does not exist"),
        ([], "no pictures were given"),
        (["--project", "p", "--token", "short"], "the token has 5 letters"),
        (["--device", "gpu"], "expected one of auto"),
        (["--root-path", "prefix", "--project", "p"], "--root-path"),
        (["--model", "no-such-model", "--project", "p"], "no-such-model"),
        (["--host", "no.such.host.invalid", "--project", "p"], "no.such.host.invalid"),
        (["--port", "70000"], "--port"),
        (["--most-upload", "0"], "--most-upload"),
        (["empty"], "empty holds no picture"),
        (["empty/notes.txt"], "notes.txt is no picture"),
        (["empty", "empty/notes.txt"], "notes.txt is no picture"),
        (["empty", "--project", "p"], "empty holds no picture"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from clickwise.cli.main import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no picture")
    assert main(["annotate", "--no-browser", *(["--port", "0"] if "--port" not in arguments else []), *arguments]) == 2
    error = capfd.readouterr().err
    assert says in error
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["empty", "empty/notes.txt"]


def test_a_refused_start_leaves_a_project_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from clickwise.cli.main import main

    folder = make_pictures(tmp_path / "photos")
    with ProjectStore.open(folder / PROJECT_FOLDER) as store:
        store.add_images([folder])
    (folder / "notes.txt").write_text("no picture")
    assert main(["annotate", "--no-browser", "--port", "0", str(folder / "notes.txt")]) == 2
    with ProjectStore.open(folder / PROJECT_FOLDER, create=False) as store:
        assert [entry.name for entry in store.images()] == ["p0.png", "p1.png"]


def test_pictures_are_taken_by_what_they_hold_and_damaged_ones_by_their_ending(tmp_path: Path) -> None:
    folder = make_pictures(tmp_path / "photos")
    odd, damaged = folder / "p0.dat", folder / "damaged.jpg"
    (folder / "p0.png").rename(odd)
    damaged.write_bytes(b"cut off")
    assert need_pictures([odd, damaged]) == [(odd, "p0.dat"), (damaged, "damaged.jpg")]
    assert [name for _, name in need_pictures([folder])] == ["damaged.jpg", "p1.png"]


def test_a_port_in_use_is_said_or_another_one_taken() -> None:
    taken = listen("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with pytest.raises(OptionError, match=f"port {port} is in use"):
        listen("127.0.0.1", port)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("clickwise.annotate.server.run.DEFAULT_PORT", port)
        other = listen("127.0.0.1", None)
    assert other.getsockname()[1] != port
    taken.close()
    other.close()


def test_where_the_project_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_pictures(tmp_path / "photos")
    assert project_place(Start((folder,))) == (folder / PROJECT_FOLDER, (folder,))
    assert project_place(Start((folder / "p0.png",))) == (folder / PROJECT_FOLDER, (folder / "p0.png",))
    assert project_place(Start((folder,), "postgresql://host/base")) == ("postgresql://host/base", (folder,))
    ProjectStore.open(folder / PROJECT_FOLDER).close()
    assert project_place(Start((folder / PROJECT_FOLDER,))) == (folder / PROJECT_FOLDER, ())
    monkeypatch.chdir(folder)
    assert project_place(Start()) == (Path(PROJECT_FOLDER), ())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError):
        project_place(Start())


def test_help_is_quick_and_without_the_extra_there_is_one_line(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['fastapi'] = None; " + RUN
    answer = subprocess.run(
        [sys.executable, "-c", hidden, "annotate", str(make_pictures(tmp_path / "p"))],
        capture_output=True, text=True, env={**os.environ}, timeout=120, check=False,
    )  # fmt: skip
    assert answer.returncode == 2
    assert 'pip install "clickwise[annotate]"' in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_the_token_comes_from_the_environment_and_the_option_goes_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clickwise.annotate.server import run as module
    from clickwise.cli.main import main

    begun: list[Start] = []
    monkeypatch.setattr(module, "run", lambda start, say: begun.append(start))
    for value, option in (("", []), ("of-the-environment", []), ("of-the-environment", ["--token", "of-the-line"])):
        monkeypatch.setenv("CLICKWISE_TOKEN", value)
        assert main(["annotate", str(tmp_path), *option]) == 0
    assert [start.token for start in begun] == [None, "of-the-environment", "of-the-line"]


def test_the_largest_upload_is_said_in_megabytes(tmp_path: Path) -> None:
    with started(str(make_pictures(tmp_path / "p")), "--most-upload", "1") as (_, address), httpx.Client(
        base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=120
    ) as http:  # fmt: skip
        assert http.get("/api/project").json()["limits"]["upload_bytes"] == 1 << 20
        refused = http.post("/api/labels?name=a.json", content=b" " * ((1 << 20) + 1))
        assert refused.status_code == 413
        message = refused.json()["error"]["message"]
        assert "larger than 1 MB" in message
        assert "--most-upload" in message
        assert "clickwise import-labels" in message


def test_a_server_for_others_prints_and_answers_to_its_own_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    infos = [(socket.AF_INET, None, 0, "", (text, 0)) for text in ("127.0.1.1", "169.254.0.9", "192.0.2.7")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    for host, loopback in (("0.0.0.0", "127.0.0.1"), ("::", "::1")):
        first, *others = reached_at(host)
        assert first == loopback
        assert "192.0.2.7" in others
        assert not {"127.0.1.1", "169.254.0.9", loopback} & set(others)
        assert len(set(others)) == len(others)
    assert reached_at("192.0.2.7") == ["192.0.2.7"]
    assert reached_at("127.0.0.1") == ["127.0.0.1"]


def test_another_computer_may_ask_at_the_address_that_it_was_told(tmp_path: Path) -> None:
    own = next((address for address in reached_at("0.0.0.0")[1:]), None)
    if own is None:
        pytest.skip("this computer has no address but the loopback one")
    with started(str(make_pictures(tmp_path / "p")), "--host", "0.0.0.0") as (process, address):
        assert process.stdout is not None
        port = address.rpartition(":")[2]
        assert process.stdout.readline() == f"from other computers: http://{own}:{port}/#token={TOKEN}\n"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=f"http://{own}:{port}", headers=headers, timeout=120, trust_env=False) as http:
            assert http.get("/api/health").status_code == 200
            assert http.get("/api/health", headers={"Host": "192.0.2.99"}).status_code == 421
            assert http.get("/api/health", headers={"Host": "evil.example"}).status_code == 421
