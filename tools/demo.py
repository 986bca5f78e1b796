"""Segment the bundled photo by three clicks and show what came out. Run by `make demo`.

Writes demo/mask.png, demo/overlay.png and a copy of the photo for the annotator, and prints how well each mask agrees
with the bundled truth. With --picture FILE it also writes photo and result side by side, as the README shows them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

import clickwise
from clickwise.imaging import overlay, write_image, write_mask
from clickwise.types import ImageArray, MaskArray

FOLDER = Path("demo")
MODEL = "clickwise-s"
DIMMED = 0.25
"""Brightness of what does not belong to the object."""


def main() -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    try:
        run(arguments.picture)
    except clickwise.ClickwiseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"mask:    {(FOLDER / 'mask.png').resolve()}")
    print(f"overlay: {(FOLDER / 'overlay.png').resolve()}")
    print("the same on your own photo: .venv/bin/clickwise segment PHOTO.jpg --fg X,Y")
    print(f"click in the browser:       .venv/bin/clickwise annotate {FOLDER / 'photos'}")
    return 0


def run(picture: Path | None) -> None:
    """Click, print the agreement, write the pictures."""
    photo = clickwise.sample()
    predictor = clickwise.Predictor(clickwise.load_model(MODEL))
    predictor.set_image(photo.photo_path)
    print(f"{photo.title}: {photo.photo_path}")
    mask = np.zeros_like(photo.truth)
    for number, click in enumerate(photo.clicks, start=1):
        mask = predictor.click(click.x, click.y, positive=click.is_positive).mask
        iou = (mask & photo.truth).sum() / (mask | photo.truth).sum()
        print(f"  click {number} at ({click.x:g}, {click.y:g}): agreement with the truth (IoU) {iou:.3f}")
    (FOLDER / "photos").mkdir(parents=True, exist_ok=True)
    shutil.copy(photo.photo_path, FOLDER / "photos")
    write_mask(FOLDER / "mask.png", mask)
    write_image(FOLDER / "overlay.png", spotlight(photo.image, mask))
    if picture is not None:
        clicked = overlay(photo.image, np.zeros_like(mask), photo.clicks, radius=6)
        write_image(picture, np.concatenate([clicked, spotlight(photo.image, mask)], axis=1))


def spotlight(image: ImageArray, mask: MaskArray) -> ImageArray:
    """(H, W, 3): the image with everything outside the mask darkened."""
    return np.where(mask[..., None], image, (image * DIMMED).astype(np.uint8))


if __name__ == "__main__":
    sys.exit(main())
