"""``clickwise convert``: a published file into our own format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def convert(
    file: Annotated[Path, typer.Argument(help="Published .pth file, or one of our own.", metavar="FILE")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="Default: STEM.safetensors in the working folder."),
    ] = None,
    architecture: Annotated[
        str | None, typer.Option("--architecture", metavar="A", help="Needed where the file does not say what it is.")
    ] = None,
    fp16: Annotated[bool, typer.Option("--fp16", help="Store half precision: half the size.")] = False,
) -> None:
    """Turn a published .pth file into our own format: safetensors that say what they are."""
    import torch

    from clickwise.errors import OptionError
    from clickwise.weights.checkpoint import save_checkpoint
    from clickwise.weights.load import load_model

    target = output or Path(f"{file.stem}.safetensors")
    if target.suffix != ".safetensors":
        raise OptionError(
            f"output {target} ends in {target.suffix or 'nothing'!r}; expected a name ending in .safetensors"
        )
    if target.exists() and file.exists() and target.samefile(file):
        raise OptionError(f"{target} is the input itself; name another file with -o")
    model = load_model(file, architecture=architecture)
    save_checkpoint(model, target, dtype=torch.float16 if fp16 else None, info=_card(file))
    megabytes = target.stat().st_size / 1024**2
    typer.echo(f"{target}: {model.architecture}, {model.parameter_count:,} parameters, {megabytes:.1f} MB")


def _card(file: Path) -> dict[str, Any]:
    """What is known about the weights: the file's own card, else what the model zoo says about a file of that name."""
    from clickwise.weights import zoo
    from clickwise.weights.checkpoint import is_safetensors, read_header

    header = read_header(file) if is_safetensors(file) else None
    if header is not None:
        return dict(header.info)
    entry = zoo.find(file.name) or zoo.find(file.stem)
    card: dict[str, Any] = {"converted_from": file.name}
    if entry is None:
        return card
    noc = {name: dict(scores) for name, scores in entry.published.items()}
    return {
        **card,
        "name": entry.name,
        "licence": entry.licence,
        "trained_on": entry.trained_on,
        "source": entry.source,
        "noc": noc,
    }
