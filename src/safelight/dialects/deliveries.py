"""What both wires say alike about deliveries: the query of their list, and its cursor."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from safelight.errors import InvalidRequest, UnknownDelivery
from safelight.webhooks.deliveries import NEVER_MS, LoggedMessage
from safelight.webhooks.outbox import Delivery

LIMIT_MAX = 100
LIMIT_DEFAULT = 20
MESSAGE_ID_PATTERN = "msg_[0-9a-f]{24}"
CURSOR_PATTERN = f"([0-9]{{1,15}})_({MESSAGE_ID_PATTERN})"  # when it was made, and its id
_CURSOR = re.compile(CURSOR_PATTERN)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryQuery:
    """Which deliveries a list is to hold, newest first."""

    job_id: str | None = None
    state: Delivery | None = None
    before_ms: int = NEVER_MS
    before_id: str = ""
    limit: int = LIMIT_DEFAULT


def parse_delivery_query(
    query: Mapping[str, str], id_name: str, id_pattern: re.Pattern[str]
) -> DeliveryQuery:
    """`id_name` is what the wire calls a job's id. Raises InvalidRequest."""
    job_id, status, cursor = query.get(id_name), query.get("status"), query.get("cursor")
    if job_id is not None and not id_pattern.fullmatch(job_id):
        raise InvalidRequest(f"{id_name} is not an id of this door", parameter=id_name)
    if status is not None and status not in list(Delivery):
        words = ", ".join(Delivery)
        raise InvalidRequest(f"status must be one of {words}", parameter="status")
    before_ms, before_id = _before(cursor)
    return DeliveryQuery(
        job_id=job_id,
        state=None if status is None else Delivery(status),
        before_ms=before_ms,
        before_id=before_id,
        limit=_limit(query.get("limit", str(LIMIT_DEFAULT))),
    )


def check_message_id(text: str) -> None:
    """Raise UnknownDelivery for an id that no delivery has."""
    if not re.fullmatch(MESSAGE_ID_PATTERN, text):
        raise UnknownDelivery


def cursor_after(message: LoggedMessage) -> str:
    """What leads to the deliveries older than this one."""
    return f"{message.created_at_ms}_{message.id}"


def _before(cursor: str | None) -> tuple[int, str]:
    if cursor is None:
        return NEVER_MS, ""
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidRequest("cursor must be the next_cursor of a page", parameter="cursor")
    return int(found[1]), found[2]


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= LIMIT_MAX:
        message = f"limit must be a whole number from 1 to {LIMIT_MAX}"
        raise InvalidRequest(message, parameter="limit")
    return int(text)
