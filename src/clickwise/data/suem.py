"""SUEM copy-paste (CFR-ICL, arXiv 2303.05620): items made of two pictures, as its release makes them.

Simple: the object goes into another picture. Union, exclusion, mix: a foreign object comes into this one and belongs to
the target, covers it, or shines through. Last, whole pictures may be blended. All pictures have the size of the view.

Pixels without truth (the release's data has none): what is pasted over them is known, so only the rest stays ignored;
of a picture into which the object is pasted every pixel is known not to be that object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from clickwise.data.published_targets import check_shares
from clickwise.data.sample import ObjectRef, Sample
from clickwise.types import ImageArray, MaskArray

FOREIGN_TRIES = 5
"""Foreign objects tried before the sample stays as it is (release)."""
LEAST_LEFT = 20
"""A foreign object must leave more pixels of the target than this uncovered (release)."""
LEAST_WEIGHT = 0.5
"""Weights of blending are uniform between this and 1 (release)."""


@dataclass(frozen=True, slots=True)
class Suem:
    """How often what happens; 0.5 each in CFR-ICL's recipes.

    copy_paste_prob: of the object going into another picture and, apart from that, of a foreign one coming into this.
    image_mix_prob: of blending with a whole other picture.
    """

    copy_paste_prob: float = 0.5
    image_mix_prob: float = 0.5

    def __post_init__(self) -> None:
        check_shares(self, "copy_paste_prob", "image_mix_prob")

    def apply(
        self,
        sample: Sample,
        rng: np.random.Generator,
        *,
        other: Callable[[], Sample],
        choose: Callable[[Sample], MaskArray],
    ) -> Sample:
        """The sample, or what was made of it; with one object after any pasting, or none if its object was empty.

        other: draws another sample, as large as this one. choose: the (H, W) mask of an object that a sample may be
        asked for.
        """
        if rng.random() < self.copy_paste_prob:
            sample = pasted(sample, choose(sample), other().image, _weight(rng))
        if rng.random() < self.copy_paste_prob:
            sample = _with_foreign(sample, rng, other, choose)
        if rng.random() < self.image_mix_prob:
            sample = replace(sample, image=blended(sample.image, other().image, _weight(rng)))
        return sample


def _weight(rng: np.random.Generator) -> float:
    return float(rng.uniform(LEAST_WEIGHT, 1))


def _with_foreign(
    sample: Sample, rng: np.random.Generator, other: Callable[[], Sample], choose: Callable[[Sample], MaskArray]
) -> Sample:
    own = choose(sample)
    for _ in range(FOREIGN_TRIES):
        stranger = other()
        foreign = choose(stranger)
        if (own & ~foreign).sum() <= LEAST_LEFT:
            continue
        kind = int(rng.integers(3))
        if kind == 0:
            return exclusion(sample, own, stranger.image, foreign)
        if kind == 1:
            return union(sample, own, stranger.image, foreign)
        return mix(sample, own, stranger.image, foreign, _weight(rng))
    return sample


def blended(first: ImageArray, second: ImageArray, weight: float) -> ImageArray:
    """weight * first + (1 - weight) * second, rounded."""
    return np.asarray(cv2.addWeighted(first, weight, second, 1 - weight, 0), dtype=np.uint8)


def pasted(sample: Sample, own: MaskArray, into: ImageArray, weight: float) -> Sample:
    """ "Simple": another picture with the object ``own`` (H, W) of this one in it, as strong as ``weight``."""
    nowhere = np.zeros_like(own)
    return _single(sample, _covered(into, blended(sample.image, into, weight), own), own, nowhere)


def exclusion(sample: Sample, own: MaskArray, image: ImageArray, foreign: MaskArray) -> Sample:
    """The object ``foreign`` of another picture ``image`` covers the target ``own``."""
    return _single(sample, _covered(sample.image, image, foreign), own & ~foreign, sample.ignore_mask() & ~foreign)


def union(sample: Sample, own: MaskArray, image: ImageArray, foreign: MaskArray) -> Sample:
    """The object ``foreign`` of another picture ``image`` becomes part of the target."""
    return _single(sample, _covered(sample.image, image, foreign), own | foreign, sample.ignore_mask() & ~foreign)


def mix(sample: Sample, own: MaskArray, image: ImageArray, foreign: MaskArray, weight: float) -> Sample:
    """On ``foreign`` another picture ``image`` shines through with 1 - weight; the target stays as it is."""
    shining = blended(sample.image, image, weight)
    return _single(sample, _covered(sample.image, shining, foreign), own, sample.ignore_mask())


def _covered(image: ImageArray, cover: ImageArray, where: MaskArray) -> ImageArray:
    return np.where(where[:, :, None], cover, image)


def _single(sample: Sample, image: ImageArray, mask: MaskArray, ignore: MaskArray) -> Sample:
    """A sample of one object, or of none if the mask is empty."""
    return Sample(
        sample_id=sample.sample_id,
        image=image,
        layers=np.stack([mask, ignore], axis=2).astype(np.int32),
        objects=(ObjectRef(layer=0, values=(1,)),) if mask.any() else (),
        ignored=(ObjectRef(layer=1, values=(1,)),) if ignore.any() else (),
    )
