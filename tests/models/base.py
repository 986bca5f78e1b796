"""What every model of this package must do. A model's test class inherits `ModelContract` and names its architecture.

class TestMine(ModelContract):
    architecture = "mine"
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from clickwise.clicks.encoding import mirrored
from clickwise.errors import ClickwiseError, ModelError
from clickwise.models.interface import Gate, InteractiveModel, MapModel, ModelOutput, PointedMapModel
from clickwise.models.registry import build_model
from clickwise.weights.load import load_model


class ModelContract:
    """Inherited by the tests of every model.

    sizes: (height, width) to try, all legal. tolerance: absolute, between two ways to the same logits, relative to the
    largest logit. exportable: whether torch.export is expected to work.
    """

    architecture: ClassVar[str]
    params: ClassVar[Mapping[str, Any]] = {}
    sizes: ClassVar[tuple[tuple[int, int], ...]] = ((64, 96), (65, 83), (33, 50))
    tolerance: ClassVar[float] = 1e-4
    half_tolerance: ClassVar[float] = 0.03
    exportable: ClassVar[bool] = True

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> InteractiveModel:
        return cls.build()

    @classmethod
    def build(cls, **params: Any) -> InteractiveModel:
        """The model with fixed random weights."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = build_model(cls.architecture, **{**cls.params, **params})
        cls.tame(model)
        return model

    @classmethod
    def tame(cls, model: InteractiveModel) -> None:
        """Changes random weights whose logits are far from those of a trained network; nothing unless overridden."""

    @staticmethod
    def inputs(height: int, width: int, batch: int = 1, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Image, previous mask and points (2 positive rows, one used or both; 2 negative rows, one used)."""
        generator = torch.Generator().manual_seed(seed)
        image = torch.rand((batch, 3, height, width), generator=generator)
        prev_mask = torch.rand((batch, 1, height, width), generator=generator)
        points = torch.full((batch, 4, 3), -1.0)
        limits = torch.tensor([height - 1.0, width - 1.0])
        for order, row in enumerate((0, 2, 1)):
            points[:, row, :2] = torch.rand((batch, 2), generator=generator) * limits
            points[:, row, 2] = order
        points[::2, 1] = -1.0
        return image, prev_mask, points

    def same(self, found: Tensor, expected: Tensor, tolerance: float | None = None) -> None:
        allowed = (tolerance or self.tolerance) * max(expected.abs().max().item(), 1e-3)
        assert (found - expected).abs().max().item() <= allowed

    @torch.no_grad()
    def test_any_legal_size(self, model: InteractiveModel) -> None:
        for height, width in self.sizes:
            out = model(*self.inputs(height, width))
            for logits in maps_of(out):
                assert logits.shape == (1, 1, height, width)
                assert logits.dtype == torch.float32
                assert torch.isfinite(logits).all()

    @torch.no_grad()
    def test_batch_equals_one_by_one(self, model: InteractiveModel) -> None:
        image, prev_mask, points = self.inputs(*self.sizes[-1], batch=3)
        together = model(image, prev_mask, points).logits
        for i in range(3):
            self.same(together[i : i + 1], model(image[i : i + 1], prev_mask[i : i + 1], points[i : i + 1]).logits)

    @torch.no_grad()
    def test_more_unused_rows_change_nothing(self, model: InteractiveModel) -> None:
        image, prev_mask, points = self.inputs(*self.sizes[-1])
        padded = torch.full((1, 10, 3), -1.0)
        padded[:, :2], padded[:, 5:7] = points[:, :2], points[:, 2:]
        self.same(model(image, prev_mask, padded).logits, model(image, prev_mask, points).logits)

    @torch.no_grad()
    def test_no_clicks_and_no_mask(self, model: InteractiveModel) -> None:
        image, prev_mask, points = self.inputs(*self.sizes[-1])
        nothing = torch.full_like(points, -1.0)
        without = model(image, None, nothing).logits
        assert torch.isfinite(without).all()
        self.same(without, model(image, torch.zeros_like(prev_mask), nothing).logits)
        assert not torch.equal(without, model(image, None, points).logits)

    @torch.no_grad()
    def test_previous_mask_counts_where_declared(self, model: InteractiveModel) -> None:
        image, prev_mask, points = self.inputs(*self.sizes[-1])
        equal = torch.equal(model(image, prev_mask, points).logits, model(image, None, points).logits)
        assert equal != model.capabilities.supports_prev_mask

    @torch.no_grad()
    def test_flip_average_commutes_with_mirroring(self, model: InteractiveModel) -> None:
        image, prev_mask, points = self.inputs(*self.sizes[-1])
        other = image.flip(3), prev_mask.flip(3), mirrored(points, image.shape[3])
        self.same(flip_average(model, *other).flip(3), flip_average(model, image, prev_mask, points))

    @torch.no_grad()
    def test_entrance_behind_the_click_maps(self, model: InteractiveModel) -> None:
        """What RGB-BRS and DistMap-BRS use: the same answer in steps, at the first click and later."""
        if not isinstance(model, MapModel):
            pytest.skip("has no entrance behind its click maps")
        image, prev_mask, points = self.inputs(*self.sizes[-1])
        normalised, size = model.normalised(image), image.shape[2:]
        gates: tuple[Gate, ...] = (0.0, 1.0) if model.capabilities.has_gate else (None,)
        for gate in gates:
            masks, opened = prev_mask, gate
            if isinstance(model, PointedMapModel):
                masks, opened = model.mask_maps(normalised, prev_mask, points, gate)
            maps = model.click_maps(points, size)
            assert maps.shape == (1, 2, *size)
            found = model.logits_from_maps(normalised, masks, maps, opened).logits
            self.same(found, model(image, prev_mask, points, gate=gate).logits)

    def test_trains(self) -> None:
        model = self.build().train()
        height, width = self.sizes[0]
        sum(logits.square().mean() for logits in maps_of(model(*self.inputs(height, width, batch=2)))).backward()
        silent = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert not silent, f"no gradient reaches {silent[:5]}"
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
        multipliers = getattr(model, "lr_multipliers", {})
        names = [name for name, _ in model.named_parameters()]
        unused = [prefix for prefix in multipliers if not any(n == prefix or n.startswith(f"{prefix}.") for n in names)]
        assert not unused, f"learning-rate multipliers without parameters: {unused}"

    def test_save_and_load(self, model: InteractiveModel, tmp_path: Path) -> None:
        from clickwise.weights.checkpoint import save_checkpoint

        first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
        save_checkpoint(model, first, info={"recipe": "test"})
        loaded = load_model(first)
        assert loaded.architecture == self.architecture
        assert not loaded.training
        assert not any(tensor.is_meta for tensor in (*loaded.parameters(), *loaded.buffers()))
        inputs = self.inputs(*self.sizes[-1])
        with torch.no_grad():
            assert torch.equal(loaded(*inputs).logits, model(*inputs).logits)
        save_checkpoint(loaded, second, info={"recipe": "test"})
        assert first.read_bytes() == second.read_bytes()

    def test_bad_input_says_what_to_do(self, model: InteractiveModel) -> None:
        image, prev_mask, points = self.inputs(*self.sizes[-1])
        for bad in (
            (image[:, :2], prev_mask, points),
            (image[0], prev_mask, points),
            (image, prev_mask[:, :, 1:], points),
            (image, prev_mask, points[:, :3]),
            (image, prev_mask, points[..., :2]),
        ):
            with pytest.raises(ModelError, match=r"expected"):
                model(*bad)

    def test_illegal_size_names_the_nearest_legal_one(self, model: InteractiveModel) -> None:
        down, right = model.capabilities.size_divisor
        least_down, least_right = model.capabilities.smallest_size
        height, width = max(least_down, down) + 1, max(least_right, right) + 1
        if (down, right) == (1, 1) and (least_down, least_right) == (1, 1):
            pytest.skip("every size is legal")
        if (down, right) == (1, 1):
            height, width = least_down - 1, least_right - 1
        fit = max(least_down, math.ceil(height / down) * down), max(least_right, math.ceil(width / right) * right)
        with pytest.raises(ModelError, match=f"{height} x {width}.*pad or resize to {fit[0]} x {fit[1]}"):
            model(*self.inputs(height, width))

    def test_unknown_parameter_is_an_error(self) -> None:
        with pytest.raises(ClickwiseError, match="no_such_parameter"):
            build_model(self.architecture, **self.params, no_such_parameter=1)

    @torch.no_grad()
    def test_bfloat16_autocast_stays_close(self, model: InteractiveModel) -> None:
        inputs = self.inputs(*self.sizes[-1])
        exact = model(*inputs).logits
        with torch.autocast("cpu", dtype=torch.bfloat16):
            coarse = model(*inputs).logits
        self.same(coarse.float(), exact, self.half_tolerance)

    @torch.no_grad()
    def test_torch_export(self, model: InteractiveModel) -> None:
        if not self.exportable:
            pytest.skip("torch.export is not expected to work")
        inputs = self.inputs(*self.sizes[0])
        program = torch.export.export(Logits(model), inputs)
        other = self.inputs(*self.sizes[0], seed=1)
        self.same(program.module()(*other), model(*other).logits)


class Logits(torch.nn.Module):
    """A model that answers with the bare tensor, for torch.export."""

    def __init__(self, model: InteractiveModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, prev_mask: Tensor, points: Tensor) -> Tensor:
        logits: Tensor = self.model(image, prev_mask, points).logits
        return logits


def maps_of(out: ModelOutput) -> list[Tensor]:
    """All logit maps that are there."""
    return [logits for logits in (out.logits, out.aux_logits, out.coarse_logits) if logits is not None]


def flip_average(model: InteractiveModel, image: Tensor, prev_mask: Tensor, points: Tensor) -> Tensor:
    """Mean of the logits for the picture and, mirrored back, for the mirrored picture."""
    pair = (
        torch.cat([image, image.flip(3)]),
        torch.cat([prev_mask, prev_mask.flip(3)]),
        torch.cat([points, mirrored(points, image.shape[3])]),
    )
    plain, flipped = model(*pair).logits.chunk(2)
    return 0.5 * (plain + flipped.flip(3))
