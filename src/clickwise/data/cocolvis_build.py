"""COCO+LVIS from the official files: LVIS v1 polygons and COCO's panoptic annotations (protocol 1.4).

Each picture is merged on its own, by as many processes as wanted; what is done is written down line by line, so that a
build that was stopped goes on where it was.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import numpy as np

from clickwise.data.cocolvis_journal import Journal, line_of
from clickwise.data.cocolvis_merge import published_nodes
from clickwise.data.cocolvis_work import NAME, Form, PictureTask, dump_pickle, pycocotools, run_task
from clickwise.data.datasets.coco_lvis_files import ANNOTATIONS_FILE, FORMAT_NAME, PUBLISHED_FILE
from clickwise.data.datasets.coco_panoptic import Segments, find_panoptic, read_segments
from clickwise.data.datasets.listings import listed
from clickwise.data.datasets.lvis import LvisIndex, find_lvis, find_pictures, read_lvis
from clickwise.errors import DatasetError, OptionError
from clickwise.imaging import atomic_write, write_bytes

Pictures = Literal["link", "copy", "none"]
Progress = Callable[[int, int], None]

JOURNAL_FILE = "annotations.partial.jsonl"
_PARTS = {"train2017": "train", "val2017": "val"}
_AHEAD = 8
"""Pictures that wait per process."""


@dataclass(frozen=True)
class BuildPlan:
    """What is to be built: ``output/SPLIT`` in one of two forms.

    lvis, coco: folders with the official files. form: "clickwise" is `ANNOTATIONS_FILE` with PNG files, "published" the
    pickles of the release. pictures: how the pictures come to ``output/SPLIT/images``.
    """

    lvis: Path
    coco: Path
    output: Path
    split: str = "train"
    form: Form = "clickwise"
    pictures: Pictures = "link"
    processes: int = 1

    def __post_init__(self) -> None:
        for option, value, known in (
            ("split", self.split, ("train", "val")),
            ("form", self.form, ("clickwise", "published")),
            ("pictures", self.pictures, ("link", "copy", "none")),
        ):
            if value not in known:
                raise OptionError(f"{option} is {value!r}; expected one of: {', '.join(known)}")
        if self.processes < 1:
            raise OptionError(f"processes is {self.processes}; expected a number >= 1")

    @property
    def folder(self) -> Path:
        """Where it all goes."""
        return self.output / self.split


@dataclass(frozen=True)
class BuildSummary:
    """pictures: with an object or stuff; left_out: without; continued: done by an earlier run."""

    pictures: int
    objects: int
    stuff: int
    left_out: int
    continued: int
    file: Path


def build_cocolvis(plan: BuildPlan, progress: Progress | None = None) -> BuildSummary:
    """Build it, or go on with what is there. ``progress`` is told (pictures done, all).

    All official files are looked for and read before the first picture. Raises DatasetError, OutputError or
    MissingExtraError; what is done stays, and the same call goes on.
    """
    pycocotools()
    final = plan.folder / (PUBLISHED_FILE if plan.form == "published" else ANNOTATIONS_FILE)
    if final.exists():
        raise DatasetError(f"{NAME}: {final} is already there; remove it to build it again")
    lvis_file = find_lvis(plan.lvis, plan.split, NAME)
    index = read_lvis(lvis_file, NAME)
    files = index.files.tolist()
    panoptic = _read_panoptic(plan, files)
    sources = _find_sources(plan, files, lvis_file)
    for folder in ("images", "masks"):
        (plan.folder / folder).mkdir(parents=True, exist_ok=True)
    _bring_pictures(plan, sources)
    journal = Journal(plan.folder / JOURNAL_FILE, _header(plan, lvis_file, panoptic))
    continued = len(journal.done)
    todo = [row for row in range(len(files)) if Path(files[row]).stem not in journal.done]
    tasks = (_task(plan, index, panoptic, row) for row in todo)
    if progress:
        progress(continued, len(files))
    with journal:
        for entry in _merged(tasks, plan.processes):
            journal.add(entry)
            if progress:
                progress(len(journal.done), len(files))
    summary = _finish(plan, journal, final, continued)
    journal.path.unlink()
    for half in (plan.folder / "masks").glob(".clickwise-*.tmp"):  # what a killed worker was about to write
        half.unlink()
    return summary


@dataclass(frozen=True)
class _Panoptic:
    """The panoptic annotations of train2017 or val2017."""

    file: Path
    masks: Path
    segments: Segments
    rows: dict[int, int]


def _read_panoptic(plan: BuildPlan, files: Sequence[str]) -> dict[str, _Panoptic]:
    """ "train2017" and "val2017" as far as pictures lie there; every PNG file must be there."""
    found = {}
    for part in sorted({file.partition("/")[0] for file in files}):
        if part not in _PARTS:
            raise DatasetError(f"{NAME}: LVIS names a picture in {part}/; expected train2017/ or val2017/ of COCO")
        file, masks, _ = find_panoptic(plan.coco, _PARTS[part], NAME)
        segments = read_segments(file, NAME)
        rows = {int(number): row for row, number in enumerate(segments.pictures)}
        have = listed(masks, NAME)
        wanted = [file for file in files if file.partition("/")[0] == part]
        for name in (str(segments.files[rows[int(Path(f).stem)]]) for f in wanted if int(Path(f).stem) in rows):
            if name not in have:
                raise DatasetError(f"{NAME}: {masks / name} does not exist; {file.name} lists it")
        found[part] = _Panoptic(file, masks, segments, rows)
    return found


def _find_sources(plan: BuildPlan, files: Sequence[str], lvis_file: Path) -> list[Path]:
    """The pictures, of COCO's folder or LVIS's; none are needed when they are not brought."""
    if plan.pictures == "none":
        return []
    try:
        return _found(plan.coco, files, lvis_file)
    except DatasetError:
        if (plan.lvis / "train" / "images").is_dir():
            return _found(plan.lvis, files, lvis_file)
        raise


def _found(root: Path, files: Sequence[str], lvis_file: Path) -> list[Path]:
    return [path for path in find_pictures(root, files, NAME, lvis_file) if path is not None]


def _bring_pictures(plan: BuildPlan, sources: Sequence[Path]) -> None:
    """Link or copy what is not there yet."""
    target = plan.folder / "images"
    have = listed(target, NAME)
    for source in sources:
        if source.name in have:
            continue
        if plan.pictures == "link":
            try:
                (target / source.name).symlink_to(source.resolve())
                continue
            except OSError:  # file systems without links
                pass
        with source.open("rb") as original, atomic_write(target / source.name) as copy:
            shutil.copyfileobj(original, copy)


def _header(plan: BuildPlan, lvis_file: Path, panoptic: dict[str, _Panoptic]) -> dict[str, object]:
    """First line of the journal: whoever goes on must have the same."""
    sources = [lvis_file, *(part.file for part in panoptic.values())]
    return {
        "format": FORMAT_NAME,
        "version": 1,
        "split": plan.split,
        "form": plan.form,
        "sources": {path.name: path.stat().st_size for path in sources},
    }


def _task(plan: BuildPlan, index: LvisIndex, panoptic: dict[str, _Panoptic], row: int) -> PictureTask:
    part, _, file = str(index.files[row]).partition("/")
    source = panoptic[part]
    place = source.rows.get(int(Path(file).stem))
    nothing = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    ids, kinds = nothing if place is None else source.segments.of(place)
    return PictureTask(
        picture=Path(file).stem,
        size=(int(index.sizes[row][0]), int(index.sizes[row][1])),
        polygons=index.polygons(row),
        panoptic=None if place is None else source.masks / str(source.segments.files[place]),
        ids=np.array(ids),
        kinds=np.array(kinds),
        masks=plan.folder / "masks",
        form=plan.form,
    )


def _merged(tasks: Iterator[PictureTask], processes: int) -> Iterator[dict[str, Any]]:
    """The lines of all tasks, in the order in which they are done."""
    if processes == 1:
        yield from map(run_task, tasks)
        return
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _serve)
    waiting: set[Future[dict[str, Any]]] = set()
    try:
        for task in tasks:
            waiting.add(pool.submit(run_task, task))
            if len(waiting) >= processes * _AHEAD:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _serve() -> None:
    """First thing in a worker: leave Ctrl-C to the process that the user started, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    # Workers hold both ends of their queue, so a parent that was killed would leave them waiting for ever.
    Thread(target=watch, daemon=True).start()


def _finish(plan: BuildPlan, journal: Journal, final: Path, continued: int) -> BuildSummary:
    """Write the annotation file of all pictures, sorted by id."""
    entries = [journal.done[picture] for picture in sorted(journal.done) if journal.done[picture]["objects"]]
    if plan.form == "published":
        content = {
            entry["id"]: {
                "num_instance_masks": entry["instances"],
                "hierarchy": published_nodes([parent for *_, parent in entry["objects"][: entry["instances"]]]),
            }
            for entry in entries
        }
        write_bytes(final, dump_pickle(content))
    else:
        with atomic_write(final) as file:
            for entry in (journal.header, *entries):
                file.write(f"{line_of(entry)}\n".encode())
    objects = sum(entry["instances"] for entry in entries)
    stuff = sum(len(entry["objects"]) for entry in entries) - objects
    return BuildSummary(len(entries), objects, stuff, len(journal.done) - len(entries), continued, final)
