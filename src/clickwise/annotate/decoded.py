"""Decoded pictures within a budget of bytes, shared by all users, with their tile pyramids. No torch.

A picture is decoded once however many ask for it at the same time, and the next one ahead of time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from clickwise.annotate.deltas import TILE, level_count, level_size
from clickwise.annotate.document import ImageEntry
from clickwise.errors import ClickwiseError, ImageError, InputError
from clickwise.imaging import LoadedImage, read_image
from clickwise.imaging.encode import halved, jpeg_bytes
from clickwise.types import ImageArray

DEFAULT_BUDGET = 512 << 20
"""Bytes of pixels that are kept: 60 photos of two megapixels, or one of 100, with their pyramids."""
_DECODERS = 2
_TILE_QUALITY = 95
_WITH_PYRAMID = 4 / 3
_CHANNELS = 3


class Picture:
    """A decoded picture. Its rgb must not be changed.

    work: what others want to keep as long as the picture is kept, by their own keys.
    """

    def __init__(self, loaded: LoadedImage) -> None:
        self.loaded = loaded
        self.work: dict[Any, Any] = {}
        self._levels: list[ImageArray] = [loaded.rgb]
        self._guard = threading.Lock()

    def level(self, number: int) -> ImageArray:
        """(h, w, 3) uint8 of a level: 0 is full size, each next one half of it. InputError when there is none."""
        count = level_count(self.loaded.size)
        if not 0 <= number < count:
            raise InputError(f"level {number} is not there; the picture has levels 0 to {count - 1}")
        with self._guard:
            while len(self._levels) <= number:
                self._levels.append(halved(self._levels[-1]))
            return self._levels[number]

    def tile(self, level: int, column: int, row: int) -> bytes:
        """JPEG of one tile, at most 512 x 512 pixels. InputError when there is none."""
        height, width = level_size(self.loaded.size, level)
        x, y = column * TILE, row * TILE
        if not (0 <= x < width and 0 <= y < height):
            raise InputError(f"tile {column}, {row} of level {level} is not there; the level has {width} x {height}")
        return jpeg_bytes(self.level(level)[y : y + TILE, x : x + TILE], _TILE_QUALITY)


class Pictures:
    """Decoded pictures, the ones used last kept within ``budget`` bytes (at least the newest one)."""

    def __init__(self, budget: int = DEFAULT_BUDGET) -> None:
        self._budget = budget
        self._kept: OrderedDict[tuple[str, str], Future[Picture]] = OrderedDict()
        self._bytes: dict[tuple[str, str], int] = {}
        self._guard = threading.Lock()
        self._decoders = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decode")

    def get(self, entry: ImageEntry) -> Future[Picture]:
        """The picture, decoded or about to be. The future raises ImageError when it cannot be."""
        key = (entry.image_id, entry.sha256)
        with self._guard:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
            self._kept[key] = future = self._decoders.submit(_decoded, entry)
            self._bytes[key] = _bytes_of(entry)
            self._drop_oldest()
        future.add_done_callback(lambda done: self._forget_failure(key, done))
        return future

    def ready(self, image_id: str) -> Picture | None:
        """The picture as it was asked for last, if it is decoded; never waits."""
        with self._guard:
            key = next((key for key in reversed(self._kept) if key[0] == image_id), None)
            found = None if key is None else self._kept[key]
            if key is None or found is None or not found.done() or found.cancelled() or found.exception() is not None:
                return None
            self._kept.move_to_end(key)
            return found.result()

    def forget(self) -> None:
        """Decode everything anew: files may have changed."""
        with self._guard:
            self._kept.clear()
            self._bytes.clear()

    def ahead(self, entry: ImageEntry) -> None:
        """Decode a picture that will probably be wanted next, when it leaves room for the one in use."""
        if not entry.trouble and _bytes_of(entry) <= self._budget // 2:
            self.get(entry)

    def close(self) -> None:
        """Let the threads end."""
        self._decoders.shutdown(wait=True, cancel_futures=True)

    @property
    def bytes_kept(self) -> int:
        """Bytes of the pictures that are kept, pyramids included."""
        with self._guard:
            return sum(self._bytes.values())

    def _drop_oldest(self) -> None:
        while len(self._kept) > 1 and sum(self._bytes.values()) > self._budget:
            key, _ = self._kept.popitem(last=False)
            del self._bytes[key]

    def _forget_failure(self, key: tuple[str, str], done: Future[Picture]) -> None:
        """So that a file that was repaired is read again."""
        if done.cancelled() or done.exception() is not None:
            with self._guard:
                if self._kept.get(key) is done:
                    del self._kept[key], self._bytes[key]


def _bytes_of(entry: ImageEntry) -> int:
    return int(entry.size[0] * entry.size[1] * _CHANNELS * _WITH_PYRAMID)


def _decoded(entry: ImageEntry) -> Picture:
    if entry.trouble:
        raise ImageError(entry.trouble.replace(entry.path, entry.name))
    try:
        loaded = read_image(Path(entry.path))
    except ClickwiseError as error:
        raise ImageError(str(error).replace(entry.path, entry.name)) from error
    if loaded.size != entry.size:
        raise ImageError(
            f"{entry.name} has {loaded.width} x {loaded.height} pixels now, {entry.size[1]} x {entry.size[0]} when it "
            "was added; put the old file back, or add it under another name"
        )
    return Picture(loaded)
