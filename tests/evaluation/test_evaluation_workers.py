"""Several processes: the same result, errors and interruptions that leave nothing behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from memory_data import MemoryDataset, SmallModel, make_dataset, make_sample

from clickwise import evaluate
from clickwise.data.sample import Sample
from clickwise.errors import ClickwiseError, MaskError, OptionError
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.runner import evaluate_units

PROTOCOL = EvaluationProtocol(n_clicks=3)


class FragileModel(SmallModel):
    """Fails, in another process only, in the way it was made for."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.home = way, os.getpid()

    def predict_logits(self, image, prev_mask, points, gate):
        if os.getpid() == self.home:
            return super().predict_logits(image, prev_mask, points, gate)
        if self.way == "ours":
            raise MaskError("mask is blue; expected red")
        if self.way == "fault":
            raise ZeroDivisionError("deep inside")
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_same_as_one_process() -> None:
    data = make_dataset(3)
    protocol = EvaluationProtocol(n_clicks=3, boundary=True)
    alone = evaluate(SmallModel(), data, protocol=protocol)
    shared = evaluate(SmallModel(), data, protocol=protocol, processes=3)
    assert shared.objects == alone.objects
    assert shared.protocol == alone.protocol
    assert (alone.processes, shared.processes) == (1, 3)
    assert shared.busy_seconds > 0
    assert not multiprocessing.active_children()


def test_no_more_processes_than_objects(monkeypatch) -> None:
    data = make_dataset(1)

    def here(job, units, processes, report) -> None:
        asked.append(processes)
        evaluate_units(job.predictor(), data, list(enumerate(units)), job.protocol, report)

    asked: list[int] = []
    monkeypatch.setattr("clickwise.evaluation.workers.share_out", here)
    assert evaluate(SmallModel(), data, protocol=PROTOCOL, processes=9).processes == 2
    assert asked == [2]


@pytest.mark.parametrize(
    ("way", "error", "words"),
    [
        ("ours", MaskError, "mask is blue"),
        ("fault", RuntimeError, "ZeroDivisionError: deep inside"),
        pytest.param(
            "killed",
            ClickwiseError,
            "ended unexpectedly",
            marks=pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only"),
        ),
    ],
)
def test_failures_come_back(way, error, words) -> None:
    with pytest.raises(error, match=words):
        evaluate(FragileModel(way), make_dataset(1), protocol=PROTOCOL, processes=2)
    assert not multiprocessing.active_children()


def test_what_cannot_be_handed_over() -> None:
    class Local(MemoryDataset):
        pass

    with pytest.raises(OptionError, match="use one process"):
        evaluate(SmallModel(), Local([make_sample(0)]), protocol=PROTOCOL, processes=2)


class SlowDataset(MemoryDataset):
    """Takes its time in other processes and says that it is there."""

    def __init__(self, samples: list[Sample], folder: Path) -> None:
        super().__init__(samples)
        self.folder, self.home = folder, os.getpid()

    def load(self, index: int) -> Sample:
        if os.getpid() != self.home:
            (self.folder / str(os.getpid())).touch()
            time.sleep(120)
        return super().load(index)


INTERRUPTED = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
if __name__ == "__main__":
    from memory_data import SmallModel, make_sample
    from test_evaluation_workers import PROTOCOL, SlowDataset
    from clickwise import evaluate
    try:
        evaluate(SmallModel(), SlowDataset([make_sample(0)], Path({folder!r})), protocol=PROTOCOL, processes=2)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="POSIX process groups")
def test_ctrl_c_ends_all_processes_quietly(tmp_path) -> None:
    started = tmp_path / "started"
    started.mkdir()
    script = tmp_path / "run.py"
    script.write_text(INTERRUPTED.format(path=[str(Path(__file__).parent)], folder=str(started)))
    run = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        deadline = time.monotonic() + 200
        while len(list(started.iterdir())) < 2:
            assert run.poll() is None, run.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGINT)  # what a terminal does: everybody in the group gets it
        _, err = run.communicate(timeout=100)
        assert run.returncode == 130
        assert "Traceback" not in err
        for name in started.iterdir():
            with pytest.raises(ProcessLookupError):
                os.kill(int(name.name), 0)
    finally:
        run.kill()
