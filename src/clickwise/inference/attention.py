"""Where a network looked at the latest click, as maps over the picture: to plot, or to find out why a mask is wrong.

For networks with attention fields (SRAFS) run by the chain "CMRefiner-V2". The network is run once more for it, so
that ordinary clicks hold no attention maps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from clickwise.engines.torch import TorchEngine
from clickwise.errors import OptionError
from clickwise.inference.chains.cmrefiner import LatestLook
from clickwise.inference.chains.zoom_flip import network_input
from clickwise.inference.predictor import Predictor
from clickwise.inference.window import Frame
from clickwise.models.interface import AttentionFields, Gate


@runtime_checkable
class AttentiveModel(Protocol):
    """A network that can tell where it looks."""

    def attention_fields(
        self, image: Tensor, prev_mask: Tensor | None, points: Tensor, gate: Gate = None
    ) -> AttentionFields:
        """Attention of its supervised stages for a network input."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AttentionPicture:
    """One stage. Arrays are (H, W) float32 over the whole picture, 0 outside of the window the network saw.

    object_field, background_field: where the object's tokens and the others look, scaled to a greatest value of 1;
        which token belongs to the object is decided by the mask of the latest click.
    overlap: what both look at, 0 (nothing) to 1 (the same), as `clickwise.losses.attention` measures it; 0 when one of
        them has no token. weights: likeness to the clicked places in [0, 1]; 1 with less than two positive clicks.
    """

    object_field: NDArray[np.float32]
    background_field: NDArray[np.float32]
    weights: NDArray[np.float32]
    overlap: float


def attention_pictures(predictor: Predictor) -> tuple[AttentionPicture, ...]:
    """The supervised stages of the predictor's network at its latest click, finest first.

    Raises OptionError when there is no click yet, or network or chain have no attention to show.

    >>> from clickwise.models.registry import build_model
    >>> predictor = Predictor(build_model("srafs-segformer-b0"), target_size=(64, 64))
    >>> predictor.set_image(np.zeros((48, 64, 3), np.uint8))
    >>> prediction = predictor.click(10, 20)
    >>> [picture.weights.shape for picture in attention_pictures(predictor)]
    [(48, 64), (48, 64)]
    """
    look, engine = predictor.state.memory, predictor.engine
    if not isinstance(look, LatestLook) or predictor.state.probs is None:
        raise OptionError(
            f"there is no latest click of the chain CMRefiner-V2 (chain {predictor.options.chain}, "
            f"{len(predictor.state.clicks)} clicks); click first, with chain='CMRefiner-V2'"
        )
    if not isinstance(engine, TorchEngine) or not isinstance(engine.model, AttentiveModel):
        raise OptionError(f"the network behind engine {engine.name} has no attention fields; SRAFS run by PyTorch has")
    options = replace(predictor.options, flip=False)
    given = network_input(engine, Frame(predictor.image.rgb), look.state, options, look.view)
    with engine.with_gradients() as model:
        assert isinstance(model, AttentiveModel)
        image, prev_mask, points = (None if x is None else x.to(engine.device) for x in given)
        assert image is not None
        assert points is not None
        mask = None if prev_mask is None else prev_mask.to(engine.dtype)
        fields = model.attention_fields(image.to(engine.dtype), mask, points, look.gate)
    inside = torch.from_numpy(look.view.map(predictor.state.probs) > predictor.options.threshold)
    return tuple(_picture(fields, stage, inside[None, None].float(), look) for stage in range(len(fields.maps)))


def _picture(fields: AttentionFields, stage: int, inside: Tensor, look: LatestLook) -> AttentionPicture:
    attention, weights = fields.maps[stage][0].float().cpu(), fields.weights[stage].float().cpu()
    share = F.adaptive_avg_pool2d(inside, (int(weights.shape[2]), int(weights.shape[3]))).flatten()
    sides = torch.stack([share, 1 - share])
    mass = sides.sum(dim=1, keepdim=True)
    looked = torch.where(mass > 0, (sides / mass.clamp(min=1e-6)) @ attention, 0.0)
    overlap = float(torch.minimum(looked[0], looked[1]).sum())
    scaled = (looked / looked.amax(dim=1, keepdim=True).clamp(min=1e-12)).view(2, 1, 1, *fields.key_sizes[stage])
    return AttentionPicture(
        object_field=_over_frame(scaled[0], look),
        background_field=_over_frame(scaled[1], look),
        weights=_over_frame(weights, look),
        overlap=overlap,
    )


def _over_frame(maps: Tensor, look: LatestLook) -> NDArray[np.float32]:
    """(1, 1, h, w) on a grid of the view -> (H, W) over the picture."""
    at_view = F.interpolate(maps, size=look.view.size, mode="bilinear", align_corners=False)
    full: NDArray[np.float32] = look.view.inverse(at_view[0, 0].numpy()).full()
    return full
