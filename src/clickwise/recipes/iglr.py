"""IGLR's recipes (reference: its release; iglr.md section 4).

The published start is a public MiT file in ``weights/`` below the data root; another by
``--set model.encoder_weights=FILE``, IGLR's own random initialisation by ``=null``. Pictures without an object of the
wanted size are not trained on, so there is no share of background to keep.

Areas are the published ones, on the training pack too: its objects fill their small pictures as far as those of COCO do
theirs, and every view is resized to 256 x 256. For smaller views lower them, for example at 128 x 128 to a quarter:
``--set items.min_area=250 --set items.least_component=225 --set items.focus.small_area=900``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from clickwise.recipes.building import Entry, run_of, variant, with_items
from clickwise.recipes.pack import on_pack
from clickwise.recipes.sets import COCO_LVIS_SEGFORMER, SBD, PublishedSet
from clickwise.training.parts.items import FocusItems
from clickwise.training.parts.methods import FocusIterativeMethod
from clickwise.training.recipe import LossTerm, ModelPart, OptimizerPart, Recipe

_SIZE = 256
_BATCH = 28
"""The recipe's default; the script's own is 32, the README's 24 on two GPUs."""
_RUNS: dict[str, tuple[int, tuple[int, ...]]] = {"b0": (230, (190, 210)), "b3": (85, (65,))}
_RUNS_SBD: dict[str, tuple[int, tuple[int, ...]]] = {"b0": (230, (190, 210)), "b3": (60, (50,))}
"""Epochs, and those at which the rate falls to a tenth. (B3 also names its last epoch, which never acts.)"""
_MIN_AREA_SBD = 80

_COARSE = LossTerm(loss="nfl", options={"alpha": 0.5, "gamma": 2.0})
_BOUNDARY = LossTerm(loss="bce", output="boundary_logits")
_REFINED = LossTerm(loss="weighted_nfl", output="refined_logits+trimap", options={"alpha": 0.5, "gamma": 2.0})


def cocolvis(size: str) -> Recipe:
    """SegFormer-B0 or B3: 0..3 clicks on its own errors before each step, then the whole view and one window of it."""
    return Recipe(
        name=f"iglr-segformer-{size}-cocolvis",
        model=ModelPart(architecture=f"iglr-segformer-{size}", encoder_weights=f"weights/mit_{size}.pth"),
        data=COCO_LVIS_SEGFORMER.data,
        items=FocusItems(min_area=1000),
        method=FocusIterativeMethod(max_next_clicks=3),
        losses=(_COARSE, _BOUNDARY, _REFINED),
        optimizer=OptimizerPart(name="adam", lr=5e-4, betas=(0.9, 0.999)),
        **_run(_RUNS[size], COCO_LVIS_SEGFORMER),
        precision="32",
    )


def sbd(size: str) -> Recipe:
    """The same on SBD: smaller objects."""
    run = _run(_RUNS_SBD[size], SBD)
    return with_items(
        variant(cocolvis(size), f"iglr-segformer-{size}-sbd", data=SBD.data, **run), min_area=_MIN_AREA_SBD
    )


def pack(size: str) -> Recipe:
    """The same on the training pack."""
    return on_pack(cocolvis(size))


def _run(epochs: tuple[int, tuple[int, ...]], of: PublishedSet) -> dict[str, Any]:
    return run_of(*epochs, epoch=of.epoch, size=_SIZE, batch=_BATCH)


IGLR = {
    **{
        f"iglr-segformer-{s}-cocolvis": Entry(f"SegFormer-{s.upper()} on COCO+LVIS", partial(cocolvis, s))
        for s in _RUNS
    },
    **{f"iglr-segformer-{s}-sbd": Entry(f"SegFormer-{s.upper()} on SBD", partial(sbd, s)) for s in _RUNS},
    **{f"iglr-segformer-{s}-pack": Entry(f"SegFormer-{s.upper()} on our pack", partial(pack, s)) for s in _RUNS},
}
"""Name on the command line -> recipe."""
