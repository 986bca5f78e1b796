"""Which object, part or union of a sample is meant in one training item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clickwise.data.sample import Sample
from clickwise.types import MaskArray


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be segmented: object_mask and ignore_mask (H, W) bool, disjoint; other = pixels of other objects."""

    object_mask: MaskArray
    ignore_mask: MaskArray
    other_mask: MaskArray


@dataclass(frozen=True, slots=True)
class WholeOrPart:
    """Draws a root object; with ``part_prob`` one of its parts instead; with ``merge_prob`` the union of two roots."""

    part_prob: float = 0.5
    merge_prob: float = 0.12

    def choose(self, sample: Sample, rng: np.random.Generator) -> Target:
        """The target of one item; an all-False mask when the sample has no object."""
        ignore = sample.ignore_mask()
        roots = sample.root_ids
        mask = np.zeros(ignore.shape, dtype=bool)
        if roots:
            chosen = [int(rng.choice(roots))]
            if len(roots) > 1 and rng.random() < self.merge_prob:
                chosen = [int(i) for i in rng.choice(roots, size=2, replace=False)]
            elif (children := sample.objects[chosen[0]].children) and rng.random() < self.part_prob:
                chosen = [int(rng.choice(children))]
            for object_id in chosen:
                mask |= sample.region(sample.objects[object_id])
        mask &= ~ignore
        foreground = (sample.layers != 0).any(axis=2)
        return Target(object_mask=mask, ignore_mask=ignore, other_mask=foreground & ~mask & ~ignore)
