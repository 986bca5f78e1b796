"""Kinds of training items. A new kind is a class here, its name in `AnyItems`, and a line in `training.data.ITEMS`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clickwise.training.parts.base import Part
from clickwise.training.parts.clicks import HumanClicksPart


class ViewItems(Part):
    """Items of our own: whole objects or parts, square views, several kinds of start (`clickwise.data.stream`).

    background_prob, occluder_prob: of composites (`clickwise.data.composite`). turn_prob: of quarter turns.
    jpeg_prob, worst_jpeg, noise_prob, shrink_prob: of damaged pictures (`clickwise.data.augment.Colour`).
    """

    name: Literal["views"] = "views"
    part_prob: float = Field(0.5, ge=0, le=1)
    merge_prob: float = Field(0.12, ge=0, le=1)
    tight_prob: float = Field(0.5, ge=0, le=1)
    several_prob: float = Field(0.35, ge=0, le=1)
    rough_prob: float = Field(0.12, ge=0, le=1)
    clicks_per_sign: int = Field(12, ge=1)
    background_prob: float = Field(0.0, ge=0, le=1)
    occluder_prob: float = Field(0.0, ge=0, le=1)
    turn_prob: float = Field(0.0, ge=0, le=1)
    jpeg_prob: float = Field(0.1, ge=0, le=1)
    worst_jpeg: int = Field(35, ge=1, lt=90)
    noise_prob: float = Field(0.0, ge=0, le=1)
    shrink_prob: float = Field(0.0, ge=0, le=1)


class TargetPart(Part):
    """`clickwise.data.published_targets.TargetRule`, with the values of RITM's recipes."""

    expand_ratio: float = Field(0.1, ge=0)
    positive_erode_prob: float = Field(0.9, ge=0, le=1)
    positive_erode_iters: int = Field(3, ge=0)
    positive_erode_keep: int = Field(10, ge=0)
    merge_objects_prob: float = Field(0.15, ge=0, le=1)
    max_num_merged_objects: int = Field(2, ge=2)
    use_hierarchy: bool = False
    hierarchy_stop_prob: float = Field(0.5, ge=0, le=1)
    small_child_share: float = Field(0.1, ge=0, le=1)
    max_disabled_children: int = Field(3, ge=0)
    soft_targets: bool = False


class PointsPart(Part):
    """`clickwise.data.point_sampler.PointRule`, with the values of RITM's recipes."""

    max_num_points: int = Field(24, ge=1)
    prob_gamma: float = Field(0.80, ge=0, le=1)
    negative_bg_prob: float = Field(0.1, ge=0, le=1)
    negative_other_prob: float = Field(0.4, ge=0, le=1)
    negative_border_prob: float = Field(0.5, ge=0, le=1)
    first_click_center: bool = False
    first_click_order: float = 0.0
    only_one_first_click: bool = False
    sfc_inner_k: float = 1.7
    sfc_full_inner_prob: float = Field(0.0, ge=0, le=1)
    human_clicks: HumanClicksPart | None = None


ChainName = Literal["aligned", "coco_lvis", "coco_lvis_narrow", "sbd", "coco_lvis_validation", "sbd_validation"]
"""A name in `clickwise.data.published_augment.CHAINS`."""


class SuemPart(Part):
    """`clickwise.data.suem.Suem`, with the values of CFR-ICL's recipes."""

    copy_paste_prob: float = Field(0.5, ge=0, le=1)
    image_mix_prob: float = Field(0.5, ge=0, le=1)


class PublishedItems(Part):
    """Items as RITM's release makes them (`clickwise.data.published_items`); defaults of its COCO+LVIS recipes.

    min_object_area: pixels in the view.
    """

    name: Literal["published"] = "published"
    chain: ChainName = "coco_lvis"
    keep_background_prob: float = Field(0.05, le=1)
    min_object_area: int = Field(1000, ge=0)
    target: TargetPart = TargetPart()
    points: PointsPart = PointsPart()
    suem: SuemPart | None = None


class FocusPart(Part):
    """`clickwise.data.focus_window.FocusWindowRule`, with the values of IGLR's recipes."""

    around_object_prob: float = Field(0.6, ge=0, le=1)
    small_area: int = Field(3600, ge=0)
    growth: tuple[float, float] = (1.1, 1.6)
    least_side: int = Field(32, ge=1)
    shift: float = Field(0.3, ge=0, le=1)
    shrink: tuple[float, float] = (1.5, 3.9)


class FocusItems(Part):
    """Items with a window for a second look, as IGLR's release makes them (`clickwise.data.focus_items`).

    Areas in pixels of the view, whose published size is 256 x 256; defaults of its COCO+LVIS recipes.
    """

    name: Literal["focus"] = "focus"
    chain: ChainName = "aligned"
    min_area: int = Field(1000, ge=0)
    least_component: int = Field(900, ge=0)
    most_share: float = Field(0.85, gt=0, le=1)
    target: TargetPart = TargetPart()
    points: PointsPart = PointsPart(first_click_center=True)
    focus: FocusPart = FocusPart()


AnyItems = Annotated[ViewItems | PublishedItems | FocusItems, Field(discriminator="name")]
"""The kind is told by the key ``name``."""
