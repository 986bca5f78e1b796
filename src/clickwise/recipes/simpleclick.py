"""SimpleClick's recipes (reference: its release; cfr_icl.md section 2). Variants derive from ViT-B.

They are RITM's with another network, one loss, a square crop and rates of their own. B, L and H start from public MAE
files in ``weights/`` below the data root (``--set model.encoder_weights=...``); at these rates they need them. The
release's option of rates that fall towards the first layers is
``--set optimizer.layer_decay=0.75 --set optimizer.weight_decay=0.02``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from clickwise.recipes.building import Entry, run_of, variant, with_items, with_model
from clickwise.recipes.pack import on_pack
from clickwise.recipes.ritm import hrnet18_cocolvis
from clickwise.recipes.sets import COCO_LVIS, SBD, PublishedSet
from clickwise.training.recipe import LossTerm, ModelPart, OptimizerPart, Recipe

NFL = LossTerm(loss="nfl", options={"alpha": 0.5, "gamma": 2.0})
MAE_FILES = {
    size: f"weights/mae_pretrain_vit_{word}.pth" for size, word in (("b", "base"), ("l", "large"), ("h", "huge"))
}
"""Size -> the public file that its encoder starts from."""
_BATCH = 32
_CROP = 448
_RATE, _RATE_OTHER_SIZES, _RATE_SLOW = 5e-5, 5e-4, 1e-5
"""At 448 pixels; at other sizes; xtiny on SBD and the Dice loss."""
_OPTIMIZER = OptimizerPart(name="adam", lr=_RATE, betas=(0.9, 0.999))
_EVEN_NECK = {"neck_channels": [256, 256, 256, 256]}
"""Of base at other sizes than 448."""


def vit_b_cocolvis() -> Recipe:
    """ViT-B: 0..3 clicks on its own errors before each step, one loss."""
    return variant(
        hrnet18_cocolvis(),
        "simpleclick-vit-b-cocolvis",
        model=ModelPart(architecture="simpleclick-vit-b", encoder_weights=MAE_FILES["b"]),
        losses=(NFL,),
        optimizer=_OPTIMIZER,
        **epochs(55, (50, 55)),
    )


def vit_cocolvis(size: str) -> Recipe:
    """B, L or H."""
    model = ModelPart(architecture=f"simpleclick-vit-{size}", encoder_weights=MAE_FILES[size])
    return variant(vit_b_cocolvis(), f"simpleclick-vit-{size}-cocolvis", model=model)


def vit_sbd(size: str) -> Recipe:
    """B, L or H on SBD."""
    return on_sbd(vit_cocolvis(size), **epochs(55, (50, 55), of=SBD))


def vit_xtiny_cocolvis() -> Recipe:
    """ViT-xtiny, from scratch: more epochs."""
    model = ModelPart(architecture="simpleclick-vit-xtiny")
    return variant(vit_b_cocolvis(), "simpleclick-vit-xtiny-cocolvis", model=model, **epochs(230, (200, 230)))


def vit_xtiny_sbd() -> Recipe:
    """ViT-xtiny on SBD, from scratch: slow and long."""
    return on_sbd(vit_xtiny_cocolvis(), optimizer=_at(_RATE_SLOW), **epochs(1001, (800, 900), of=SBD))


def vit_224_cocolvis(size: str) -> Recipe:
    """B or L on crops of 224 pixels."""
    params: dict[str, Any] = {"image_size": [224, 224], **(_EVEN_NECK if size == "b" else {})}
    return _of_crop(vit_cocolvis(size), 224, params, epochs(55, (49, 55), size=224))


def vit_b_large_cocolvis(crop: int) -> Recipe:
    """B on crops of 896 or 1024 pixels."""
    params = {"image_size": [crop, crop], **_EVEN_NECK}
    return _of_crop(vit_b_cocolvis(), crop, params, epochs(230, (190, 220), size=crop))


def vit_b_cocolvis_dice() -> Recipe:
    """ViT-B with the Dice loss; the release's own has no gradient, ours works."""
    changes = {"losses": (LossTerm(loss="dice"),), "optimizer": _at(_RATE_SLOW)}
    return variant(vit_b_cocolvis(), "simpleclick-vit-b-cocolvis-dice", **changes)


def epochs(
    count: int, milestones: tuple[int, ...], *, of: PublishedSet = COCO_LVIS, size: int = _CROP
) -> dict[str, Any]:
    """`run_of` square crops in the family's batches."""
    return run_of(count, milestones, epoch=of.epoch, size=size, batch=_BATCH)


def on_sbd(parent: Recipe, **changes: Any) -> Recipe:
    """A recipe for COCO+LVIS on SBD: smaller objects, turned pictures, less background."""
    on_it = variant(parent, parent.name.replace("-cocolvis", "-sbd"), data=SBD.data, **changes)
    return with_items(on_it, chain="sbd", keep_background_prob=0.01, min_object_area=80)


def _of_crop(parent: Recipe, crop: int, params: dict[str, Any], run: dict[str, Any]) -> Recipe:
    changed = variant(parent, f"{parent.name}-{crop}", optimizer=_at(_RATE_OTHER_SIZES), **run)
    return with_model(changed, params=params)


def _at(rate: float) -> OptimizerPart:
    return _OPTIMIZER.model_copy(update={"lr": rate})


def _pack(size: str) -> Recipe:
    return on_pack(vit_cocolvis(size))


SIMPLECLICK = {
    **{
        f"simpleclick-vit-{s}-cocolvis": Entry(f"ViT-{s.upper()} on COCO+LVIS", partial(vit_cocolvis, s)) for s in "blh"
    },
    **{f"simpleclick-vit-{s}-sbd": Entry(f"ViT-{s.upper()} on SBD", partial(vit_sbd, s)) for s in "blh"},
    "simpleclick-vit-xtiny-cocolvis": Entry("ViT-xtiny from scratch on COCO+LVIS", vit_xtiny_cocolvis),
    "simpleclick-vit-xtiny-sbd": Entry("ViT-xtiny from scratch on SBD", vit_xtiny_sbd),
    "simpleclick-vit-b-cocolvis-224": Entry("ViT-B on COCO+LVIS, crops of 224 pixels", partial(vit_224_cocolvis, "b")),
    "simpleclick-vit-l-cocolvis-224": Entry("ViT-L on COCO+LVIS, crops of 224 pixels", partial(vit_224_cocolvis, "l")),
    "simpleclick-vit-b-cocolvis-896": Entry(
        "ViT-B on COCO+LVIS, crops of 896 pixels", partial(vit_b_large_cocolvis, 896)
    ),
    "simpleclick-vit-b-cocolvis-1024": Entry(
        "ViT-B on COCO+LVIS, crops of 1024 pixels", partial(vit_b_large_cocolvis, 1024)
    ),
    "simpleclick-vit-b-cocolvis-dice": Entry("ViT-B on COCO+LVIS, Dice loss", vit_b_cocolvis_dice),
    **{f"simpleclick-vit-{s}-pack": Entry(f"ViT-{s.upper()} on our pack", partial(_pack, s)) for s in "blh"},
    "simpleclick-vit-xtiny-pack": Entry("ViT-xtiny from scratch on our pack", lambda: on_pack(vit_xtiny_cocolvis())),
}
"""Name on the command line -> recipe."""
