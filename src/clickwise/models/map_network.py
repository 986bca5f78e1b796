"""Base of networks that see the clicks as maps beside a normalised image: all of ours so far."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from clickwise.clicks.encoding import disk_maps, tanh_distance_maps
from clickwise.errors import OptionError
from clickwise.models.interface import Gate, InteractiveModel, ModelOutput, gate_values

ClickMaps = Literal["disks", "tanh"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class MapNetwork(InteractiveModel):
    """A `clickwise.models.interface.MapModel`: normalises, draws the click maps, leaves the rest to subclasses.

    click_radius: pixels of the network's input. click_maps: "disks" of that radius, or "tanh" of the distance over it.
    norm_mean, norm_std: of the image's three channels in [0, 1]. Raises OptionError for values without meaning.
    """

    def __init__(
        self,
        *,
        click_radius: float,
        click_maps: ClickMaps = "disks",
        norm_mean: Sequence[float] = IMAGENET_MEAN,
        norm_std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        if click_maps not in get_args(ClickMaps):
            raise OptionError(f"click_maps is {click_maps!r}; expected one of {', '.join(get_args(ClickMaps))}")
        if click_radius <= 0:
            raise OptionError(f"click_radius is {click_radius}; expected a positive number of pixels")
        for name, numbers in (("norm_mean", norm_mean), ("norm_std", norm_std)):
            if len(numbers) != 3:
                raise OptionError(f"{name} has {len(numbers)} numbers; expected 3, one per colour channel")
        self.click_radius, self.click_map_kind = click_radius, click_maps
        self.register_buffer("image_mean", torch.tensor(norm_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(norm_std).view(1, 3, 1, 1), persistent=False)

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        """Logits at full size; see `InteractiveModel.forward`."""
        clicks = self.click_maps(points, image.shape[2:])
        opened = gate_values(gate, points) if self.capabilities.has_gate else None
        return self.logits_from_maps(self.normalised(image), prev_mask, clicks, opened)

    def normalised(self, image: Tensor) -> Tensor:
        """Image in [0, 1] -> mean 0, deviation 1 over the pictures that the encoder was first trained on."""
        assert isinstance(self.image_mean, Tensor)
        assert isinstance(self.image_std, Tensor)
        return (image - self.image_mean) / self.image_std

    def click_maps(self, points: Tensor, size: Sequence[int]) -> Tensor:
        """Maps (B, 2, H, W) of positive and negative clicks; see `clickwise.clicks.encoding`."""
        draw = disk_maps if self.click_map_kind == "disks" else tanh_distance_maps
        return draw(points, self.click_radius, (size[0], size[1]))

    @abstractmethod
    def logits_from_maps(self, image: Tensor, prev_mask: Tensor, click_maps: Tensor, gate: Gate = None) -> ModelOutput:
        """The network behind the click maps (B, 2, H, W): image (B, 3, H, W) normalised, prev_mask (B, 1, H, W)."""
