"""What each family of models can honour of a request; known without torch."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safelight.catalog.request import ImageRequest
from safelight.catalog.sources import SOURCE
from safelight.engines import Unsupported
from safelight.engines.diffusers.options import Options, Weights
from safelight.engines.diffusers.rack import StyleRack
from safelight.engines.diffusers.weights_on_disk import CLASSES, locate, read_index
from safelight.errors import ConfigurationError, Unavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Family:
    """A diffusers pipeline's abilities.

    `strength` is how far to go from a picture unless the request says so: the catalog's default,
    which as a neutral value never reaches an engine.
    """

    image_to_image: str | None = None  # the diffusers class; "" where we do it ourselves
    strength: float = 1.0
    strength_name: str = "strength"
    negative_above: float | None = None  # the guidance from which a negative prompt has an effect


FAMILIES: Mapping[str, Family] = {
    "Krea2Pipeline": Family(image_to_image="", strength=0.99, negative_above=0.0),
    "FluxPipeline": Family(image_to_image="FluxImg2ImgPipeline", strength=1.0),
    "Flux2KleinPipeline": Family(),
    "ZImagePipeline": Family(
        image_to_image="ZImageImg2ImgPipeline",
        strength=0.6,
        strength_name="denoising_strength",
        negative_above=1.0,
    ),
    "QwenImagePipeline": Family(
        image_to_image="QwenImageImg2ImgPipeline", strength=0.6, negative_above=1.0
    ),
}
PLAIN = Family()  # of a class we know nothing about


def unsupported(weights: Weights, options: Options, request: ImageRequest) -> Unsupported | None:
    """The first parameter that these weights cannot honour, or None.

    Raises Unavailable when the list of styles was broken since the server started.
    """
    given = {name: value for name, value in request.parameters.items() if value not in (None, [])}
    family = family_of(weights, options) if given else PLAIN
    for name, value in given.items():
        if not _honours(name, value, family, weights, options, request):
            return Unsupported(name, _reason(name, value, family, weights, options))
    return None


def _reason(
    name: str, value: Any, family: Family, weights: Weights, options: Options
) -> str | None:
    """What a caller can do about it, where something can be done."""
    if name == "styles":
        missing = sorted({style["id"] for style in value} - _known_styles(weights, options))
        return f"there is no style '{missing[0]}' for this model"
    if name == family.strength_name and family.image_to_image is not None:
        return f"it needs {SOURCE}"
    if name == "negative_prompt" and weights.guidance != 0 and family.negative_above is not None:
        return f"it needs guidance above {family.negative_above:g}"
    return None


def _honours(
    name: str,
    value: Any,
    family: Family,
    weights: Weights,
    options: Options,
    request: ImageRequest,
) -> bool:
    if name == "styles":
        return {style["id"] for style in value} <= _known_styles(weights, options)
    if name == SOURCE:
        return family.image_to_image is not None
    if name == family.strength_name:
        return bool(request.parameters.get(SOURCE)) and family.image_to_image is not None
    if name == "negative_prompt":
        guidance = weights.guidance if request.guidance is None else request.guidance
        distilled = weights.guidance == 0
        return not distilled and _is_guided(family, guidance)
    return False


def _is_guided(family: Family, guidance: float) -> bool:
    return family.negative_above is not None and guidance > family.negative_above


def _known_styles(weights: Weights, options: Options) -> set[str]:
    if options.styles is None:
        return set()
    try:
        return set(StyleRack.read(options.styles, weights.model).styles)
    except ConfigurationError as error:  # the list was broken while the server runs
        log.error("%s", error)
        raise Unavailable("The server's styles cannot be read right now") from error


def family_of(weights: Weights, options: Options) -> Family:
    """By the folder's own word, else by the model's id."""
    try:
        name = read_index(locate(weights, options).folder)["_class_name"]
    except (ConfigurationError, ImportError):
        name = CLASSES.get(weights.model, "")
    return FAMILIES.get(name, PLAIN)


def start_strength(pipeline: str, parameters: Mapping[str, Any]) -> float:
    """How far to go from the picture that the request brought, from 0 to 1."""
    family = family_named(pipeline)
    given = parameters.get(family.strength_name)
    return family.strength if given is None else float(given)


def family_named(pipeline: str) -> Family:
    """By the class that makes pictures of text, or of pictures."""
    twins = (family for family in FAMILIES.values() if family.image_to_image == pipeline)
    return FAMILIES.get(pipeline) or next(twins, PLAIN)
