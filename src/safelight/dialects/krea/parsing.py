"""What Krea's callers say: bodies, the webhook header and the list's query."""

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from safelight.catalog import Catalog, Model, Offer
from safelight.catalog.model import refuse
from safelight.dialects import strict_json
from safelight.dialects.krea.rendering import STATUSES, status_of
from safelight.dialects.submission import Submission
from safelight.dialects.webhook_url import check_webhook_url
from safelight.errors import InvalidRequest, ModelSunset, NoSuchRoute
from safelight.jobs import Job, State

LIMIT_MAX = 1000
LIMIT_DEFAULT = 100
TYPES_MAX = 32
SEEDS = 1 << 63  # engines take 0 … SEEDS - 1
WEBHOOK_HEADER = "X-Webhook-URL"
KEY_CHARACTERS_SHOWN = 60

# Words for a running job differ only in how far it is: `ListQuery.admits` tells them apart.
STATES_OF_STATUS = {
    "backlogged": State.BACKLOGGED,
    "queued": State.QUEUED,
    "completed": State.COMPLETED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ListQuery:
    """Which jobs a list is to hold, newest first."""

    before_ms: int | None = None  # only jobs created earlier
    limit: int = LIMIT_DEFAULT
    types: frozenset[str] | None = None  # see models_of_types
    status: str | None = None

    @property
    def states(self) -> frozenset[State] | None:
        """Where the jobs stand; for a running one `admits` knows more."""
        if self.status is None:
            return None
        return frozenset({STATES_OF_STATUS.get(self.status, State.RUNNING)})

    def admits(self, job: Job) -> bool:
        """Whether a job in these states has the very status; "processing" is any that runs."""
        if self.status == "processing":
            return job.state is State.RUNNING
        return self.status in (None, status_of(job))


def parse_submission(
    route: str, body: bytes, headers: Mapping[str, str], catalog: Catalog
) -> Submission:
    """`route` is what follows /generate/image/. Raises InvalidRequest, RequestTooLarge,
    NoSuchRoute or ModelSunset. An unknown key is an error.
    """
    model, offer = _find(route, catalog)
    fields, outdated = _renamed(strict_json.decode(body), offer)
    _refuse_unknown(fields, offer)
    for problem in offer.problems(fields):
        raise refuse(problem)
    request = offer.request(model.id, fields)
    webhook_url = headers.get(WEBHOOK_HEADER.lower(), headers.get(WEBHOOK_HEADER))
    return Submission(
        request=dataclasses.replace(request, seed=_seed(fields, offer)),
        webhook_url=webhook_url and check_webhook_url(webhook_url, WEBHOOK_HEADER),
        deprecated_fields=outdated,
    )


def parse_list_query(query: Mapping[str, str]) -> ListQuery:
    """Parameters that are unknown or empty are ignored."""
    status, types = query.get("status") or None, query.get("types") or None
    if status is not None and status not in STATUSES:
        raise InvalidRequest(f"status must be one of {', '.join(STATUSES)}", parameter="status")
    return ListQuery(
        before_ms=_before_ms(query.get("cursor") or None),
        limit=_limit(query.get("limit") or str(LIMIT_DEFAULT)),
        types=None if types is None else _types(types),
        status=status,
    )


def models_of_types(types: frozenset[str], catalog: Catalog) -> frozenset[str]:
    """The ids of the models whose jobs have one of these types."""
    return frozenset(model.id for model in catalog.models.values() if model.job_type in types)


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
    value = fields.get(offer.named("seed") or "")
    return None if value is None else math.trunc(value) % SEEDS


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= LIMIT_MAX:
        message = f"limit must be a whole number from 1 to {LIMIT_MAX}"
        raise InvalidRequest(message, parameter="limit")
    return int(text)


def _types(text: str) -> frozenset[str]:
    types = text.split(",")
    if len(types) > TYPES_MAX:
        raise InvalidRequest(f"types must name at most {TYPES_MAX} types", parameter="types")
    return frozenset(name.strip() for name in types)


def _before_ms(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return math.floor(moment.timestamp() * 1000 + 0.5)
    except (ValueError, OverflowError):
        raise InvalidRequest("cursor must be an ISO 8601 timestamp", parameter="cursor") from None
