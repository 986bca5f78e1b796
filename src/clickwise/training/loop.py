"""The training loop: phases of steps on lightning-fabric, with exact resume."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clickwise.data.stream import ItemMaker, TrainingItem
from clickwise.errors import CheckpointError
from clickwise.evaluation.ranks import Ranks
from clickwise.evaluation.runner import checked_units
from clickwise.losses import make_loss
from clickwise.metrics.adaptive_iou import AdaptiveIoU
from clickwise.models.interface import Gate, InteractiveModel, ModelOutput
from clickwise.models.registry import build_model
from clickwise.training.blocks import checkpoint_activations
from clickwise.training.data import check_sources, make_items, validation_set
from clickwise.training.interrupt import deferred_interrupt
from clickwise.training.journal import StepRecord
from clickwise.training.launch import RunOptions, make_fabric
from clickwise.training.optim import WeightAverage, make_optimizer, rate_factor, rates, set_rate
from clickwise.training.phases import Position, StepTime, TimedItems, check_shares, open_phase
from clickwise.training.progress import training_progress
from clickwise.training.recipe import Phase, Recipe
from clickwise.training.run_folder import RunFolder
from clickwise.training.sharding import fill, fill_optimizer, whole
from clickwise.training.start_weights import load_start, thaw
from clickwise.training.state import (
    average_state,
    loss_states,
    random_state,
    restore_average,
    restore_losses,
    restore_random_state,
)
from clickwise.training.step import FocusBatch, Round, TrainingMethod, TwoStages, WeightedLoss, total_loss
from clickwise.training.validation import HeldOut, validate
from clickwise.training.views import get_view

_LOG_EVERY_STEPS = 10
_WISHES = ("go on", "save", "stop", "interrupt")
"""After a step: "stop" and "interrupt" save as well. Any process may be interrupted; the clock is the first one's."""


class Trainer:
    """One run of one recipe. ``run`` trains to the end (or to ``stop_after_s``) and writes the final weights."""

    def __init__(self, recipe: Recipe, folder: RunFolder, options: RunOptions) -> None:
        self.recipe, self.folder, self.options = recipe, folder, options
        self.fabric = make_fabric(recipe, options)
        self.ranks = Ranks.of_this_job()
        self.fabric.seed_everything(recipe.seed, workers=False, verbose=False)
        self.network = self._build()
        self.unsharded = copy.deepcopy(self.network) if options.strategy == "fsdp" else None
        self.stages = TwoStages(self.network)
        self.model = self.fabric.setup_module(self.stages)
        self.optimizer_plain = make_optimizer(self.network, recipe.optimizer)
        self.optimizer = self.fabric.setup_optimizers(self.optimizer_plain)
        if self.ranks.rank:  # the same weights everywhere, but dropout of its own in each process
            torch.manual_seed(recipe.seed + self.ranks.rank)
        self.average = WeightAverage(self.network, recipe.ema_decay) if recipe.ema_decay else None
        self.terms = [
            WeightedLoss(f"{t.loss}@{t.output}", make_loss({"name": t.loss, **t.options}), t.weight, get_view(t.output))
            for t in recipe.losses
        ]
        self.items: ItemMaker = make_items(recipe.data, recipe.items, options.places())
        self.metric = AdaptiveIoU()
        self.position = Position()
        self.method_state: dict[str, Any] | None = None
        self.record = StepRecord(keeps_answers=False)
        self.held_out: HeldOut | None = None
        for phase in recipe.phases:
            check_shares(recipe, phase, self.ranks)

    def _build(self) -> InteractiveModel:
        part = self.recipe.model
        model = build_model(part.architecture, **part.params)
        load_start(model, part, self.options.places())
        thaw(model, part.frozen)
        if part.checkpoint_activations:
            checkpoint_activations(model)
        if self.recipe.channels_last and self.options.strategy != "fsdp":  # slices are cut from plain layouts only
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files of the run."""
        return self.ranks.is_first

    def run(self, *, resume: bool) -> Path | None:
        """Train. Returns the file of the final weights, or None when time ran out before the end.

        What can be wrong with data or checkpoint is found first: then nothing has been written or changed.
        """
        check_sources(self.items.sources)
        self.held_out = self._held_out()
        if resume and (state := self.folder.load_checkpoint(self.ranks.rank)) is not None:
            self._restore_or_tell(state)
        self.fabric.barrier()
        if self.is_main:
            self.folder.create(self.recipe, resume=resume)
        self.fabric.barrier()
        if self.is_main:
            self.folder.open_logs(self.position.steps, self.recipe, self.options.loggers)
        self.started = time.monotonic()
        try:
            finished = self._run_phases()
            if finished:
                self._validate()
                self._write_weights()
        finally:
            self.folder.close_logs()
        self.fabric.barrier()
        return self.folder.weights_file if finished else None

    def time_steps(self, steps: int, on_step: Callable[[], None]) -> list[StepTime]:
        """Train some steps of the first phase and tell what each took; nothing is logged or written."""
        method, stream = self._open_phase(self.recipe.phases[0])
        times = []
        with closing(stream):
            for _ in range(steps):
                times.append(self._step(method, stream, self.recipe.phases[0], is_logged=False))
                on_step()
        return times

    def _run_phases(self) -> bool:
        line = training_progress(self.recipe.total_samples, self.position.samples, shown=self.is_main)
        with line as self.progress, deferred_interrupt() as self.interrupt:
            for index in range(self.position.phase, len(self.recipe.phases)):
                if index > self.position.phase:
                    self.position.phase, self.position.phase_samples, self.method_state = index, 0, None
                if not self._run_phase(self.recipe.phases[index]):
                    return False
        return True

    def _open_phase(self, phase: Phase) -> tuple[TrainingMethod, Generator[TrainingItem, None, None]]:
        return open_phase(
            self.recipe, phase, self.items, self.ranks, self.position, self.options.workers, self.method_state
        )

    def _run_phase(self, phase: Phase) -> bool:
        method, stream = self._open_phase(phase)
        with closing(stream):
            if not self._run_steps(phase, method, stream):
                return False
        self.method_state = None
        self._save(method, phase_done=True)
        return True

    def _run_steps(self, phase: Phase, method: TrainingMethod, stream: Iterator[TrainingItem]) -> bool:
        """Steps to the end of the phase, or False when the run stops before."""
        saved = time.monotonic()
        while self.position.phase_samples < phase.samples:
            self._step(method, stream, phase)
            self.progress.advance(phase.batch)
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
        return True

    def _wish(self, saved: float) -> str:
        """What comes after this step, the same in all processes: one of `_WISHES`, of which the last wins."""
        now = time.monotonic()
        wish = "go on"
        if self.interrupt.asked:
            wish = "interrupt"
        elif self.is_main and 0 < self.options.stop_after_s < now - self.started:
            wish = "stop"
        elif self.is_main and now - saved > self.options.checkpoint_every_s:
            wish = "save"
        return _WISHES[self.ranks.largest(_WISHES.index(wish))]

    def _step(
        self, method: TrainingMethod, stream: Iterator[TrainingItem], phase: Phase, *, is_logged: bool = True
    ) -> StepTime:
        began = time.perf_counter()
        factor = rate_factor(self.position.samples / self.recipe.total_samples, self.recipe.schedule)
        set_rate(self.optimizer_plain, factor)
        self.network.train()
        waited = TimedItems(stream)
        is_logged = is_logged and (self.position.steps + 1) % _LOG_EVERY_STEPS == 0
        self.record = StepRecord(keeps_answers=is_logged)
        self._backward(method.rounds(self.network, self._forward, waited, self.fabric.device))
        norm = self._clip()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.network)
        self.position.samples += phase.batch
        self.position.phase_samples += phase.batch
        self.position.steps += 1
        self.position.next_item += waited.count
        took = StepTime(time.perf_counter() - began, waited.seconds)
        if is_logged:
            self._log(phase, took, {"rate_factor": factor, "grad_norm": norm})
        return took

    def _backward(self, rounds: Iterator[Round]) -> None:
        """Backward on each round; losses and answers go to the step's record."""
        for part in rounds:
            loss, parts = total_loss(self.terms, part.output, part.batch, self.ranks)
            loss = part.weight * loss
            with self.fabric.no_backward_sync(self.model, enabled=not part.is_last):
                self.fabric.backward(loss)
            self.record.add(part, loss, parts)
            if part.is_final:
                self.metric.update(part.output.logits.detach(), part.batch.target, part.batch.ignore_mask)

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
        output: ModelOutput
        if torch.is_grad_enabled():
            with self.fabric.no_backward_sync(self.model, enabled=not is_last):
                output = self.model(image, prev_mask, points, gate, focus)
        else:  # predictions on the way need no process but this one, unless weights are shared out (in the module)
            with self.fabric.autocast():
                output = self.stages(image, prev_mask, points, gate, focus)
        self.record.saw(output.logits)
        return output

    def _clip(self) -> float:
        largest = self.recipe.optimizer.clip_norm
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        norm = torch.nn.utils.clip_grad_norm_(parameters, largest if largest > 0 else float("inf"))
        return float(whole(norm))

    def _log(self, phase: Phase, took: StepTime, extra: dict[str, float]) -> None:
        record = self.record.numbers(self.terms, self.metric.log_state(), self.ranks)
        speed = {"samples_per_s": phase.batch / took.seconds, "wait_share": took.waited / took.seconds}
        numbers = {**record, **extra, **rates(self.optimizer_plain, self.recipe.optimizer.lr), **speed}
        self.folder.log(self.position.steps, self.position.samples, numbers)
        self.progress.show(numbers)

    def _best_weights(self) -> dict[str, Tensor]:
        """Whole tensors; all processes ask together."""
        best: dict[str, Tensor] = whole(self.average.values if self.average else self.network.state_dict())
        return best

    def _with_best_weights(self) -> InteractiveModel:
        """The network with the weights that count, for itself; all processes ask together."""
        model = copy.deepcopy(self.network) if self.unsharded is None else self.unsharded
        model.load_state_dict(self._best_weights())
        return model.eval()

    def _held_out(self) -> HeldOut | None:
        """What the run validates on, read and checked."""
        pictures = self.recipe.validation.pictures
        found = validation_set(self.recipe.data, self.options.places(), pictures) if pictures else None
        return None if found is None else HeldOut(found, checked_units(found))

    def _validate(self) -> None:
        if self.held_out is None:
            return
        model = self._with_best_weights().to(self.fabric.device)
        validate(model, self.held_out, self.recipe.validation, self.folder, self.position, self.ranks)
        if self.unsharded is not None:
            self.unsharded.cpu()
        self.fabric.barrier()

    def _write_weights(self) -> None:
        model = self._with_best_weights()
        if self.is_main:
            self.folder.save_weights(model, self.recipe, self.position.samples)

    def _save(self, method: Any, *, phase_done: bool = False) -> None:
        position = dict(vars(self.position))
        if phase_done:
            position.update(phase=self.position.phase + 1, phase_samples=0)
        shared = {
            "model": whole(self.network.state_dict()),
            "optimizer": whole(self.optimizer_plain.state_dict()),
            "average": average_state(self.average),
        }
        own = {
            "position": position,
            "metric": self.metric.state_dict(),
            "losses": loss_states(self.terms),
            "method": None if phase_done else method.state_dict(),
            **random_state(self.fabric.device),
        }
        if not self.is_main:
            self.folder.save_checkpoint(own, self.ranks.rank)
        self.fabric.barrier()
        if self.is_main:
            self.folder.save_checkpoint({**shared, **own}, 0)
        self._write_weights()

    def _restore_or_tell(self, state: dict[str, Any]) -> None:
        try:
            self._restore(state)
        except (RuntimeError, KeyError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise CheckpointError(
                f"the checkpoint in {self.folder.path} does not fit this recipe ({first}); network and optimiser stay "
                "as the run began: go on without --set of model, or begin a new run in another --output"
            ) from None

    def _restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; what those of former versions lack begins anew."""
        self.position = Position(**state["position"])
        fill(self.network.state_dict(), state["model"])
        fill_optimizer(self.optimizer_plain, state["optimizer"])
        restore_average(self.average, state["average"])
        self.metric.load_state_dict(state["metric"])
        restore_losses(self.terms, state.get("losses"))
        self.method_state = state["method"]
        restore_random_state(state, self.fabric.device)
