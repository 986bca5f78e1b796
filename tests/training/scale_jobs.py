"""Short trainings to compare: in one process, or (started as a script by torchrun) in several.

Randomness that belongs to a process (dropout) is off and norms over a batch are frozen, so that only rounding is left
between one process with a batch and several that share it.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from clickwise.cli.evaluate import evaluate
from clickwise.data.datasets.pack import HeldOutObjects
from clickwise.evaluation.ranks import Ranks
from clickwise.evaluation.runner import checked_units
from clickwise.models.backbones.mix_transformer import MixBlock
from clickwise.models.registry import build_model
from clickwise.training import loop
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.phases import Position
from clickwise.training.recipe import Recipe, ValidationPart
from clickwise.training.run_folder import RunFolder
from clickwise.training.validation import HeldOut, validate


@dataclass(frozen=True)
class Job:
    """A training of ``recipe``; stopped and resumed after every step where ``is_cut``.

    keeps_optimizer: the recipe's own, instead of one that is compared easily.
    """

    recipe: Recipe
    strategy: str = "auto"
    is_cut: bool = False
    keeps_optimizer: bool = False


@contextmanager
def still(*, keeps_optimizer: bool = False) -> Iterator[None]:
    """Frozen norms, no dropout, and plain gradient descent: Adam would blow rounding up where gradients vanish."""
    real_build, real_train = loop.Trainer._build, nn.modules.batchnorm._BatchNorm.train

    def build(self: Trainer) -> Any:
        model = real_build(self)
        for module in model.modules():
            if isinstance(module, MixBlock):
                module.drop_path = 0.0
            if isinstance(module, nn.Dropout | nn.Dropout2d):
                module.p = 0.0
        return model

    def sgd(model: nn.Module, options: Any) -> torch.optim.Optimizer:
        learned = [p for p in model.parameters() if p.requires_grad]
        group = {"params": learned, "lr": options.lr, "base_lr": options.lr}
        return torch.optim.SGD([group], lr=options.lr, momentum=0.9)

    with (
        mock.patch.object(loop.Trainer, "_build", build),
        mock.patch.object(nn.modules.batchnorm._BatchNorm, "train", lambda self, _=True: real_train(self, False)),
        mock.patch.object(loop, "make_optimizer", loop.make_optimizer if keeps_optimizer else sgd),
        mock.patch.object(loop, "_LOG_EVERY_STEPS", 1),
    ):
        yield


def train(job: Job, data_root: Path, folder: Path) -> None:
    """Run a job to its end."""
    options = RunOptions(
        data_root=data_root,
        device="cpu",
        workers=0,
        strategy=job.strategy,
        stop_after_s=1e-9 if job.is_cut else 0.0,
    )
    with still(keeps_optimizer=job.keeps_optimizer):
        done = Trainer(job.recipe, RunFolder(folder), options).run(resume=False)
        while done is None:
            done = Trainer(job.recipe, RunFolder(folder), options).run(resume=True)


def validate_untrained(data_root: Path, folder: Path) -> None:
    """Held-out objects with a network of fixed random weights."""
    torch.manual_seed(5)
    model = build_model("clickwise-s", attention_width=24, attention_blocks=1, decoder_widths=[8, 8, 8, 8]).eval()
    ranks = Ranks.of_this_job()
    run = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if ranks.is_first:
        run.open_logs(0, Recipe.model_construct(name="none"))
    objects = HeldOutObjects(data_root / "train", pictures=10)
    validate(model, HeldOut(objects, checked_units(objects)), ValidationPart(n_clicks=2), run, Position(), ranks)
    run.close_logs()


def evaluate_shipped(data_root: Path, file: Path) -> None:
    """``clickwise evaluate`` on the held-out objects."""
    said = io.StringIO()
    with redirect_stdout(said):
        evaluate(["clickwise-s"], "HeldOut", data_root, n_clicks=2, device="cpu", json_file=file)
    assert bool(said.getvalue()) == Ranks.of_this_job().is_first, "one process prints"


def interrupt_the_last(job: Job, data_root: Path, folder: Path) -> None:
    """A training of which the last process alone gets a signal in its first step."""
    options = RunOptions(data_root=data_root, device="cpu", workers=0)
    trainer = Trainer(job.recipe, RunFolder(folder), options)
    if trainer.ranks.rank == trainer.ranks.world - 1:
        step = trainer._step

        def interrupted(*inputs: Any) -> Any:
            os.kill(os.getpid(), signal.SIGTERM)
            return step(*inputs)

        trainer._step = interrupted  # type: ignore[method-assign]
    with suppress(KeyboardInterrupt):
        trainer.run(resume=False)


def read_jobs(file: Path) -> dict[str, Job]:
    return torch.load(file, weights_only=False)  # type: ignore[no-any-return]


def main(jobs: Path, data_root: Path, output: Path) -> None:
    torch.set_num_threads(1)
    for name, job in read_jobs(jobs).items():
        train(job, data_root, output / name)
    interrupt_the_last(read_jobs(jobs)["rolling"], data_root, output / "interrupted")
    validate_untrained(data_root, output / "validated")
    evaluate_shipped(data_root, output / "evaluated.json")
    if os.environ["RANK"] == "0":
        (output / "done").touch()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
