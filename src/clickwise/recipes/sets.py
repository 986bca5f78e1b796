"""The data sets of the published recipes, and how many samples a published epoch of each holds.

Everything of a set is trained on, as published: nothing is held out, and nothing validated on, unless asked for:
``--set data.validation=COCO_LVIS:val``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clickwise.training.parts.data import MixedData, SetShare

EPOCH = 30_000
"""Samples of an epoch, drawn at random, of every set but the small ones."""


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """Data, a name for lists, and the samples of one published epoch."""

    title: str
    data: MixedData
    epoch: int = EPOCH


def _share(dataset: str, *, weighted: bool = True, **options: Any) -> SetShare:
    return SetShare(dataset=dataset, hold_out=False, weighted=weighted, options=options)


def _alone(dataset: str, **options: Any) -> MixedData:
    return MixedData(sets=(_share(dataset, **options),))


_STUFF_PROB = 0.30
"""Chance that a picture's stuff counts as objects, in RITM's recipes and those of its plain ViT descendants."""
_STUFF_PROB_SEGFORMER = 0.2
"""The same in IGLR's and SRAFS's."""

COCO_LVIS = PublishedSet("COCO+LVIS", _alone("COCO_LVIS:train", stuff_prob=_STUFF_PROB))
COCO_LVIS_SEGFORMER = PublishedSet("COCO+LVIS", _alone("COCO_LVIS:train", stuff_prob=_STUFF_PROB_SEGFORMER))
COCO = PublishedSet("COCO", _alone("COCO:train", stuff_prob=_STUFF_PROB))
LVIS = PublishedSet("LVIS", _alone("LVIS:train"))
OPEN_IMAGES = PublishedSet("OpenImages", _alone("OpenImages:train"))
ADE20K = PublishedSet("ADE20K", _alone("ADE20K:train", stuff_prob=_STUFF_PROB))
SBD = PublishedSet("SBD", _alone("SBD:train"), epoch=8_498)
"""Every picture once, counted; which ones is drawn by SBD's sample weights with exponent 1.25 (the reader's own)."""
VOC_SBD = PublishedSet(
    "Pascal VOC and SBD",
    # A plain concatenation; the release's sample weights have no effect in it.
    MixedData(sets=(_share("PascalVOC:train"), _share("SBD:train", weighted=False))),
    epoch=1_464 + 8_498,
)
