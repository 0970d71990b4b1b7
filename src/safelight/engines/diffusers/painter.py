"""What the diffusers engine expects of each family of models."""

from collections.abc import Generator
from typing import Any, Protocol

from safelight.catalog.request import ImageRequest
from safelight.engines import Made

Making = Generator[Made, Any, None]  # what is sent into it is what its Aside came to


class Painter(Protocol):
    """One loaded model.

    `paint` is `Engine.generate` of a model that is loaded: first an `Aside` that encodes the
    prompt, then `Step(0, total)`, the steps, an `Aside` that decodes, and the `Picture`; for
    several pictures one after another, picture i with seed + i.
    """

    def warm_up(self) -> None:
        """Run what is slow the first time: compilation, plans of kernels, caches."""
        ...

    def paint(self, request: ImageRequest) -> Making: ...
