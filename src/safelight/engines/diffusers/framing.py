"""From any size that is asked for to one that a model can make, and back."""

import numpy as np
import torch

from safelight.engines import Pixels

MULTIPLE = 16  # pixels: an autoencoder's eight times a patch of two


def rendered_size(width: int, height: int, multiple: int = MULTIPLE) -> tuple[int, int]:
    """The least (width, height) with whole patches that has room for the picture."""
    return -(-width // multiple) * multiple, -(-height // multiple) * multiple


def crop(pixels: Pixels, width: int, height: int) -> Pixels:
    """[height, width, 3]: the middle of a picture that is as large or larger."""
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def to_pixels(image: torch.Tensor) -> torch.Tensor:
    """[3, height, width] from -1 to 1, of any dtype, → [height, width, 3] of uint8, where it is.

    Rounded as diffusers' own image processor does it, in float32.
    """
    scaled = (image.float() / 2 + 0.5).clamp(0, 1) * 255
    return scaled.round().to(torch.uint8).permute(1, 2, 0).contiguous()
