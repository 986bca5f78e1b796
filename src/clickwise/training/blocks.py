"""Transformer blocks of a network: what activation checkpointing repeats and what FSDP gathers one at a time."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from clickwise.errors import RecipeError
from clickwise.models.backbones import mix_transformer, swin, vit
from clickwise.models.interface import InteractiveModel

BLOCKS: tuple[type[nn.Module], ...] = (mix_transformer.MixBlock, swin.Block, vit.Block)
"""A new kind of block is one entry here."""


def transformer_blocks(module: nn.Module) -> list[nn.Module]:
    """All blocks inside ``module``, first to last."""
    return [inner for inner in module.modules() if isinstance(inner, BLOCKS)]


def checkpoint_activations(model: InteractiveModel) -> None:
    """Let each block forget what is inside it, and run it again in the backward pass.

    Gradients are the same, random numbers included; names and weights do not change. Raises RecipeError for a network
    without transformer blocks.
    """
    blocks = transformer_blocks(model)
    if not blocks:
        raise RecipeError(
            f"model.checkpoint_activations is for networks of transformer blocks, which {model.architecture} has not; "
            "set it to false, or save memory by optimizer.accumulate"
        )
    for block in blocks:
        # An attribute of the instance (not a wrapping module), so that names stay; partial, so that copies own theirs.
        block.forward = partial(_forgetful, block.forward)


def _forgetful(forward: Any, *inputs: Any, **options: Any) -> Any:
    """maps: lists that a block fills on the way are for blocks that run once; such calls are not repeated."""
    if not torch.is_grad_enabled() or options.get("maps") is not None:
        return forward(*inputs, **options)
    return checkpoint(forward, *inputs, use_reentrant=False, **options)
