"""What a picture looks like, in 256 bits that survive re-encoding and scaling: the PDQ hash.

https://github.com/facebook/ThreatExchange/blob/main/hashing/hashing.pdf describes it: the luma is
blurred, sampled at 64×64 points, transformed by a cosine transform, and the 16×16 lowest
frequencies (the constant one left out) are compared with their median.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

SIDE = 64  # points sampled along each axis
FREQUENCIES = 16
LIKENESS_BYTES = FREQUENCIES * FREQUENCIES // 8
QUALITY_MIN = 50  # of 100; below, there is too little in a picture to know it again by
SAME_BITS_MAX = 31  # bits of 256 by which two versions of a picture may differ, as PDQ advises
EDGE_PIXELS_MIN = 5
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
GRADIENT_SUM_OF_FULL_QUALITY = 90.0

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Likeness:
    """The hash and how much it is worth."""

    bits: bytes  # 32; hex() of them is how other PDQ software writes the hash
    quality: int  # 0 to 100

    @property
    def tells(self) -> bool:
        """Whether a match of these bits means anything."""
        return self.quality >= QUALITY_MIN


def likeness(pixels: Pixels) -> Likeness:
    """[height, width, 3] sRGB → its likeness; 2 ms at 1024²."""
    height, width, _ = pixels.shape
    if min(height, width) < EDGE_PIXELS_MIN:
        return Likeness(bytes(LIKENESS_BYTES), 0)
    sampled = _sample_rows(pixels).reshape(SIDE, width, 3) @ LUMA
    points = np.asarray(sampled @ _weights(width).T, np.float32)
    spectrum = _cosines() @ points @ _cosines().T
    above = (
        spectrum > np.partition(spectrum.ravel(), spectrum.size // 2 - 1)[spectrum.size // 2 - 1]
    )
    return Likeness(np.packbits(above.ravel()[::-1]).tobytes(), _quality(points))


def distance(one: bytes, other: bytes) -> int:
    """In how many bits they differ."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def _sample_rows(pixels: Pixels) -> Floats:
    """[64, width × 3]: each a weighted sum of the few rows about it, so nothing else is read."""
    height = pixels.shape[0]
    flat = pixels.reshape(height, -1)
    weights = _weights(height)
    sampled = np.empty((SIDE, flat.shape[1]), np.float32)
    for row, (first, end) in enumerate(_extents(height)):
        np.matmul(weights[row, first:end], flat[first:end].astype(np.float32), out=sampled[row])
    return sampled


@lru_cache(16)
def _extents(size: int) -> list[tuple[int, int]]:
    """Which pixels each sample reads."""
    found = []
    for row in _weights(size):
        [used] = np.nonzero(row)
        found.append((int(used[0]), int(used[-1]) + 1))
    return found


@lru_cache(16)
def _weights(size: int) -> Floats:
    """[64, size]: two passes of a box filter, and then one sample in the middle of each 64th."""
    window = (size + 2 * SIDE - 1) // (2 * SIDE)
    after = (window + 2) // 2  # pixels from the middle one onwards

    def box(middle: int) -> range:
        return range(max(0, middle - window + after), min(size, middle + after))

    weights = np.zeros((SIDE, size), np.float32)
    for row in range(SIDE):
        second = box(int((row + 0.5) * size / SIDE))
        for pixel in second:
            first = box(pixel)
            weights[row, first.start : first.stop] += 1 / (len(first) * len(second))
    return weights


@lru_cache(1)
def _cosines() -> Floats:
    frequency = np.arange(1, FREQUENCIES + 1)[:, None]
    angle = np.pi / (2 * SIDE) * frequency * (2 * np.arange(SIDE) + 1)
    return np.asarray(np.sqrt(2 / SIDE) * np.cos(angle), np.float32)


def _quality(points: Floats) -> int:
    """How much changes from point to point, in whole percents of black to white."""
    steps = [np.trunc(np.diff(points, axis=axis) * (100 / 255)) for axis in (0, 1)]
    gradient = sum(float(np.abs(step).sum()) for step in steps)
    return min(100, int(gradient / GRADIENT_SUM_OF_FULL_QUALITY))
