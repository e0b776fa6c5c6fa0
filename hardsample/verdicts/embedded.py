"""Pictures inside the page: as WebP, without loss but for colours, so that their text stays crisp."""

import base64
import dataclasses
import io
from pathlib import Path

from PIL import Image

WIDTH, MEDIUM, SMALL = 1500, 1000, 700  # pixels at most
_COLORS = 256


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture as an address that holds all of it, its pixels, and its words for who cannot see it."""

    address: str
    width: int
    height: int
    words: str


def picture(path: Path, words: str, width: int = WIDTH) -> Picture:
    """A PNG as a picture of at most so many pixels across; equal files give equal addresses.

    Raises:
        OSError: the file is no picture.
    """
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.quantize(_COLORS, method=Image.Quantize.FASTOCTREE).convert("RGB").save(
        content, "WEBP", lossless=True, method=4
    )
    address = f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
    return Picture(address, image.width, image.height, words)
