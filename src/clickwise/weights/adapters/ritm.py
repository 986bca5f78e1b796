"""Published RITM files: HRNet + OCR and DeepLabV3+ (entry names: RITM, state dictionaries of the release)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clickwise.errors import CheckpointError
from clickwise.weights.adapters.base import Adapter, PublishedConfig, Renaming, Shapes, channels_of, count_children

_FEATURES = "feature_extractor"
_OCR = f"{_FEATURES}.ocr_distri_head.object_context_block"
_NEVER_RUN = ("head.attention.query.", "head.attention.key.")
"""The softmax over a single object is 1 whatever these compute (see `clickwise.models.heads.ocr`)."""

_BY_SIZE = {(18, True): "ritm-hrnet18s", (18, False): "ritm-hrnet18", (32, False): "ritm-hrnet32"}
"""(width, small) -> our architecture."""

_STEM_PAIRS = (
    ("maps_transform.0", "fusion.mix"),
    ("maps_transform.2", "fusion.down"),
    ("maps_transform.3", "fusion"),
    # Variants without published files: one convolution; or 1x1 - norm - activation - 1x1 into three channels.
    ("maps_transform", "fusion.conv"),
    ("rgb_conv.0", "fusion.join"),
    ("rgb_conv.1", "fusion.norm"),
    ("rgb_conv.3", "fusion.project"),
)


def _hint_params(config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
    """How clicks and previous mask enter."""
    if "rgb_conv.0.weight" in shapes:
        fusion, hints = "rgb_stem", channels_of(shapes, "rgb_conv.0.weight", 1) - 3
    elif "maps_transform.weight" in shapes:
        fusion, hints = "conv_stem", channels_of(shapes, "maps_transform.weight", 1)
    else:
        fusion, hints = "scaled_stem", channels_of(shapes, "maps_transform.0.weight", 1)
    found: dict[str, Any] = {"fusion": fusion, "with_prev_mask": hints == 3}
    return found if config is None else {**found, **_configured_hints(config.params)}


def _configured_hints(params: Mapping[str, Any]) -> dict[str, Any]:
    if params.get("clicks_groups"):
        raise CheckpointError(
            "the file's network splits clicks into groups (clicks_groups), which clickwise does not have"
        )
    found: dict[str, Any] = {}
    for theirs, ours in (
        ("with_prev_mask", "with_prev_mask"),
        ("binary_prev_mask", "binary_prev_mask"),
        ("use_leaky_relu", "leaky_relu"),
    ):
        if theirs in params:
            found[ours] = bool(params[theirs])
    if "norm_radius" in params:
        found["click_radius"] = float(params["norm_radius"])
    if "use_disks" in params:
        found["click_maps"] = "disks" if params["use_disks"] else "tanh"
    if params.get("norm_mean_std"):
        mean, std = params["norm_mean_std"]
        found |= {"norm_mean": list(mean), "norm_std": list(std)}
    return found


class HRNetAdapter:
    """HRNet-18s, 18 and 32 with OCR."""

    classes = ("isegm.model.is_hrnet_model.HRNetModel",)
    architectures = ("ritm-hrnet18s", "ritm-hrnet18", "ritm-hrnet32")

    _renaming = Renaming(
        (
            *_STEM_PAIRS,
            (_FEATURES, "backbone"),
            (f"{_FEATURES}.aux_head", "head.auxiliary"),
            (f"{_FEATURES}.conv3x3_ocr", "head.pixels"),
            (f"{_FEATURES}.cls_head", "head.classify"),
            (f"{_FEATURES}.ocr_distri_head.conv_bn_dropout.0", "head.merge"),
            (f"{_FEATURES}.ocr_distri_head.conv_bn_dropout.1.0", "head.merge_norm"),
            *(
                pair
                for theirs, ours in (("f_pixel", "query"), ("f_object", "key"))
                for pair in (
                    (f"{_OCR}.{theirs}.0", f"head.attention.{ours}.0"),
                    (f"{_OCR}.{theirs}.1.0", f"head.attention.{ours}.1"),
                    (f"{_OCR}.{theirs}.2", f"head.attention.{ours}.3"),
                    (f"{_OCR}.{theirs}.3.0", f"head.attention.{ours}.4"),
                )
            ),
            *(
                pair
                for theirs, ours in (("f_down", "value"), ("f_up", "out"))
                for pair in (
                    (f"{_OCR}.{theirs}.0", f"head.attention.{ours}.0"),
                    (f"{_OCR}.{theirs}.1.0", f"head.attention.{ours}.1"),
                )
            ),
        )
    )

    def identify(self, config: PublishedConfig | None, shapes: Shapes) -> str | None:
        """By width and depth."""
        width_entry = f"{_FEATURES}.transition1.0.0.weight"
        if config is not None:
            params = config.params
            width, small = int(params.get("width", 48)), bool(params.get("small", False))
        elif width_entry in shapes:
            width, small = shapes[width_entry][0], count_children(shapes, f"{_FEATURES}.layer1") <= 2
        else:
            return None
        name = _BY_SIZE.get((width, small))
        if name is None:
            raise CheckpointError(
                f"the file holds a RITM HRNet of width {width}{' (small)' if small else ''}; "
                f"clickwise has {', '.join(self.architectures)}"
            )
        return name

    def params(self, config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
        """OCR width and hint options."""
        if config is not None and "ocr_width" in config.params:
            ocr_width = int(config.params["ocr_width"])
        elif f"{_FEATURES}.conv3x3_ocr.0.weight" in shapes:
            ocr_width = channels_of(shapes, f"{_FEATURES}.conv3x3_ocr.0.weight", 0) // 2
        else:
            ocr_width = 0
        return {"ocr_width": ocr_width, **_hint_params(config, shapes)}

    def our_name(self, published: str) -> str:
        """See `Adapter.our_name`."""
        return self._renaming.ours(published)

    def published_name(self, ours: str) -> str:
        """See `Adapter.published_name`."""
        return self._renaming.published(ours)

    def never_runs(self, ours: str) -> bool:
        """The attention's query and key branches."""
        return ours.startswith(_NEVER_RUN)


class DeepLabAdapter:
    """DeepLabV3+ on ResNet-34."""

    classes = ("isegm.model.is_deeplab_model.DeeplabModel",)
    architectures = ("ritm-resnet34",)

    _renaming = Renaming(
        (
            *_STEM_PAIRS,
            (f"{_FEATURES}.backbone", "backbone"),
            (f"{_FEATURES}.skip_project.skip_project", "decoder.skip"),
            *((f"{_FEATURES}.aspp.concurent.{i}", f"decoder.aspp.views.{i}") for i in range(4)),
            # The pooled view has the pooling itself at index 0.
            (f"{_FEATURES}.aspp.concurent.4.gap.1", "decoder.aspp.mean.0"),
            (f"{_FEATURES}.aspp.concurent.4.gap.2", "decoder.aspp.mean.1"),
            (f"{_FEATURES}.aspp.project", "decoder.aspp.project"),
            (f"{_FEATURES}.head.block.0.body", "decoder.smooth.0"),
            (f"{_FEATURES}.head.block.1.body", "decoder.smooth.1"),
            (f"{_FEATURES}.head.block.2", "decoder.smooth.2"),
            ("head.layers.0.body", "head.0"),
            ("head.layers.1.body", "head.1"),
            ("head.layers.2", "head.2"),
        )
    )

    def identify(self, config: PublishedConfig | None, shapes: Shapes) -> str | None:
        """By the backbone's name, or by the depth of its third layer."""
        if config is not None:
            backbone = str(config.params.get("backbone", "resnet50"))
        elif f"{_FEATURES}.aspp.project.0.weight" in shapes:
            blocks = count_children(shapes, f"{_FEATURES}.backbone.layer3")
            basic = f"{_FEATURES}.backbone.layer1.0.conv3.weight" not in shapes
            backbone = "resnet34" if basic and blocks == 6 else f"with {blocks} blocks in its third layer"
        else:
            return None
        if backbone != "resnet34":
            raise CheckpointError(f"the file holds a RITM DeepLab on {backbone}; clickwise has {self.architectures[0]}")
        return self.architectures[0]

    def params(self, config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
        """Decoder width, dropout and hint options."""
        given = config.params if config is not None else {}
        if "deeplab_ch" in given:
            channels = int(given["deeplab_ch"])
        else:
            channels = channels_of(shapes, f"{_FEATURES}.aspp.project.0.weight", 0)
        found: dict[str, Any] = {"channels": channels, **_hint_params(config, shapes)}
        if "aspp_dropout" in given:
            found["aspp_dropout"] = float(given["aspp_dropout"])
        return found

    def our_name(self, published: str) -> str:
        """See `Adapter.our_name`."""
        return self._renaming.ours(published)

    def published_name(self, ours: str) -> str:
        """See `Adapter.published_name`."""
        return self._renaming.published(ours)

    def never_runs(self, ours: str) -> bool:
        """Every entry runs."""
        return False


ADAPTERS: tuple[Adapter, ...] = (HRNetAdapter(), DeepLabAdapter())
