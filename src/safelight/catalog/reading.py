"""Reads the catalog's files, strictly: a typo is an error that names the file and the key."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TypeVar

import msgspec

from safelight.catalog.consistency import TIER, check_offer
from safelight.catalog.model import (
    TIER_DEFAULT,
    Catalog,
    Licence,
    Model,
    Obligation,
    Offer,
    Sunset,
)
from safelight.catalog.parameters import Parameter
from safelight.catalog.prices import PriceRow, microcredits
from safelight.catalog.sizes import SizeTable, tier_area
from safelight.errors import ConfigurationError

T = TypeVar("T")


@dataclass(frozen=True)
class Shared:
    """What several models' files refer to by name, and the price of a dollar."""

    shapes: Mapping[str, Parameter]
    sizes: Mapping[str, SizeTable]
    credits_per_usd: Decimal


class LicenceFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    url: str
    notice: str = ""
    obligations: tuple[Obligation, ...] = ()


class PriceFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`usd` or `credits`, never both; `each` is in the same money."""

    when: dict[str, str] = {}
    usd: Decimal | None = None
    credits: Decimal | None = None
    each: dict[str, Decimal] = {}


class OfferFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    parameters: dict[str, Parameter | str]
    price: tuple[PriceFile, ...]
    sizes: str = ""  # a table of sizes.toml
    tiers: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    aliases: dict[str, str] = {}


class ModelFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    title: str
    provider: str
    description: str
    licence: LicenceFile
    estimated_seconds: int
    job_type: str = "externalImage"
    weights: str | None = None
    defaults: dict[str, int | float] = {}
    evolink: OfferFile | None = None
    krea: OfferFile | None = None


class SunsetFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    date: str
    replacement: str | None = None


def load(credits_per_usd: Decimal = Decimal(68), folder: Traversable | None = None) -> Catalog:
    """Every model of the packaged files, or of another folder laid out like them.

    Raises ConfigurationError, naming the file and the key, when a file cannot be understood.
    """
    folder = folder or resources.files("safelight.catalog")
    shared = Shared(
        shapes=_shapes(folder / "shapes.toml"),
        sizes=_read(folder / "sizes.toml", dict[str, dict[str, dict[str, tuple[int, int]]]]),
        credits_per_usd=credits_per_usd,
    )
    files = [file for file in (folder / "models").iterdir() if file.name.endswith(".toml")]
    models = [_model(file, shared) for file in files]
    models.sort(key=lambda model: model.id)
    sunsets = _read(folder / "sunsets.toml", dict[str, SunsetFile])
    return Catalog(
        models={model.id: model for model in models},
        sunsets={
            route: Sunset(route=route, date=file.date, replacement=file.replacement)
            for route, file in sunsets.items()
        },
    )


def _read(file: Traversable, shape: type[T]) -> T:
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), shape)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{file.name}: {error}") from None


def _shapes(file: Traversable) -> Mapping[str, Parameter]:
    shapes: dict[str, Parameter] = {}
    for name, shape in _read(file, dict[str, Parameter]).items():
        shapes[name] = _resolve(shape, shapes, f"{file.name}: {name}")
    return shapes


def _resolve(parameter: Parameter | str, shapes: Mapping[str, Parameter], where: str) -> Parameter:
    """The parameter with every shape's name replaced by the shape."""
    if isinstance(parameter, str):
        if parameter not in shapes:
            raise ConfigurationError(f"{where}: there is no shape {parameter!r}")
        return shapes[parameter]
    items = parameter.items
    return msgspec.structs.replace(
        parameter,
        items=None if items is None else _resolve(items, shapes, f"{where}.items"),
        properties={
            name: _resolve(inner, shapes, f"{where}.properties.{name}")
            for name, inner in parameter.properties.items()
        },
    )


def _model(file: Traversable, shared: Shared) -> Model:
    found = _read(file, ModelFile)
    if file.name != f"{found.id}.toml":
        raise ConfigurationError(f"{file.name}: id {found.id!r} is not the file's name")
    licence = found.licence

    def terms(dialect: str, offer: OfferFile | None) -> Offer | None:
        where = f"{file.name}: {dialect}"
        return None if offer is None else _offer(offer, shared, where)

    return Model(
        id=found.id,
        title=found.title,
        provider=found.provider,
        description=found.description,
        licence=Licence(
            name=licence.name,
            url=licence.url,
            notice=licence.notice,
            obligations=frozenset(licence.obligations),
        ),
        job_type=found.job_type,
        weights=found.weights,
        defaults=found.defaults,
        estimated_seconds=found.estimated_seconds,
        evolink=terms("evolink", found.evolink),
        krea=terms("krea", found.krea),
    )


def _offer(found: OfferFile, shared: Shared, where: str) -> Offer:
    if found.sizes and found.sizes not in shared.sizes:
        raise ConfigurationError(f"{where}.sizes: there is no table {found.sizes!r}")
    parameters = {
        name: _resolve(parameter, shared.shapes, f"{where}.parameters.{name}")
        for name, parameter in found.parameters.items()
    }
    offer = Offer(
        name=found.name,
        other_names=found.other_names,
        parameters=parameters,
        aliases=found.aliases,
        sizes=shared.sizes.get(found.sizes, {}),
        tiers=found.tiers or _tiers(parameters),
        prices=tuple(
            _price(row, shared.credits_per_usd, f"{where}.price[{index}]")
            for index, row in enumerate(found.price)
        ),
    )
    check_offer(offer, where)
    return offer


def _tiers(parameters: Mapping[str, Parameter]) -> tuple[str, ...]:
    """The tiers a caller can choose from, rising."""
    named = (parameter.enum for parameter in parameters.values() if parameter.means == "tier")
    tiers = next(named, (TIER_DEFAULT,))
    return tuple(sorted(tiers, key=tier_area)) if all(map(TIER.fullmatch, tiers)) else tiers


def _price(row: PriceFile, credits_per_usd: Decimal, where: str) -> PriceRow:
    amount = row.usd if row.credits is None else row.credits
    if amount is None or (row.usd is not None and row.credits is not None):
        raise ConfigurationError(f"{where}: give either usd or credits")
    rate = Decimal(1) if row.usd is None else credits_per_usd
    return PriceRow(
        when=row.when,
        microcredits=microcredits(amount, rate),
        each={name: microcredits(money, rate) for name, money in row.each.items()},
    )
