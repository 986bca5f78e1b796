"""Recipes by name. A new one is a function returning `Recipe` and one line in `RECIPES`; variants change a parent."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from clickwise.errors import RecipeError
from clickwise.recipes.clickwise_s import clickwise_s
from clickwise.recipes.comparison import COMPARISON
from clickwise.recipes.iglr import iglr_segformer_b0_pack, iglr_segformer_b3_pack
from clickwise.recipes.ritm import ritm_hrnet18_pack, ritm_hrnet18s_pack, ritm_hrnet32_pack, ritm_resnet34_pack
from clickwise.recipes.srafs import (
    srafs_segformer_b0_pack,
    srafs_segformer_b0_released_pack,
    srafs_segformer_b3_pack,
    srafs_segformer_b3_released_pack,
)
from clickwise.training.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    "clickwise-s": clickwise_s,
    **COMPARISON,
    "iglr-segformer-b0-pack": iglr_segformer_b0_pack,
    "iglr-segformer-b3-pack": iglr_segformer_b3_pack,
    "ritm-hrnet18-pack": ritm_hrnet18_pack,
    "ritm-hrnet18s-pack": ritm_hrnet18s_pack,
    "ritm-hrnet32-pack": ritm_hrnet32_pack,
    "ritm-resnet34-pack": ritm_resnet34_pack,
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
