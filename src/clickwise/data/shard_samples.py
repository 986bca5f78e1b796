"""What goes into shards: the samples of several data sets under one roof, turned into records in several threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clickwise.data.sample import Dataset, HasStartMasks
from clickwise.data.shard_format import encode_record
from clickwise.data.shard_pictures import PictureOptions, picture_file
from clickwise.data.shrink import shrink, shrink_mask, shrunk_size
from clickwise.errors import DatasetError

_AHEAD = 4
"""Samples prepared in advance, per thread."""


@dataclass(frozen=True, slots=True)
class Task:
    """One sample to be packed: data set, number in it, name and source in the shards, position among all samples."""

    dataset: Dataset
    index: int
    sample_id: str
    source: str
    position: int


def gather(
    datasets: Sequence[Dataset], known: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Task], dict[str, dict[str, Any]]]:
    """All samples with unique names, and what is known of their sources."""
    tasks: list[Task] = []
    notes: dict[str, dict[str, Any]] = {}
    for dataset in datasets:
        prefix = f"{dataset.name}/" if len(datasets) > 1 else ""
        groups = getattr(dataset, "indices_by_source", None)
        by_source = groups() if groups else {dataset.name: range(len(dataset))}
        source_of = {index: source for source, indices in by_source.items() for index in indices}
        own: Mapping[str, Mapping[str, Any]] = getattr(dataset, "sources", None) or {}
        for source in by_source:
            note = dict(own.get(source) or known.get(source) or known.get(dataset.name) or {})
            if notes.setdefault(source, note) != note:
                raise DatasetError(
                    f"{dataset.name}: its source {source} is also one of another set, with other terms; pack it alone"
                )
        for index, sample_id in enumerate(dataset.sample_ids):
            tasks.append(Task(dataset, index, f"{prefix}{sample_id}", source_of[index], len(tasks)))
    names: set[str] = set()
    for task in tasks:
        if task.sample_id in names:
            raise DatasetError(f"two samples are called {task.sample_id}; give the data sets different names")
        names.add(task.sample_id)
    if not tasks:
        raise DatasetError("there is no sample to pack; give a data set that is not empty")
    return tasks, notes


def records(tasks: Sequence[Task], options: PictureOptions, threads: int) -> Iterator[tuple[Task, bytes, int]]:
    """(task, record, number of objects) in the order of the tasks; a few are made ahead in other threads."""
    if threads <= 1:
        for task in tasks:
            yield (task, *record_of(task, options))
        return
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[tuple[Task, Future[tuple[bytes, int]]]] = deque()
        try:
            for task in tasks:
                ahead.append((task, pool.submit(record_of, task, options)))
                if len(ahead) > _AHEAD * threads:
                    first, made = ahead.popleft()
                    yield (first, *made.result())
            while ahead:
                first, made = ahead.popleft()
                yield (first, *made.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def record_of(task: Task, options: PictureOptions) -> tuple[bytes, int]:
    """The record of a sample and how many objects it has. Raises DatasetError."""
    dataset = task.dataset
    sample = replace(dataset.load(task.index), sample_id=task.sample_id)
    start = dataset.start_mask(task.index) if isinstance(dataset, HasStartMasks) else None
    original = _original(dataset, task.index)
    size = sample.layers.shape[0], sample.layers.shape[1]
    if options.max_side is not None and max(size) > options.max_side:
        target = shrunk_size(size, options.max_side)
        sample, start, original = shrink(sample, target), shrink_mask(start, target), None
    picture = picture_file(sample.image, original, options)
    return encode_record(sample, picture, task.source, start), len(sample.objects)


def _original(dataset: Dataset, index: int) -> bytes | None:
    """The file of a sample's picture, from readers that tell where it is or have it themselves."""
    read = getattr(dataset, "picture_bytes", None)
    if read is not None:
        return bytes(read(index))
    find = getattr(dataset, "picture_path", None)
    try:
        return Path(find(index)).read_bytes() if find is not None else None
    except OSError:
        return None
