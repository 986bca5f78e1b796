"""Feature pyramid from the last map of a plain transformer (ViTDet's simple pyramid as SimpleClick has it)."""

from __future__ import annotations

from torch import Tensor, nn


def layer_norm(channels: int) -> nn.GroupNorm:
    """Over all channels and pixels of an item."""
    return nn.GroupNorm(1, channels)


class SimplePyramid(nn.Module):
    """One map (B, E, h, w) at stride s -> four, at strides s / 4, s / 2, s and 2 s.

    out_channels: of the four, finest first. Names follow stride 16: down_4, down_8, down_16, down_32.
    """

    def __init__(self, *, in_channels: int, out_channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        finest, fine, same, coarse = out_channels
        wide4 = max(2 * finest, in_channels // 2)
        wide8 = max(fine, in_channels // 2)
        wide32 = max(coarse, 2 * in_channels)
        self.down_4 = nn.Sequential(
            nn.ConvTranspose2d(in_channels, wide4, 2, stride=2),
            layer_norm(wide4),
            nn.GELU(),
            nn.ConvTranspose2d(wide4, wide4 // 2, 2, stride=2),
            layer_norm(wide4 // 2),
            nn.Conv2d(wide4 // 2, finest, 1),
            layer_norm(finest),
            nn.GELU(),
        )
        self.down_8 = nn.Sequential(
            nn.ConvTranspose2d(in_channels, wide8, 2, stride=2),
            layer_norm(wide8),
            nn.Conv2d(wide8, fine, 1),
            layer_norm(fine),
            nn.GELU(),
        )
        self.down_16 = nn.Sequential(nn.Conv2d(in_channels, same, 1), layer_norm(same), nn.GELU())
        self.down_32 = nn.Sequential(
            nn.Conv2d(in_channels, wide32, 2, stride=2),
            layer_norm(wide32),
            nn.Conv2d(wide32, coarse, 1),
            layer_norm(coarse),
            nn.GELU(),
        )

    def forward(self, features: Tensor) -> list[Tensor]:
        """Finest first. h and w must be at least 2; an odd last row or column does not enter the coarsest map."""
        return [self.down_4(features), self.down_8(features), self.down_16(features), self.down_32(features)]
