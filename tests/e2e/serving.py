"""A real server: `clickwise annotate` in a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
from pycocotools import mask as coco

TOKEN = "token-of-the-tests"
_ADDRESS = re.compile(r"open: (http://[^/]+:(\d+))(/\S*)")
PATIENCE = 200.0
"""Seconds; a quiet machine needs one or two."""
TEST_THREADS = {"OMP_NUM_THREADS": "1"}
"""Environment of the servers: tests of other folders run beside these."""


class Server:
    """`clickwise annotate`. Started when entered; `kill` and `start` again keep port, project and token."""

    def __init__(self, pictures: Sequence[Path], options: Sequence[str] = (), token: str = TOKEN) -> None:
        self.pictures, self.options, self.token = pictures, tuple(options), token
        self.port, self.url = 0, ""
        self.process: subprocess.Popen[str] | None = None
        self.client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE, trust_env=False)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        if self.is_running:
            self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def address(self) -> str:
        """What a user opens."""
        return f"{self.url}/#token={self.token}"

    def start(self) -> None:
        """Start, and wait until it says where it is; requests are taken from then on."""
        arguments = [*map(str, self.pictures), "--no-browser", "--port", str(self.port), "--token", self.token]
        command = [sys.executable, "-m", "clickwise", "annotate", *arguments, "--device", "cpu", *self.options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | TEST_THREADS
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := _ADDRESS.match(line):
                self.url, self.port = found[1], int(found[2])
                return
        raise AssertionError(f"the server did not start: {''.join(said)}")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL

    def stop(self) -> str:
        """End it as Ctrl-C does; what it said besides its greeting."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=PATIENCE)
        return said

    # ------------------------------------------------------------------------------------------ REST, as a script

    def api(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON answer of a call below /api."""
        answer = self.client.request(method, f"{self.url}/api/{path}", **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def upload(self, path: Path, name: str = "") -> str:
        """Add a picture; its id."""
        return self.api("POST", "images", params={"name": name or path.name}, content=path.read_bytes())["image_id"]

    def images(self, **query: Any) -> list[dict[str, Any]]:
        """The list of pictures."""
        return self.api("GET", "images", params=query)["images"]

    def document(self, image_id: str) -> dict[str, Any]:
        """A picture's document as the server has it."""
        return self.api("GET", f"images/{image_id}")

    def do(self, image_id: str, kind: str, **fields: Any) -> dict[str, Any]:
        """One command."""
        command = {"type": kind, "id": uuid4().hex, "image_id": image_id, **fields}
        return self.api("POST", f"images/{image_id}/do", json=command)

    def masks(self, image_id: str) -> dict[int, np.ndarray]:
        """(H, W) bool for each object, lowest first."""
        document = self.document(image_id)
        size = (document["height"], document["width"])
        return {item["object_id"]: unpacked(item["mask"], size) for item in document["objects"]}


def unpacked(patch: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool of a patch relative to empty, by pycocotools."""
    mask = np.zeros(size, bool)
    x0, y0, x1, y1 = patch["rect"]
    if x1 > x0:  # row by row here, column by column there: the transposed picture
        rle = {"size": [x1 - x0, y1 - y0], "counts": patch["counts"].encode("ascii")}
        mask[y0:y1, x0:x1] = coco.decode(rle).T.astype(bool)
    return mask


def packed(mask: np.ndarray) -> dict[str, Any]:
    """The patch of a whole (H, W) mask, relative to empty."""
    height, width = mask.shape
    code = coco.encode(np.asfortranarray(mask.T.astype(np.uint8)))
    return {"rect": [0, 0, width, height], "counts": code["counts"].decode("ascii")}


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union."""
    return float((first & second).sum() / (first | second).sum())
