"""What must hold before a picture is sold: finite numbers, enough memory, something to see."""

import gc

import torch

from safelight.engines import Pixels
from safelight.errors import EngineError, JobErrorCode

LEAST_CONTRAST = 0.25  # standard deviation of a channel, of 255; a black picture has 0


class Spoiled(Exception):
    """The numbers went bad: another way of computing them may do better."""


def check_finite(tensor: torch.Tensor) -> None:
    """Raises Spoiled for NaN or infinity. Waits for the device, so: once a picture."""
    if not bool(torch.isfinite(tensor).all()):
        raise Spoiled("not finite")


def check_contrast(pixels: Pixels) -> None:
    """Raises Spoiled for a picture of one colour."""
    if float(pixels.std(axis=(0, 1)).max()) < LEAST_CONTRAST:
        raise Spoiled("one colour")


def spoiled_twice() -> EngineError:
    """What a job fails with whose picture was no picture on the plain path either."""
    return EngineError(
        "The model produced no usable picture.", code=JobErrorCode.GENERATION_FAILED_NO_CONTENT
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it says that the GPU's or the host's memory is full."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def release_memory() -> None:
    """Give back what nobody refers to any more, so that another attempt has room."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory() -> EngineError:
    """What a job fails with for which even a second attempt found no room."""
    return EngineError(
        "The picture does not fit into the device's memory.",
        code=JobErrorCode.RESOURCE_EXHAUSTED,
    )
