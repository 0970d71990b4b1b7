"""Drives an engine to its end in a thread, looking between two yields whether to stop."""

import logging
import threading
from collections.abc import Callable, Iterator

from safelight.catalog.request import ImageRequest
from safelight.engines import Engine, Picture, Step
from safelight.errors import Cancelled, EngineError, JobErrorCode

log = logging.getLogger(__name__)


def drive(
    engine: Engine, request: ImageRequest, stop: threading.Event, report: Callable[[Step], None]
) -> list[Picture]:
    """Every picture that was asked for, in exactly the size that was promised.

    Raises Cancelled once `stop` is set, and EngineError for everything an engine can do wrong.
    """
    pictures: list[Picture] = []
    steps: Iterator[Step | Picture] = engine.generate(request)
    try:
        for made in steps:
            if isinstance(made, Picture):
                pictures.append(made)
            else:
                report(made)
            if stop.is_set():
                raise Cancelled
    except MemoryError:
        raise EngineError(
            "The engine ran out of memory.", code=JobErrorCode.RESOURCE_EXHAUSTED
        ) from None
    except (EngineError, Cancelled):
        raise
    except Exception as error:
        # Engines are other people's code; whatever they raise is a failed attempt, not our crash.
        log.exception("the engine %s raised", engine.name)
        raise EngineError("The engine failed unexpectedly.", retryable=True) from error
    finally:
        close = getattr(steps, "close", None)
        if close is not None:
            close()
    _check(pictures, request)
    return pictures


def _check(pictures: list[Picture], request: ImageRequest) -> None:
    if len(pictures) != request.count:
        raise EngineError(
            f"The engine made {len(pictures)} of {request.count} pictures.",
            code=JobErrorCode.GENERATION_FAILED_NO_CONTENT,
        )
    for picture in pictures:
        if picture.pixels.shape != (request.height, request.width, 3):
            raise EngineError("The engine made a picture of another size.")
