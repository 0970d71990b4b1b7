"""What EvoLink's callers say: bodies, queries and the Idempotency-Key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safelight.catalog import Catalog
from safelight.catalog.model import refuse
from safelight.dialects import strict_json
from safelight.dialects.submission import Submission
from safelight.dialects.webhook_url import check_webhook_url
from safelight.egress import Networks
from safelight.errors import InvalidRequest, ModelNotAllowed
from safelight.jobs import State

BATCH_TASKS_MAX = 50
PAGE_MAX = 1_000_000
PAGE_SIZE_MAX = 50
PAGE_SIZE_DEFAULT = 20
MODEL_CHARACTERS_MAX = 128
MODEL_NAME = re.compile(rf"[!-~]{{1,{MODEL_CHARACTERS_MAX}}}")
TYPES = ("image", "video", "audio", "text")  # of which we only make one
IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._-]{16,96}")

# A caller who filters by "processing" means every unfinished task, as the official client does.
STATES_OF_STATUS = {
    "pending": frozenset({State.BACKLOGGED, State.QUEUED}),
    "processing": frozenset({State.BACKLOGGED, State.QUEUED, State.RUNNING}),
    "completed": frozenset({State.COMPLETED}),
    "failed": frozenset({State.FAILED, State.CANCELLED}),
    "cancelled": frozenset({State.CANCELLED}),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ListQuery:
    """Which tasks a list is to hold."""

    states: frozenset[State] | None = None
    model: str | None = None  # by the wire's name; catalog.by_evolink_name knows the id
    matches_nothing: bool = False  # a type of output was asked for that we do not make
    page: int = 1
    page_size: int = PAGE_SIZE_DEFAULT

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.page_size


def parse_submission(body: bytes, catalog: Catalog, allowed: Networks = ()) -> Submission:
    """`allowed`: where a callback may lead besides the public internet. Raises InvalidRequest,
    RequestTooLarge or ModelNotAllowed. Unknown fields are ignored.
    """
    fields = strict_json.decode(body)
    model = catalog.by_evolink_name(_model_name(fields))
    if model is None or model.evolink is None:
        raise ModelNotAllowed(_model_name(fields))
    offer = model.evolink
    for problem in offer.problems(fields):
        raise refuse(problem)
    request = offer.request(model.id, fields)
    return Submission(
        request=request.with_seed(_seed(fields, offer.named("seed"))),
        webhook_url=_webhook_url(fields, offer.named("webhook_url"), allowed),
    )


def parse_batch(body: bytes) -> list[str]:
    """The ids of {"task_ids": [...]}, each once. Ids of other forms are merely unknown."""
    ids = strict_json.decode(body).get("task_ids")
    if not isinstance(ids, list) or not all(isinstance(task_id, str) for task_id in ids):
        raise InvalidRequest("task_ids must be a list of strings", parameter="task_ids")
    if not 1 <= len(ids) <= BATCH_TASKS_MAX:
        message = f"task_ids must have 1 to {BATCH_TASKS_MAX} items, not {len(ids)}"
        raise InvalidRequest(message, parameter="task_ids")
    if len(set(ids)) < len(ids):
        raise InvalidRequest("task_ids must not name a task twice", parameter="task_ids")
    return ids


def parse_list_query(query: Mapping[str, str]) -> ListQuery:
    """Parameters that are unknown are ignored, and so are filters without a value."""
    status, kind, model = (query.get(name) or None for name in ("status", "type", "model"))
    if status is not None and status not in STATES_OF_STATUS:
        words = ", ".join(STATES_OF_STATUS)
        raise InvalidRequest(f"status must be one of {words}", parameter="status")
    if kind is not None and kind not in TYPES:
        raise InvalidRequest(f"type must be one of {', '.join(TYPES)}", parameter="type")
    if model is not None and not MODEL_NAME.fullmatch(model):
        raise InvalidRequest("model is not the name of a model", parameter="model")
    return ListQuery(
        states=None if status is None else STATES_OF_STATUS[status],
        model=model,
        matches_nothing=kind not in (None, "image"),
        page=_whole(query, "page", 1, PAGE_MAX),
        page_size=_whole(query, "page_size", PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX),
    )


def parse_idempotency_key(value: str) -> str:
    if not IDEMPOTENCY_KEY.fullmatch(value):
        raise InvalidRequest(
            "Idempotency-Key must be 16 to 96 characters from A-Z, a-z, 0-9, '.', '_' and '-'",
            parameter="Idempotency-Key",
        )
    return value


def _model_name(fields: Mapping[str, Any]) -> str:
    name = fields.get("model")
    if "model" not in fields:
        raise InvalidRequest("model is required", parameter="model")
    if not isinstance(name, str) or not name.strip() or len(name) > MODEL_CHARACTERS_MAX:
        raise InvalidRequest("model must be the name of a model", parameter="model")
    return name


def _seed(fields: Mapping[str, Any], parameter: str | None) -> int | None:
    """0 and no seed at all are random."""
    return None if parameter is None else int(fields.get(parameter, 0)) or None


def _webhook_url(fields: Mapping[str, Any], parameter: str | None, allowed: Networks) -> str | None:
    if parameter is None or parameter not in fields:
        return None
    return check_webhook_url(fields[parameter], parameter, allowed)


def _whole(query: Mapping[str, str], name: str, default: int, maximum: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= maximum:
        message = f"{name} must be a whole number from 1 to {maximum}"
        raise InvalidRequest(message, parameter=name)
    return int(text)
