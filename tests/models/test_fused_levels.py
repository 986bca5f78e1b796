"""Convolving levels on their own grids gives what joining them at the finest one and convolving gives."""

import pytest
import torch
import torch.nn.functional as F

from clickwise.models.heads.fused_levels import fuse_levels
from clickwise.models.heads.segformer_head import SegFormerHead

SIZES = ((13, 9), (7, 5), (4, 3), (2, 2))


def joined_first(levels, weights, bias):
    """As the papers write it: enlarge, join, convolve."""
    size = levels[0].shape[2:]
    enlarged = [F.interpolate(level, size=size, mode="bilinear", align_corners=False) for level in levels]
    return F.conv2d(torch.cat(enlarged, dim=1), torch.cat(list(weights), dim=1), bias)


@pytest.mark.parametrize("has_bias", [True, False])
def test_equals_joining_first(has_bias):
    torch.manual_seed(0)
    levels = [torch.randn(2, channels, *size) for channels, size in zip((3, 5, 4, 6), SIZES, strict=True)]
    weights = [torch.randn(7, level.shape[1], 1, 1) for level in levels]
    bias = torch.randn(7) if has_bias else None
    torch.testing.assert_close(
        fuse_levels(levels, weights, bias), joined_first(levels, weights, bias), rtol=1e-5, atol=1e-5
    )


def test_head_equals_its_paper():
    torch.manual_seed(0)
    head = SegFormerHead((3, 5, 4, 6), width=8).eval()
    maps = [torch.randn(2, channels, *size) for channels, size in zip((3, 5, 4, 6), SIZES, strict=True)]
    widened = [
        level(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(2, 8, *x.shape[2:])
        for level, x in zip(head.levels, maps, strict=True)
    ]
    joined = joined_first(widened, head.fuse.weight.chunk(4, dim=1)[::-1], None)
    feature = F.relu(head.fuse_norm(joined))
    logits, found = head(maps)
    torch.testing.assert_close(found, feature, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(logits, head.classify(feature), rtol=1e-5, atol=1e-5)


def test_gradients_reach_both_matrices():
    head = SegFormerHead((3, 5, 4, 6), width=8)
    maps = [torch.randn(2, channels, *size) for channels, size in zip((3, 5, 4, 6), SIZES, strict=True)]
    head(maps)[0].square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in head.parameters())
