"""What Krea's callers say: bodies, and the header that names a webhook."""

import math
from collections.abc import Mapping
from typing import Any

from safelight.catalog import Catalog, Model, Offer
from safelight.catalog.model import refuse
from safelight.dialects import strict_json
from safelight.dialects.submission import Submission
from safelight.dialects.webhook_url import check_webhook_url
from safelight.egress import Networks
from safelight.errors import InvalidRequest, ModelSunset, NoSuchRoute

SEEDS = 1 << 63  # engines take 0 … SEEDS - 1
WEBHOOK_HEADER = "X-Webhook-URL"
KEY_CHARACTERS_SHOWN = 60


def parse_submission(
    route: str,
    body: bytes,
    headers: Mapping[str, str],
    catalog: Catalog,
    allowed: Networks = (),
) -> Submission:
    """`route` is what follows /generate/image/, `allowed` where a webhook may lead besides the
    public internet. Raises InvalidRequest, RequestTooLarge, NoSuchRoute or ModelSunset. An unknown
    key is an error.
    """
    model, offer = _find(route, catalog)
    fields, outdated = _renamed(strict_json.decode(body), offer)
    _refuse_unknown(fields, offer)
    for problem in offer.problems(fields):
        raise refuse(problem)
    request = offer.request(model.id, fields)
    url = headers.get(WEBHOOK_HEADER.lower(), headers.get(WEBHOOK_HEADER))
    return Submission(
        request=request.with_seed(_seed(fields, offer)),
        webhook_url=None if url is None else check_webhook_url(url, WEBHOOK_HEADER, allowed),
        deprecated_fields=outdated,
    )


def _find(route: str, catalog: Catalog) -> tuple[Model, Offer]:
    model = catalog.by_krea_route(route)
    if model is not None and model.krea is not None:
        return model, model.krea
    sunset = catalog.sunsets.get(route)
    if sunset is not None:
        instead = sunset.replacement and f"image/{sunset.replacement}"
        raise ModelSunset(f"image/{route}", sunset.date, instead)
    raise NoSuchRoute


def _renamed(fields: dict[str, Any], offer: Offer) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body under today's names, and the outdated ones it used."""
    outdated = tuple(name for name in offer.aliases if name in fields)
    for old in outdated:
        new = offer.aliases[old]
        if new in fields:
            message = f"{old} is the outdated name of {new}: give only one of them"
            raise InvalidRequest(message, parameter=old)
        fields[new] = fields.pop(old)
    return fields, outdated


def _refuse_unknown(fields: Mapping[str, Any], offer: Offer) -> None:
    unknown = [key for key in fields if key not in offer.parameters]
    if unknown:
        noun = "key" if len(unknown) == 1 else "keys"
        keys = ", ".join(f'"{key[:KEY_CHARACTERS_SHOWN]}"' for key in unknown[:5])
        raise InvalidRequest(f"Unrecognized {noun}: {keys}", parameter=unknown[0][:128])


def _seed(fields: Mapping[str, Any], offer: Offer) -> int | None:
    """The wire lets a seed be any number: its whole part, wrapped into what engines take."""
    name = offer.named("seed")
    value = None if name is None else fields.get(name)
    return None if value is None else math.trunc(value) % SEEDS
