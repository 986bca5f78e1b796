"""Where and how a network runs: logits for a batch. Chains see engines only, never the network behind them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, ModelOutput


@runtime_checkable
class Engine(Protocol):
    """Runs one network for any number of callers; safe to share between threads.

    name: short name for tables, e.g. "torch".
    capabilities, inference_defaults: those of the network.
    """

    name: str

    @property
    def capabilities(self) -> Capabilities:
        """What the network can do."""
        ...

    @property
    def inference_defaults(self) -> InferenceDefaults:
        """The published test-time chain of the network."""
        ...

    def run(self, image: Tensor, prev_mask: Tensor | None, points: Tensor, gate: Gate = None) -> ModelOutput:
        """Logits for a batch, without gradient.

        image: (B, 3, H, W) float32 RGB in [0, 1]; prev_mask: (B, 1, H, W) float32 in [0, 1] or None = zeros;
        points: (B, 2N, 3) rows (y, x, order) as `clickwise.clicks.encoding.points_array` makes them; all on the CPU.
        Returns float32 maps on the device where the network ran.
        """
        ...


@runtime_checkable
class RefiningEngine(Engine, Protocol):
    """An engine around a network with a second, local stage (``capabilities.has_refiner``)."""

    def refine(
        self, image_focus: Tensor, points_focus: Tensor, feature: Tensor, logits: Tensor, roi: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Refined logits, boundary logits and coarse logits of windows, float32, without gradient.

        Arguments as for `clickwise.models.interface.RefiningModel.refine`; feature and logits are those of `run`.
        """
        ...
