"""Everything about the test-time chain that can be set, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from clickwise.errors import OptionError
from clickwise.models.interface import InferenceDefaults
from clickwise.nearest import nearest

DEFAULT_LONGEST_SIDE = 800
"""Where there is no window yet, everyday use runs the network on at most this many pixels along the longer side."""


@dataclass(frozen=True, slots=True)
class InferenceOptions:
    """Test-time options; the defaults are RITM's published ones (protocol 4.3, 4.4) unless said otherwise.

    chain: registered name of the chain (`clickwise.inference.chains`).
    zoom: crop around the object at all.
    target_size: longer side in pixels (a number) or exact (height, width) of the zoomed crop.
    skip_clicks: the zoom starts after this many clicks; -1: from the first one, on the whole image while nothing is
        known. After a mask from outside it starts with the first click in any case.
    expansion_ratio, min_crop_size: the window is the object's box times the ratio, at least min_crop_size pixels.
    recompute_thresh_iou: the window moves when its IoU with the new candidate falls below this.
    zoom_prob_thresh: probability above which a pixel belongs to the object for the window.
    repeat_thresh_iou: with skip_clicks 0, predict again when the IoU of object window and image is below this.
    exclusive_edge: published quirk: a click on the last row or column of the window counts as outside it.
    keep_stale_window: published quirk: when the mask has become empty and no window is used, the result is still
        squeezed into the old window. Off: the result covers what the network saw.
    flip: average the logits of the image and its mirror image.
    threshold: probability above which a pixel belongs to the mask (0.49 as in every published evaluation).
    limit_longest_side: where no window is in use, larger images are scaled down to this many pixels (None: never). A
        window always has ``target_size``, also when that is larger. Everyday default 800; published evaluation None.
    net_clicks_limit: the network sees only the first so many clicks (None: all).
    crop_size, crop_min_overlap: tiles (height, width) and their least overlap, used by the chain "crops" only.
    extra: options of further chains.
    """

    chain: str = "zoom_flip"
    zoom: bool = True
    target_size: int | tuple[int, int] = 400
    skip_clicks: int = 1
    expansion_ratio: float = 1.4
    min_crop_size: int = 200
    recompute_thresh_iou: float = 0.5
    zoom_prob_thresh: float = 0.5
    repeat_thresh_iou: float = 0.5
    exclusive_edge: bool = True
    keep_stale_window: bool = False
    flip: bool = True
    threshold: float = 0.49
    limit_longest_side: int | None = DEFAULT_LONGEST_SIDE
    net_clicks_limit: int | None = None
    crop_size: tuple[int, int] = (320, 480)
    crop_min_overlap: float = 0.2
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name in ("target_size", "crop_size"):
            value = getattr(self, name)
            if isinstance(value, (list, tuple)):
                object.__setattr__(self, name, tuple(value))
        _check(self)

    @classmethod
    def for_model(
        cls, defaults: InferenceDefaults, *, published: bool = False, dataset: str | None = None, **overrides: Any
    ) -> InferenceOptions:
        """The options of a model's own chain.

        published: exactly the published evaluation: no limit without a window, quirks on.
        dataset: apply the exception that the published evaluation makes for this data set (DAVIS at another size).
        overrides: any field; OptionError names the nearest one when it is unknown.
        """
        names = {f.name for f in fields(cls)}
        values: dict[str, Any] = {f.name: getattr(defaults, f.name) for f in fields(defaults) if f.name in names}
        if dataset is not None and dataset in defaults.target_size_by_dataset:
            values["target_size"] = defaults.target_size_by_dataset[dataset]
        if published:
            values |= {"limit_longest_side": None, "keep_stale_window": True}
        return cls(**{**values, **_known(overrides)})

    def with_(self, **overrides: Any) -> InferenceOptions:
        """A copy with some fields changed; OptionError for an unknown one."""
        return replace(self, **_known(overrides))


def _known(overrides: dict[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(InferenceOptions)}
    for name in overrides:
        if name not in names:
            raise OptionError(f"there is no inference option {name!r}; nearest: {nearest(name, sorted(names))}")
    return overrides


def _check(options: InferenceOptions) -> None:
    """OptionError for the first value without meaning."""
    _expect_size("target_size", options.target_size, allow_number=True)
    _expect_size("crop_size", options.crop_size, allow_number=False)
    _expect("skip_clicks", options.skip_clicks, _is_int(options.skip_clicks) and options.skip_clicks >= -1, ">= -1")
    _expect("expansion_ratio", options.expansion_ratio, _within(options.expansion_ratio, 0.0, 1e6), "> 0")
    _expect(
        "min_crop_size", options.min_crop_size, _is_int(options.min_crop_size) and options.min_crop_size >= 1, ">= 1"
    )
    for name in ("recompute_thresh_iou", "repeat_thresh_iou"):
        _expect(name, getattr(options, name), _within(getattr(options, name), -1e-9, 1.0), "between 0 and 1")
    for name in ("zoom_prob_thresh", "threshold"):
        value = getattr(options, name)
        _expect(name, value, _within(value, 0.0, 1.0) and value < 1, "between 0 and 1 (both excluded)")
    for name in ("limit_longest_side", "net_clicks_limit"):
        value = getattr(options, name)
        _expect(name, value, value is None or (_is_int(value) and value >= 1), "a number >= 1, or None")
    _expect("crop_min_overlap", options.crop_min_overlap, 0 <= options.crop_min_overlap < 1, "in [0, 1)")
    for name in ("zoom", "flip", "exclusive_edge", "keep_stale_window"):
        _expect(name, getattr(options, name), isinstance(getattr(options, name), bool), "true or false")


def _expect_size(name: str, value: object, *, allow_number: bool) -> None:
    is_pair = isinstance(value, tuple) and len(value) == 2 and all(_is_int(v) and v >= 1 for v in value)
    is_number = allow_number and _is_int(value) and value >= 1  # type: ignore[operator]
    _expect(name, value, is_pair or is_number, "(height, width)" + (" or the longer side" if allow_number else ""))


def _expect(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise OptionError(f"{name} is {value!r}; expected {expected}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _within(value: object, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low < value <= high
