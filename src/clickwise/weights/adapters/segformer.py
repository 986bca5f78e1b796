"""What the releases of IGLR and SRAFS have in common: names of SegFormer's encoder and decoder, and its sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from clickwise.errors import CheckpointError
from clickwise.weights.adapters.base import Renaming, Shapes

BACKBONE = "feature_extractor.backbone"
_HEAD = "feature_extractor.decode_head"
_STAGES = range(1, 5)
_B3_ENTRY = f"{BACKBONE}.block3.17.norm1.weight"
"""B0 has two blocks in its third stage, B3 has eighteen."""

Patterns = tuple[tuple[re.Pattern[str], str], ...]


class SegFormerNames:
    """Both directions between a release's names and ours.

    parts: (published, ours) prefixes of the method's own parts. inner, outer: what is replaced inside a name, towards
    ours and back, in this order.
    """

    def __init__(self, parts: Iterable[tuple[str, str]], inner: Patterns, outer: Patterns) -> None:
        self._parts = Renaming((*_COMMON, *parts))
        self._inner, self._outer = inner, outer

    def ours(self, published: str) -> str:
        """Our name of a published entry."""
        name = self._parts.ours(published)
        for pattern, replacement in self._inner:
            name = pattern.sub(replacement, name)
        return name

    def published(self, ours: str) -> str:
        """Inverse of `ours`."""
        for pattern, replacement in self._outer:
            ours = pattern.sub(replacement, ours)
        return self._parts.published(ours)


_COMMON = (
    *((f"{BACKBONE}.patch_embed{i}", f"backbone.stages.{i - 1}.embed") for i in _STAGES),
    *((f"{BACKBONE}.block{i}", f"backbone.stages.{i - 1}.blocks") for i in _STAGES),
    *((f"{BACKBONE}.norm{i}", f"backbone.stages.{i - 1}.norm") for i in _STAGES),
    *((f"{_HEAD}.linear_c{i}.proj", f"head.levels.{i - 1}") for i in _STAGES),
    (f"{_HEAD}.linear_fuse.conv", "head.fuse"),
    (f"{_HEAD}.linear_fuse.bn", "head.fuse_norm"),
    (f"{_HEAD}.linear_pred", "head.classify"),
)


def architecture_of(method: str, first_width: int, shapes: Shapes) -> str:
    """Name of the size, from the channels of the first stage and the depth of the third.

    Raises CheckpointError for a size that clickwise does not have.
    """
    sizes = {(32, False): "b0", (64, True): "b3"}
    size = sizes.get((first_width, _B3_ENTRY in shapes))
    if size is None:
        names = ", ".join(f"{method}-segformer-{known}" for known in sizes.values())
        raise CheckpointError(
            f"the file holds {method.upper()} on a SegFormer whose first stage has {first_width} channels, of a size "
            f"clickwise does not have; it has {names}"
        )
    return f"{method}-segformer-{size}"
