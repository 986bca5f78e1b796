"""Several processes: each takes every n-th object, nothing is padded or done twice."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

import cv2
import torch

from clickwise import errors
from clickwise.errors import ClickwiseError, OptionError
from clickwise.evaluation.ranks import Ranks
from clickwise.evaluation.result import ObjectResult

if TYPE_CHECKING:
    from clickwise.evaluation.runner import Job, Report, Unit
    from clickwise.inference.predictor import Predictor


def shard(count: int, rank: int, world: int) -> range:
    """The places that process ``rank`` of ``world`` takes: rank, rank + world, ... below ``count``."""
    return range(rank, count, world)


def share_out(job: Job, units: Sequence[Unit], processes: int, report: Report) -> None:
    """Evaluate all units in so many new processes, each with the model of its own and its share of the threads.

    Errors come back as they were raised; a process that is killed is a ClickwiseError. On any way out, Ctrl-C included,
    no process is left.
    """
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // processes)
    workers: dict[Connection, BaseProcess] = {}
    try:
        with _ctrl_c_not_inherited():
            for rank in range(processes):
                share = [(place, units[place]) for place in shard(len(units), rank, processes)]
                work = _packed((replace(job, device=_device_of(job, rank)), share, threads))
                # A pipe each: what a killed process leaves half-written or locked is then its own affair.
                receiver, sender = context.Pipe(duplex=False)
                worker = context.Process(target=_work, args=(work, sender), daemon=True)
                worker.start()
                sender.close()
                workers[receiver] = worker
        _collect(workers, report)
    finally:
        for process in workers.values():
            process.terminate()
        for pipe, process in workers.items():
            process.join()
            pipe.close()


def share_among_ranks(predictor: Predictor, job: Job, units: Sequence[Unit], ranks: Ranks, report: Report) -> None:
    """Evaluate all units in processes that run already (torchrun), each its share; all of them get every result.

    An error in one of them is raised in all, so that none waits for ever.
    """
    from clickwise.evaluation.runner import evaluate_units

    found: list[tuple[int, ObjectResult, float]] = []
    share = [(place, units[place]) for place in shard(len(units), ranks.rank, ranks.world)]
    trouble: tuple[str, str] | None = None
    try:
        evaluate_units(predictor, job.dataset, share, job.protocol, lambda *result: found.append(result))
    except ClickwiseError as error:
        trouble = (type(error).__name__, str(error))
    except Exception:
        trouble = ("", traceback.format_exc())
    for theirs, raised in ranks.gathered((found, trouble)):
        if raised is not None:
            raise _raised(*raised)
        for place, result, seconds in theirs:
            report(place, result, seconds)


def _packed(work: object) -> bytes:
    try:
        return pickle.dumps(work)
    except Exception as error:
        raise OptionError(
            f"model or data set cannot be handed to other processes ({error}); use one process, or a model by name"
        ) from error


def _collect(workers: Mapping[Connection, BaseProcess], report: Report) -> None:
    """Hand every result on until all processes have said that they are done."""
    running = dict(workers)
    while running:
        for ready in wait(list(running)):
            assert isinstance(ready, Connection)
            try:
                kind, content = ready.recv()
            except (EOFError, OSError):
                running[ready].join()
                raise ClickwiseError(
                    f"a worker process ended unexpectedly with exit code {running[ready].exitcode}; "
                    "if memory is short, use fewer processes"
                ) from None
            if kind == "object":
                report(*content)
            elif kind == "done":
                del running[ready]
            else:
                raise _raised(*content)


def _raised(name: str, message: str) -> Exception:
    """An error of another process: ours by its class, anything else with its traceback."""
    kind = getattr(errors, name, None)
    if kind is errors.MissingExtraError:
        kind = ClickwiseError
    return kind(message) if kind is not None else RuntimeError(f"in a worker process: {message}")


def _work(packed: bytes, messages: Connection) -> None:
    """What a process does: load, evaluate its share, send each object as it is finished."""
    from clickwise.evaluation.runner import evaluate_units

    def send(place: int, result: ObjectResult, seconds: float) -> None:
        messages.send(("object", (place, result, seconds)))

    try:
        job, share, threads = pickle.loads(packed)
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        evaluate_units(job.predictor(), job.dataset, share, job.protocol, send)
        messages.send(("done", None))
    except ClickwiseError as error:
        messages.send(("error", (type(error).__name__, str(error))))
    except Exception:
        messages.send(("error", ("", traceback.format_exc())))


def _device_of(job: Job, rank: int) -> Any:
    """The job's device; plain "cuda" (or "auto" on such a machine) is spread over all of its GPUs."""
    gpus = torch.cuda.device_count() if str(job.device) in ("cuda", "auto") else 0
    return f"cuda:{rank % gpus}" if gpus > 1 else job.device


@contextmanager
def _ctrl_c_not_inherited() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C from their first moment: it is for us to stop them, quietly."""
    try:
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread, where signals may not be set
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
