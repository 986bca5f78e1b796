"""Recipes by name. A new one is a function returning `Recipe` and one line in `RECIPES`; variants change a parent."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from clickwise.errors import RecipeError
from clickwise.recipes.cfr_icl import cfr_icl_vit_b_pack, cfr_icl_vit_h_pack, cfr_icl_vit_xtiny_pack
from clickwise.recipes.clickwise_s import clickwise_s
from clickwise.recipes.comparison import COMPARISON
from clickwise.recipes.icmformer import (
    icmformer_swin_b_pack,
    icmformer_swin_s_pack,
    icmformer_vit_b_pack,
    icmformer_vit_h_pack,
    icmformer_vit_l_pack,
)
from clickwise.recipes.iglr import iglr_segformer_b0_pack, iglr_segformer_b3_pack
from clickwise.recipes.ritm import ritm_hrnet18_pack, ritm_hrnet18s_pack, ritm_hrnet32_pack, ritm_resnet34_pack
from clickwise.recipes.simpleclick import (
    simpleclick_vit_b_pack,
    simpleclick_vit_h_pack,
    simpleclick_vit_l_pack,
    simpleclick_vit_xtiny_pack,
)
from clickwise.recipes.srafs import (
    srafs_segformer_b0_pack,
    srafs_segformer_b0_released_pack,
    srafs_segformer_b3_pack,
    srafs_segformer_b3_released_pack,
)
from clickwise.training.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    "cfr-icl-vit-b-pack": cfr_icl_vit_b_pack,
    "cfr-icl-vit-h-pack": cfr_icl_vit_h_pack,
    "cfr-icl-vit-xtiny-pack": cfr_icl_vit_xtiny_pack,
    "clickwise-s": clickwise_s,
    **COMPARISON,
    "icmformer-swin-b-pack": icmformer_swin_b_pack,
    "icmformer-swin-s-pack": icmformer_swin_s_pack,
    "icmformer-vit-b-pack": icmformer_vit_b_pack,
    "icmformer-vit-h-pack": icmformer_vit_h_pack,
    "icmformer-vit-l-pack": icmformer_vit_l_pack,
    "iglr-segformer-b0-pack": iglr_segformer_b0_pack,
    "iglr-segformer-b3-pack": iglr_segformer_b3_pack,
    "ritm-hrnet18-pack": ritm_hrnet18_pack,
    "ritm-hrnet18s-pack": ritm_hrnet18s_pack,
    "ritm-hrnet32-pack": ritm_hrnet32_pack,
    "ritm-resnet34-pack": ritm_resnet34_pack,
    "simpleclick-vit-b-pack": simpleclick_vit_b_pack,
    "simpleclick-vit-h-pack": simpleclick_vit_h_pack,
    "simpleclick-vit-l-pack": simpleclick_vit_l_pack,
    "simpleclick-vit-xtiny-pack": simpleclick_vit_xtiny_pack,
    "srafs-segformer-b0-pack": srafs_segformer_b0_pack,
    "srafs-segformer-b0-released-pack": srafs_segformer_b0_released_pack,
    "srafs-segformer-b3-pack": srafs_segformer_b3_pack,
    "srafs-segformer-b3-released-pack": srafs_segformer_b3_released_pack,
}
"""Name on the command line -> function."""


def get_recipe(name: str) -> Recipe:
    """The recipe of that name, or RecipeError naming the nearest ones."""
    if name not in RECIPES:
        near = get_close_matches(name, RECIPES, n=3) or sorted(RECIPES)
        raise RecipeError(f"no recipe is called {name!r}; nearest: {', '.join(near)} (all: clickwise train --list)")
    return RECIPES[name]()
