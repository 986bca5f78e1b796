"""The chain of protocol 4 once more, slow and obvious: full frames everywhere, inclusive regions, mutable state."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from clickwise.clicks.click import ClickList
from clickwise.inference.options import InferenceOptions
from clickwise.models.interface import InteractiveModel


def resize(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)


def interval_iou(a: tuple[int, int], b: tuple[int, int]) -> float:
    numbers_a, numbers_b = set(range(a[0], a[1] + 1)), set(range(b[0], b[1] + 1))
    return len(numbers_a & numbers_b) / (max(a[1], b[1]) - min(a[0], b[0]) + 1)


class SlowChain:
    """One user on one picture."""

    def __init__(self, model: InteractiveModel, image: np.ndarray, options: InferenceOptions) -> None:
        self.model, self.options = model, options
        self.image = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        self.height, self.width = image.shape[:2]
        self.previous = torch.zeros(1, 1, self.height, self.width)
        self.remembered: torch.Tensor | None = None
        self.region: tuple[int, int, int, int] | None = None
        self.given_mask = False

    def set_mask(self, mask: np.ndarray) -> None:
        self.previous = torch.from_numpy(mask.astype(np.float32))[None, None]
        self.remembered, self.region, self.given_mask = self.previous, None, True

    def predict(self, clicks: ClickList) -> np.ndarray:
        probs = self.one_pass(clicks)
        o = self.options
        if o.zoom and self.region is None and o.skip_clicks <= 0 and (probs > o.zoom_prob_thresh).any():
            self.remembered = probs
            rmin, rmax, cmin, cmax = self.object_region(ClickList())
            iou = interval_iou((rmin, rmax), (0, self.height - 1)) * interval_iou((cmin, cmax), (0, self.width - 1))
            if iou < o.repeat_thresh_iou:
                probs = self.one_pass(clicks)
        self.previous = self.remembered = probs
        return probs[0, 0].numpy()

    def one_pass(self, clicks: ClickList) -> torch.Tensor:
        o = self.options
        x = torch.cat([self.image, self.previous], dim=1)
        places = [(c.y, c.x) for c in clicks]
        zoomed = o.zoom and self.choose_region(clicks)
        if zoomed:
            rmin, rmax, cmin, cmax = self.region
            x = x[:, :, rmin : rmax + 1, cmin : cmax + 1]
            h, w = x.shape[2:]
            if isinstance(o.target_size, tuple):
                size = o.target_size
            else:
                scale = o.target_size / max(h, w)
                size = (round(h * scale), round(w * scale))
            x = resize(x, size)
            places = [(size[0] * (y - rmin) / h, size[1] * (xx - cmin) / w) for y, xx in places]
        elif o.limit_longest_side is not None and max(self.height, self.width) > o.limit_longest_side:
            scale = o.limit_longest_side / max(self.height, self.width)
            size = (round(self.height * scale), round(self.width * scale))
            x = resize(x, size)
            places = [(size[0] * y / self.height, size[1] * xx / self.width) for y, xx in places]
        points = self.points(clicks, places)
        with torch.no_grad():
            logits = self.model(x[:, :3], x[:, 3:], points).logits
            if o.flip:
                mirrored = points.clone()
                for row in mirrored[0]:
                    if max(row[0], row[1]) >= 0:
                        row[1] = x.shape[3] - 1 - row[1]
                other = self.model(x[:, :3].flip(3), x[:, 3:].flip(3), mirrored).logits
                logits = 0.5 * (logits + other.flip(3))
        probs = torch.sigmoid(logits)
        if not zoomed and not (o.keep_stale_window and self.region is not None):
            return resize(probs, (self.height, self.width))
        rmin, rmax, cmin, cmax = self.region
        full = torch.zeros(1, 1, self.height, self.width)
        full[:, :, rmin : rmax + 1, cmin : cmax + 1] = resize(probs, (rmax - rmin + 1, cmax - cmin + 1))
        return full

    def points(self, clicks: ClickList, places: list[tuple[float, float]]) -> torch.Tensor:
        limit = self.options.net_clicks_limit or len(clicks)
        rows: dict[bool, list[list[float]]] = {True: [], False: []}
        for order, (click, (y, x)) in enumerate(zip(clicks, places, strict=True)):
            if order < limit:
                rows[click.is_positive].append([y, x, order + int(self.given_mask)])
        n = max(1, len(rows[True]), len(rows[False]))
        padded = [r for sign in (True, False) for r in rows[sign] + [[-1.0] * 3] * (n - len(rows[sign]))]
        return torch.tensor([padded], dtype=torch.float32)

    def object_region(self, clicks: ClickList) -> tuple[int, int, int, int]:
        o = self.options
        mask = self.remembered[0, 0].numpy() > o.zoom_prob_thresh
        for click in clicks.positives:
            mask[round(click.y), round(click.x)] = True
        ys, xs = np.nonzero(mask)
        ends = []
        for low, high, length in ((ys.min(), ys.max(), self.height), (xs.min(), xs.max(), self.width)):
            centre = (int(low) + int(high)) / 2
            extent = max(o.expansion_ratio * (int(high) - int(low) + 1), o.min_crop_size)
            ends += [max(0, round(centre - extent / 2)), min(length - 1, round(centre + extent / 2))]
        return tuple(ends)

    def choose_region(self, clicks: ClickList) -> bool:
        o = self.options
        if len(clicks) <= o.skip_clicks and not self.given_mask:
            return False
        if self.remembered is not None and (self.remembered > o.zoom_prob_thresh).any():
            candidate = self.object_region(clicks)
        elif o.skip_clicks >= 0:
            return False
        else:
            candidate = (0, self.height - 1, 0, self.width - 1)
        replace = self.region is None
        if not replace:
            rmin, rmax, cmin, cmax = self.region
            edge = 0 if o.exclusive_edge else 1
            inside = [rmin <= c.y < rmax + edge and cmin <= c.x < cmax + edge for c in clicks.positives]
            iou = interval_iou(candidate[:2], (rmin, rmax)) * interval_iou(candidate[2:], (cmin, cmax))
            replace = not all(inside) or iou < o.recompute_thresh_iou
        if replace:
            self.region = candidate
        return True
