"""Small data sets in memory, and the networks of tests/inference, for the evaluation's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from clickwise.data.sample import ObjectRef, Sample
from clickwise.models.interface import InferenceDefaults, ModelOutput

# Also where only this folder is collected, and in the processes that tests start.
sys.path.insert(0, str(Path(__file__).parents[1] / "inference"))
from formula_model import FormulaModel

OBJECT_A, OBJECT_B, UNKNOWN = 1, 2, 9


class SmallModel(FormulaModel):
    """The formula, at home in small pictures: windows of 64 pixels."""

    inference_defaults = InferenceDefaults(target_size=64, min_crop_size=24)

    def __init__(self) -> None:
        super().__init__(bump=10.0)


class PerfectModel(FormulaModel):
    """Answers with what the red channel holds: above the middle is object."""

    def predict_logits(self, image, prev_mask, points, gate):
        return ModelOutput(40 * (image[:, :1] - 0.5))


class MemoryDataset:
    """Samples that are there already."""

    def __init__(self, samples: list[Sample], name: str = "memory") -> None:
        self.name, self.samples = name, samples
        self.sample_ids = [s.sample_id for s in samples]
        self.loads = 0

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, index: int) -> Sample:
        self.loads += 1
        return self.samples[index]


def ellipse(size: tuple[int, int], x: float, y: float, rx: float, ry: float) -> np.ndarray:
    ys, xs = np.ogrid[: size[0], : size[1]]
    return ((xs - x) / rx) ** 2 + ((ys - y) / ry) ** 2 <= 1


def make_sample(seed: int, size: tuple[int, int] = (40, 56), ignored: bool = True) -> Sample:
    """Two ellipses, brighter in red than what is around them, in noise; a border of A without truth."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(size, dtype=np.int32)
    a = ellipse(size, *rng.uniform((12, 12), (20, 26)), *rng.uniform((6, 5), (11, 10)))
    b = ellipse(size, *rng.uniform((38, 12), (46, 26)), *rng.uniform((4, 5), (8, 10)))
    labels[a], labels[b] = OBJECT_A, OBJECT_B
    image = rng.integers(50, 140, (*size, 3), dtype=np.uint8)
    image[:, :, 0] += (a | b).astype(np.uint8) * 80
    if ignored:
        labels[:, 30] = UNKNOWN
        labels[int(rng.integers(10, 30))] = UNKNOWN
    return Sample(
        sample_id=f"picture {seed}",
        image=image,
        layers=labels[:, :, None],
        objects=(ObjectRef(0, (OBJECT_A,)), ObjectRef(0, (OBJECT_B,))),
        ignored=(ObjectRef(0, (UNKNOWN,)),) if ignored else (),
    )


def make_dataset(count: int = 3, **options: object) -> MemoryDataset:
    return MemoryDataset([make_sample(seed, **options) for seed in range(count)])  # type: ignore[arg-type]
