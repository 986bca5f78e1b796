"""iCMFormer's recipes (reference: its release; icmformer.md section 4) on the training pack.

They are SimpleClick's with another network and more epochs; Swin also has smaller crops and a narrower range of scales.
The published start is a public file: MAE for ViT, ImageNet classification for Swin, by
``--set model.encoder_weights=FILE`` (below the data root). Rates that fall towards the first layers (ViT only, off in
the published commands): ``--set optimizer.layer_decay=0.75 --set optimizer.weight_decay=0.02``.
"""

from __future__ import annotations

from clickwise.recipes.simpleclick import epochs, simpleclick_vit_b_pack
from clickwise.training.recipe import ModelPart, Recipe

_EPOCHS, _MILESTONES = 85, (80, 85)
"""Epochs, and those at which the rate falls to a tenth; the second never acts."""
_CROP_VIT, _CROP_SWIN_S, _CROP_SWIN_B = 448, 224, 384


def icmformer_vit_b_pack() -> Recipe:
    """iCMFormer ViT-B: 0..3 clicks on its own errors before each step, one loss."""
    return _variant("icmformer-vit-b", _CROP_VIT)


def icmformer_vit_l_pack() -> Recipe:
    """iCMFormer ViT-L."""
    return _variant("icmformer-vit-l", _CROP_VIT)


def icmformer_vit_h_pack() -> Recipe:
    """iCMFormer ViT-H."""
    return _variant("icmformer-vit-h", _CROP_VIT)


def icmformer_swin_s_pack() -> Recipe:
    """iCMFormer Swin-S, crops of 224."""
    return _narrow(_variant("icmformer-swin-s", _CROP_SWIN_S))


def icmformer_swin_b_pack() -> Recipe:
    """iCMFormer Swin-B, crops of 384."""
    return _narrow(_variant("icmformer-swin-b", _CROP_SWIN_B))


def _variant(architecture: str, crop: int) -> Recipe:
    changes = {"name": f"{architecture}-pack", "model": ModelPart(architecture=architecture)}
    return simpleclick_vit_b_pack().model_copy(update={**changes, **epochs(_EPOCHS, _MILESTONES, size=crop)})


def _narrow(recipe: Recipe) -> Recipe:
    """Scales of 0.75..1.25 instead of up to 1.40."""
    return recipe.model_copy(update={"items": recipe.items.model_copy(update={"chain": "coco_lvis_narrow"})})
