"""Pictures that requests bring along: read strictly, turned upright, cut to the size wanted."""

import io

import numpy as np
from PIL import Image, ImageOps

from safelight.catalog.sources import read_data
from safelight.engines import Pixels
from safelight.errors import EngineError, JobErrorCode

MOST_PIXELS = 25_000_000


def read_picture(uri: str, width: int, height: int) -> Pixels:
    """[height, width, 3]: the middle of the picture, scaled to cover.

    Raises EngineError unless it is a PNG, JPEG or WebP picture of at most 25 megapixels as a
    data: URI. The pixels are counted before any are decoded.
    """
    try:
        kind, data = read_data(uri)
    except ValueError as error:
        raise _refusal(f"The picture {error}.") from None
    return _decode(data, kind.upper(), width, height)


def _decode(data: bytes, file_format: str, width: int, height: int) -> Pixels:
    try:
        with Image.open(io.BytesIO(data), formats=[file_format]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise _refusal(f"The picture has more than {MOST_PIXELS // 10**6} megapixels.")
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            fitted = ImageOps.fit(_opaque(upright), (width, height), Image.Resampling.LANCZOS)
            return np.asarray(fitted, np.uint8).copy()
    except EngineError:
        raise
    except Image.DecompressionBombError:
        raise _refusal("The picture is too large.") from None
    except Exception as error:  # a decoder of untrusted bytes raises whatever it likes
        raise _refusal(f"The picture cannot be read as {file_format}.") from error


def _opaque(picture: Image.Image) -> Image.Image:
    """RGB; what is transparent is white, as a page would show it."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def _refusal(message: str) -> EngineError:
    return EngineError(message, code=JobErrorCode.INVALID_PARAMETERS)
