"""Pixels of pictures: tiles and thumbnails."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

from fastapi import APIRouter, Query
from starlette.responses import Response

from clickwise.annotate.server.errors import refused
from clickwise.annotate.server.services import Services
from clickwise.errors import ImageError, InputError
from clickwise.imaging.encode import jpeg_bytes, thumbnail

THUMBNAIL = 160
"""Longest side of a thumbnail in pixels."""
_THUMBNAIL_QUALITY = 80
_THUMBNAILS_KEPT = 4000
"""About 5 KB each."""
_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}


def router(services: Services) -> APIRouter:
    """Tiles and thumbnails as JPEG. v in an address: the picture's own, so that browsers may keep what they got."""
    routes = APIRouter(prefix="/api/images/{image_id}", tags=["pixels"])
    thumbnails: OrderedDict[tuple[str, str], bytes] = OrderedDict()
    at_once = asyncio.Semaphore(2)

    @routes.get("/tiles/{level}/{column}/{row}.jpg", response_class=Response)
    async def tile(image_id: str, level: int, column: int, row: int, v: str = Query("", max_length=64)) -> Response:
        """One tile of at most 512 x 512 pixels; level 0 is full size, each next one half of it."""
        picture = await services.picture(image_id)
        try:
            data = await asyncio.to_thread(picture.tile, level, column, row)
        except InputError as error:
            raise refused("not_found", str(error)) from error
        return Response(data, media_type="image/jpeg", headers=_FOR_EVER)

    @routes.get("/thumbnail.jpg", response_class=Response)
    async def small(image_id: str, v: str = Query("", max_length=64)) -> Response:
        """The picture, small."""
        entry = await services.blocking(services.store.image, image_id)
        key = (entry.image_id, entry.sha256)
        data = thumbnails.get(key)
        if data is None:
            async with at_once:
                data = await asyncio.to_thread(_thumbnail, Path(entry.path), entry.name)
            thumbnails[key] = data
            while len(thumbnails) > _THUMBNAILS_KEPT:
                thumbnails.popitem(last=False)
        return Response(data, media_type="image/jpeg", headers=_FOR_EVER)

    return routes


def _thumbnail(path: Path, name: str) -> bytes:
    try:
        return jpeg_bytes(thumbnail(path, THUMBNAIL), _THUMBNAIL_QUALITY)
    except ImageError as error:
        raise ImageError(str(error).replace(str(path), name)) from error
