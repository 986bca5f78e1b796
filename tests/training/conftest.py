"""A miniature training pack and a small, quick recipe on it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clickwise.data.held_out import is_held_out
from clickwise.training.parts.data import PackData
from clickwise.training.parts.methods import RollingMethod
from clickwise.training.recipe import (
    LossTerm,
    ModelPart,
    OptimizerPart,
    Phase,
    Recipe,
    SchedulePart,
    ValidationPart,
)


def write_pack(root: Path, names: list[str]) -> Path:
    """Pictures of two coloured discs on noise; the two discs also as one united object."""
    rng = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    entries = []
    ys, xs = np.mgrid[:72, :96]
    for name in names:
        image = rng.integers(0, 90, (72, 96, 3)).astype(np.uint8)
        labels = np.zeros((72, 96), dtype=np.uint8)
        for value, centre_x in ((1, 28), (2, 66)):
            disc = (ys - 36) ** 2 + (xs - centre_x) ** 2 < rng.integers(10, 18) ** 2
            labels[disc] = value
            image[disc] = (220, 180 - 60 * value, 40 * value)
        labels[:4] = 255
        Image.fromarray(image).save(root / "images" / f"{name}.png")
        mask = Image.fromarray(labels)
        mask.putpalette([v for i in range(256) for v in (i, i, i)])
        mask.save(root / "masks" / f"{name}.png")
        entries.append(
            {
                "image": f"images/{name}.png",
                "mask": f"masks/{name}.png",
                "source": "discs" if len(entries) % 2 else "others",
                "width": 96,
                "height": 72,
                "objects": 2,
                "extra_objects": [{"name": "whole", "union_of": [1, 2]}],
            }
        )
    (root / "manifest.json").write_text(json.dumps({"format": "test", "sources": {}, "images": entries}))
    return root


@pytest.fixture(scope="session")
def pack_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with ``train/`` of twelve pictures, two of them held out."""
    names = [f"picture_{i}" for i in range(400)]
    held_out = [n for n in names if is_held_out(n)][:2]
    trained = [n for n in names if not is_held_out(n)][:10]
    root = tmp_path_factory.mktemp("data")
    write_pack(root / "train", trained + held_out)
    return root


@pytest.fixture(scope="session")
def tiny_data() -> PackData:
    """Both sources of the miniature pack."""
    return PackData(sources={"discs": 0.5, "others": 0.5})


@pytest.fixture
def tiny_recipe(tiny_data: PackData) -> Recipe:
    """clickwise-s with thin layers, 64-pixel views, two phases."""
    return Recipe(
        name="tiny",
        seed=3,
        model=ModelPart(
            architecture="clickwise-s",
            params={"attention_width": 24, "attention_blocks": 1, "decoder_widths": [8, 8, 8, 8]},
            frozen=("encoder.stem",),
        ),
        data=tiny_data,
        method=RollingMethod(),
        losses=(LossTerm(loss="nfl", options={"alpha": 0.5}),),
        optimizer=OptimizerPart(name="adamw", lr=2e-3, weight_decay=0.01, clip_norm=1.0),
        schedule=SchedulePart(warmup=0.1, decay_from=0.5),
        phases=(Phase(size=64, batch=2, samples=12), Phase(size=96, batch=2, samples=8)),
        ema_decay=0.9,
        precision="32",
        validation=ValidationPart(pictures=0),
    )


@pytest.fixture(autouse=True)
def _one_thread() -> object:
    """Sums in a fixed order, so that two runs can be compared exactly."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
