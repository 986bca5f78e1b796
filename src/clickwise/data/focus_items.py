"""Training items with a window for a second look, as IGLR's release makes them (reference page iglr, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from clickwise.data.focus_window import (
    FocusWindowRule,
    image_in_window,
    mask_in_window,
    touched_in_window,
    weights_in_window,
    without_small_components,
)
from clickwise.data.point_sampler import MultiPointSampler
from clickwise.data.published_augment import Chain
from clickwise.data.published_items import seen_sample
from clickwise.data.published_targets import ChosenTarget
from clickwise.data.sample import Sample
from clickwise.data.stream import FocusItem, SampleSource, TrainingItem
from clickwise.data.trimap import boundary_trimap
from clickwise.errors import DatasetError, OptionError
from clickwise.types import ImageArray, Size

_TRIES = 300
"""Samples tried until one passes the limits of its area. (The release has no limit.)"""


@dataclass(frozen=True)
class FocusItemMaker:
    """An `ItemMaker`. All areas are in pixels of the view; the release's view is 256 x 256.

    min_area: objects of fewer pixels are no targets, and a target of no more draws another sample. least_component:
    smaller components are taken out of the target. most_share: nor may the target reach this share of the view.
    Background samples do not exist here: the release keeps some views without an object, but then refuses their empty
    target.
    """

    sources: SampleSource
    sampler: MultiPointSampler
    chain: Callable[[Size], Chain]
    window: FocusWindowRule = field(default_factory=FocusWindowRule)
    min_area: int = 1000
    least_component: int = 900
    most_share: float = 0.85

    def __post_init__(self) -> None:
        if self.sampler.target.soft_targets:
            raise OptionError("soft_targets is on, but components and trimaps need sharp masks; switch it off")

    def make(self, rng: np.random.Generator, size: Size) -> TrainingItem:
        """See `ItemMaker`. prev_mask is zero. Raises DatasetError when the limits let hardly any target pass."""
        for _ in range(_TRIES):
            seen, _, _ = seen_sample(self.sources.draw(rng), self.chain(size), rng, min_object_area=self.min_area)
            chosen = self._target(seen, rng)
            if chosen is None:
                continue
            points = self.sampler.points.draw(chosen, rng)
            return TrainingItem(
                image=_channels_first(seen.image),
                object_mask=torch.from_numpy(chosen.target)[None],
                ignore_mask=torch.from_numpy(chosen.ignore_mask)[None],
                points=torch.from_numpy(points),
                prev_mask=torch.zeros((1, *size), dtype=torch.float32),
                focus=self._focus(seen.image, chosen, rng),
            )
        raise DatasetError(
            f"of {_TRIES} views of {size[0]} x {size[1]} none had a target of more than {self.min_area} pixels in "
            f"components of {self.least_component}, below {self.most_share:g} of the view; lower items.min_area and "
            f"items.least_component"
        )

    def _target(self, seen: Sample, rng: np.random.Generator) -> ChosenTarget | None:
        """The target without small components, or None where its area is out of bounds.

        Positive points keep off what was taken out (in the release they may lie there, on background). Negative points
        are drawn from the mixture alone: parts cut out of a hierarchical object are no regions of their own here.
        """
        if not seen.objects:
            return None
        chosen = self.sampler.target.choose(seen, rng)
        target = without_small_components(np.asarray(chosen.target, dtype=np.bool_), self.least_component)
        if not self.min_area < target.sum() < self.most_share * target.size:
            return None
        positives = tuple(left for region in chosen.positives if (left := region & target).any())
        return replace(chosen, target=target, positives=positives, required_negatives=())

    def _focus(self, image: ImageArray, chosen: ChosenTarget, rng: np.random.Generator) -> FocusItem:
        """The window at the size of the view. The trimap is the whole view's, so that its bands have one width."""
        target = np.asarray(chosen.target, dtype=np.bool_)
        window, size = self.window.draw(target, rng), (target.shape[0], target.shape[1])
        return FocusItem(
            roi=torch.tensor(window, dtype=torch.float32),
            image=_channels_first(image_in_window(image, window, size)),
            object_mask=torch.from_numpy(mask_in_window(target, window, size))[None],
            ignore_mask=torch.from_numpy(touched_in_window(chosen.ignore_mask, window, size))[None],
            trimap=torch.from_numpy(weights_in_window(boundary_trimap(target), window, size))[None],
        )


def _channels_first(image: ImageArray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
