"""Files of iCMFormer's release (icmformer reference, sections 2 and 3): ViT B, L, H and Swin S, B.

The release publishes no files and its class paths are not known here, so such a file needs ``architecture=``.
"""

from __future__ import annotations

from typing import Any

from clickwise.errors import CheckpointError
from clickwise.weights.adapters.base import Adapter, PublishedConfig, Renaming, Shapes, channels_of, count_children

_HEAD_PAIRS = (
    *((f"head.convs.{level}.conv", f"head.levels.{level}") for level in range(4)),
    ("head.fusion_conv.conv", "head.fuse"),
    ("head.up_conv1", "head.up.0"),
    ("head.up_conv2", "head.up.1"),
    ("head.conv_seg", "head.classify"),
    ("backbone.blocks2", "cross"),
)
_NECK_CONVS = ("neck.down_4.5.weight", "neck.down_8.2.weight", "neck.down_16.0.weight", "neck.down_32.2.weight")
_CROSS = "backbone.blocks2.0.norm1.weight"


def _configured(config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
    """Head and, where a config says so, the radius and the colour norm."""
    channels = channels_of(shapes, "head.conv_seg.weight", 1)
    upsample = channels_of(shapes, "head.convs.0.conv.weight", 0) // channels
    if upsample not in (1, 2, 4):
        raise CheckpointError(f"its head widens {upsample} times; expected 1, 2 or 4")
    found: dict[str, Any] = {"head_channels": channels, "upsample": upsample}
    given = config.params if config is not None else {}
    if "norm_radius" in given:
        found["click_radius"] = float(given["norm_radius"])
    if given.get("norm_mean_std"):
        mean, std = given["norm_mean_std"]
        found |= {"norm_mean": list(mean), "norm_std": list(std)}
    return found


class ViTAdapter:
    """ViT base, large and huge."""

    classes: tuple[str, ...] = ()
    architectures = ("icmformer-vit-b", "icmformer-vit-l", "icmformer-vit-h")
    _renaming = Renaming((("patch_embed_coords", "click_embed"), *_HEAD_PAIRS))
    _never_run = ("backbone.cls_token", "backbone.fc_norm.", "backbone.head.", "head.up.")

    def identify(self, config: PublishedConfig | None, shapes: Shapes) -> str | None:
        """By width, with cross blocks present."""
        if _CROSS not in shapes or "backbone.pos_embed" not in shapes:
            return None
        width = shapes["backbone.pos_embed"][-1]
        names = dict(zip((768, 1024, 1280), self.architectures, strict=True))
        if width not in names:
            raise CheckpointError(f"the file holds an iCMFormer ViT of width {width}; clickwise has {sorted(names)}")
        return names[width]

    def params(self, config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
        """Size of the position grid, neck and head."""
        rows = channels_of(shapes, "backbone.pos_embed", 1) - 1
        side, patch = round(rows**0.5), channels_of(shapes, "backbone.patch_embed.proj.weight", 2)
        if side * side != rows:
            raise CheckpointError(f"backbone.pos_embed has {rows} + 1 rows, which is no square grid; is it complete?")
        neck = [channels_of(shapes, name, 0) for name in _NECK_CONVS]
        return {"image_size": [side * patch, side * patch], "neck_channels": neck, **_configured(config, shapes)}

    def our_name(self, published: str) -> str:
        """See `Adapter.our_name`."""
        return self._renaming.ours(published)

    def published_name(self, ours: str) -> str:
        """See `Adapter.published_name`."""
        return self._renaming.published(ours)

    def never_runs(self, ours: str) -> bool:
        """Class token, classifier, and upsampling that the head does not use."""
        return ours.startswith(self._never_run)


class SwinAdapter:
    """Swin small and base; the window comes from the file."""

    classes: tuple[str, ...] = ()
    architectures = ("icmformer-swin-s", "icmformer-swin-b")
    _renaming = Renaming(_HEAD_PAIRS)
    _never_run = ("backbone.patch_embed_coords.", "head.up.")

    def identify(self, config: PublishedConfig | None, shapes: Shapes) -> str | None:
        """By width, with cross blocks present."""
        if _CROSS not in shapes or "backbone.patch_embed.norm.weight" not in shapes:
            return None
        width = shapes["backbone.patch_embed.norm.weight"][0]
        names = dict(zip((96, 128), self.architectures, strict=True))
        if width not in names or count_children(shapes, "backbone.layers.2.blocks") != 18:
            raise CheckpointError(f"the file holds an iCMFormer Swin of width {width}; clickwise has small and base")
        return names[width]

    def params(self, config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
        """Window (its bias table has (2 w - 1)^2 rows) and head."""
        rows = channels_of(shapes, "backbone.layers.0.blocks.0.attn.relative_position_bias_table", 0)
        side = round(rows**0.5)
        if side * side != rows or side % 2 == 0:
            raise CheckpointError(f"a relative position table has {rows} rows; expected (2 window - 1) squared")
        return {"window": (side + 1) // 2, **_configured(config, shapes)}

    def our_name(self, published: str) -> str:
        """See `Adapter.our_name`."""
        return self._renaming.ours(published)

    def published_name(self, ours: str) -> str:
        """See `Adapter.published_name`."""
        return self._renaming.published(ours)

    def never_runs(self, ours: str) -> bool:
        """A patch embedding that the release builds and never calls, and upsampling that the head does not use."""
        return ours.startswith(self._never_run)


ADAPTERS: tuple[Adapter, ...] = (ViTAdapter(), SwinAdapter())
