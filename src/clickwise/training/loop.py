"""The training loop: phases of steps on lightning-fabric, with exact resume."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clickwise.data.stream import ItemMaker, TrainingItem, item_stream
from clickwise.errors import RecipeError
from clickwise.losses import make_loss
from clickwise.metrics.adaptive_iou import AdaptiveIoU
from clickwise.models.interface import Gate, InteractiveModel, ModelOutput
from clickwise.models.registry import build_model
from clickwise.training.data import make_items, validation_set
from clickwise.training.interrupt import deferred_interrupt
from clickwise.training.launch import RunOptions, make_fabric
from clickwise.training.methods import make_method
from clickwise.training.optim import WeightAverage, make_optimizer, rate_factor, set_rate
from clickwise.training.recipe import Phase, Recipe
from clickwise.training.run_folder import RunFolder
from clickwise.training.start_weights import load_start, thaw
from clickwise.training.step import FocusBatch, Round, TrainingMethod, TwoStages, WeightedLoss, batch_iou, total_loss
from clickwise.training.validation import validate
from clickwise.training.views import get_view

_LOG_EVERY_STEPS = 10
_MOST_ROUNDS_LOGGED = 6


@dataclass
class Position:
    """Where a run stands: samples, steps and stream items so far; index of the phase and samples within it."""

    samples: int = 0
    steps: int = 0
    next_item: int = 0
    phase: int = 0
    phase_samples: int = 0


@dataclass(frozen=True)
class StepTime:
    """Seconds of one step, and how many of them went by waiting for items."""

    seconds: float
    waited: float


class Trainer:
    """One run of one recipe. ``run`` trains to the end (or to ``stop_after_s``) and writes the final weights."""

    def __init__(self, recipe: Recipe, folder: RunFolder, options: RunOptions) -> None:
        self.recipe, self.folder, self.options = recipe, folder, options
        self.fabric = make_fabric(recipe, options)
        self.fabric.seed_everything(recipe.seed, workers=False, verbose=False)
        model = build_model(recipe.model.architecture, **recipe.model.params)
        load_start(model, recipe.model, options.data_root)
        thaw(model, recipe.model.frozen)
        if recipe.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network: InteractiveModel = model
        self.optimizer_plain = make_optimizer(model, recipe.optimizer)
        self.model, self.optimizer = self.fabric.setup(TwoStages(model), self.optimizer_plain)
        self.average = WeightAverage(self.network, recipe.ema_decay) if recipe.ema_decay else None
        self.terms = [
            WeightedLoss(f"{t.loss}@{t.output}", make_loss({"name": t.loss, **t.options}), t.weight, get_view(t.output))
            for t in recipe.losses
        ]
        self.items: ItemMaker = make_items(recipe.data, recipe.items, options.places())
        self.metric = AdaptiveIoU()
        self.position = Position()
        self.method_state: dict[str, Any] | None = None

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files of the run."""
        return bool(self.fabric.global_rank == 0)

    def run(self, *, resume: bool) -> Path | None:
        """Train. Returns the file of the final weights, or None when time ran out before the end."""
        if self.is_main:
            self.folder.create(self.recipe, resume=resume)
        self.fabric.barrier()
        if resume and (state := self.folder.load_checkpoint(self.fabric.global_rank)) is not None:
            self._restore(state)
        self.folder.open_logs(self.position.steps, is_main=self.is_main)
        self.started = time.monotonic()
        finished = True
        bar = self.folder.progress(self.recipe.total_samples, self.position.samples)
        with bar as progress, deferred_interrupt() as self.interrupt:
            for index in range(self.position.phase, len(self.recipe.phases)):
                if index > self.position.phase:
                    self.position.phase, self.position.phase_samples, self.method_state = index, 0, None
                finished = self._run_phase(self.recipe.phases[index], progress)
                if not finished:
                    break
        if not finished:
            return None
        self._validate()
        if self.is_main:
            self.folder.save_weights(self.network, self._best_weights(), self.recipe, self.position.samples)
        self.fabric.barrier()
        return self.folder.weights_file

    def time_steps(self, steps: int, on_step: Callable[[], None]) -> list[StepTime]:
        """Train some steps of the first phase and tell what each took; nothing is logged or written."""
        method, stream = self._open_phase(self.recipe.phases[0])
        times = []
        for _ in range(steps):
            times.append(self._step(method, stream, self.recipe.phases[0], is_logged=False))
            on_step()
        return times

    def _open_phase(self, phase: Phase) -> tuple[TrainingMethod, Iterator[TrainingItem]]:
        world, rank = self.fabric.world_size, self.fabric.global_rank
        if phase.batch % world:
            raise RecipeError(f"batch {phase.batch} does not divide among {world} processes; choose a multiple")
        method = make_method(self.recipe.method, batch=phase.batch // world, seed=self.recipe.seed, rank=rank)
        if self.method_state is not None:
            method.load_state_dict(self.method_state)
        stream = item_stream(
            self.items,
            seed=self.recipe.seed,
            size=phase.height_width,
            first=self.position.next_item * world + rank,
            step=world,
            workers=self.options.workers,
        )
        return method, stream

    def _run_phase(self, phase: Phase, progress: Any) -> bool:
        method, stream = self._open_phase(phase)
        saved = time.monotonic()
        while self.position.phase_samples < phase.samples:
            self._step(method, stream, phase)
            progress.advance(phase.batch)
            wish = self._wish(saved)
            if wish != "go on":
                self._save(method)
                saved = time.monotonic()
            if wish == "interrupt":
                raise KeyboardInterrupt
            if wish == "stop":
                return False
            every = self.recipe.validation.every_samples
            if every and self.position.samples // every > (self.position.samples - phase.batch) // every:
                self._validate()
        self.method_state = None
        self._save(method, phase_done=True)
        return True

    def _wish(self, saved: float) -> str:
        """What comes after this step, the same in all processes: "go on", "save", "stop" (with a save), "interrupt"."""
        now = time.monotonic()
        wish = "go on"
        if self.interrupt.asked:
            wish = "interrupt"
        elif 0 < self.options.stop_after_s < now - self.started:
            wish = "stop"
        elif now - saved > self.options.checkpoint_every_s:
            wish = "save"
        if self.fabric.world_size > 1:
            wish = self.fabric.broadcast(wish)
        return wish

    def _step(
        self, method: TrainingMethod, stream: Iterator[TrainingItem], phase: Phase, *, is_logged: bool = True
    ) -> StepTime:
        began = time.perf_counter()
        factor = rate_factor(self.position.samples / self.recipe.total_samples, self.recipe.schedule)
        set_rate(self.optimizer_plain, factor)
        self.network.train()
        waited = _Timed(stream)
        loss, parts, last = self._backward(method.rounds(self.network, self._forward, waited, self.fabric.device))
        norm = self._clip()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.network)
        self.metric.update(last.output.logits.detach(), last.batch.target, last.batch.ignore_mask)
        self.position.samples += phase.batch
        self.position.phase_samples += phase.batch
        self.position.steps += 1
        self.position.next_item += waited.count
        took = StepTime(time.perf_counter() - began, waited.seconds)
        if is_logged and self.position.steps % _LOG_EVERY_STEPS == 0:
            speed = {"samples_per_s": phase.batch / took.seconds, "wait_share": took.waited / took.seconds}
            self._log(loss, parts, last, {"rate_factor": factor, "grad_norm": norm, **speed})
        return took

    def _backward(self, rounds: Iterator[Round]) -> tuple[Tensor, dict[str, Tensor], Round]:
        """Backward on each round. Returns the step's loss, the parts of its last round, and that round."""
        total: Tensor | float = 0.0
        for part in rounds:
            loss, parts = total_loss(self.terms, part.output, part.batch)
            loss = part.weight * loss
            with self.fabric.no_backward_sync(self.model, enabled=not part.is_last):
                self.fabric.backward(loss)
            total = total + loss.detach()
        assert isinstance(total, Tensor)
        return total, parts, part

    def _forward(
        self,
        image: Tensor,
        prev_mask: Tensor,
        points: Tensor,
        *,
        gate: Gate = None,
        focus: FocusBatch | None = None,
        is_last: bool = True,
    ) -> ModelOutput:
        if self.recipe.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        with self.fabric.no_backward_sync(self.model, enabled=not is_last):
            output: ModelOutput = self.model(image, prev_mask, points, gate, focus)
        return output

    def _clip(self) -> float:
        largest = self.recipe.optimizer.clip_norm
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        return float(torch.nn.utils.clip_grad_norm_(parameters, largest if largest > 0 else float("inf")))

    def _log(self, loss: Tensor, parts: dict[str, Tensor], last: Round, extra: dict[str, float]) -> None:
        iou = batch_iou(last.output.logits.detach(), last.batch)
        record: dict[str, float] = {"loss": float(loss), **{f"loss/{k}": float(v) for k, v in parts.items()}}
        for click_round in range(_MOST_ROUNDS_LOGGED):
            chosen = last.batch.click_round == click_round
            if chosen.any():
                record[f"iou/round{click_round}"] = float(iou.cpu()[chosen].mean())
        for term in self.terms:
            record |= {f"loss/{term.name}/{key}": value for key, value in term.loss.log_state().items()}
        record |= {f"metric/{key}": value for key, value in self.metric.log_state().items()}
        self.folder.log(self.position.steps, self.position.samples, {**record, **extra})

    def _best_weights(self) -> dict[str, Tensor]:
        return self.average.values if self.average is not None else dict(self.network.state_dict())

    def _validate(self) -> None:
        if not self.recipe.validation.pictures or not self.is_main:
            return
        held_out = validation_set(self.recipe.data, self.options.places(), self.recipe.validation.pictures)
        if held_out is None:
            return
        trained = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self._best_weights())
        try:
            numbers = validate(self.network, held_out, self.recipe.validation, self.folder, self.position.steps)
        finally:
            self.network.load_state_dict(trained)
        self.folder.log(self.position.steps, self.position.samples, numbers)

    def _save(self, method: Any, *, phase_done: bool = False) -> None:
        position = dict(vars(self.position))
        if phase_done:
            position.update(phase=self.position.phase + 1, phase_samples=0)
        state = {
            "position": position,
            "model": self.network.state_dict(),
            "optimizer": self.optimizer_plain.state_dict(),
            "average": {"updates": self.average.updates, "values": self.average.values} if self.average else None,
            "metric": self.metric.state_dict(),
            "method": None if phase_done else method.state_dict(),
            "torch_rng": torch.get_rng_state(),
        }
        if not self.is_main:
            self.folder.save_checkpoint(state, self.fabric.global_rank)
        self.fabric.barrier()
        if self.is_main:
            self.folder.save_checkpoint(state, 0)
            self.folder.save_weights(self.network, self._best_weights(), self.recipe, self.position.samples)

    def _restore(self, state: dict[str, Any]) -> None:
        self.position = Position(**state["position"])
        self.network.load_state_dict(state["model"])
        self.optimizer_plain.load_state_dict(state["optimizer"])
        if self.average is not None and state["average"] is not None:
            self.average.updates = state["average"]["updates"]
            for name, value in state["average"]["values"].items():
                self.average.values[name].copy_(value)
        self.metric.load_state_dict(state["metric"])
        self.method_state = state["method"]
        torch.set_rng_state(state["torch_rng"])


class _Timed:
    """An iterator that counts items, and the seconds spent waiting for them."""

    def __init__(self, items: Iterator[TrainingItem]) -> None:
        self.items, self.seconds, self.count = items, 0.0, 0

    def __iter__(self) -> Iterator[TrainingItem]:
        return self

    def __next__(self) -> TrainingItem:
        began = time.perf_counter()
        item = next(self.items)
        self.seconds += time.perf_counter() - began
        self.count += 1
        return item
