"""Recipes by name. A new one is a function returning `Recipe` and an entry in its family; variants change a parent."""

from __future__ import annotations

from clickwise.errors import RecipeError
from clickwise.nearest import nearest
from clickwise.recipes.building import Entry
from clickwise.recipes.cfr_icl import CFR_ICL
from clickwise.recipes.clickwise_s import CLICKWISE_S
from clickwise.recipes.comparison import COMPARISON
from clickwise.recipes.icmformer import ICMFORMER
from clickwise.recipes.iglr import IGLR
from clickwise.recipes.ritm import RITM
from clickwise.recipes.ritm_baselines import RITM_BASELINES
from clickwise.recipes.simpleclick import SIMPLECLICK
from clickwise.recipes.srafs import SRAFS
from clickwise.training.recipe import Recipe

FAMILIES: dict[str, dict[str, Entry]] = {
    "clickwise-s": CLICKWISE_S,
    "RITM": RITM,
    "RITM, baselines": RITM_BASELINES,
    "SimpleClick": SIMPLECLICK,
    "CFR-ICL": CFR_ICL,
    "iCMFormer": ICMFORMER,
    "IGLR": IGLR,
    "SRAFS": SRAFS,
    "One small network of each system on one budget": COMPARISON,
}
"""Title -> recipes by name. Names end in what is trained on: cocolvis, sbd, ...; pack is our training pack."""

RECIPES: dict[str, Entry] = {name: entry for family in FAMILIES.values() for name, entry in family.items()}
"""Name on the command line -> entry; calling it gives the recipe."""


def get_recipe(name: str) -> Recipe:
    """The recipe of that name, or RecipeError naming the nearest ones."""
    if name not in RECIPES:
        near = nearest(name, sorted(RECIPES), most=3)
        raise RecipeError(f"no recipe is called {name!r}; nearest: {near} (all: clickwise train --list)")
    return RECIPES[name]()
