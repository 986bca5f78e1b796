"""A server inside the test with a network that is quick, can be held, and can be told to fail; and a client for it."""

from __future__ import annotations

import itertools
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastapi import FastAPI
from PIL import Image
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it prefers a successor of httpx that is not needed
    from starlette.testclient import TestClient

from clickwise.annotate.networks import Networks
from clickwise.annotate.server.app import create_app
from clickwise.annotate.server.services import Services, Settings
from clickwise.annotate.store import ProjectStore
from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, InteractiveModel, ModelOutput

TOKEN = "a-token-for-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
HERE = "http://127.0.0.1"
SIZE = (48, 64)
"""(height, width) of the test pictures."""
_NUMBERS = itertools.count(1)


class Discs(InteractiveModel):
    """Every positive click is a disc, every negative one a hole, and the earlier mask stays."""

    capabilities = Capabilities()
    inference_defaults = InferenceDefaults()

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.free = threading.Event()
        self.free.set()
        self.begun = threading.Event()

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        self.calls += 1
        self.begun.set()
        assert self.free.wait(200)
        height, width = image.shape[2:]
        ys, xs = torch.arange(height)[:, None], torch.arange(width)[None, :]
        logits = 6 * (prev_mask - 0.5)
        radius, half = min(height, width) / 8, points.shape[1] // 2
        for item in range(len(points)):
            for row, (y, x, order) in enumerate(points[item].tolist()):
                if order >= 0:
                    distance = ((ys - y) ** 2 + (xs - x) ** 2).sqrt()
                    logits[item, 0] += (12 if row < half else -12) * torch.sigmoid(radius - distance)
        return ModelOutput(logits)


def make_pictures(folder: Path, count: int = 2) -> Path:
    """A folder of small pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.full((*SIZE, 3), (9 * number + 20) % 256, np.uint8)
        pixels[10:30, 10:40] = (200, 30, 60)
        Image.fromarray(pixels).save(folder / f"p{number}.png")
    return folder


class Server:
    """A running app with its store and network."""

    def __init__(self, http: TestClient, app: FastAPI, store: ProjectStore, network: Discs) -> None:
        self.http, self.app, self.store, self.network = http, app, store, network
        self.services: Services = app.state.services
        self._turn = -1

    @property
    def images(self) -> list[str]:
        """Ids of the pictures; after `next_test`, of two that no test has touched."""
        ids = [entry.image_id for entry in self.store.images()]
        return ids if self._turn < 0 else ids[2 * self._turn : 2 * self._turn + 2]

    def next_test(self) -> Server:
        """The same server for another test: other pictures, the network free and its calls counted anew."""
        self._turn += 1
        assert len(self.images) == 2, "more pictures are needed"
        self.network.free.set()
        self.network.begun.clear()
        self.network.calls = 0
        return self

    @contextmanager
    def client(self, name: str = "c1", user: str = "ann", token: str = TOKEN) -> Iterator[Client]:
        """A connected client after its welcome."""
        with self.http.websocket_connect("/api/live", headers={"host": "127.0.0.1"}) as socket:
            socket.send_json({"type": "hello", "token": token, "user": user, "client": name, "protocol": 1})
            yield Client(socket, socket.receive_json(), name)


class Client:
    """A WebSocket client that gathers what comes."""

    def __init__(self, socket: Any, welcome: dict[str, Any], name: str) -> None:
        self.socket, self.welcome, self.name = socket, welcome, name
        self.seen: list[dict[str, Any]] = []

    def send(self, kind: str, **fields: Any) -> str:
        """Send a message; gives its id."""
        name = fields.pop("id", None) or f"{self.name}-{next(_NUMBERS)}"
        is_command = kind not in ("open", "close", "ping", "cancel", "hello")
        self.socket.send_json({"type": kind, **({"id": name} if is_command else {}), **fields})
        return str(name)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that is wanted, old ones included; it counts as read."""
        for message in self.seen:
            if wanted(message):
                self.seen.remove(message)
                return message
        while True:
            message = self.socket.receive_json()
            if wanted(message):
                return message
            self.seen.append(message)

    def answer(self, name: str) -> dict[str, Any]:
        """The answer to a command: result, preview, superseded or error."""
        return self.until(lambda m: m.get("id") == name and m["type"] in ("result", "preview", "superseded", "error"))

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        return self.answer(self.send(kind, **fields))

    def of(self, kind: str) -> dict[str, Any]:
        """The next message of a type."""
        return self.until(lambda m: m["type"] == kind)


@contextmanager
def serving(folder: Path, count: int = 2, network: Discs | None = None, **settings: Any) -> Iterator[Server]:
    """A server over a folder of ``count`` small pictures; the project lies beside it and may be opened again."""
    network = network or Discs()
    pictures = folder / "pictures"
    if not pictures.exists():
        make_pictures(pictures, count)
    with ProjectStore.open(folder / "project") as store:
        store.add_images([pictures])
        options = Settings(token=TOKEN, folder=folder / "project", **settings)
        app = create_app(store, Networks({"discs": lambda: network}), options)
        with TestClient(app, base_url=HERE, headers=HEADERS) as http:
            while app.state.services.networks.default.state == "loading":
                threading.Event().wait(0.005)
            network.calls = 0
            network.begun.clear()
            yield Server(http, app, store, network)
            network.free.set()
