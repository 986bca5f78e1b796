"""What every click model looks like from outside: one forward signature, declared capabilities, plain-data defaults."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from clickwise.clicks.encoding import is_valid
from clickwise.errors import ModelError

Gate = float | Tensor | None
"""Strength of late click fusion (IGLR, SRAFS): a number, one value per item (B,), or None = decided per item."""


FeaturePlace = Literal["A", "B", "C"]
"""Where f-BRS may change features: A early, C late (protocol 7)."""


class AttentionFields(NamedTuple):
    """Where the supervised stages of a network look (SRAFS); one entry per stage in each tuple.

    maps: (B, N, M) attention of N query tokens to M key tokens, mean over blocks and heads; every row sums to 1.
    weights: (B, 1, h, w) in [0, 1], likeness to the clicked object on the query grid (N = h * w, rows first).
    key_sizes: (h_k, w_k) of the key grid, M = h_k * w_k. positive_clicks: (B,) number of positive clicks.
    """

    maps: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    key_sizes: tuple[tuple[int, int], ...]
    positive_clicks: Tensor


@dataclass(slots=True)
class ModelOutput:
    """Answer of a network. All maps are (B, 1, H, W) logits at the size of the image given.

    coarse_logits and feature are set by two-stage models only; refined_logits and boundary_logits (B, 1, h, w) in
    training only, where a window of each item is refined together with the whole. attention: of models that have it
    supervised, in training only, for at other times the maps are never held.
    """

    logits: Tensor
    aux_logits: Tensor | None = None
    coarse_logits: Tensor | None = None
    feature: Tensor | None = None
    refined_logits: Tensor | None = None
    boundary_logits: Tensor | None = None
    attention: AttentionFields | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can do, declared rather than found out by ``isinstance``.

    size_divisor: (vertical, horizontal) multiples that image height and width must have.
    smallest_size: (height, width) below which forward has no meaning.
    """

    supports_prev_mask: bool = True
    size_divisor: tuple[int, int] = (1, 1)
    smallest_size: tuple[int, int] = (1, 1)
    has_refiner: bool = False
    has_gate: bool = False
    click_free_features: bool = False


@dataclass(frozen=True, slots=True)
class InferenceDefaults:
    """The published test-time chain of a model, as data (protocol: zoom-in, flip, threshold).

    target_size: longer side in pixels (number) or exact (height, width) of the zoomed crop.
    skip_clicks: zoom starts after this many clicks; -1 zooms (the whole image) from the first one.
    target_size_by_dataset: exceptions that the published evaluation makes.
    """

    chain: str = "zoom_flip"
    target_size: int | tuple[int, int] = 400
    skip_clicks: int = 1
    expansion_ratio: float = 1.4
    min_crop_size: int = 200
    recompute_thresh_iou: float = 0.5
    zoom_prob_thresh: float = 0.5
    flip: bool = True
    threshold: float = 0.49
    net_clicks_limit: int | None = None
    target_size_by_dataset: Mapping[str, int | tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


class InteractiveModel(nn.Module, ABC):
    """A network that answers clicks.

    Subclasses implement `predict_logits`; callers use ``model(image, prev_mask, points, gate=None)``.

    architecture: registered name, e.g. "ritm-hrnet18s".
    params: plain data that rebuilds the module through the registry (stored in our files beside the weights).
    """

    architecture: str = ""
    capabilities: Capabilities = Capabilities()
    inference_defaults: InferenceDefaults = InferenceDefaults()

    def __init__(self) -> None:
        super().__init__()
        self.params: dict[str, Any] = {}

    @abstractmethod
    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        """Logits for checked input: image (B, 3, H, W) and prev_mask (B, 1, H, W) in [0, 1], points (B, 2N, 3)."""

    def forward(self, image: Tensor, prev_mask: Tensor | None, points: Tensor, gate: Gate = None) -> ModelOutput:
        """The bare network: no resizing, no sigmoid.

        image: (B, 3, H, W) float RGB in [0, 1].
        prev_mask: (B, 1, H, W) float in [0, 1], or None = zeros; ignored by models without it.
        points: (B, 2N, 3) float rows (y, x, order); the first N rows positive, the last N negative, unused rows -1.
        Raises ModelError when a shape does not fit or H, W are no multiples of `capabilities.size_divisor`.
        """
        check_shapes(self, image, prev_mask, points)
        if prev_mask is None:
            prev_mask = image.new_zeros((image.shape[0], 1, *image.shape[2:]))
        return self.predict_logits(image, prev_mask, points, gate)

    @property
    def device(self) -> torch.device:
        """Where the parameters lie."""
        return next(self.parameters()).device

    @property
    def parameter_count(self) -> int:
        """Number of learned values."""
        return sum(p.numel() for p in self.parameters())


@runtime_checkable
class MapModel(Protocol):
    """A model that can be entered behind its click maps: what RGB-BRS and DistMap-BRS change.

    ``predict_logits(image, mask, points, gate)`` equals
    ``logits_from_maps(normalised(image), mask, click_maps(points, size), gate)``. Without a list of clicks a gate
    cannot be decided per item: there, None means 1 (a later click) for models with a gate; others ignore it.
    """

    def normalised(self, image: Tensor) -> Tensor:
        """Image (B, 3, H, W) in [0, 1] -> what the first layer sees; affine per channel."""
        ...

    def click_maps(self, points: Tensor, size: Sequence[int]) -> Tensor:
        """Maps (B, 2, H, W) of positive and negative clicks."""
        ...

    def logits_from_maps(self, image: Tensor, prev_mask: Tensor, click_maps: Tensor, gate: Gate = None) -> ModelOutput:
        """The network behind the click maps; image normalised, prev_mask (B, 1, H, W)."""
        ...


@runtime_checkable
class PointedMapModel(MapModel, Protocol):
    """A `MapModel` that looks at the clicks also otherwise than by their maps (SRAFS changes the mask around them).

    ``predict_logits(image, mask, points, gate)`` equals
    ``logits_from_maps(n, masks, click_maps(points, size), opened)`` with n = ``normalised(image)`` and
    masks, opened = ``mask_maps(n, mask, points, gate)``.
    """

    def mask_maps(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> tuple[Tensor, Gate]:
        """Maps (B, K, H, W) that stand for the previous mask in `logits_from_maps`, and the gate that goes with them.

        image normalised; called once per click, without gradient. May run the network.
        """
        ...


@runtime_checkable
class FeatureModel(MapModel, Protocol):
    """A model that can be cut in two at inner features: what f-BRS changes."""

    @property
    def feature_places(self) -> tuple[FeaturePlace, ...]:
        """Where."""
        ...

    def features_at(
        self, place: FeaturePlace, image: Tensor, prev_mask: Tensor, click_maps: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Features (B, C, h, w) at a place, and what else the rest of the network needs."""
        ...

    def logits_after(
        self, place: FeaturePlace, features: Tensor, carried: Tensor | None, size: Sequence[int]
    ) -> Tensor:
        """Logits (B, 1, *size) from the features, perhaps changed, and what was carried."""
        ...


@runtime_checkable
class RefiningModel(Protocol):
    """A model with a second stage that sharpens its answer inside a window (``capabilities.has_refiner``)."""

    def refine(
        self, image_focus: Tensor, points_focus: Tensor, feature: Tensor, logits: Tensor, roi: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Refined logits, boundary logits and the coarse logits of K windows, each (K, 1, h, w).

        image_focus: (K, 3, h, w) RGB in [0, 1]; points_focus: (K, 2N, 3) rows (y, x, order) in pixels of the window;
        feature, logits: those of `forward` (logits at network size); roi: (K, 5) rows (batch index, x1, y1, x2, y2) in
        network pixels, borders at integers. Raises ModelError when the numbers of windows differ.
        """
        ...


def gate_values(gate: Gate, points: Tensor) -> Tensor:
    """(B,) values of a gate: as given, else 0 with at most one valid click and 1 with more.

    points: (B, 2N, 3). Raises ModelError when the gate has another length.
    """
    if gate is None:
        return (is_valid(points).sum(dim=1) > 1).to(points.dtype)
    values = torch.as_tensor(gate, dtype=points.dtype, device=points.device)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != len(points)):
        raise ModelError(f"gate has shape {tuple(values.shape)}; expected a number or one per item ({len(points)},)")
    return values.expand(len(points))


def check_shapes(model: InteractiveModel, image: Tensor, prev_mask: Tensor | None, points: Tensor) -> None:
    """Raise ModelError with got / expected / what to do when the input does not fit the model."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise ModelError(f"image has shape {tuple(image.shape)}; expected (B, 3, H, W) float RGB in [0, 1]")
    batch, _, height, width = image.shape
    if points.ndim != 3 or points.shape[0] != batch or points.shape[1] % 2 or points.shape[2] != 3:
        raise ModelError(f"points have shape {tuple(points.shape)}; expected ({batch}, 2N, 3) rows (y, x, order)")
    if prev_mask is not None and tuple(prev_mask.shape) != (batch, 1, height, width):
        raise ModelError(
            f"prev_mask has shape {tuple(prev_mask.shape)}; expected {(batch, 1, height, width)} or None (zeros)"
        )
    div_h, div_w = model.capabilities.size_divisor
    min_h, min_w = model.capabilities.smallest_size
    if height % div_h or width % div_w or height < min_h or width < min_w:
        fit_h = max(min_h, -(-height // div_h) * div_h)
        fit_w = max(min_w, -(-width // div_w) * div_w)
        raise ModelError(
            f"image is {height} x {width} (height x width); {model.architecture or type(model).__name__} needs "
            f"multiples of ({div_h}, {div_w}) and at least {min_h} x {min_w}; pad or resize to {fit_h} x {fit_w}"
        )
