"""From the arguments of the command to a running server, and to its end."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from clickwise.annotate.database import PROJECT_FILE
from clickwise.annotate.networks import Networks, check_models
from clickwise.annotate.pictures import need_pictures
from clickwise.annotate.protocol import MOST_TEXT
from clickwise.annotate.server.app import create_app
from clickwise.annotate.server.errors import MEGABYTE
from clickwise.annotate.server.security import checked_token, new_token
from clickwise.annotate.server.services import MOST_UPLOAD_MB, Settings
from clickwise.annotate.store import ProjectStore
from clickwise.errors import ImageError, OptionError

PROJECT_FOLDER = ".clickwise"
"""Project of a folder of pictures, inside that folder, so that both can be moved together."""
DEFAULT_PORT = 8765
_EVERYWHERE = ("0.0.0.0", "::", "")
_ELSEWHERE = {socket.AF_INET: "203.0.113.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses that belong to nobody (RFC 5737, RFC 3849)."""
_GRACE_SECONDS = 5
_PROGRESS_EVERY = 0.2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Start:
    """The arguments of ``clickwise annotate``.

    project None: see `project_place`; port None: the usual one, or a free one. most_upload: in MB.
    """

    pictures: tuple[Path, ...] = ()
    project: str | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    token: str | None = None
    open_browser: bool = True
    models: tuple[str, ...] = ("clickwise-s",)
    device: str = "auto"
    allowed_hosts: tuple[str, ...] = ()
    root_path: str = ""
    most_upload: int = MOST_UPLOAD_MB


def run(start: Start, say: Say) -> None:
    """Open the project, add the pictures, serve until Ctrl-C or SIGTERM. ClickwiseError when something does not fit."""
    for picture in start.pictures:
        if not picture.exists():
            raise ImageError(f"{picture} does not exist; expected a picture or a folder of pictures")
    place, added = project_place(start)
    token = checked_token(start.token) if start.token is not None else new_token()
    root_path = _root_path(start.root_path)
    check_models(start.models)
    files = need_pictures(added) if added else []  # before there is a project: one that nobody wanted would stay
    listener = listen(start.host, start.port)
    try:
        with ProjectStore.open(place, name=_project_name(place)) as store:
            _add(store, files, say)
            folder = store.home
            most = start.most_upload * MEGABYTE
            settings = Settings(token, folder, _names(start), root_path, most_upload=most)
            networks = Networks.named(list(start.models), start.device)
            app = create_app(store, networks, settings)
            address, *others = (_address(name, listener, root_path, token) for name in reached_at(start.host))
            say(f"project: {store.place}")
            say(f"open: {address}")
            for other in others:
                say(f"from other computers: {other}")
            say("Ctrl-C ends the server; every step is saved as it is made")
            sys.stdout.flush()
            _serve(app, listener, address if start.open_browser else None)
    finally:
        listener.close()


def project_place(start: Start) -> tuple[str | Path, tuple[Path, ...]]:
    """Where the project lies, and the pictures to add to it.

    Named by --project, also as the URL of a database; else ``.clickwise`` in the folder that was given, or beside the
    pictures that were given. A folder that is a project itself is opened as it is. Without pictures: the project in or
    of this folder.
    """
    given = start.pictures
    if start.project is not None:
        return start.project, given
    if len(given) == 1 and _is_project(given[0]):
        return given[0], ()
    if given:
        first = given[0]
        return (first if first.is_dir() else first.absolute().parent) / PROJECT_FOLDER, given
    here = Path()
    for place in (here, here / PROJECT_FOLDER):
        if _is_project(place):
            return place, ()
    raise OptionError(
        "no pictures were given, and there is no project in this folder; name pictures, a folder of them, or --project"
    )


def listen(host: str, port: int | None) -> socket.socket:
    """A listening socket. OptionError when the address or port cannot be had; None tries the usual one, then others."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise OptionError(f"host {host!r} is unknown here ({error.strerror}); use 127.0.0.1 or 0.0.0.0") from error
    ports = (port,) if port is not None else (DEFAULT_PORT, 0)
    for number in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":  # elsewhere it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((where[0], number, *where[2:]))
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE and number != ports[-1]:
                continue
            if error.errno == errno.EADDRINUSE:
                raise OptionError(
                    f"port {number} is in use; choose another with --port, or 0 for a free one"
                ) from error
            raise OptionError(f"cannot listen at {host} port {number}: {error.strerror}; choose others") from error
    raise OptionError(f"no port is free at {host}")


def _project_name(place: str | Path) -> str:
    """What a new project is called: like its folder of pictures."""
    if "://" in str(place):
        return str(place).rpartition("/")[2].partition("?")[0]
    folder = Path(place).absolute()
    return folder.parent.name if folder.name == PROJECT_FOLDER else folder.stem


def _is_project(place: Path) -> bool:
    return (place / PROJECT_FILE).is_file() if place.is_dir() else place.suffix == Path(PROJECT_FILE).suffix


def _add(store: ProjectStore, files: list[tuple[Path, str]], say: Say) -> None:
    """Add pictures (path, name), with progress on a terminal."""
    if not files:
        return
    is_shown, shown_at = sys.stderr.isatty(), 0.0

    def progress(done: int, total: int) -> None:
        nonlocal shown_at
        now = time.monotonic()
        if is_shown and (now - shown_at > _PROGRESS_EVERY or done == total):
            shown_at = now
            print(f"\rlooking at pictures: {done} of {total}", end="\n" if done == total else "", file=sys.stderr)

    entries = store.add_files(files, progress)
    listed = [entry for entry in entries if not entry.left_out]
    broken, left_out = sum(bool(entry.trouble) for entry in listed), len(entries) - len(listed)
    say(
        f"pictures: {len(listed)}"
        + (f", {broken} cannot be opened (listed with the reason)" if broken else "")
        + (f", {left_out} more left out" if left_out else "")
    )


def _names(start: Start) -> tuple[str, ...]:
    """Names under which the server is known besides those of the loopback address."""
    if _is_loopback(start.host):
        return start.allowed_hosts
    own = (socket.gethostname(),) if start.host in _EVERYWHERE else (start.host,)
    return (*start.allowed_hosts, *own)


def reached_at(host: str) -> list[str]:
    """Addresses to print for ``host``: itself, or where all are listened at, the loopback one and those of this
    computer that others are likely to reach.
    """
    if host not in _EVERYWHERE:
        return [host]
    families = (socket.AF_INET6, socket.AF_INET) if host == "::" else (socket.AF_INET,)
    own = dict.fromkeys(address for family in families for address in _own_addresses(family))
    return ["::1" if host == "::" else "127.0.0.1", *own]


def _own_addresses(family: socket.AddressFamily) -> list[str]:
    """This computer's address towards the others, and those of its name; no loopback ones."""
    found = []
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((_ELSEWHERE[family], 9))  # sends nothing: it only asks which of the own addresses would be used
        found.append(str(probe.getsockname()[0]))
    with suppress(OSError, UnicodeError):
        found += [str(item[4][0]) for item in socket.getaddrinfo(socket.gethostname(), None, family)]
    addresses = (ipaddress.ip_address(text.partition("%")[0]) for text in found)
    return [str(a) for a in addresses if not (a.is_loopback or a.is_unspecified or a.is_link_local)]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _root_path(given: str) -> str:
    path = given.rstrip("/")
    if path and (not path.startswith("/") or "//" in path or not path.isprintable()):
        raise OptionError(f"--root-path is {given!r}; expected a path like /annotate")
    return path


def _address(host: str, listener: socket.socket, root_path: str, token: str) -> str:
    port = listener.getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}{root_path}/#token={token}"


def _serve(app: object, listener: socket.socket, open_at: str | None) -> None:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="error",
        access_log=False,
        server_header=False,
        ws_max_size=MOST_TEXT,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    if open_at is not None:
        threading.Thread(target=_open_when_ready, args=(server, open_at), daemon=True).start()
    server.run(sockets=[listener])


def _open_when_ready(server: uvicorn.Server, address: str) -> None:
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.05)
    webbrowser.open(address)
