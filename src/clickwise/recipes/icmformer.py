"""iCMFormer's recipes (reference: its release; icmformer.md section 4).

They are SimpleClick's with another network and other epochs; Swin also has smaller crops and, on COCO+LVIS, a narrower
range of scales. The published start is a public file in ``weights/`` below the data root: MAE for ViT, ImageNet
classification for Swin (``--set model.encoder_weights=...``). Rates that fall towards the first layers (ViT only, off
in the published commands): ``--set optimizer.layer_decay=0.75 --set optimizer.weight_decay=0.02``.
"""

from __future__ import annotations

from functools import partial

from clickwise.recipes.building import Entry, variant, with_items, with_model
from clickwise.recipes.pack import on_pack
from clickwise.recipes.sets import SBD
from clickwise.recipes.simpleclick import MAE_FILES, epochs, on_sbd, vit_b_cocolvis
from clickwise.training.recipe import ModelPart, Recipe

_EPOCHS, _MILESTONES = 85, (80, 85)
_EPOCHS_SBD, _MILESTONES_SBD = 55, (50, 55)
"""Epochs, and those at which the rate falls to a tenth; the second never acts."""
_CROPS = {"vit-b": 448, "vit-l": 448, "vit-h": 448, "swin-s": 224, "swin-b": 384}
_FILES = {
    **{f"vit-{size}": file for size, file in MAE_FILES.items()},
    "swin-s": "weights/swin_small_patch4_window7_224_22k.pth",
    "swin-b": "weights/swin_base_patch4_window12_384_22k.pth",
}
_WINDOW_SWIN_S_SBD = 7
"""On COCO+LVIS the small network has windows of 12, the architecture's own."""


def cocolvis(network: str) -> Recipe:
    """``network`` is a key of the sizes: "vit-b", "swin-s", ..."""
    recipe = variant(
        vit_b_cocolvis(),
        f"icmformer-{network}-cocolvis",
        model=ModelPart(architecture=f"icmformer-{network}", encoder_weights=_FILES[network]),
        **epochs(_EPOCHS, _MILESTONES, size=_CROPS[network]),
    )
    return with_items(recipe, chain="coco_lvis_narrow") if network.startswith("swin") else recipe


def sbd(network: str) -> Recipe:
    """The same on SBD."""
    recipe = on_sbd(cocolvis(network), **epochs(_EPOCHS_SBD, _MILESTONES_SBD, of=SBD, size=_CROPS[network]))
    return with_model(recipe, params={"window": _WINDOW_SWIN_S_SBD}) if network == "swin-s" else recipe


def pack(network: str) -> Recipe:
    """The same on the training pack."""
    return on_pack(cocolvis(network))


def _title(network: str) -> str:
    kind, _, size = network.partition("-")
    return f"{'ViT' if kind == 'vit' else 'Swin'}-{size.upper()}"


ICMFORMER = {
    **{f"icmformer-{n}-cocolvis": Entry(f"{_title(n)} on COCO+LVIS", partial(cocolvis, n)) for n in _CROPS},
    **{f"icmformer-{n}-sbd": Entry(f"{_title(n)} on SBD", partial(sbd, n)) for n in _CROPS},
    **{f"icmformer-{n}-pack": Entry(f"{_title(n)} on our pack", partial(pack, n)) for n in _CROPS},
}
"""Name on the command line -> recipe."""
