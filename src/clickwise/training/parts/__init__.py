"""Parts of a recipe that come in kinds, a file per family; `clickwise.training.recipe` joins them."""
