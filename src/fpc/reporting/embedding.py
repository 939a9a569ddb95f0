"""Files inside a page: small, and opened by any browser without a script."""

from __future__ import annotations

import base64
import gzip
from io import BytesIO

from PIL import Image

COLOURS = 256  # of a picture; figures have few, and no eye tells them from the original's


def data_uri(content: bytes, media_type: str) -> str:
    """The content as an address that needs no other file."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def compact_picture(png: bytes) -> bytes:
    """A PNG as WebP of the same size in pixels, with at most 256 colours, otherwise lossless."""
    with Image.open(BytesIO(png)) as picture:
        reduced = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    content = BytesIO()
    reduced.convert("RGB").save(content, "WEBP", lossless=True, quality=100, method=6)
    return content.getvalue()


def compressed(text: str) -> bytes:
    """The text in gzip, the same bytes for the same text."""
    return gzip.compress(text.encode(), 9, mtime=0)
