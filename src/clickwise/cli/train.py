"""``clickwise train``: a model from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickwise.cli.options import DeviceOption
from clickwise.errors import OptionError

if TYPE_CHECKING:
    from clickwise.training.recipe import Recipe


def train(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="A name from --list or a recipe.yaml.", show_default=False)
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value: optimizer.lr=1e-4.")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", metavar="DIR", help="Holds the data sets; default $CLICKWISE_DATA.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="YAML with SBD_PATH and the like; ./config.yml.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="The run folder; default runs/RECIPE.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --output from its last checkpoint.")
    ] = False,
    list_recipes: Annotated[bool, typer.Option("--list", help="Print all recipes by name.")] = False,
    device: DeviceOption = "auto",
    devices: Annotated[int, typer.Option("--devices", min=1, help="Processes or GPUs on this machine.")] = 1,
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="Machines; start each with torchrun.")] = 1,
    strategy: Annotated[
        str,
        typer.Option(
            metavar="auto|ddp|fsdp",
            help="Several processes: ddp (each holds all weights) or fsdp (each a slice); auto is ddp.",
        ),
    ] = "auto",
    log: Annotated[
        list[str] | None,
        typer.Option("--log", metavar="NAME", help="Log there too: wandb, mlflow, trackio. TensorBoard is always on."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes that prepare pictures.")] = 1,
    checkpoint_every: Annotated[float, typer.Option("--checkpoint-every", min=1, help="Seconds.")] = 120.0,
    stop_after: Annotated[
        float, typer.Option("--stop-after", min=0, help="Leave with a checkpoint after so many seconds; 0 = never.")
    ] = 0.0,
) -> None:
    """Train a model from a recipe; the run folder holds recipe, logs, checkpoint, weights and pictures.

    Ctrl-C finishes the step and writes a checkpoint; --resume then goes on with the very same samples and clicks.
    """
    if list_recipes:
        _print_recipes()
        return
    from clickwise.training.allocator import restart_with_settings

    restart_with_settings()
    from clickwise.training.launch import RunOptions
    from clickwise.training.loop import Trainer
    from clickwise.training.run_folder import RunFolder

    if recipe is None and output is None:
        raise OptionError("no recipe was given; name one of `clickwise train --list` or a recipe.yaml")
    folder = RunFolder(output if output is not None else Path("runs") / Path(str(recipe)).stem)
    chosen = chosen_recipe(recipe, changes or [], folder if resume else None)
    options = RunOptions(
        data_root=training_data_root(data_root),
        device=device,
        devices=devices,
        nodes=nodes,
        workers=workers,
        checkpoint_every_s=checkpoint_every,
        stop_after_s=stop_after,
        config=config,
        strategy=strategy,
        loggers=tuple(log or ()),
    )
    trainer = Trainer(chosen, folder, options)
    weights = trainer.run(resume=resume)
    if not trainer.is_main:
        return
    if weights is None:
        typer.echo(f"stopped after {stop_after:g} s; go on with: clickwise train --output {folder.path} --resume")
    else:
        typer.echo(f"weights: {weights}")


def _print_recipes() -> None:
    from clickwise.recipes import FAMILIES

    width = max(len(name) for family in FAMILIES.values() for name in family)
    for number, (title, family) in enumerate(FAMILIES.items()):
        typer.echo(f"{'' if number == 0 else chr(10)}{title}")
        for name, entry in family.items():
            typer.echo(f"  {name:{width}}  {entry.summary}")


def chosen_recipe(name: str | None, changes: list[str], resumed: object) -> Recipe:
    """The recipe noted in the folder when resuming, else the one named; then the changes."""
    from clickwise.training.recipe import with_overrides
    from clickwise.training.run_folder import RunFolder

    if isinstance(resumed, RunFolder):
        recipe = resumed.recipe()
        if name is not None and _named(name).name != recipe.name:
            raise OptionError(
                f"{resumed.path} holds a run of {recipe.name}, not of {name}; "
                "leave the recipe out, or choose another --output"
            )
    elif name is None:
        raise OptionError(
            "no recipe was given; name one of `clickwise train --list`, or add --resume to go on with a run"
        )
    else:
        recipe = _named(name)
    return with_overrides(recipe, changes)


def _named(name: str) -> Recipe:
    """A recipe of the list or of a file."""
    from clickwise.recipes import get_recipe
    from clickwise.training.recipe import Recipe
    from clickwise.training.run_folder import read_text

    return Recipe.from_yaml(read_text(Path(name))) if name.endswith((".yaml", ".yml")) else get_recipe(name)


def training_data_root(given: Path | None) -> Path:
    """The folder given, else $CLICKWISE_DATA; OptionError when there is none or it is no folder."""
    import os

    root = given if given is not None else Path(os.environ.get("CLICKWISE_DATA", ""))
    if str(root) in {"", "."} and given is None:
        raise OptionError(
            "no data root: give --data-root DIR or set CLICKWISE_DATA to the folder that holds the data sets"
        )
    if not root.is_dir():
        raise OptionError(f"data root {root} is no folder; give --data-root DIR")
    return root
