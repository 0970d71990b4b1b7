"""What a catalog file must also satisfy, beyond having known keys of the right types."""

import re
from collections.abc import Iterator

from safelight.catalog.model import Offer
from safelight.catalog.prices import GIVEN, PriceRow
from safelight.errors import ConfigurationError

RATIO = re.compile(r"auto|[1-9][0-9.]*:[1-9][0-9.]*")
TIER = re.compile(r"[0-9.]+K")


def check_offer(offer: Offer, where: str) -> None:
    """Raise ConfigurationError for the first thing in an offer that cannot be meant."""
    for mistake in _mistakes(offer):
        raise ConfigurationError(f"{where}.{mistake}")


def _mistakes(offer: Offer) -> Iterator[str]:
    if offer.named("prompt") is None:
        yield "parameters: one must mean prompt"
    meanings = [p.means for p in offer.parameters.values() if p.means is not None]
    if len(meanings) != len(set(meanings)):
        yield "parameters: two mean the same"
    for name, parameter in offer.parameters.items():
        if parameter.default is not None:
            for problem in parameter.problems(parameter.default, name):
                yield f"parameters.{name}.default: {problem.message}"
        if parameter.means == "ratio" and not all(map(RATIO.fullmatch, parameter.enum)):
            yield f"parameters.{name}.enum: ratios are written 16:9, or auto"
    for tier in offer.tiers:
        if not TIER.fullmatch(tier):
            yield f"tiers: {tier!r} is not written like 2K"
    for alias, name in offer.aliases.items():
        if name not in offer.parameters or alias in offer.parameters:
            yield f"aliases.{alias}: must lead from an outdated name to a parameter"
    if not offer.prices or offer.prices[-1].when:
        yield "price: the last row must hold always"
    for index, row in enumerate(offer.prices):
        for mistake in _price_mistakes(offer, row):
            yield f"price[{index}].{mistake}"


def _price_mistakes(offer: Offer, row: PriceRow) -> Iterator[str]:
    for name, value in row.when.items():
        parameter = offer.parameters.get(name)
        if name == "tier":
            if value not in offer.tiers:
                yield f"when.tier: {value!r} is not a tier of this offer"
        elif parameter is None or parameter.means is not None:
            yield f"when.{name}: no such parameter, or one that ImageRequest has a field for"
        elif value != GIVEN and value not in parameter.enum:
            yield f"when.{name}: {value!r} is not one of its values"
    for name in row.each:
        if name not in offer.parameters or offer.parameters[name].type != "array":
            yield f"each.{name}: must be a parameter that is a list"
