"""Write vectors.json: masks, and how pycocotools writes their run lengths. Run it again only when cases are added."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

TARGET = Path(__file__).with_name("vectors.json")


def row_major(mask: np.ndarray) -> str:
    """The text that goes over the wire: COCO counts columns, so the picture is handed over transposed."""
    return coco.encode(np.asfortranarray(mask.T.astype(np.uint8)))["counts"].decode("ascii")


def cases() -> dict[str, np.ndarray]:
    """Small masks by name."""
    rng = np.random.default_rng(0)
    ring = np.zeros((9, 11), bool)
    ring[1:8, 2:9] = True
    ring[3:5, 4:6] = False
    board = np.indices((6, 7)).sum(axis=0) % 2 == 0
    wide = np.zeros((3, 5000), bool)
    wide[1, 7:4999] = True
    noise = rng.random((23, 31)) < 0.5
    return {
        "empty": np.zeros((4, 6), bool),
        "full": np.ones((4, 6), bool),
        "one pixel": np.eye(1, 20, 13, dtype=bool).reshape(4, 5),
        "first pixel": np.eye(1, 20, 0, dtype=bool).reshape(4, 5),
        "last pixel": np.eye(1, 20, 19, dtype=bool).reshape(4, 5),
        "hole": ring,
        "chess": board,
        "long runs": wide,
        "noise": noise,
    }


def main() -> None:
    """Write the file."""
    plain = {
        name: {
            "height": mask.shape[0],
            "width": mask.shape[1],
            "counts": row_major(mask),
            "bits": "".join("01"[int(value)] for value in mask.ravel()) if mask.size < 2000 else "",
            "area": int(mask.sum()),
        }
        for name, mask in cases().items()
    }
    TARGET.write_text(json.dumps(plain, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
