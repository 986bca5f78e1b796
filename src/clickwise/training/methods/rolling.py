"""Rolling batch: every slot keeps its picture for a few steps, and the answer of each step becomes the next input.

After a step, the prediction of that very step is the slot's previous mask and places its next click. So every forward
pass carries gradient and none is spent on simulating clicks, unlike the gradient-free rounds of RITM section 3.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from clickwise.clicks.sampling import DepthRule, PlaceRule, draw_error_click, put_click
from clickwise.data.stream import TrainingItem, stack_items
from clickwise.models.interface import InteractiveModel
from clickwise.training.methods.click_rounds import item_rngs
from clickwise.training.parts.clicks import human_rule
from clickwise.training.parts.methods import RollingMethod
from clickwise.training.step import Batch, Forward, Round

_FIELDS = ("image", "object_mask", "ignore_mask", "points", "prev_mask")


class Rolling:
    """State of all slots. A step refills empty slots, and moves every slot one click on.

    batch: slots of this process; slot i is number rank + i * world of all. Lives and clicks are drawn from a generator
    of each slot and step. New items come from this process's stream, in the order of its slots.
    """

    def __init__(self, options: RollingMethod, *, batch: int, seed: int, rank: int, world: int = 1) -> None:
        self.options = options
        self.batch, self.seed, self.step = batch, seed, 0
        self.numbers = range(rank, rank + batch * world, world)
        plain = DepthRule(centre_prob=options.centre_prob, floor=options.floor)
        self.rule: PlaceRule = human_rule(options.human_clicks) or plain
        self.rngs: list[np.random.Generator] = []
        self.slots: list[TrainingItem] = []
        self.steps_left: list[int] = []
        self.round: list[int] = []

    def rounds(
        self, model: InteractiveModel, forward: Forward, items: Iterator[TrainingItem], device: torch.device
    ) -> Iterator[Round]:
        """One forward pass with gradient."""
        self.rngs = item_rngs(self.seed, self.step, self.numbers)
        self.step += 1
        self._refill(items)
        data = stack_items(self.slots)
        batch = Batch(
            image=data.image.to(device).float().div_(255),
            prev_mask=data.prev_mask.to(device),
            points=data.points.to(device),
            target=data.object_mask.to(device).float(),
            ignore_mask=data.ignore_mask.to(device),
            click_round=torch.tensor(self.round),
        )
        output = forward(batch.image, batch.prev_mask, batch.points)
        self._advance(torch.sigmoid(output.logits.detach().float()).cpu())
        yield Round(batch, output)

    def _refill(self, items: Iterator[TrainingItem]) -> None:
        shares = np.array(self.options.life) / sum(self.options.life)
        for slot in range(self.batch):
            is_new = slot >= len(self.slots)
            if not is_new and self.steps_left[slot] > 0:
                continue
            item = next(items)
            life = 1 + int(self.rngs[slot].choice(len(shares), p=shares))
            if is_new:
                self.slots.append(item)
                self.steps_left.append(life)
                self.round.append(0)
            else:
                self.slots[slot], self.steps_left[slot], self.round[slot] = item, life, 0

    def _advance(self, probs: torch.Tensor) -> None:
        """Previous mask, next click and remaining life of every slot; one without error is done."""
        for slot, item in enumerate(self.slots):
            self.steps_left[slot] -= 1
            if self.steps_left[slot] <= 0:
                continue
            guess = probs[slot, 0].numpy() > 0.5
            truth, valid = item.object_mask[0].numpy() > 0.5, ~item.ignore_mask[0].numpy()
            click = draw_error_click(truth & ~guess & valid, guess & ~truth & valid, self.rule, self.rngs[slot])
            if click is None:
                self.steps_left[slot] = 0
                continue
            points = item.points.numpy().copy()
            put_click(points, click.place, is_positive=click.is_positive)
            item.points = torch.from_numpy(points)
            item.prev_mask = probs[slot].clone()
            self.round[slot] += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on exactly as if never interrupted."""
        data = stack_items(self.slots) if self.slots else None
        return {
            "seed": self.seed,
            "step": self.step,
            "steps_left": list(self.steps_left),
            "round": list(self.round),
            "slots": {name: getattr(data, name) for name in _FIELDS} if data else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`. States of former versions have one generator for all slots; it is not needed."""
        self.seed, self.step = state.get("seed", self.seed), state.get("step", 0)
        self.steps_left, self.round = list(state["steps_left"]), list(state["round"])
        self.slots = [
            TrainingItem(**{name: state["slots"][name][slot].clone() for name in _FIELDS})
            for slot in range(len(self.steps_left))
        ]
