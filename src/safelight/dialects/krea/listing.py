"""The list of jobs: what its query may say, and the cursor that leads to the next page."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from safelight.catalog import Catalog
from safelight.dialects.krea.words import STATUSES, status_of, timestamp
from safelight.errors import InvalidRequest
from safelight.jobs import Job, State

LIMIT_MAX = 1000
LIMIT_DEFAULT = 100
TYPES_MAX = 32
NEVER_MS = 1 << 62  # later than any job

# The wire's cursor is a moment, but many jobs may share a millisecond. Ours is the moment the last
# job was created with its `seq` in the digits below the millisecond: still a valid timestamp.
SEQ_DIGITS = 12
_CURSOR = re.compile(r"(.{19}\.[0-9]{3})([0-9]{12})(Z)")
_MOMENT = re.compile(  # https://www.rfc-editor.org/rfc/rfc3339#section-5.6
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)

# Words for a running job differ only in how far it is: `ListQuery.admits` tells them apart.
STATE_OF_STATUS = {
    "backlogged": State.BACKLOGGED,
    "queued": State.QUEUED,
    "completed": State.COMPLETED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ListQuery:
    """Which jobs a list is to hold, newest first."""

    before_ms: int = NEVER_MS  # jobs created earlier, or in this very millisecond …
    before_seq: int = 0  # … with a smaller seq
    limit: int = LIMIT_DEFAULT
    types: frozenset[str] | None = None  # see models_of_types
    status: str | None = None

    @property
    def states(self) -> frozenset[State] | None:
        """Where the jobs stand; for a running one `admits` knows more."""
        if self.status is None:
            return None
        return frozenset({STATE_OF_STATUS.get(self.status, State.RUNNING)})

    def admits(self, job: Job) -> bool:
        """Whether a job in these states has the very status; "processing" is any that runs."""
        if self.status == "processing":
            return job.state is State.RUNNING
        return self.status in (None, status_of(job))


def parse_list_query(query: Mapping[str, str]) -> ListQuery:
    """Parameters that are unknown are ignored. Raises InvalidRequest."""
    status, types = query.get("status"), query.get("types")
    if status is not None and status not in STATUSES:
        raise InvalidRequest(f"status must be one of {', '.join(STATUSES)}", parameter="status")
    before_ms, before_seq = _before(query.get("cursor"))
    return ListQuery(
        before_ms=before_ms,
        before_seq=before_seq,
        limit=_limit(query.get("limit", str(LIMIT_DEFAULT))),
        types=None if types is None else _types(types),
        status=status,
    )


def cursor_after(job: Job) -> str:
    """What leads to the jobs older than this one."""
    return f"{timestamp(job.created_at_ms)[:-1]}{job.seq:0{SEQ_DIGITS}d}Z"


def models_of_types(types: frozenset[str], catalog: Catalog) -> frozenset[str]:
    """The ids of the models whose jobs have one of these types."""
    return frozenset(model.id for model in catalog.models.values() if model.job_type in types)


def _before(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return NEVER_MS, 0
    ours = _CURSOR.fullmatch(cursor)
    if ours is None:
        return math.ceil(_microseconds(cursor) / 1000), 0
    return _microseconds(ours[1] + ours[3]) // 1000, int(ours[2])


def _microseconds(text: str) -> int:
    """Since 1970."""
    text = text.upper()
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    except ValueError:
        message = "cursor must be an ISO 8601 timestamp, as 2025-01-15T10:30:00.000Z"
        raise InvalidRequest(message, parameter="cursor") from None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


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
