"""Cross-modality block of iCMFormer (Li et al. 2023, section 3): the interaction asks, the image answers."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.errors import OptionError
from clickwise.models.backbones.vit import Mlp


class Attention(nn.Module):
    """Multi-head attention whose queries may come from other tokens than keys and values; one fused ``qkv`` layer."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise OptionError(f"width {width} is no multiple of {heads} heads; choose another number of heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, asking: Tensor, answering: Tensor) -> Tensor:
        """asking (B, N, E), answering (B, M, E) -> (B, N, E).

        Only the thirds of ``qkv`` that are needed are computed (the release computes all of it for both).
        """
        batch, count, width = asking.shape
        weight, bias = self.qkv.weight, self.qkv.bias
        query = F.linear(asking, weight[:width], bias[:width])
        key, value = F.linear(answering, weight[width:], bias[width:]).chunk(2, dim=2)
        query, key, value = (
            t.view(batch, -1, self.heads, width // self.heads).transpose(1, 2) for t in (query, key, value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return out


class CrossBlock(nn.Module):
    """Interaction tokens attend to themselves, then to the image's tokens, then pass an MLP; all with residuals.

    ``norm2`` serves both streams, as in the release. norm_eps: of every LayerNorm.
    """

    def __init__(self, *, width: int, heads: int, norm_eps: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=norm_eps)
        self.attn1 = Attention(width=width, heads=heads)
        self.norm2 = nn.LayerNorm(width, eps=norm_eps)
        self.attn2 = Attention(width=width, heads=heads)
        self.norm3 = nn.LayerNorm(width, eps=norm_eps)
        self.mlp = Mlp(width=width)

    def forward(self, clicks: Tensor, image: Tensor) -> Tensor:
        """clicks (B, N, E), image (B, N, E) -> new clicks; the image's tokens are only read."""
        own = self.norm1(clicks)
        clicks = clicks + self.attn1(own, own)
        clicks = clicks + self.attn2(self.norm2(clicks), self.norm2(image))
        out: Tensor = clicks + self.mlp(self.norm3(clicks))
        return out
