"""Published files of SimpleClick and CFR-ICL: one network, the same entry names (cfr_icl reference, section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from clickwise.errors import CheckpointError
from clickwise.weights.adapters.base import Adapter, PublishedConfig, Renaming, Shapes, channels_of, count_children

_BY_SIZE = {
    (160, 8): "simpleclick-vit-xtiny",
    (768, 12): "simpleclick-vit-b",
    (1024, 24): "simpleclick-vit-l",
    (1280, 32): "simpleclick-vit-h",
}
"""(width, depth) -> our architecture."""
_NECK_CONVS = ("neck.down_4.5.weight", "neck.down_8.2.weight", "neck.down_16.0.weight", "neck.down_32.2.weight")
_NEVER_RUN = ("backbone.cls_token", "backbone.fc_norm.", "backbone.head.", "head.up.")
"""Left over from MAE's classifier, and upsampling that only the options x2 and x4 use; our module has none of them."""
_UPSAMPLING = {"x1": 1, "x2": 2, "x4": 4}


class SimpleClickAdapter:
    """ViT xtiny, base, large and huge."""

    classes = ("isegm.model.is_plainvit_model.PlainVitModel",)
    architectures = (*_BY_SIZE.values(), "cfr-icl-vit-h")
    same_network: Mapping[str, str] = MappingProxyType({"cfr-icl-vit-h": "simpleclick-vit-h"})
    """Architecture -> the one that `identify` answers for its files, which do not say which of the two they are."""

    _renaming = Renaming(
        (
            ("patch_embed_coords", "click_embed"),
            *((f"head.convs.{level}.conv", f"head.levels.{level}") for level in range(4)),
            ("head.fusion_conv.conv", "head.fuse"),
            ("head.up_conv1", "head.up.0"),
            ("head.up_conv2", "head.up.1"),
            ("head.conv_seg", "head.classify"),
        )
    )

    def identify(self, config: PublishedConfig | None, shapes: Shapes) -> str | None:
        """By width and depth; without config only what has this family's entries and no cross-attention."""
        if config is not None and "backbone_params" in config.params:
            given = dict(config.params["backbone_params"])
            size = int(given.get("embed_dim", 768)), int(given.get("depth", 12))
        elif _is_plain(shapes):
            size = shapes["backbone.pos_embed"][-1], count_children(shapes, "backbone.blocks")
        else:
            return None
        name = _BY_SIZE.get(size)
        if name is None:
            raise CheckpointError(
                f"the file holds a SimpleClick ViT of width {size[0]} and depth {size[1]}; "
                f"clickwise has {', '.join(self.architectures)}"
            )
        return name

    def params(self, config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
        """Size of the position grid, neck and head, and how clicks enter."""
        given = config.params if config is not None else {}
        head = channels_of(shapes, "head.conv_seg.weight", 1)
        found: dict[str, Any] = {
            "image_size": _image_size(given, shapes),
            "neck_channels": [channels_of(shapes, name, 0) for name in _NECK_CONVS],
            "head_channels": head,
            "upsample": channels_of(shapes, "head.convs.0.conv.weight", 0) // head,
            "with_prev_mask": channels_of(shapes, "patch_embed_coords.proj.weight", 1) == 3,
        }
        if found["upsample"] not in _UPSAMPLING.values():
            raise CheckpointError(f"its head widens {found['upsample']} times; expected {sorted(_UPSAMPLING.values())}")
        for step in range(1, list(_UPSAMPLING.values()).index(found["upsample"]) + 1):
            channels_of(shapes, f"head.up_conv{step}.0.weight", 0)
        return {**found, **_configured(given)}

    def our_name(self, published: str) -> str:
        """See `Adapter.our_name`."""
        return self._renaming.ours(published)

    def published_name(self, ours: str) -> str:
        """See `Adapter.published_name`."""
        return self._renaming.published(ours)

    def never_runs(self, ours: str) -> bool:
        """Class token, classifier, and upsampling where the head does not use it."""
        return ours.startswith(_NEVER_RUN)


def _is_plain(shapes: Shapes) -> bool:
    """Cross-modality relatives have the same beginning, and further blocks."""
    needed = ("backbone.pos_embed", "patch_embed_coords.proj.weight", "neck.down_4.0.weight", "head.conv_seg.weight")
    return all(name in shapes for name in needed) and not any("cross" in name or "blocks2" in name for name in shapes)


def _image_size(given: Mapping[str, Any], shapes: Shapes) -> list[int]:
    size = dict(given.get("backbone_params") or {}).get("img_size")
    if size is not None:
        pair = [size, size] if isinstance(size, int) else list(size)
        return [int(side) for side in pair]
    rows = channels_of(shapes, "backbone.pos_embed", 1) - 1
    side = round(rows**0.5)
    if side * side != rows:
        raise CheckpointError(f"backbone.pos_embed has {rows} + 1 rows, which is no square grid; its config is needed")
    patch = channels_of(shapes, "backbone.patch_embed.proj.weight", 2)
    return [side * patch, side * patch]


def _configured(given: Mapping[str, Any]) -> dict[str, Any]:
    """What only a config can say; unset options keep our defaults, which are those of all published recipes."""
    found: dict[str, Any] = {}
    if "norm_radius" in given:
        found["click_radius"] = float(given["norm_radius"])
    if "use_disks" in given:
        found["click_maps"] = "disks" if given["use_disks"] else "tanh"
    if "random_split" in given:
        found["global_attention"] = bool(given["random_split"])
    if given.get("norm_mean_std"):
        mean, std = given["norm_mean_std"]
        found |= {"norm_mean": list(mean), "norm_std": list(std)}
    return found


ADAPTERS: tuple[Adapter, ...] = (SimpleClickAdapter(),)
