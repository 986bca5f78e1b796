"""The training pack as our recipes draw from it."""

from __future__ import annotations

from clickwise.training.parts.data import PackData

PACK = PackData(
    sources={
        "duts": 0.52,
        "coco": 0.27,
        "cocoperson": 0.02,
        "ccp": 0.06,
        "human": 0.04,
        "camvid": 0.02,
        "cats": 0.03,
        "balloon": 0.04,
    }
)
"""Half salient objects, a third instances, the rest spread: by number alone salient objects and garments would rule."""
