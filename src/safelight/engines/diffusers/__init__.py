"""Open weights on the operator's own hardware, by diffusers: the only room that imports torch."""

import logging

from safelight.catalog.request import ImageRequest
from safelight.engines import Unsupported
from safelight.engines.diffusers.options import Options, Weights
from safelight.engines.diffusers.painter import Making, Painter
from safelight.errors import ConfigurationError

__all__ = ["DiffusersEngine", "Options", "Weights"]


class DiffusersEngine:
    """One model's weights. Nothing of torch is imported before `load`: the doors know it too."""

    starts_aside = True

    def __init__(self, weights: Weights, options: Options):
        self.name = f"diffusers/{weights.model}"
        self._weights = weights
        self._options = options
        self._painter: Painter | None = None

    def load(self) -> None:
        """Raises ConfigurationError when the weights or the torch extra are not there."""
        # On import torchao does what torch now finds outdated, and says so on every start.
        logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
        try:
            from safelight.engines.diffusers.opening import open_painter
        except ImportError as error:
            raise ConfigurationError(
                f"{self._weights.model}: open weights need the torch extra:"
                f" pip install 'safelight[torch]' ({error})"
            ) from None
        self._painter = open_painter(self._weights, self._options)
        self._painter.warm_up()

    def unsupported(self, request: ImageRequest) -> Unsupported | None:
        from safelight.engines.diffusers.abilities import unsupported

        return unsupported(self._weights, self._options, request)

    def generate(self, request: ImageRequest) -> Making:
        assert self._painter is not None, "load() comes first"
        yield from self._painter.paint(request)
