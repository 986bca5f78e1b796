"""kill -9 at any moment: what was acknowledged is there again, and nothing is there by half."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawing import SIZE
from killed import step_of
from PIL import Image

from clickwise.annotate import history
from clickwise.annotate.document import ImageDocument
from clickwise.annotate.history import Event
from clickwise.annotate.store import ProjectStore

WORKER = Path(__file__).with_name("killed.py")


class Expected:
    """What the project must hold, worked out step by step without any database."""

    def __init__(self, image_id: str, seed: int) -> None:
        self.seed = seed
        self.document = ImageDocument(image_id, SIZE)
        self.events: list[Event] = []

    def step(self, number: int) -> None:
        event = step_of(self.seed, number, self.document, self.events)
        if not event.change.is_empty:
            self.events.append(event)
            self.document = history.apply(self.document, event)


def killed_after(place: Path, image_id: str, seed: int, first: int, last: int, wait_for: str, pause: float) -> int:
    """Let the worker run until it says ``wait_for``, then ``pause`` seconds, kill it; the steps it acknowledged."""
    command = [sys.executable, str(WORKER), str(place), image_id, str(seed), str(first), str(last)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        said = []
        for line in worker.stdout:
            said.append(line.strip())
            if said[-1] in (wait_for, "end"):
                break
        time.sleep(pause)
        worker.send_signal(signal.SIGKILL)
        said += [line.strip() for line in worker.stdout.read().splitlines()]
        assert worker.wait() == -signal.SIGKILL, said
    return first + sum(line.startswith("done") for line in said)


def survive(place: Path, seed: int, steps: int, kills: int) -> None:
    """Go through the steps with kills at random moments between and inside them; compare after each."""
    Image.new("RGB", SIZE[::-1]).save(place.parent / "photo.png")
    with ProjectStore.open(place) as store:
        (entry,) = store.add_images([place.parent / "photo.png"])
    rng = np.random.default_rng(seed)
    expected, done = Expected(entry.image_id, seed), 0
    stops = sorted({int(stop) for stop in rng.integers(0, steps, kills)})
    for stop in [*stops, steps]:
        if stop < done:
            continue
        word = "done" if rng.random() < 0.5 else "begin"  # between two actions, or in the middle of one
        pause = 0.0 if rng.random() < 0.5 else float(rng.random() * 0.02)
        acknowledged = killed_after(place, entry.image_id, seed, done, steps, f"{word} {stop}", pause)
        while done < acknowledged:
            expected.step(done)
            done += 1
        with ProjectStore.open(place, create=False) as store:
            found = store.document(entry.image_id)
            if found != expected.document and done < steps:
                expected.step(done)  # the one on its way was stored, only its answer was lost
                done += 1
            assert found == expected.document
            stored = store.events(entry.image_id)
            assert [replace(event, time=0.0) for event in stored] == expected.events
            assert store.check() == []
    assert done == steps


def test_killed_between_and_inside_actions(tmp_path: Path) -> None:
    survive(tmp_path / "project", seed=1, steps=16, kills=2)


@pytest.mark.parametrize("pause", [0.01, *(pytest.param(n / 200, marks=pytest.mark.soak) for n in range(20))])
def test_killed_while_the_project_is_being_made(tmp_path: Path, pause: float) -> None:
    """Whatever moment the maker is killed at, the place can be opened afterwards."""
    code = (
        "import sys; from clickwise.annotate.store import ProjectStore; print('go', flush=True); "
        "ProjectStore.open(sys.argv[1]); print('made', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline().strip() == "go"
        time.sleep(pause)
        maker.kill()
    with ProjectStore.open(tmp_path) as store:
        assert store.images() == ()
        assert [item.name for item in store.classes()[0]] == ["object"]


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(20))
def test_two_hundred_actions_with_kills_anywhere(tmp_path: Path, seed: int) -> None:
    survive(tmp_path / "project", seed=100 + seed, steps=200, kills=12)
