"""What a request comes to for Krea 2, decided before the first turn."""

from dataclasses import dataclass

from safelight.catalog.request import ImageRequest
from safelight.engines.diffusers.framing import rendered_size
from safelight.engines.diffusers.krea2.denoiser import Grid
from safelight.engines.diffusers.krea2.text import Styles
from safelight.engines.diffusers.options import Weights

SEEDS = 2**64  # as many as a generator of torch's knows
STRENGTH = 0.99  # of image-to-image, where the request does not say: as in the catalog
PATCH = 16  # pixels: the autoencoder's eight times the transformer's two


@dataclass(frozen=True)
class Plan:
    """One request. Sizes are in pixels; what is rendered is cropped to what was asked for."""

    prompt: str
    negative: str | None  # None: no guidance
    guidance: float
    asked: tuple[int, int]  # width, height
    rendered: tuple[int, int]
    count: int
    seed: int
    steps: int
    first_step: int  # above 0 where it starts from a picture
    source: str | None  # that picture's URI
    styles: Styles

    @property
    def grid(self) -> Grid:
        width, height = self.rendered
        return Grid(height // PATCH, width // PATCH)

    @property
    def prompts(self) -> list[str]:
        return [self.prompt] if self.negative is None else [self.prompt, self.negative]

    @property
    def steps_each(self) -> int:
        return self.steps - self.first_step

    @property
    def total(self) -> int:
        """Of all pictures. A source that is to stay as it is needs no step, and counts as one."""
        return max(1, self.count * self.steps_each)

    def seed_of(self, index: int) -> int:
        return (self.seed + index) % SEEDS


def plan(
    request: ImageRequest, weights: Weights, *, prompt: str, styles: Styles, distilled: bool
) -> Plan:
    """`prompt` is the request's with what its styles add. A distilled model gets no guidance."""
    guidance = weights.guidance if request.guidance is None else request.guidance
    guided = guidance > 0 and not distilled
    steps = request.steps or weights.steps
    source = request.parameters.get("image_url")
    strength = request.parameters.get("strength")
    strength = STRENGTH if strength is None else float(strength)
    return Plan(
        prompt=prompt,
        negative=str(request.parameters.get("negative_prompt") or "") if guided else None,
        guidance=guidance if guided else 0.0,
        asked=(request.width, request.height),
        rendered=rendered_size(request.width, request.height, PATCH),
        count=request.count,
        seed=request.seed or 0,
        steps=steps,
        first_step=0 if source is None else _first_step(steps, strength),
        source=source,
        styles=styles,
    )


def _first_step(steps: int, strength: float) -> int:
    """Where to begin so that `strength` of the schedule is left, as diffusers' pipelines count."""
    return int(max(steps - min(steps * strength, steps), 0))
