"""What one training item asks for, as RITM's release chooses it (protocol 2.1): target, and regions to click in.

Pixels without truth are neither positive nor negative here. (The release has no rule for them: its training sets have
none.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.data.sample import Sample
from clickwise.errors import OptionError
from clickwise.types import MaskArray, ProbsArray

SoftMask = Callable[[int], ProbsArray]
"""Object number -> (H, W) float32 in [0, 1]: its mask, brought into the view by linear interpolation."""

_SQUARE = np.ones((3, 3), dtype=np.uint8)
_SOFT_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class NegativeRegions:
    """Where negative points may fall, (H, W) bool each: anywhere, on other objects, in a band around the target."""

    background: MaskArray
    other: MaskArray
    border: MaskArray


@dataclass(frozen=True, slots=True)
class ChosenTarget:
    """target (H, W): bool, or float32 in [0, 1] when soft. ignore_mask (H, W) bool.

    positives: one non-empty region per chosen object. required_negatives: non-empty regions that each need a negative
    point (parts cut out of the target, and what the object's parent has beside it). negatives: the drawn-from rest.
    """

    target: MaskArray | ProbsArray
    ignore_mask: MaskArray
    positives: tuple[MaskArray, ...]
    required_negatives: tuple[MaskArray, ...]
    negatives: NegativeRegions


@dataclass(frozen=True, slots=True)
class _Choice:
    """One chosen object or part."""

    target: NDArray[Any]
    positive: MaskArray
    negatives: tuple[MaskArray, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetRule:
    """Which object is meant. Defaults are those of the release's constructor; its recipes change what is noted.

    merge_objects_prob: chance that 2..max_num_merged_objects root objects together are the target (recipes: 0.15).
    use_hierarchy: go down from the root, ending at each node with ``hierarchy_stop_prob``. Of the node found, children
    smaller than ``small_child_share`` of it get no positive points, and 0..max_disabled_children children are cut out
    of the target. soft_targets: the target is the linearly interpolated mask.
    positive_erode_*: positive and required negative regions shrink, with that chance, by so many 3x3 erosions, unless
    ``positive_erode_keep`` pixels or fewer would be left. expand_ratio: width of the border band over sqrt(area).
    """

    expand_ratio: float = 0.1
    positive_erode_prob: float = 0.9
    positive_erode_iters: int = 3
    positive_erode_keep: int = 10
    merge_objects_prob: float = 0.0
    max_num_merged_objects: int = 2
    use_hierarchy: bool = False
    hierarchy_stop_prob: float = 0.5
    small_child_share: float = 0.1
    max_disabled_children: int = 3
    soft_targets: bool = False

    def __post_init__(self) -> None:
        check_shares(self, "positive_erode_prob", "merge_objects_prob", "hierarchy_stop_prob", "small_child_share")
        if self.expand_ratio < 0 or self.positive_erode_iters < 0 or self.max_num_merged_objects < 2:
            raise OptionError(
                f"expand_ratio {self.expand_ratio}, positive_erode_iters {self.positive_erode_iters}, "
                f"max_num_merged_objects {self.max_num_merged_objects}; expected at least 0, 0 and 2"
            )

    def choose(self, sample: Sample, rng: np.random.Generator, soft_mask: SoftMask | None = None) -> ChosenTarget:
        """The target of one item. A sample without objects gives an empty target and background to click in.

        soft_mask: needed when ``soft_targets`` is on.
        """
        if self.soft_targets and soft_mask is None:
            raise OptionError("soft_targets is on, but no soft masks came with the sample; pass soft_mask")
        ignore = sample.ignore_mask()
        background = _background(sample) & ~ignore
        if not sample.objects:
            nowhere = np.zeros_like(ignore)
            return ChosenTarget(nowhere, ignore, (), (), NegativeRegions(background, background, background))
        choices = [self._choice(sample, root, ignore, rng, soft_mask) for root in self._roots(sample, rng)]
        target = reduce(np.maximum, (choice.target for choice in choices))
        binary: MaskArray = target > _SOFT_THRESHOLD if self.soft_targets else target
        required = (mask & ~binary for choice in choices for mask in choice.negatives)
        outside = ~binary & ~ignore
        all_chosen = len(sample.objects) <= len(choices)
        return ChosenTarget(
            target=target,
            ignore_mask=ignore,
            positives=tuple(self._eroded(c.positive, rng) for c in choices if c.positive.any()),
            required_negatives=tuple(self._eroded(mask, rng) for mask in required if mask.any()),
            negatives=NegativeRegions(
                background=outside,
                other=outside if all_chosen else outside & ~background,
                border=self._dilated(binary) & outside,
            ),
        )

    def _roots(self, sample: Sample, rng: np.random.Generator) -> Sequence[int]:
        roots = sample.root_ids
        if len(roots) >= 2 and rng.random() < self.merge_objects_prob:
            count = int(rng.integers(2, min(len(roots), self.max_num_merged_objects) + 1))
            return [int(root) for root in rng.choice(roots, size=count, replace=False)]
        return [roots[int(rng.integers(len(roots)))]]

    def _choice(
        self, sample: Sample, root: int, ignore: MaskArray, rng: np.random.Generator, soft_mask: SoftMask | None
    ) -> _Choice:
        def region(object_id: int) -> MaskArray:
            return sample.region(sample.objects[object_id]) & ~ignore

        def target_of(object_id: int) -> NDArray[Any]:
            return soft_mask(object_id) if self.soft_targets and soft_mask else region(object_id)

        if not self.use_hierarchy:
            return _Choice(target_of(root), region(root))
        node = self._walk(sample, root, rng)
        whole = region(node)
        children = sample.objects[node].children
        small = [c for c in children if region(c).sum() < self.small_child_share * whole.sum()]
        disabled = self._disabled(children, rng)
        target = target_of(node)
        for child in disabled:
            target = np.minimum(target, _opposite(target_of(child)))
        if not (target > _SOFT_THRESHOLD if self.soft_targets else target).any():
            # The parts are all there is of the object: nothing would be left to ask for.
            disabled, target = (), target_of(node)
        positive = reduce(lambda mask, child: mask & ~region(child), {*small, *disabled}, whole)
        if not positive.any():
            positive = reduce(lambda mask, child: mask & ~region(child), disabled, whole)
        negatives = [region(child) for child in disabled]
        parent = sample.objects[node].parent
        if parent is not None:
            negatives.append(region(parent) & ~whole)
        return _Choice(target, positive, tuple(negatives))

    def _walk(self, sample: Sample, root: int, rng: np.random.Generator) -> int:
        node = root
        while (children := sample.objects[node].children) and rng.random() >= self.hierarchy_stop_prob:
            node = children[int(rng.integers(len(children)))]
        return node

    def _disabled(self, children: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        if not children:
            return ()
        count = int(rng.integers(0, min(len(children), self.max_disabled_children) + 1))
        return tuple(int(child) for child in rng.choice(children, size=count, replace=False))

    def _eroded(self, mask: MaskArray, rng: np.random.Generator) -> MaskArray:
        if rng.random() >= self.positive_erode_prob:
            return mask
        eroded: MaskArray = cv2.erode(mask.view(np.uint8), _SQUARE, iterations=self.positive_erode_iters).view(np.bool_)
        return eroded if eroded.sum() > self.positive_erode_keep else mask

    def _dilated(self, mask: MaskArray) -> MaskArray:
        reach = math.ceil(self.expand_ratio * math.sqrt(mask.sum()))
        dilated: MaskArray = cv2.dilate(mask.view(np.uint8), _SQUARE, iterations=reach).view(np.bool_)
        return dilated


def check_shares(options: Any, *names: str) -> None:
    """OptionError unless the named fields of a dataclass lie in 0..1."""
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name in names and not 0 <= value <= 1:
            raise OptionError(f"{field.name} is {value}; expected a share between 0 and 1")


def _opposite(mask: NDArray[Any]) -> NDArray[Any]:
    return ~mask if mask.dtype == np.bool_ else 1 - mask


def _background(sample: Sample) -> MaskArray:
    """Pixels that are 0 in all layers."""
    free = np.ones(sample.layers.shape[:2], dtype=bool)
    for layer in range(sample.layers.shape[2]):
        free &= sample.layers[:, :, layer] == 0
    return free
