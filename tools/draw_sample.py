"""Make the bundled sample: photo as JPEG, truth mask from an outline traced by hand, and an overlay to look at.

The photo is scikit-image's ``coffee`` (CC0, Rachel Michetti). Run it with the picture from a scikit-image wheel:

    pip download scikit-image==0.26.0 --no-deps && unzip scikit_image-*.whl 'skimage/data/coffee.png'
    python tools/draw_sample.py skimage/data/coffee.png --overlay overlay.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ASSETS = Path(__file__).parents[1] / "src" / "clickwise" / "assets"

# Cup, saucer and spoon as one object: the outline in pixels (x, y), pixel centres at integers, anticlockwise from the
# top of the rim. Traced at four-fold zoom.
# fmt: off
OUTLINE = [
    # rim, from its top to where it meets the saucer
    (289.5, 17.5), (281, 17.5), (268, 18.5), (254.5, 20.5), (239.5, 25), (224.5, 33), (209.5, 42), (198, 51),
    (189.5, 60), (184, 66.5),
    # saucer, left and bottom
    (173, 71.5), (159.5, 78.5), (147, 86.5), (134.5, 95), (124.5, 103), (113, 114), (104.5, 124), (98, 134),
    (91, 146.5), (84.5, 160), (80.5, 172), (77.5, 186), (76, 199), (75.5, 210), (76, 220), (77, 232), (79.5, 245),
    (82.5, 258), (86.5, 271), (92.5, 284.5), (101, 299.5), (112, 313.5), (122, 324.5), (136, 337.5), (149.5, 348),
    (164.5, 357.5), (179.5, 366), (194.5, 373), (209.5, 378.5), (229.5, 384), (249.5, 387.5), (269.5, 389.5),
    (289.5, 390), (309.5, 389), (327, 387), (344.5, 383), (362, 377.5), (379.5, 370), (394.5, 361.5), (409.5, 351.5),
    (424.5, 339.5), (435.5, 329.5), (447, 317), (457, 303.5), (464.5, 290.5), (470.5, 278), (475, 264.5),
    (477.5, 249.5), (479, 234.5), (479, 219.5), (478, 207), (476, 196), (473, 185.5), (469.5, 174.5), (463, 160.5),
    (455.5, 146.5), (448, 135.5), (439.5, 124.5), (429.5, 114), (422, 107.5), (417, 104),
    # handle of the spoon
    (418.5, 98), (420.5, 89.5), (423, 80), (423.5, 75.5), (420.5, 70.5), (414.5, 67), (408, 66), (401, 67),
    (396.5, 70.5), (394, 71),
    # rim, right
    (387, 62), (379.5, 54), (369.5, 45), (359.5, 37.5), (347, 31), (334.5, 26), (319.5, 21.5), (304.5, 18.5),
]
# fmt: on
_SUBPIXELS = 8


def truth(width: int, height: int) -> Image.Image:
    """The outline filled, 0/255: a pixel is on the object when at least half of it lies inside."""
    fine = Image.new("L", (width * _SUBPIXELS, height * _SUBPIXELS))
    ImageDraw.Draw(fine).polygon([((x + 0.5) * _SUBPIXELS, (y + 0.5) * _SUBPIXELS) for x, y in OUTLINE], fill=255)
    coverage = np.asarray(fine.reduce(_SUBPIXELS))
    return Image.fromarray(np.where(coverage >= 128, np.uint8(255), np.uint8(0)))


def overlay(photo: Image.Image, mask: Image.Image) -> Image.Image:
    """The photo with everything outside the mask darkened."""
    return Image.composite(photo, photo.point(lambda value: value // 4), mask)


def main() -> None:
    """Write sample.jpg and sample_truth.png into the package, and the overlay where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--overlay", type=Path)
    arguments = parser.parse_args()
    with Image.open(arguments.photo) as opened:
        photo = opened.convert("RGB")
    mask = truth(*photo.size)
    ASSETS.mkdir(exist_ok=True)
    photo.save(ASSETS / "sample.jpg", quality=92, subsampling=0)
    mask.save(ASSETS / "sample_truth.png", optimize=True)
    if arguments.overlay:
        overlay(photo, mask).save(arguments.overlay)


if __name__ == "__main__":
    main()
