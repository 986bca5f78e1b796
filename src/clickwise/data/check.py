"""Walks a data set, tells all that is wrong, and counts what is there."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clickwise.data.findings import Finding, Report
from clickwise.data.sample import Dataset, HasStartMasks, Sample
from clickwise.errors import ClickwiseError, OptionError

Tick = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""


@dataclass
class CheckReport:
    """What was found in a data set.

    name, samples: of the whole set; None and 0 when it could not even be opened. checked: how many were walked through.
    """

    name: str
    samples: int = 0
    checked: int = 0
    findings: list[Finding] = field(default_factory=list)
    sources: dict[str, int] = field(default_factory=dict)
    objects_per_sample: list[int] = field(default_factory=list)
    object_pixels: list[int] = field(default_factory=list)
    object_shares: list[float] = field(default_factory=list)
    ignored_shares: list[float] = field(default_factory=list)
    heights: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """Findings that make data unusable."""
        return sum(finding.level == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """Findings that do not."""
        return len(self.findings) - self.errors

    def to_json(self) -> dict[str, Any]:
        """Numbers and findings as plain values."""
        return {
            "dataset": self.name,
            "samples": self.samples,
            "checked": self.checked,
            "errors": self.errors,
            "warnings": self.warnings,
            "objects": sum(self.objects_per_sample),
            "background_samples": self.objects_per_sample.count(0),
            "objects_per_sample": _spread(self.objects_per_sample),
            "width": _spread(self.widths),
            "height": _spread(self.heights),
            "object_pixels": _spread(self.object_pixels),
            "object_share": _spread(self.object_shares),
            "ignored_share": float(np.mean(self.ignored_shares)) if self.ignored_shares else 0.0,
            "sources": self.sources,
            "findings": [
                {"file": one.file, "rule": one.rule, "level": one.level, "message": one.message}
                for one in self.findings
            ],
        }

    def lines(self) -> Iterator[str]:
        """The same for people: findings first, then the summary."""
        for one in self.findings:
            yield f"{one.level}: {one.rule}: {one.message}"
        told = self.to_json()
        yield f"{self.name}: {self.checked} of {self.samples} samples checked, {told['objects']} objects"
        if self.checked:
            yield f"  objects per sample  {_words(told['objects_per_sample'])}; {told['background_samples']} without"
            yield f"  width               {_words(told['width'])} pixels"
            yield f"  height              {_words(told['height'])} pixels"
        if self.object_pixels:
            yield f"  object area         {_words(told['object_pixels'])} pixels"
            yield f"  share of picture    {_words(told['object_share'], 100)} %"
            yield f"  without truth       {told['ignored_share']:.2%} of all pixels"
        for source, count in self.sources.items():
            yield f"  source {source}: {count} samples"


def check_dataset(
    open_it: Callable[[Report], Dataset], name: str, *, limit: int | None = None, tick: Tick | None = None
) -> CheckReport:
    """Open a data set with a report that goes on, and read its samples.

    open_it: opens the set, telling the report all that is wrong with its files. limit: so many samples, evenly spread;
    None takes all. Raises OptionError for a limit below 1; whatever is wrong with the data is in the findings.
    """
    if limit is not None and limit < 1:
        raise OptionError(f"limit is {limit}; expected at least 1 sample")
    report = CheckReport(name)
    try:
        dataset = open_it(report.findings.append)
    except ClickwiseError as error:
        report.findings.append(Finding(name, "cannot be opened", str(error)))
        return report
    report.name, report.samples = dataset.name, len(dataset)
    groups = getattr(dataset, "indices_by_source", None)
    report.sources = {source: len(indices) for source, indices in groups().items()} if groups else {}
    report.findings += _repeated(dataset.name, dataset.sample_ids)
    chosen = range(len(dataset)) if limit is None or limit >= len(dataset) else _spread_out(len(dataset), limit)
    for done, index in enumerate(chosen, 1):
        _check_sample(dataset, index, report)
        if tick is not None:
            tick(done, len(chosen))
    return report


def _check_sample(dataset: Dataset, index: int, report: CheckReport) -> None:
    report.checked += 1
    try:
        sample = dataset.load(index)
    except ClickwiseError as error:
        report.findings.append(Finding(_place(dataset, index), "cannot be read", str(error)))
        return
    height, width = sample.image.shape[:2]
    report.heights.append(height)
    report.widths.append(width)
    report.objects_per_sample.append(len(sample.objects))
    report.ignored_shares.append(float(sample.ignore_mask().mean()))
    for mask in (sample.object_mask(number) for number in range(len(sample.objects))):
        pixels = int(mask.sum())
        report.object_pixels.append(pixels)
        report.object_shares.append(pixels / mask.size)
    report.findings += _odd_objects(dataset, index, sample)
    if isinstance(dataset, HasStartMasks):
        report.findings += _odd_start(dataset, index, sample)


def _odd_objects(dataset: Dataset, index: int, sample: Sample) -> Iterator[Finding]:
    """What evaluation refuses or training cannot use."""
    if not sample.objects:
        message = (
            f"{dataset.name}: {_place(dataset, index)} has no object: background in training, refused in evaluation"
        )
        yield Finding(_place(dataset, index), "no object", message, "warning")
    seen: dict[tuple[int, int], int] = {}
    for number, ref in enumerate(sample.objects):
        mask = sample.object_mask(number)
        place = _place(dataset, index, number)
        if not mask.any():
            why = "lies under regions without truth" if sample.region(ref).any() else "holds no pixel"
            message = f"{dataset.name}: {place} (object {number}) {why}: left out in training, refused in evaluation"
            yield Finding(place, "empty object", message, "warning")
            continue
        key = int(mask.sum()), zlib.crc32(np.packbits(mask).tobytes())
        other = seen.setdefault(key, number)
        if other != number and ref.parent != other and sample.objects[other].parent != number:
            message = f"{dataset.name}: {place} (object {number}) covers the same pixels as object {other}"
            yield Finding(place, "same object twice", message, "warning")


def _odd_start(dataset: Dataset, index: int, sample: Sample) -> Iterator[Finding]:
    assert isinstance(dataset, HasStartMasks)
    try:
        start = dataset.start_mask(index)
    except ClickwiseError as error:
        yield Finding(_place(dataset, index), "start mask", str(error))
        return
    if start is not None and start.shape != sample.image.shape[:2]:
        message = f"{dataset.name}: the start mask of {_place(dataset, index)} has another size than its picture"
        yield Finding(_place(dataset, index), "start mask", message)


def _repeated(name: str, ids: Sequence[str]) -> list[Finding]:
    message = "{}: {} samples are called {}; give each its own name"
    return [Finding(one, "name twice", message.format(name, n, one)) for one, n in Counter(ids).items() if n > 1]


def _place(dataset: Dataset, index: int, object_id: int = 0) -> str:
    """The file behind a sample where the reader tells it."""
    describe = getattr(dataset, "describe", None)
    try:
        return str(describe(index, object_id)) if describe else f"sample {dataset.sample_ids[index]}"
    except LookupError:  # a reader that counts only the objects it has
        return f"sample {dataset.sample_ids[index]}"


def _spread_out(count: int, limit: int) -> list[int]:
    return [int(place) for place in (np.arange(limit) + 0.5) * count / limit]


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"min": min(values), "median": float(np.median(values)), "max": max(values)}


def _words(spread: dict[str, float], factor: float = 1) -> str:
    low, middle, high = (_number(spread[key] * factor) for key in ("min", "median", "max"))
    return f"{low} to {high}, median {middle}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
