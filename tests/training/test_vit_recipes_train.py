"""Recipes of SimpleClick, CFR-ICL and iCMFormer train: a few steps of each family's smallest member, made small."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clickwise.data.stream import item_stream
from clickwise.losses import make_loss
from clickwise.models.registry import build_model
from clickwise.recipes import get_recipe
from clickwise.training import loop
from clickwise.training.data import Places, make_items
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.methods import make_method
from clickwise.training.optim import make_optimizer
from clickwise.training.recipe import Recipe, with_overrides
from clickwise.training.run_folder import RunFolder
from clickwise.training.step import Batch, WeightedLoss, total_loss
from clickwise.training.views import get_view
from clickwise.weights.checkpoint import save_checkpoint
from clickwise.weights.load import load_model

VIT: dict[str, Any] = {"image_size": [64, 64], "neck_channels": [16, 16, 16, 16], "head_channels": 16}
SWIN: dict[str, Any] = {"width": 16, "depths": [2, 2, 2, 2], "heads": [1, 2, 4, 8], "window": 4, "head_channels": 16}
SMALL: dict[str, dict[str, Any]] = {
    "simpleclick-vit-xtiny-pack": VIT,
    "cfr-icl-vit-xtiny-pack": VIT,
    "icmformer-vit-b-pack": {**VIT, "width": 64, "depth": 8, "heads": 2},
    "icmformer-swin-s-pack": SWIN,
}
STEPS = 3


def small(name: str, *changes: str) -> Recipe:
    """The recipe with a thin network, 64-pixel crops, two items a step, on the miniature pack."""
    sizes = ["phases.0.size=64", "phases.0.batch=2", f"phases.0.samples={2 * STEPS}", "items.min_object_area=10"]
    rest = ["items.points.max_num_points=6", "validation.pictures=0", "precision='32'", "data.sources={discs: 1}"]
    return with_overrides(get_recipe(name), [*sizes, *rest, f"model.params={json.dumps(SMALL[name])}", *changes])


def loss_on(recipe: Recipe, model: Any, batch: Batch) -> float:
    """The recipe's loss of one pass over a batch, without dropout."""
    terms = [
        WeightedLoss(t.loss, make_loss({"name": t.loss, **t.options}), t.weight, get_view(t.output))
        for t in recipe.losses
    ]
    with torch.no_grad():
        output = model.eval()(batch.image, batch.prev_mask, batch.points)
        return float(total_loss(terms, output, batch)[0])


@pytest.mark.parametrize("name", SMALL)
def test_loss_falls_on_a_fixed_batch(name: str, pack_root: Path) -> None:
    """Optimiser, items, clicks and loss as the recipe has them; the same two items in every step."""
    recipe = small(name)
    torch.manual_seed(0)
    model = build_model(recipe.model.architecture, **recipe.model.params)
    optimizer = make_optimizer(model, recipe.optimizer)
    maker = make_items(recipe.data, recipe.items, Places(pack_root))
    items = list(islice(item_stream(maker, seed=1, size=(64, 64), first=0), 2))
    method = make_method(recipe.method, batch=2, seed=0, rank=0)
    terms = [WeightedLoss("nfl", make_loss({"name": "nfl", "alpha": 0.5}), 1.0, get_view("logits"))]

    def forward(image: Any, prev_mask: Any, points: Any, **_: Any) -> Any:
        return model(image, prev_mask, points)

    fixed: list[Batch] = []
    for _ in range(STEPS):
        model.train()
        for part in method.rounds(model, forward, iter(items), torch.device("cpu")):
            loss = part.weight * total_loss(terms, part.output, part.batch)[0]
            assert torch.isfinite(loss)
            loss.backward()
        if not fixed:
            fixed.append(part.batch)
            before = loss_on(recipe, model, part.batch)
        silent = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert not silent, f"no gradient reaches {silent[:3]}"
        optimizer.step()
        optimizer.zero_grad()
    assert loss_on(recipe, model, fixed[0]) < before


@pytest.mark.parametrize("name", ["cfr-icl-vit-xtiny-pack", "icmformer-vit-b-pack"])
def test_a_run_of_a_few_steps(name: str, pack_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way; CFR-ICL from SimpleClick's weights, iCMFormer's ViT with a rate for each layer."""
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    changes = []
    if name.startswith("cfr-icl"):
        save_checkpoint(build_model("simpleclick-vit-xtiny", **VIT), tmp_path / "earlier.safetensors", info={})
        changes = [f"model.start_weights={tmp_path / 'earlier.safetensors'}"]
    if name.startswith("icmformer-vit"):
        changes = ["optimizer.layer_decay=0.75", "optimizer.weight_decay=0.02"]
    recipe = small(name, *changes)
    options = RunOptions(data_root=pack_root, device="cpu", workers=0)
    weights = Trainer(recipe, RunFolder(tmp_path / "run"), options).run(resume=False)
    assert weights is not None
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == STEPS
    assert all(np.isfinite(line["loss"]) and line["loss"] > 0 for line in lines)
    assert load_model(weights).architecture == recipe.model.architecture
