"""``clickwise segment``: a mask from clicks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clickwise.cli.options import DEFAULT_MODEL, DeviceOption, ModelOption, parse_box, parse_point, same_file
from clickwise.errors import ClickError, OptionError, OutputError

if TYPE_CHECKING:
    from clickwise.imaging import LoadedImage
    from clickwise.inference.prediction import Prediction
    from clickwise.inference.predictor import Predictor
    from clickwise.types import Box

_OVERLAY_CLICK_SHARE = 200
"""Clicks on an overlay have a radius of at least the longer side over this, so that they show on large photos."""


def segment(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture.", show_default=False)],
    fg: Annotated[
        list[str] | None, typer.Option("--fg", metavar="X,Y", help="A click on the object; may be repeated.")
    ] = None,
    bg: Annotated[
        list[str] | None, typer.Option("--bg", metavar="X,Y", help="A click on the background; may be repeated.")
    ] = None,
    box: Annotated[str | None, typer.Option("--box", metavar="X0,Y0,X1,Y1", help="A box around the object.")] = None,
    mask: Annotated[Path | None, typer.Option("--mask", metavar="PREV.png", help="A mask to start from.")] = None,
    model: ModelOption = DEFAULT_MODEL,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="MASK.png", help="Default: STEM_mask.png in this folder.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option("--overlay", metavar="FILE", help="Also draw mask and clicks onto the picture.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", metavar="T", help="Probability above which a pixel is object.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    upright: Annotated[
        bool, typer.Option("--upright", help="Write the mask as seen, not in the orientation of the stored raster.")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Click on an object, get its mask: all --fg, then all --bg, one after the other.

    X goes right and Y down, in pixels of the picture as viewers show it. The mask is an 8-bit PNG, 0 and 255.
    """
    places = [(*parse_point(text, "--fg"), True) for text in fg or []]
    places += [(*parse_point(text, "--bg"), False) for text in bg or []]
    corners = None if box is None else parse_box(box, "--box")
    if not places and corners is None:
        raise ClickError("no click was given; say where the object is with --fg X,Y or --box X0,Y0,X1,Y1")
    target = output if output is not None else Path(f"{image.stem}_mask.png")
    _check_targets(target, overlay, {"the picture": image, "the weights": Path(model)})

    # Everything that can be wrong with files and clicks is found before the network is loaded.
    from clickwise.clicks.click import Click
    from clickwise.imaging import read_image, read_mask

    picture = read_image(image)
    for x, y, is_positive in places:
        Click(x, y, is_positive).checked(picture.width, picture.height)
    start = None if mask is None else read_mask(mask, picture)

    predictor = _predictor(model, device, threshold)
    predictor.set_image(picture)
    if start is not None:
        predictor.set_mask(start)
    if corners is not None:
        predictor.box(*corners, keep_mask=start is not None)
    for x, y, is_positive in places:
        predictor.click(x, y, is_positive)
    _write(predictor.prediction, picture, target, overlay, upright)
    _report(predictor.prediction, picture, target, model, upright, as_json)


def _check_targets(target: Path, overlay: Path | None, inputs: dict[str, Path]) -> None:
    """An error when a result would land on an input or the other result, or cannot be written under its name."""
    from clickwise.imaging import check_image_suffix

    if target.suffix.lower() != ".png":
        raise OptionError(f"the mask would be written to {target}; masks are PNG files, give a name that ends in .png")
    targets = {"the mask": target}
    if overlay is not None:
        check_image_suffix(overlay)
        targets["the overlay"] = overlay
        if same_file(overlay, target):
            raise OptionError(f"mask and overlay would both be written to {target}; give two names")
    for what, path in targets.items():
        if not path.parent.is_dir():
            raise OutputError(f"{what} would be written to {path}: there is no folder {path.parent}; create it first")
        for name, source in inputs.items():
            if same_file(path, source):
                raise OptionError(f"{what} would be written over {name} {source}; give another name")


def _predictor(model: str, device: str, threshold: float | None) -> Predictor:
    from clickwise.engines.torch import resolve_device
    from clickwise.inference.factory import make_predictor

    overrides: dict[str, Any] = {} if threshold is None else {"threshold": threshold}
    return make_predictor(model, device=resolve_device(device), **overrides)


def _write(result: Prediction, picture: LoadedImage, target: Path, overlay: Path | None, upright: bool) -> None:
    from clickwise import imaging

    seen = result.mask
    imaging.write_mask(target, seen, picture.orientation, upright=upright)
    if overlay is not None:
        radius = max(imaging.PUBLISHED_CLICK_RADIUS, max(picture.size) // _OVERLAY_CLICK_SHARE)
        imaging.write_image(overlay, imaging.overlay(picture.rgb, seen, result.clicks, radius=radius))


def _report(result: Prediction, picture: LoadedImage, target: Path, model: str, upright: bool, as_json: bool) -> None:
    area, box = result.area, result.box
    if as_json:
        typer.echo(json.dumps(_record(result, picture, target, model, upright, area, box)))
    elif box is None:
        typer.echo(f"{target}: empty mask; nothing was found there, try another click or a lower --threshold")
    else:
        share = 100 * area / (picture.width * picture.height)
        clicks = f"{len(result.clicks)} click" + ("" if len(result.clicks) == 1 else "s")
        typer.echo(
            f"{target}: {area} pixels ({share:.1f} % of the picture) from {clicks}, box {','.join(map(str, box))}"
        )


def _record(
    result: Prediction, picture: LoadedImage, target: Path, model: str, upright: bool, area: int, box: Box | None
) -> dict[str, Any]:
    """What --json prints. Sizes, clicks and box are those of the upright picture; the box is half-open."""
    from clickwise.imaging.masks import STORED, UPRIGHT_NAME

    return {
        "model": model,
        "image": str(picture.path),
        "width": picture.width,
        "height": picture.height,
        "clicks": [{"x": c.x, "y": c.y, "positive": c.is_positive} for c in result.clicks],
        "area": area,
        "bbox": None if box is None else list(box),
        "orientation": UPRIGHT_NAME if upright else STORED,
        "mask": str(target),
    }
