"""Segment the bundled photo by three clicks and show what came out. Run by `make demo`.

Writes demo/mask.png and demo/overlay.png, and prints how well each mask agrees with the bundled truth.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import clickwise
from clickwise.imaging import overlay, write_image, write_mask

FOLDER = Path("demo")
MODEL = "clickwise-s"


def main() -> int:
    """Run the demo; returns the exit code."""
    photo = clickwise.sample()
    try:
        predictor = clickwise.Predictor(clickwise.load_model(MODEL))
        predictor.set_image(photo.photo_path)
        print(f"{photo.title}: {photo.photo_path}")
        for number, click in enumerate(photo.clicks, start=1):
            prediction = predictor.click(click.x, click.y, positive=click.is_positive)
            mask = prediction.mask
            iou = (mask & photo.truth).sum() / (mask | photo.truth).sum()
            sign = "on the object" if click.is_positive else "beside it"
            print(f"  click {number} at ({click.x:g}, {click.y:g}) {sign}: agreement with the truth (IoU) {iou:.3f}")
        FOLDER.mkdir(exist_ok=True)
        write_mask(FOLDER / "mask.png", mask)
        write_image(FOLDER / "overlay.png", overlay(photo.image, mask, photo.clicks))
    except clickwise.ClickwiseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"mask:    {(FOLDER / 'mask.png').resolve()}")
    print(f"overlay: {(FOLDER / 'overlay.png').resolve()}")
    print("the same on your own photo: .venv/bin/clickwise segment PHOTO.jpg --fg X,Y")
    if find_spec("clickwise.cli.annotate") is not None:
        print("click in the browser:       .venv/bin/clickwise annotate demo/")
    else:
        print("the browser annotator is not part of this version yet")
    return 0


if __name__ == "__main__":
    sys.exit(main())
