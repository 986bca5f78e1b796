"""How a number was measured, as one frozen value of plain data that is stored beside it (protocol 5)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from clickwise.clicks.human import HumanClicks
from clickwise.errors import OptionError

THRESHOLDS = (0.80, 0.85, 0.90, 0.95)
"""IoU targets of the field's tables."""
CLICKER = "largest error, deepest pixel, exact distances, row-major ties"
"""The simulated user (protocol 5.1); named, so that results of another rule can be told apart."""
HUMAN_CLICKER = "largest error, a place drawn as people click, pixels clicked before barred"
"""The simulated user of robustness tests (`clickwise.clicks.human`)."""
PROTOCOL_VERSION = 1
_FIXED = re.compile(r"fixed(\d+)(?:,(\d+))?")


@dataclass(frozen=True)
class EvaluationProtocol:
    """Options of an evaluation; the defaults are the field's, except that all clicks are made.

    n_clicks: budget per object. threshold: probability above which a pixel belongs to the mask.
    early_stop: stop an object at IoU >= target_iou once min_n_clicks are made, as the field's loop does. NoC up to that
        target is the same without it, and IoU after each click is known for all objects. An object at IoU 1.0 stops in
        any case, since no error is left to click on, and keeps its IoU.
    target_iou: 0.8 to 1. thresholds: IoU targets of NoC and NoF.
    eval_mode: "cvpr" = the window size of the publication; "fixedS" or "fixedH,W" = exact windows from the first click.
    boundary: also measure how well outlines agree after every click (boundary IoU, surface distance); slow.
    human_clicks: where people click, drawn for each object from ``click_seed``; None = the field's rule, whose clicks
        lie in the middle of the largest error. Numbers of the two are not comparable.
    mode: name of a test-time chain (NoBRS, f-BRS-B, ...); None = the model's own.
    chain_options: entries that the chain takes beyond the common ones (cascade steps, focus crops).
    inference: all options of the chain that ran, filled in by the runner.
    """

    n_clicks: int = 20
    min_n_clicks: int = 1
    target_iou: float = 0.90
    early_stop: bool = False
    threshold: float = 0.49
    thresholds: tuple[float, ...] = THRESHOLDS
    eval_mode: str = "cvpr"
    boundary: bool = False
    mode: str | None = None
    chain_options: Mapping[str, Any] = field(default_factory=dict)
    inference: Mapping[str, Any] = field(default_factory=dict)
    human_clicks: HumanClicks | None = None
    click_seed: int = 0
    clicker: str = CLICKER
    version: int = PROTOCOL_VERSION

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", tuple(float(t) for t in self.thresholds))
        for name in ("chain_options", "inference"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        if isinstance(self.human_clicks, Mapping):
            object.__setattr__(self, "human_clicks", HumanClicks(**self.human_clicks))
        if self.human_clicks is not None and self.clicker == CLICKER:
            object.__setattr__(self, "clicker", HUMAN_CLICKER)
        _expect("click_seed", self.click_seed, _is_int(self.click_seed) and self.click_seed >= 0, "a number >= 0")
        _expect("n_clicks", self.n_clicks, _is_int(self.n_clicks) and self.n_clicks >= 1, "a number >= 1")
        _expect(
            "min_n_clicks",
            self.min_n_clicks,
            _is_int(self.min_n_clicks) and 1 <= self.min_n_clicks <= self.n_clicks,
            f"1 to n_clicks ({self.n_clicks})",
        )
        _expect(
            "target_iou", self.target_iou, _in(self.target_iou, 0.8, 1.0), "0.8 to 1 (the field's tables start there)"
        )
        _expect(
            "threshold", self.threshold, _in(self.threshold, 0.0, 1.0) and 0 < self.threshold < 1, "between 0 and 1"
        )
        _expect(
            "thresholds",
            self.thresholds,
            bool(self.thresholds) and all(0 < t <= 1 for t in self.thresholds),
            "in (0, 1]",
        )
        self.window()

    def stops(self, iou: float, clicks: int) -> bool:
        """Whether an object is finished after so many clicks with that IoU."""
        if iou >= 1.0 or clicks >= self.n_clicks:
            return True
        return self.early_stop and iou >= self.target_iou and clicks >= self.min_n_clicks

    def answers(self, threshold: float) -> bool:
        """Whether NoC at that IoU is known: always, unless objects stop early at a lower one."""
        return not self.early_stop or threshold <= self.target_iou + 1e-9

    @property
    def table_thresholds(self) -> tuple[float, ...]:
        """``thresholds``, and ``target_iou`` when it is none of them."""
        known = {round(100 * t) for t in self.thresholds}
        extra = () if round(100 * self.target_iou) in known else (self.target_iou,)
        return tuple(sorted((*self.thresholds, *extra)))

    def window(self) -> tuple[int, int] | None:
        """(height, width) that ``eval_mode`` fixes; None for "cvpr". Raises OptionError for another word."""
        if self.eval_mode == "cvpr":
            return None
        match = _FIXED.fullmatch(str(self.eval_mode))
        height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        _expect(
            "eval_mode", self.eval_mode, height > 0 and width > 0, "cvpr, fixedS or fixedH,W (for example fixed448)"
        )
        return height, width

    def ran_with(self, inference: Mapping[str, Any]) -> EvaluationProtocol:
        """This protocol with the options of the chain that ran."""
        return replace(self, inference=inference)

    def as_plain(self) -> dict[str, Any]:
        """JSON types only."""
        return dict(_plain(asdict(self)))

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> EvaluationProtocol:
        """The protocol that `as_plain` wrote; OptionError for an entry nobody knows."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise OptionError(f"the protocol has an entry {unknown[0]!r}, which has no meaning; was it edited?")
        return cls(**values)


def _plain(value: Any) -> Any:
    """Tuples as lists and mappings as dicts, so that a value equals itself after JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def _expect(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise OptionError(f"{name} is {value!r}; expected {expected}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _in(value: object, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and low <= value <= high
