"""Networks made of a formula: exact answers without weights; a picture to look at."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, InteractiveModel, ModelOutput


class FormulaModel(InteractiveModel):
    """The formula of golden predictor_chain.npz: brightness of the red channel, previous mask, a bump per click.

    z(y, x) = 14 (R - 0.5) + 2 (M - 0.5) + sum of +-6 exp(-d^2 / (2 * 24^2)).
    """

    capabilities = Capabilities()
    inference_defaults = InferenceDefaults()

    def __init__(self, bump: float = 24.0, mask_weight: float = 2.0) -> None:
        super().__init__()
        self.bump, self.mask_weight = bump, mask_weight
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        self.calls.append((image, prev_mask, points))
        height, width = image.shape[2:]
        ys = torch.arange(height, dtype=torch.float32)[:, None]
        xs = torch.arange(width, dtype=torch.float32)[None, :]
        logits = 14 * (image[:, :1] - 0.5) + self.mask_weight * (prev_mask - 0.5)
        half = points.shape[1] // 2
        for item in range(len(points)):
            for row, (y, x, _) in enumerate(points[item].tolist()):
                if max(y, x) >= 0:
                    bump = 6 * torch.exp(-((ys - y) ** 2 + (xs - x) ** 2) / (2 * self.bump**2))
                    logits[item, 0] += bump if row < half else -bump
        return ModelOutput(logits)


def picture(height: int = 120, width: int = 160) -> np.ndarray:
    """Two bright discs on a dark ground."""
    ys, xs = np.mgrid[:height, :width]
    image = np.full((height, width, 3), 90, np.uint8)
    for y, x in ((0.4, 0.3), (0.6, 0.75)):
        image[(ys - y * height) ** 2 + (xs - x * width) ** 2 < (0.17 * height) ** 2] = 150
    return image
