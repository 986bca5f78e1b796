"""How fast the annotator is, with how many users, and whether it grows: a real server and a real Chromium.

    python tools/measure_annotator.py clicks [--count 50]             from the mouse button to the painted mask
    python tools/measure_annotator.py users [--users 20 --seconds 60] many users at once over the WebSocket
    python tools/measure_annotator.py memory [--pictures 500]         one user through many pictures
    ... [--photo FILE] [--threads N] [--json FILE]

Server and browser are those of the end-to-end tests. Numbers are of this machine in this hour: say what else it did.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import numpy as np  # noqa: E402

from clickwise.assets import sample  # noqa: E402
from e2e import serving  # noqa: E402
from e2e.browsing import Desk  # noqa: E402
from e2e.conftest import ARGUMENTS, USUAL, chromium_place  # noqa: E402
from e2e.pictures import disc, photo  # noqa: E402
from e2e.serving import Server, unpacked  # noqa: E402

PARTS = ("wait", "decode", "network", "store", "total")
CLICKS_OF_AN_OBJECT = 4
WAIT = 600.0
PAINTED = """() => {
    const page = window.clickwise, before = page.state().image.version;
    let start = 0;
    addEventListener("pointerdown", event => { start = event.timeStamp; }, { once: true, capture: true });
    window.measured = new Promise(resolve => {
        const look = () => {
            const now = page.state();
            if (now.image.version === before || now.pending) return requestAnimationFrame(look);
            // Masks are drawn in the frame in which they come; the next frame begins when that one was shown.
            const found = () => ({ milliseconds: performance.now() - start, parts: now.lastClick.parts });
            requestAnimationFrame(() => resolve(found()));
        };
        requestAnimationFrame(look);
    });
}"""
"""Begin to wait for a click and what it paints. The time begins when the browser got the event."""


def main() -> int:
    """Measure, print, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("clicks", "users", "memory"))
    parser.add_argument("--count", type=int, default=50, help="clicks")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--think", type=float, default=1.0, help="seconds between a user's mask and next click")
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--photo", type=Path, help="default: the bundled one, 600 x 400")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the network")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    serving.TEST_THREADS["OMP_NUM_THREADS"] = str(given.threads)
    begun = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        found = {"clicks": clicks, "users": users, "memory": memory}[given.what](Path(folder), given)
    found |= {"machine": f"{os.cpu_count()} cores, {platform.machine()}", "threads": given.threads}
    found["load"] = [round(begun, 1), round(os.getloadavg()[0], 1)]
    text = json.dumps(found, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n", "utf-8")
    return 0 if found.get("errors", 0) == 0 else 1


# ---------------------------------------------------------------------------------------------- one user at the page


@contextmanager
def page_of(server: Server) -> Iterator[Desk]:
    """A user in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_place(), args=ARGUMENTS)
        page = browser.new_context(**USUAL).new_page()  # type: ignore[arg-type]
        page.set_default_timeout(1000 * WAIT)
        yield Desk(page, server).go()
        browser.close()


def clicks(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Single clicks, a few for each object; each waits for the one before."""
    places = [(click.x, click.y) for click in sample().clicks]
    with Server([_photo(folder, given)]) as server, page_of(server) as desk:
        state = desk.state["image"]
        scale = (state["width"] / 600, state["height"] / 400)
        rng = random.Random(0)
        desk.click((places[0][0] * scale[0], places[0][1] * scale[1])).idle()  # the first one also loads the model
        seen = []
        for number in range(given.count):
            if number % CLICKS_OF_AN_OBJECT == 0:
                desk.press("Enter")
            x, y = places[number % len(places)]
            point = ((x + rng.uniform(-15, 15)) * scale[0], (y + rng.uniform(-15, 15)) * scale[1])
            desk.page.evaluate(PAINTED)
            desk.click(point)
            seen.append(desk.page.evaluate("window.measured"))
            desk.idle()
        desk.agrees()
    painted = [each["milliseconds"] for each in seen]
    parts = {part: _middle([each["parts"][part] for each in seen]) for part in PARTS}
    parts["wire and page"] = _middle([each["milliseconds"] - each["parts"]["total"] for each in seen])
    return {
        "what": "mouse button to painted mask, milliseconds",
        "picture": [state["width"], state["height"]],
        "clicks": given.count,
        "median": _middle(painted),
        "p95": _high(painted),
        "parts (medians)": parts,
    }


def memory(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """A click, finished, next: memory of server and page after each tenth of the way."""
    for number in range(given.pictures):
        disc(folder / "photos", f"disc-{number}.jpg", (1200, 800), seed=number)
    rows = []
    with Server([folder / "photos"]) as server, page_of(server) as desk:
        line = desk.page.context.new_cdp_session(desk.page)
        line.send("Performance.enable")
        for number in range(given.pictures):
            desk.click((600, 400)).press("s")
            desk.until("s.progress.finished === a", number + 1).idle()
            if (number + 1) % max(1, given.pictures // 10) == 0:
                metrics = {item["name"]: item["value"] for item in line.send("Performance.getMetrics")["metrics"]}
                rows.append([number + 1, _resident(server), round(metrics["JSHeapUsedSize"] / 2**20, 1)])
                print(*rows[-1], file=sys.stderr)
    return {"what": "MB after pictures", "rows (pictures, server, page's heap)": rows}


def _photo(folder: Path, given: argparse.Namespace) -> Path:
    if given.photo is None:
        return photo(folder / "photos").parent
    return given.photo.resolve()


def _resident(server: Server) -> float:
    assert server.process is not None
    for text in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if text.startswith("VmRSS"):
            return round(int(text.split()[1]) / 1024, 1)
    return 0.0


# ---------------------------------------------------------------------------------------------- many users


class User(threading.Thread):
    """Clicks on objects of its own on a picture that others work on too; keeps what was answered."""

    def __init__(self, server: Server, number: int, image: dict[str, Any], given: argparse.Namespace) -> None:
        super().__init__(daemon=True)
        self.server, self.number, self.image, self.given = server, number, image, given
        self.rng = random.Random(number)
        self.milliseconds: list[float] = []
        self.errors: list[str] = []
        self.objects: dict[int, list[list[Any]]] = defaultdict(list)

    def run(self) -> None:
        """Until the time is over."""
        from websockets.sync.client import connect

        address = f"ws://127.0.0.1:{self.server.port}/api/live"
        try:
            with connect(address, proxy=None, open_timeout=WAIT, max_size=None) as wire:
                hello = {"type": "hello", "token": self.server.token, "user": f"user {self.number}", "protocol": 1}
                wire.send(json.dumps(hello | {"client": f"measure-{self.number}"}))
                wire.send(json.dumps({"type": "open", "image_id": self.image["image_id"]}))
                time.sleep(self.rng.random() * self.given.think)
                self._work(wire)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def _work(self, wire: Any) -> None:
        end, number, object_id = time.monotonic() + self.given.seconds, 0, None
        while time.monotonic() < end:
            x = self.rng.uniform(0, self.image["width"] - 1)
            y = self.rng.uniform(0, self.image["height"] - 1)
            positive = object_id is None or self.rng.random() < 0.7
            command = {"type": "click", "id": f"{self.number}-{number}", "image_id": self.image["image_id"]}
            begin = time.perf_counter()
            wire.send(json.dumps(command | {"object_id": object_id, "x": x, "y": y, "positive": positive}))
            answer = self._answer(wire, f"{self.number}-{number}")
            self.milliseconds.append(1000 * (time.perf_counter() - begin))
            number += 1
            if answer["type"] != "result":
                self.errors.append(json.dumps(answer))
                continue
            object_id = answer["object_id"]
            self.objects[object_id].append([x, y, positive])
            if number % CLICKS_OF_AN_OBJECT == 0:
                object_id = None
            time.sleep(self.given.think * self.rng.uniform(0.5, 1.5))

    @staticmethod
    def _answer(wire: Any, command_id: str) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(wire.recv(timeout=WAIT))
            if message.get("id") == command_id and message["type"] in ("result", "error", "superseded"):
                return message


def users(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Users on few pictures, several on each. Afterwards every object must hold its user's clicks and their mask."""
    for number in range(max(1, given.users // 4)):
        photo(folder / "photos", f"photo-{number}.jpg")
    with Server([folder / "photos"]) as server:
        pictures = server.images()
        server.do(pictures[0]["image_id"], "click", x=1, y=1)  # loads the model
        server.do(pictures[0]["image_id"], "undo")
        everybody = [User(server, n, pictures[n % len(pictures)], given) for n in range(given.users)]
        for user in everybody:
            user.start()
        for user in everybody:
            user.join()
        wrong, compared = _mixed(server, everybody)
    milliseconds = [value for user in everybody for value in user.milliseconds]
    errors = [text for user in everybody for text in user.errors]
    return {
        "what": f"{given.users} users, {len(pictures)} pictures, {given.seconds:g} s, {given.think:g} s of thinking",
        "clicks": len(milliseconds),
        "errors": len(errors) + len(wrong),
        "first errors": [*errors, *wrong][:5],
        "objects with other clicks or another mask than theirs": len(wrong),
        "masks compared with a predictor's": compared,
        "median": _middle(milliseconds),
        "p95": _high(milliseconds),
        "largest": round(max(milliseconds), 1),
    }


def _mixed(server: Server, everybody: list[User], most: int = 30) -> tuple[list[str], int]:
    """Objects that do not hold what their user did, and how many masks were worked out anew."""
    import clickwise

    predictor = clickwise.Predictor(clickwise.load_model("clickwise-s"))
    predictor.set_image(sample().image)
    wrong, compared, owners = [], 0, defaultdict(dict)
    for user in everybody:
        for object_id, made in user.objects.items():
            owners[user.image["image_id"]][object_id] = made
    for image_id, objects in owners.items():
        document = server.document(image_id)
        if {item["object_id"] for item in document["objects"]} != set(objects):
            wrong.append(f"{image_id}: other objects than were made")
        for item in document["objects"]:
            made = objects.get(item["object_id"], [])
            if not np.allclose(np.array(item["clicks"], float), np.array(made, float)):
                wrong.append(f"{image_id}/{item['object_id']}: {item['clicks']} instead of {made}")
            elif compared < most:
                compared += 1
                predictor.reset()
                for x, y, positive in made:
                    answer = predictor.click(x, y, positive=positive)
                here = unpacked(item["mask"], (document["height"], document["width"]))
                if (here ^ answer.mask).sum() > 5:  # another number of threads may turn a pixel on the border
                    wrong.append(f"{image_id}/{item['object_id']}: {(here ^ answer.mask).sum()} pixels differ")
    return wrong, compared


def _middle(values: list[float]) -> float:
    return round(statistics.median(values), 1)


def _high(values: list[float]) -> float:
    return round(float(np.percentile(values, 95)), 1)


if __name__ == "__main__":
    sys.exit(main())
