"""How long work still takes, as learned from the steps that were seen."""

from safelight.catalog.request import ImageRequest
from safelight.engines import Step

SECONDS_PER_MEGAPIXEL = 0.15  # a step nobody has seen yet: about what 12 billion parameters take
STEPS = 8  # of a request whose engine has not said yet
LEARNING = 0.3  # how much the newest step counts; the first one may include warming up
SIZES_MAX = 256  # remembered sizes; a caller may ask for any


class Pace:
    """Seconds a step takes, by engine and size. Not shared between threads."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, int, int], float] = {}
        self._steps: dict[str, int] = {}  # by engine: of one picture, as last seen

    def learn(self, engine: str, request: ImageRequest, seconds: float, step: Step) -> None:
        """A step was done in so many seconds."""
        key = (engine, request.width, request.height)
        known = self._seconds.pop(key, None)
        now = seconds if known is None else known + LEARNING * (seconds - known)
        self._seconds[key] = now  # put back as the newest
        if len(self._seconds) > SIZES_MAX:
            del self._seconds[next(iter(self._seconds))]
        if request.steps is None:  # what one caller chose says nothing of the next one's
            self._steps[engine] = max(1, step.total // max(1, request.count))

    def seconds_left(self, engine: str, request: ImageRequest, step: Step) -> float:
        """From the last step that was done to the end; step 0 of 0 has not begun."""
        total = step.total
        if total == 0:
            total = request.count * (request.steps or self._steps.get(engine, STEPS))
        return max(0, total - step.number) * self._step_seconds(engine, request)

    def _step_seconds(self, engine: str, request: ImageRequest) -> float:
        known = self._seconds.get((engine, request.width, request.height))
        if known is not None:
            return known
        megapixels = request.width * request.height / 1e6
        for (name, width, height), seconds in reversed(self._seconds.items()):
            if name == engine:  # another size of the same model: work grows with the pixels
                return seconds * megapixels / (width * height / 1e6)
        return SECONDS_PER_MEGAPIXEL * megapixels
