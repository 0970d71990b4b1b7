"""A model on offer, and the terms it has at each door."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from safelight.catalog.parameters import Meaning, Parameter, Problem
from safelight.catalog.prices import PriceRow
from safelight.catalog.request import ImageRequest
from safelight.catalog.sizes import SizeTable, covering_tier, pixels
from safelight.errors import ConfigurationError, InvalidRequest, ModelNotAllowed

Json = Any

Obligation = Literal[
    "non_commercial",  # no revenue from it, no hosting for others
    "requires_filters",  # prompts and pictures must pass content filters
    "requires_notice",  # the licence's notice must reach whoever uses the service
    "requires_disclosure",  # pictures must be marked as made by AI
    "revenue_limit",  # commercial use only below a revenue that the licence names
]
RATIO_DEFAULT = "1:1"  # also what "auto" becomes: only a vendor's model could choose better
TIER_DEFAULT = "1K"


@dataclass(frozen=True, kw_only=True)
class Licence:
    name: str
    url: str
    notice: str = ""
    obligations: frozenset[Obligation] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Sunset:
    """A route that a vendor has withdrawn."""

    route: str
    date: str  # "2026-05-13"
    replacement: str | None = None


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The terms of one model at one door."""

    name: str  # "krea-2-turbo" at EvoLink's, "krea/krea-2/medium-turbo" at Krea's
    parameters: Mapping[str, Parameter]
    prices: tuple[PriceRow, ...]
    sizes: SizeTable = field(default_factory=dict)
    tiers: tuple[str, ...] = (TIER_DEFAULT,)  # rising
    other_names: tuple[str, ...] = ()  # under which the same model is asked for
    aliases: Mapping[str, str] = field(default_factory=dict)  # outdated parameter name → its own

    def problems(self, body: Mapping[str, Json]) -> Iterator[Problem]:
        """Everything wrong with what a body says of the parameters we know."""
        for name, parameter in self.parameters.items():
            if name in body:
                yield from parameter.problems(body[name], name)
            elif parameter.required:
                yield Problem(name, f"{name} is required")

    def request(self, model: str, body: Mapping[str, Json]) -> ImageRequest:
        """What a body without problems asks for. The seed is left to the door."""
        means, parameters = self._sort(body)
        width, height, tier = self._size(means)
        guidance = means.get("guidance")
        return ImageRequest(
            model=model,
            prompt=means.get("prompt", ""),
            width=width,
            height=height,
            tier=tier,
            count=means.get("count") or 1,
            steps=means.get("steps"),
            guidance=None if guidance is None else float(guidance),
            strict_moderation=bool(means.get("strict_moderation")),
            parameters=MappingProxyType(parameters),
        )

    def named(self, meaning: Meaning) -> str | None:
        """The name that a field of ImageRequest has at this door."""
        return next((n for n, p in self.parameters.items() if p.means == meaning), None)

    def price_microcredits(self, request: ImageRequest) -> int:
        row = next(row for row in self.prices if row.holds_for(request))
        return row.microcredits_for(request)

    def plain_prices(self) -> dict[str, int]:
        """Tier → microcredits of one picture with nothing special asked for, where it differs."""
        found: dict[str, int] = {}
        for tier in self.tiers:
            row = next(r for r in self.prices if r.when in ({}, {"tier": tier}))
            if row.microcredits not in found.values():
                found[tier] = row.microcredits
        return found

    def _sort(self, body: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
        """Values by what they mean to us, and the rest by their own names."""
        means: dict[str, Json] = {}
        parameters: dict[str, Json] = {}
        for name, parameter in self.parameters.items():
            value = parameter.canonical(body.get(name, parameter.default))
            if parameter.means is not None:
                means[parameter.means] = value
            elif value is None or value == []:
                continue
            elif not (parameter.neutral and value == parameter.default):
                parameters[name] = value
        return means, parameters

    def _size(self, means: Mapping[str, Json]) -> tuple[int, int, str]:
        tier = means.get("tier") or self.tiers[0]
        ratio = means.get("ratio")
        name = self.named("ratio")
        sides = self.parameters[name].sides(ratio) if name else None
        width, height = sides or (means.get("width"), means.get("height"))
        if width is None and height is None:
            plain = RATIO_DEFAULT if ratio in (None, "auto") else ratio
            return (*pixels(plain, tier, self.sizes), tier)
        # A side left out makes a square; sides that were sent count for more than a ratio.
        width, height = _whole(width or height or 0), _whole(height or width or 0)
        return width, height, self._tier_of(width, height, tier)

    def _tier_of(self, width: int, height: int, asked: str) -> str:
        """The tier to be paid: the one asked for, or a higher one when the pixels need it."""
        needed = covering_tier(width, height, self.tiers)
        if needed is None:
            needed = self.tiers[-1]
        return max(asked, needed, key=self.tiers.index)


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: what it is, what it may be used for, and what it costs where."""

    id: str
    title: str
    provider: str
    description: str
    licence: Licence
    job_type: str = "externalImage"  # Krea's word for the kind of job
    weights: str | None = None  # where open weights are found on the hub
    defaults: Mapping[str, int | float] = field(default_factory=dict)  # steps, guidance
    estimated_seconds: int = 30
    evolink: Offer | None = None
    krea: Offer | None = None

    def offer(self, dialect: str) -> Offer | None:
        return {"evolink": self.evolink, "krea": self.krea}[dialect]

    def price_microcredits(self, request: ImageRequest, dialect: str) -> int:
        """What the request costs when it comes in by that door."""
        offer = self.offer(dialect)
        if offer is None:
            raise ModelNotAllowed(self.id)
        return offer.price_microcredits(request)


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Every model on offer."""

    models: Mapping[str, Model]  # by id
    sunsets: Mapping[str, Sunset] = field(default_factory=dict)  # by Krea route
    _by_evolink_name: Mapping[str, Model] = field(init=False, repr=False)
    _by_krea_route: Mapping[str, Model] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for dialect, index in (("evolink", "_by_evolink_name"), ("krea", "_by_krea_route")):
            object.__setattr__(self, index, _by_name(self.models, dialect))

    def find(self, model_id: str) -> Model:
        model = self.models.get(model_id)
        if model is None:
            raise ModelNotAllowed(model_id)
        return model

    def by_evolink_name(self, name: str) -> Model | None:
        return self._by_evolink_name.get(name)

    def by_krea_route(self, route: str) -> Model | None:
        return self._by_krea_route.get(route)


def _by_name(models: Mapping[str, Model], dialect: str) -> dict[str, Model]:
    found: dict[str, Model] = {}
    for model in models.values():
        offer = model.offer(dialect)
        for name in () if offer is None else (offer.name, *offer.other_names):
            if name in found:
                raise ConfigurationError(f"{found[name].id} and {model.id} are both named {name}")
            found[name] = model
    return found


def refuse(problem: Problem) -> InvalidRequest:
    """The error that a problem is told as."""
    return InvalidRequest(problem.message, parameter=problem.path)


def _whole(side: float) -> int:
    """Half up: 1024.5 pixels are 1025."""
    return math.floor(side + 0.5)
